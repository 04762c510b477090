"""Steps and views of private endpoints for Data Federation; see ``behaviour.cases`` for the form of a case."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from atlas_endpoints.kinds.data_federation_private_endpoint.kind import KIND
from atlas_endpoints.simulator.federation_endpoint import FederationEndpointDocument
from behaviour.atlas import PROJECT
from behaviour.dedicated import AZURE_ID, OTHER_VPCE, VPCE
from behaviour.steps import Steps, Views

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_endpoints.atlas.requests import Request

CONSTANTS: Mapping[str, Any] = {
    "PROJECT": PROJECT,
    "VPCE": VPCE,
    "OTHER_VPCE": OTHER_VPCE,
    "AZURE_ID": AZURE_ID,
    "AZURE_ID_IN_CAPITALS": AZURE_ID.replace("/rg/", "/RG/"),
    "AWS": {"providerName": "AWS", "cloudProviderEndpointId": VPCE, "deletionPolicy": "Delete"},
    "AZURE": {
        "providerName": "AZURE",
        "cloudProviderEndpointId": AZURE_ID,
        "privateEndpointIpAddress": "10.0.0.4",
        "deletionPolicy": "Delete",
    },
    "DNS_NAME": f"{VPCE}-abcdefgh.vpce-svc-0824460b72e1a420e.eu-west-1.vpce.amazonaws.com",
    "OTHER_DNS_NAME": f"{VPCE}-abcdefgh.vpce-svc-0123456789abcdef0.eu-west-1.vpce.amazonaws.com",
    "REF": {"apiVersion": "ec2.services.k8s.aws/v1alpha1", "kind": "VPCEndpoint", "name": "vpc"},
    "GONE": {"error": 404, "errorCode": "SOMETHING_NOT_FOUND"},
}


def name_of(request: Request) -> str:
    """Return the name of a call in cases."""
    path, _, query = request.path.partition("?")
    if "/dataFederation/" in path:
        return f"{request.method} database"
    if query:
        number = query.partition("pageNum=")[2]
        return "LIST" if number == "1" else f"LIST page {number}"
    return f"{request.method} endpoint"


class DataFederationSteps(Steps):
    """What can happen to private endpoints for Data Federation."""

    kind = KIND
    name_of = staticmethod(name_of)

    @override
    def views(self, name: str) -> DataFederationViews:
        return DataFederationViews(self, name)

    def endpoint(self, document: Mapping[str, Any], _: str) -> None:
        """Put an endpoint as a person does; ``count``: so many others before it."""
        fields, put = dict(document), self.atlas.simulator.federation.put
        project = self.atlas.world.projects[PROJECT]
        for number in range(fields.pop("count", 0)):
            put(project, FederationEndpointDocument.model_validate({"endpointId": f"vpce-{number:017x}"}))
        put(project, FederationEndpointDocument.model_validate(fields))

    def database(self, name: str, _: str) -> None:
        """Put a federated database."""
        self.atlas.world.projects[PROJECT].federated_databases.add(name)

    def accept(self, call: str, _: str) -> None:
        """Answer such calls with success, and do nothing; the first one arrives with ``late``."""
        self._late.clear()

        def accepts(request: Request) -> Any | None:
            if name_of(request) != call:
                return None
            self._late.append(request)
            return {}

        self.atlas.accepted = accepts

    def late(self, _: object, __: str) -> None:
        """Let the late call arrive."""
        self.atlas.accepted = lambda _: None
        for request in self._late[:1]:
            self.atlas.perform(request)
        self._late.clear()


class DataFederationViews(Views):
    """What ``expect`` can ask for about private endpoints for Data Federation."""

    def in_atlas(self, expected: Mapping[str, Mapping[str, Any] | str] | None) -> None:
        """The status of each endpoint in Atlas, or some of its fields, by its ID."""
        found = self._steps.atlas.world.projects[PROJECT].federation_endpoints
        shown = {each.id: each.document() for each in found.values()}
        assert shown.keys() == (expected or {}).keys(), (shown, self._steps.atlas.calls)
        for id_, fields in (expected or {}).items():
            wanted = fields if isinstance(fields, dict) else {"status": fields}
            assert {name: shown[id_].get(name) for name in wanted} == wanted, shown[id_]

    def count_in_atlas(self, number: int) -> None:
        assert len(self._steps.atlas.world.projects[PROJECT].federation_endpoints) == number
