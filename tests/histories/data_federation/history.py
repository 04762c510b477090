"""A random history of a few private endpoints for Data Federation: what happens in it, and what has to be true."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from typing_extensions import override

from atlas_endpoints.controller.cache import is_deleting, uid_of
from atlas_endpoints.kinds.data_federation_private_endpoint.kind import KIND
from atlas_endpoints.reconcile.status import condition_in
from atlas_endpoints.simulator.federation_endpoint import FederationEndpointDocument
from behaviour.atlas import PROJECT
from behaviour.dedicated import AZURE_ID, VPCE
from histories.atlas import UnreliableAtlas
from histories.course import Course
from histories.history import KNOWN, History
from model.data_federation.invariants import is_right
from model.dedicated.named import deletes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from atlas_endpoints.atlas.requests import Request
    from atlas_endpoints.controller.cache import Body

ON_AZURE = {"providerName": "AZURE", "privateEndpointIpAddress": "10.0.0.4"}
PLACES: tuple[dict[str, Any], ...] = (
    {"providerName": "AWS", "cloudProviderEndpointId": VPCE},
    {**ON_AZURE, "cloudProviderEndpointId": AZURE_ID},
    {**ON_AZURE, "cloudProviderEndpointId": AZURE_ID.replace("/rg/", "/RG/")},
)


class DataFederationCourse(Course):
    """What people and Atlas do."""

    def __init__(self, history: DataFederationHistory) -> None:
        super().__init__(history.random, history)
        self._history = history

    @override
    def people(self) -> list[Callable[[], None]]:
        if not self._names:
            return [self._create]
        return [self._create, self._comment, self._comment, self._policy, self._delete, self._suspend, self._force]

    @override
    def atlas(self) -> list[Callable[[], None]]:
        return [self._meddle, self._meddle, self._meddle, self._ignore]

    def _create(self) -> None:
        choice, name = self._random.choice, self._random.choice(["one", "two", "other/three"])
        spec = {"comment": choice([None, "", "first"]), "deletionPolicy": choice([None, "Delete"])}
        if name not in self._names:
            self._setup.apply(
                name, {"projectId": PROJECT, "driftPolicy": choice([None, "Report"]), **spec, **choice(PLACES)}
            )

    def _comment(self) -> None:
        self._setup.edit(self._name(), comment=self._random.choice([None, "", "second", "third"]))

    def _meddle(self) -> None:
        field, value = self._random.choice([("comment", "by hand"), ("remove", True), ("status", "FAILED")])
        self._history.put(**{field: value})

    def _ignore(self) -> None:
        self._history.atlas.switch(federation={"deletes": self._random.choice([1, 3])})


class DataFederationHistory(History[UnreliableAtlas]):
    """One history."""

    kind = KIND

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.atlas = UnreliableAtlas(self.random, lambda: self.clock.now().timestamp())
        self.atlas.sent = self._is_sent
        self.course = DataFederationCourse(self)

    @property
    def endpoints(self) -> Mapping[str, Mapping[str, str | None]]:
        """What Atlas holds, by entry."""
        there = self.atlas.world.projects[PROJECT].federation_endpoints.items()
        return {entry: {"id": each.id, "comment": None, **each.document()} for entry, each in there}

    def put(self, **fields: Any) -> None:
        """Change one of the endpoints, or remove it, as a person would."""
        self.atlas.world.settle()
        if there := list(self.endpoints.values()):
            known, project = self.random.choice(there), self.atlas.world.projects[PROJECT]
            document = {"endpointId": known["id"], "provider": known["provider"], "status": known["status"], **fields}
            put = self.atlas.simulator.federation.put
            put(project, FederationEndpointDocument.model_validate(document))

    def _is_sent(self, request: Request) -> None:
        """An endpoint is asked to be deleted: nobody who lives and has not asked for it has been seen to need it for long."""
        entry = unquote(request.path.rpartition("/endpointIds/")[2]).casefold()
        self.atlas.world.settle()
        if request.method != "DELETE" or entry not in self.endpoints:
            return
        for body in self.naming(entry):
            since = self.clock.monotonic() - self.cluster.written_at.get(uid_of(body), math.inf)
            is_shown = KIND.shown_in(body["status"]) and "force-sync" not in str(body["metadata"]["annotations"])
            if is_shown and not is_deleting(body) and since > KNOWN:
                self.atlas.violations.append(f"{entry} is deleted, which {body['metadata']['name']} names")

    def naming(self, id_: str) -> list[Body]:
        return [body for body in self.cluster.objects.values() if KIND.entry_of(body) == id_]

    @override
    def wrong(self) -> str | None:
        for body in self.cluster.objects.values():
            ready, seen = condition_in(body["status"], "Ready"), self.endpoints.get(KIND.entry_of(body) or "")
            # After an answer that lags, what somebody changes looks like what Atlas has stored instead.
            is_stored = seen is not None and seen["comment"] == "by hand" and ready.get("reason") == "UpdateRejected"
            if not is_stored and not is_right(self, body):
                return f"{body['metadata']['name']} is not right: {ready}, {seen}"
        for entry in self.endpoints:
            last = next((each for each in reversed(self.cluster.deleted) if KIND.entry_of(each) == entry), None)
            goes = last is not None and uid_of(last) in self.cluster.held and deletes(last)
            if goes and not self.naming(entry):
                return f"{entry} was left behind"
        return None
