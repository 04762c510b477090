"""Reservations whose operator is killed at one of their writes, to either side: each comes to one endpoint all the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from faults.rules import Hold, Moment
from support.resources import ready, told

if TYPE_CHECKING:
    from faults.environment import Env, Scale
    from faults.proxy import Proxy
    from faults.rules import Fault
    from support.atlas import Place
    from support.resources import Resources

Target: TypeAlias = Literal["metadata", "status", "atlas"]

WRITES: tuple[Target, ...] = ("metadata", "status", "atlas", "status", "metadata", "atlas", "status")
"""What a reservation writes: the finalizer, the intent, the POST, the ID in status and annotation, the comment, its status."""

LONG_AGO = "2026-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Reservation:
    """A resource that is to get an endpoint of its own, and its name."""

    name: str
    place: Place
    resources: Resources
    env: Env

    def begin(self) -> None:
        """Have the user ask for it."""
        self.resources.create(self.name, self.place.reserving(comment="orders", deletionPolicy="Delete"))

    def path(self, target: Target) -> str:
        """Where its writes go, as a regular expression."""
        resource = f"/serverlessprivateendpoints/{self.name}"
        return {"metadata": f"{resource}$", "status": f"{resource}/status$", "atlas": self.place.path}[target]

    def way(self, target: Target) -> Proxy:
        """What they pass on their way."""
        return self.env.way if target == "atlas" else self.env.api

    def written(self) -> tuple[Target, ...]:
        """Where it has written so far, in this order."""
        made: list[tuple[float, Target]] = [
            (each.time, target)
            for target in sorted(set(WRITES))
            for each in self.way(target).exchanges
            if each.request.verb == "write" and re.search(self.path(target), each.request.path)
        ]
        made.sort()
        return tuple(target for _, target in made)

    def grow_old(self) -> None:
        """Have its operator be down for so long that nothing can still be on its way to Atlas, in no time."""
        reservation = self.resources.get(self.name).get("status", {}).get("reservation")
        if reservation is not None and "endpointId" not in reservation:
            self.resources.write_status(self.name, {"reservation": {"requestedAt": LONG_AGO}})

    def ends_well(self) -> None:
        """Check that it has come to its end: one endpoint, which both sides tell of, with the user's comment."""
        # Calls of the process that died may arrive for 85 s.
        body = self.resources.wait(self.name, _is_settled, says="settled", timeout=180)
        (endpoint,) = self.env.atlas.reserved(self.place)
        metadata = body["metadata"]
        assert body["status"]["reservation"]["endpointId"] == endpoint["_id"], told(body)
        assert metadata["annotations"] == {"atlas-endpoints.dev/endpoint-id": f"{endpoint['_id']}/{metadata['uid']}"}
        assert metadata["finalizers"] == ["atlas-endpoints.dev/cleanup"]
        assert endpoint["comment"] == "orders"
        assert len(self.env.atlas.requests(self.place, "POST")) == 1, self.name
        assert self.env.atlas.requests(self.place, "DELETE") == []


def _is_settled(body: dict[str, Any]) -> bool:
    """Tell whether Atlas has confirmed all that is wanted, and a person is waited for."""
    comment = body.get("status", {}).get("applied", {}).get("comment")
    return (ready(body)["reason"], comment) == ("WaitingForCloudEndpoint", "orders")


def a_crash_at_each_write_of_a_reservation(env: Env, _: Scale) -> None:
    """Each write of each side is held before or after its server acts on it, all at once; then the operator is killed."""
    resources = env.resources("reserving")
    operator = env.start("reserving", concurrency=64)
    free = Reservation("free", env.place(), resources, env)
    free.begin()
    held: dict[str, Fault] = {}
    reservations = list[Reservation]()
    for number, target in enumerate(WRITES):
        for moment in Moment:
            each = Reservation(f"at-{number}-{moment.name.lower()}", env.place(), resources, env)
            earlier, path = WRITES[:number].count(target), each.path(target)
            held[each.name] = each.way(target).inject(Hold(moment), verb="write", path=path, spared=earlier)
            reservations.append(each)
            each.begin()
    free.ends_well()
    assert free.written() == WRITES, "a write is missing from the table"
    env.kill_held(operator, held)
    for each in reservations:
        each.grow_old()

    again = env.start("reserving", concurrency=64)

    for each in reservations:
        each.ends_well()
    again.stop()
