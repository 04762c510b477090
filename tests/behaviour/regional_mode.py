"""Steps and views of the regional mode of a project; see ``behaviour.cases`` for the form of a case."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from atlas_endpoints.kinds.private_endpoint_regional_mode import KIND
from atlas_endpoints.simulator.cluster import ClusterDocument
from atlas_endpoints.simulator.service import ServiceDocument
from atlas_endpoints.simulator.services import put_cluster
from behaviour.atlas import PROJECT
from behaviour.steps import Steps, Views

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas_endpoints.atlas.requests import Request

SPANS = [{"regionName": "EU_WEST_1"}, {"regionName": "US_EAST_1"}]
CONSTANTS: Mapping[str, Any] = {
    "PROJECT": PROJECT,
    "SHARDED": {
        "name": "orders",
        "clusterType": "SHARDED",
        "regions": SPANS,
        "connectionStrings": {"privateEndpoint": [{"endpoints": []}]},
    },
}


def name_of(request: Request) -> str:
    """Return the name of a call in cases."""
    return f"{request.method} {'clusters' if '/clusters' in request.path else 'mode'}"


class ModeSteps(Steps):
    """What can happen to the regional mode of a project."""

    kind = KIND
    name_of = staticmethod(name_of)

    @override
    def views(self, name: str) -> ModeViews:
        return ModeViews(self, name)

    def mode(self, is_on: bool, _: str) -> None:
        """Switch the mode as a person does."""
        self.atlas.world.projects[PROJECT].regional_mode = is_on

    def cluster_with(self, fields: Mapping[str, Any], _: str) -> None:
        """Put a sharded cluster in two regions that has private strings, or another one with these fields."""
        put = ClusterDocument.model_validate({**CONSTANTS["SHARDED"], **fields})
        put_cluster(self.atlas.world, self.atlas.world.projects[PROJECT], put)

    def services(self, endpoints: Mapping[str, int], _: str) -> None:
        """Put so many endpoints into each region."""
        project = self.atlas.world.projects[PROJECT]
        for number, (region, count) in enumerate(endpoints.items()):
            ids = [{"id": f"vpce-{number}{each:016x}"} for each in range(count)]
            put = ServiceDocument.model_validate({"cloudProvider": "AWS", "regionName": region, "endpoints": ids})
            self.atlas.simulator.services.put(project, put, advance=True)

    def no_services(self, _: object, __: str) -> None:
        """Remove all endpoints."""
        self.atlas.world.projects[PROJECT].services.clear()

    def late(self, _: object, __: str) -> None:
        """Let the late call arrive."""
        for request in self._late:
            self.atlas.perform(request)

    def clusters(self, items: Sequence[Any], _: str) -> None:
        """Show these clusters, whatever there are."""
        page = {"results": [{"id": f"{number:024x}", **each} for number, each in enumerate(items)]}
        self.atlas.accepted = lambda request: page if name_of(request) == "GET clusters" else None


class ModeViews(Views):
    """What ``expect`` can ask for about the regional mode."""

    _steps: ModeSteps

    def mode(self, expected: bool) -> None:
        """Whether it is on in Atlas."""
        assert self._steps.atlas.world.projects[PROJECT].regional_mode is expected, (
            self._status,
            self._steps.atlas.calls,
        )
