"""A random history of a few private endpoints of dedicated clusters, and what must hold at any time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from atlas_endpoints.controller.cache import is_deleting, uid_of
from atlas_endpoints.kinds.dedicated_private_endpoint import calls
from atlas_endpoints.kinds.dedicated_private_endpoint.kind import KIND
from atlas_endpoints.reconcile.reasons import EventReason
from atlas_endpoints.reconcile.resource import ObjectMeta
from atlas_endpoints.simulator.service import DELETING, FAILED, REJECTED
from behaviour.atlas import PROJECT
from histories.dedicated.atlas import Atlas, is_there, target_in
from histories.dedicated.course import DedicatedCourse
from histories.dedicated.judge import (
    Ending,
    Name,
    corrects,
    goes_with,
    may_have_created,
    name_of,
    named_by,
    origin_of,
    place_of,
    reason_of,
    shown_in,
)
from histories.dedicated.lately import Lately
from histories.history import KNOWN, History
from model.dedicated.named import Target, service_of, target_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from atlas_endpoints.atlas.requests import Request
    from atlas_endpoints.controller.cache import Body, Trigger

ENDINGS = {
    EventReason.ENDPOINT_DELETED,
    EventReason.ENDPOINT_RETAINED,
    EventReason.ENDPOINT_HANDED_OVER,
    EventReason.ENDPOINT_ORPHANED,
    EventReason.FORCE_FINALIZED,
}
"""The Events that say what became of an endpoint when its resource was deleted."""
TOLD = 2.0
"""Seconds after which a call follows from what the operator was told."""
RELISTED = 660.0
"""Seconds after which the operator knows of what no event has told."""
BETWEEN = 2.0
"""Seconds between a GET and the write that rests on it, at most."""
SEEN = 90.0
"""Seconds after which the operator has seen what people did in Atlas, however much its lists lag."""
DOUBTFUL = 110.0
"""Seconds after a POST of unknown outcome in which a service that appears counts as its result."""
WRITES, WITHIN = 10, 60.0
"""How often a resource asks for the same in so many seconds at most, while nobody acts and the operator is not killed."""


class DedicatedHistory(History[Atlas]):
    """One history; what is true of it, and what has to be."""

    kind = KIND

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.atlas = Atlas(self.random, lambda: self.clock.now().timestamp())
        self.course = DedicatedCourse(self.random, self, atlas=self.atlas, project=PROJECT)
        self.atlas.sent = self._sent
        self.cluster.changed, self.cluster.gone = self._changed, self._goes
        now = self.clock.monotonic
        self._names, self._wants = Lately[Name](now), Lately[bool](now)
        self._shares = Lately[str](now)
        self._shows_service, self._shows_endpoint = Lately[Target](now), Lately[Target](now)
        self._later: list[asyncio.TimerHandle] = []
        self._told, self._going = set[str](), set[str]()
        self._gone_at: dict[str, float] = {}
        self._may_stay: dict[Name, bool] = {}
        self._triggers: dict[str, Trigger] = {}
        self._writes: dict[tuple[str, Target], list[float]] = {}
        self._killed_at = float("-inf")

    # What happens.

    def spec(self, name: str) -> Mapping[str, Any]:
        spec: Mapping[str, Any] = self.cluster.objects[self.cluster.key(name)]["spec"]
        return spec

    def restore(self, name: str) -> None:
        former = self.cluster.objects[self.cluster.key(name)]
        self._note_gone(former)
        self._may_stay[Name(former["spec"]["providerName"])] = True  # nobody knows any more who has created its service
        self.cluster.restore(name)

    def later(self, seconds: float, event: Callable[[], None]) -> None:
        self._later.append(asyncio.get_running_loop().call_later(seconds, event))

    def stop(self, seconds: float) -> None:
        self._killed()
        self._kill()
        asyncio.get_running_loop().call_later(seconds, self._boot)

    def takes_no_writes(self, seconds: float) -> None:
        self.atlas.world.mode = "read-only"
        asyncio.get_running_loop().call_later(seconds, setattr, self.atlas.world, "mode", "normal")

    @override
    def calm(self) -> None:
        for each in self._later:
            each.cancel()
        super().calm()
        for key in list(self.cluster.objects):
            self.edit(self.cluster.name_of(key), managementPolicy=None)

    @override
    def crash(self) -> None:
        self._killed()
        super().crash()

    def _killed(self) -> None:
        self._writes.clear()
        self._told.clear()
        self._killed_at = self.clock.now().timestamp()

    # What the operator was told.

    @override
    def learned(self, body: Body) -> None:
        uid = uid_of(body)
        lives = any(uid_of(each) == uid for each in self._living())
        if uid in self._gone_at:
            self._told.discard(uid)
        else:
            self._told.add(uid)
        if is_deleting(body) or uid in self._gone_at:
            self._going.add(uid)
        self._names.note(uid, name_of(body) if lives else None)
        self._shares.note(uid, body["spec"]["providerName"] if lives else None)
        service, endpoint = shown_in(body)
        self._shows_service.note(uid, service if lives else None)
        self._shows_endpoint.note(uid, endpoint if lives else None)
        self._wants.note(uid, wants_to_delete(body))

    # What has to be true at any time.

    def _changed(self, body: Body) -> None:
        name, service_id = body["metadata"]["name"], service_of(body)
        if self._triggers.get(name) != (trigger := ObjectMeta.parse(body).trigger):
            self._triggers[name] = trigger
            self._writes.clear()  # somebody acts
        if reason_of(body) == "InternalError":
            self._violated(f"{name} met a defect: {body['status']}")
        if origin_of(body) == "Created" and service_id is not None and not self._may_have_made(service_id):
            self._violated(f"{name} takes the service {service_id} for its own, and no call has created it")

    def _may_have_made(self, service_id: str) -> bool:
        """Tell whether a call has created a service, or may have as far as anybody knew when it was looked at first."""
        if self.clock.now().timestamp() < max(self._killed_at, self.atlas.unanswered) + DOUBTFUL:
            self.atlas.made.add(service_id)
        return service_id in self.atlas.made

    def _sent(self, request: Request) -> None:
        if (target := target_in(request)) is None:
            return
        self.atlas.look()
        self._count(request.operation, target)
        match request.operation:
            case calls.CHANGES.create:
                if not any(body["status"].get("serviceCreation") for body in self._known()):
                    self._violated("a service is asked for, and no status has the intention")
            case calls.ENDPOINTS.create:
                if not any(named_by(body) == target for body in self._known()):
                    self._violated(f"{target} is registered, and no status names it and its service")
            case calls.CHANGES.update:
                self._widens(target.service_id, (request.body or {})["supportedRemoteRegions"])
            case calls.ENDPOINTS.delete:
                self._deletes(target)
            case calls.SERVICES.delete:
                self._deletes_the_service(target.service_id)
            case other:
                raise AssertionError(other)

    def _count(self, operation: str, target: Target) -> None:
        """Services are created one at a time for all who share them; for the rest each resource has a wait of its own."""
        now, sharing = self.clock.monotonic(), 1 if operation == calls.CHANGES.create else len(self._known())
        old = self._writes.get((operation, target), [])
        self._writes[operation, target] = sent = [each for each in [*old, now] if each > now - WITHIN]
        if len(sent) > WRITES * max(1, sharing):
            self._violated(f"{operation} of {target} is sent {len(sent)} times in {WITHIN:g} s")

    def _widens(self, service_id: str, regions: Collection[str]) -> None:
        """Regions are sent: all that the service has, as a GET right before shows them, and more."""
        since = self.clock.now().timestamp() - BETWEEN
        there = {region for (id_, region), at in self.atlas.opened.items() if id_ == service_id and at <= since}
        if lost := there - {*regions}:
            self._violated(f"the remote regions {lost} of the service {service_id} are removed")

    def _deletes(self, target: Target) -> None:
        """An endpoint is deleted: for a resource that goes with what it names, or it is dead and somebody asks for that."""
        service, endpoint = self.atlas.service(target.service_id), self.atlas.endpoint(target)
        if service is None or endpoint is None:
            return
        name = Name(service.cloud_provider, target.endpoint_id)
        naming = [body for body in self._recent() if name_of(body) == name]
        found = [body for body in naming if self._ends(body)]
        if endpoint.status in {REJECTED, FAILED, DELETING}:
            found += [body for body in naming if not is_deleting(body) and is_forced(body)]
        if not found:
            self._violated(f"{target} is deleted, which is {endpoint.status}, and no resource goes that names it")
        protectors = [self._protectors(body, self._names.held(name, since=TOLD), target) for body in found]
        if protectors and all(protectors):
            self._violated(f"{target} is deleted, which {protectors[0][0]['metadata']['name']} names")

    def _deletes_the_service(self, service_id: str) -> None:
        """A service is deleted: a call has created it, it is empty, and nobody shares it, unless it is made anew."""
        service = self.atlas.service(service_id)
        if service is None or service.status == DELETING:
            return
        if not self._may_have_made(service_id):
            self._violated(f"service {service_id} is deleted, and the operator has not created it")
        old = self.clock.now().timestamp() - SEEN
        for target, appeared in self.atlas.appeared.items():
            if target.service_id == service_id and appeared < old:
                self._violated(f"service {service_id} is deleted, and it has {target.endpoint_id}")
        sharing = [body for body in self._recent() if body["spec"]["providerName"] == service.cloud_provider]
        living = [body for body in sharing if uid_of(body) not in self._going]  # as the operator was told
        is_made_anew = any(corrects(body) or is_forced(body) for body in living)
        if service.status == FAILED and is_made_anew:
            return
        found = [body for body in sharing if self._ends(body) and may_have_created(body, service_id)]
        if not found:
            self._violated(f"service {service_id} is deleted, and no resource goes that has created it")
        told = self._shares.held(service.cloud_provider, since=TOLD)
        protectors = [self._protectors(body, told, target_of(service_id, "")) for body in found]
        if protectors and all(protectors):
            self._violated(f"service {service_id} is deleted, which {protectors[0][0]['metadata']['name']} shares")

    def _ends(self, body: Body) -> bool:
        """Tell whether a resource is being deleted, with what it names."""
        was_told = uid_of(body) in self._wants.held_lately(value=True, seconds=TOLD)
        return is_deleting(body) and (was_told or wants_to_delete(body))

    def _protectors(self, body: Body, told: set[str], target: Target) -> list[Body]:
        """Give the others that protect something from deletion with a resource; of ``told`` the operator knows that they name it."""
        namespace, shows = (
            body["metadata"]["namespace"],
            self._shows_endpoint if target.endpoint_id else self._shows_service,
        )
        proved = shows.held(target, since=TOLD)
        return [
            each
            for each in self._living()
            if uid_of(each) in told - {uid_of(body)}
            and (each["metadata"]["namespace"] == namespace or (uid_of(each) in proved and target in shown_in(each)))
        ]

    def _goes(self, body: Body) -> None:
        """A resource is gone: what was to go with it is, too, or an Event has named it."""
        self._note_gone(body)
        self.atlas.look()
        resource, uid, takes_along = body["metadata"]["name"], uid_of(body), goes_with(body, self.cluster.held)
        events = [each for each in self.events.of.get(uid, ()) if each.reason in ENDINGS]
        stays = " ".join(each.message for each in events if each.reason != EventReason.ENDPOINT_DELETED).casefold()
        service, name = place_of(self.atlas.services, body), name_of(body)
        if name is not None:
            self._may_stay[name] = not takes_along or name.endpoint_id in stays
            target = target_of("" if service is None else service.id, name.endpoint_id)
            is_new = self.atlas.appeared.get(target, 0.0) > self.clock.now().timestamp() - KNOWN
            is_of_others = target not in self.atlas.registered or any(name_of(each) == name for each in self._living())
            if self.atlas.endpoint(target) is not None and not (self._may_stay[name] or (is_new and is_of_others)):
                self._violated(f"{resource} goes before {target}, and no Event names it")
        may_stay = not (takes_along and manages(body)) or (service is not None and service.id in stays)
        if may_stay or service_of(body) is not None or "serviceCreation" in body["status"]:
            self._may_stay[Name(body["spec"]["providerName"])] = may_stay
        if service is None or not is_there(service) or may_stay:
            return
        is_kept = any(each.reason == EventReason.ENDPOINT_HANDED_OVER for each in events)
        if origin_of(body) == "Created" and service_of(body) == service.id and not is_kept:
            self._violated(f"{resource} goes before the service {service.id}, which was created for it")

    def _note_gone(self, body: Body) -> None:
        self._gone_at[uid_of(body)] = self.clock.monotonic()

    def _violated(self, what: str) -> None:
        self.atlas.violations.append(f"at {self.clock.monotonic():.1f} s {what}")

    def _recent(self) -> list[Body]:
        """Give the resources that are there, or were a moment ago."""
        return [*self.cluster.objects.values(), *self._gone_since(self.clock.monotonic() - TOLD)]

    def _known(self) -> list[Body]:
        """Give those, and the ones that are gone and the operator was not told of that."""
        unknown = self._gone_since(self.clock.monotonic() - RELISTED)
        return [*self._recent(), *(body for body in unknown if uid_of(body) in self._told)]

    def _gone_since(self, at: float) -> list[Body]:
        return [body for body in self.cluster.deleted if self._gone_at[uid_of(body)] > at]

    def _living(self) -> list[Body]:
        return [body for body in self.cluster.objects.values() if not is_deleting(body)]

    # What has to be true in the end.

    @override
    def wrong(self) -> str | None:
        self.atlas.look()
        return Ending(list(self.cluster.objects.values()), self.atlas, self._may_stay).wrong()


def manages(body: Body) -> bool:
    """Return whether anything is written to Atlas for a resource."""
    spec = body["spec"]
    return spec.get("managementPolicy", "Manage") == "Manage" and not spec.get("suspend")


def wants_to_delete(body: Body) -> bool:
    """Return whether what a resource names is deleted with it, if it is deleted now."""
    return manages(body) and body["spec"].get("deletionPolicy") == "Delete"


def is_forced(body: Body) -> bool:
    """Return whether a force-sync of a resource is not handled yet."""
    asked = body["metadata"]["annotations"].get("atlas-endpoints.dev/force-sync")
    return asked is not None and asked != body["status"].get("lastHandledReconcileAt")
