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

if TYPE_CHECKING:
    from collections.abc import Callable

    from atlas_endpoints.atlas.requests import Request
    from atlas_endpoints.controller.cache import Body
    from atlas_endpoints.simulator.federation_endpoint import FederationEndpoint

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
    def endpoints(self) -> dict[str, FederationEndpoint]:
        """What Atlas holds, by entry."""
        return self.atlas.world.projects[PROJECT].federation_endpoints

    def put(self, **fields: Any) -> None:
        """Change one of the endpoints, or remove it, as a person would."""
        self.atlas.world.settle()
        if there := list(self.endpoints.values()):
            endpoint = self.random.choice(there)
            document = {"endpointId": endpoint.id, "provider": endpoint.provider, "status": endpoint.status, **fields}
            put = self.atlas.simulator.federation.put
            put(self.atlas.world.projects[PROJECT], FederationEndpointDocument.model_validate(document), advance=True)

    def _is_sent(self, request: Request) -> None:
        """An endpoint is asked to be deleted: nobody who lives and has not asked for it has been seen to need it for long."""
        entry = unquote(request.path.rpartition("/endpointIds/")[2]).casefold()
        self.atlas.world.settle()
        if request.method != "DELETE" or entry not in self.endpoints:
            return
        for body in self._naming(entry):
            since = self.clock.monotonic() - self.cluster.written_at.get(uid_of(body), math.inf)
            is_shown = KIND.shown_in(body["status"]) and "force-sync" not in str(body["metadata"]["annotations"])
            if is_shown and not is_deleting(body) and since > KNOWN:
                self.atlas.violations.append(f"{entry} is deleted, which {body['metadata']['name']} names")

    def _naming(self, entry: str) -> list[Body]:
        return [body for body in self.cluster.objects.values() if KIND.entry_of(body) == entry]

    @override
    def wrong(self) -> str | None:
        for body in self.cluster.objects.values():
            reason = condition_in(body["status"], "Ready").get("reason")
            if (wrong := self._wrong_with(body, reason)) is not None:
                return f"{body['metadata']['name']} {wrong}, and its reason is {reason}"
        for entry in self.endpoints:
            last = next((each for each in reversed(self.cluster.deleted) if KIND.entry_of(each) == entry), None)
            goes = (
                last is not None
                and uid_of(last) in self.cluster.held
                and last["spec"].get("deletionPolicy") == "Delete"
            )
            if goes and not self._naming(entry):
                return f"{entry} was left behind"
        return None

    def _wrong_with(self, body: Body, reason: str | None) -> str | None:
        metadata, spec, entry = body["metadata"], body["spec"], KIND.entry_of(body) or ""
        if is_deleting(body) or body["status"].get("observedGeneration") != metadata["generation"]:
            return "is not gone, or its last edit was not seen"
        if bool(metadata.get("finalizers")) != (spec.get("deletionPolicy") == "Delete"):
            return "has the wrong finalizers"
        if reason == "Conflict":
            return None if len(self._naming(entry)) > 1 else "has no rival"
        endpoint = self.endpoints.get(entry)
        if endpoint is not None and endpoint.status == "FAILED":
            return None if reason == "EndpointFailed" else "shows no failure"
        is_right = endpoint is not None and spec.get("comment") in {None, endpoint.comment, endpoint.comment or ""}
        if endpoint is not None and reason == "UpdateRejected" and endpoint.comment == "by hand":
            return None  # after an answer that lags, what somebody changes looks like what Atlas has stored
        is_reported = reason == "Drifted" and spec.get("driftPolicy") == "Report"
        return None if (reason == "Available" if is_right else is_reported) else f"is not right, with {endpoint}"
