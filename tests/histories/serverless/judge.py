"""Whether a history has ended as its resources want it, wherever it was played."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from atlas_endpoints.controller.cache import Body


class Held(NamedTuple):
    """An endpoint as Atlas holds it; without a comment, that is empty."""

    status: str
    comment: str


@dataclass(frozen=True)
class Ending:
    """What there is at the end of a history, and what has led to it.

    Attributes:
        bodies: the resources that are there.
        gone: the last state of each that was there, by uid.
        held: the uids of those that had a finalizer when they were deleted.
        wanted_delete: the uids of those that have ever had the policy to take their endpoint along.
        endpoints: what Atlas holds, by id.
        foreign: an endpoint that no resource has ever named.
        reserved_for: the uid of the resource that each endpoint was reserved for.
        deletions: the endpoints that Atlas was asked to delete.
        changes: the endpoints that Atlas was asked to change.
    """

    bodies: Sequence[Body]
    gone: Mapping[str, Body]
    held: Collection[str]
    wanted_delete: Collection[str]
    endpoints: Mapping[str, Held]
    foreign: str
    reserved_for: Mapping[str, str]
    deletions: Collection[str]
    changes: Collection[str]

    def wrong(self) -> str | None:
        """Tell what is not as the resources want it; ``None``: all is."""
        for body in self.bodies:
            if (wrong := self._wrong_with(body)) is not None:
                ready = next((each for each in body["status"].get("conditions", ()) if each["type"] == "Ready"), None)
                return f"{body['metadata']['name']}: {wrong}; {ready}"
        return self._left_over()

    def _wrong_with(self, body: Body) -> str | None:  # one flat list of what has to hold
        metadata, spec, status = body["metadata"], body["spec"], body["status"]
        if "deletionTimestamp" in metadata:
            return "is not gone"
        if status.get("observedGeneration") != metadata["generation"]:
            return "its last edit was not seen"
        ready = next(each for each in status["conditions"] if each["type"] == "Ready")
        finalizers = metadata.get("finalizers") or []
        if bool(finalizers) != (spec.get("deletionPolicy") == "Delete"):
            return f"its finalizers are {finalizers}"
        if ready["reason"] == "Conflict":
            return None if self._has_rival(body) else "it has no rival"
        endpoint_id = KIND.entry_of(body)
        endpoint = self.endpoints.get(endpoint_id) if endpoint_id is not None else None
        if endpoint is None:
            return None if spec.get("endpointId") and ready["reason"] == "EndpointNotFound" else "it has no endpoint"
        if endpoint.status == "FAILED":
            return None if ready["reason"] == "EndpointFailed" else "it does not tell of the failure"
        if "comment" in spec and endpoint.comment != spec["comment"]:
            return f"the comment in Atlas is {endpoint.comment}"
        if "cloudProviderEndpointId" in spec:
            return None if (ready["status"], endpoint.status) == ("True", "AVAILABLE") else "it is not available"
        return None if ready["reason"] in {"WaitingForCloudEndpoint", "Available"} else "it does not wait"

    def _has_rival(self, body: Body) -> bool:
        return any(each is not body and KIND.entry_of(each) == KIND.entry_of(body) for each in self.bodies)

    def _left_over(self) -> str | None:
        """Tell of endpoints that are there and should not be, or are not there and should."""
        living = {body["metadata"]["uid"]: body for body in self.bodies}
        for endpoint_id, uid in self.reserved_for.items():
            if endpoint_id not in self.endpoints:
                continue
            if uid in living:
                bound = living[uid]["status"].get("reservation", {}).get("endpointId")
                if bound != endpoint_id:
                    return f"endpoint {endpoint_id} was reserved for {uid}, which uses {bound}"
            elif self.gone[uid]["spec"].get("deletionPolicy") == "Delete" and uid in self.held:
                return f"endpoint {endpoint_id} was left behind by {uid}"
        if self.foreign in {*self.deletions, *self.changes} or self.foreign not in self.endpoints:
            return "a stranger's endpoint was touched"
        unwanted = [each for each in self.deletions if not self._was_to_go(each)]
        return f"endpoint {unwanted[0]} was deleted and nobody wanted that" if unwanted else None

    def _was_to_go(self, endpoint_id: str) -> bool:
        """Tell whether a resource that stood for an endpoint was deleted, and was to take it along at any time."""
        return any(
            self.reserved_for.get(endpoint_id) == uid or body["spec"].get("endpointId") == endpoint_id
            for uid, body in self.gone.items()
            if uid in self.wanted_delete
        )
