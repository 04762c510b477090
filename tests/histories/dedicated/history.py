"""A random history of a few private endpoints of dedicated clusters, and what must hold at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from atlas_endpoints.kinds.dedicated_private_endpoint import atlas as calls
from atlas_endpoints.kinds.dedicated_private_endpoint.endpoint import ATTEMPTS
from atlas_endpoints.kinds.dedicated_private_endpoint.kind import KIND
from atlas_endpoints.simulator.service import DELETING, FAILED
from histories.dedicated.atlas import Atlas, Target, is_there, target_in
from histories.dedicated.course import DedicatedCourse
from histories.dedicated.judge import Ending, goes_with, named_by, reason_of, registrations_of, service_of, shows
from histories.dedicated.lately import Lately
from histories.history import KNOWN, History
from support.simulated_atlas import PROJECT

if TYPE_CHECKING:
    from atlas_endpoints.atlas.requests import Request
    from atlas_endpoints.controller.cache import Body
    from histories.course import Side

TOLD = 2.0
"""Seconds after which the operator knows what stands in a status, if nothing of it was lost."""
RELISTED = 660.0
"""Seconds after which the operator knows of an edit whose event was lost."""
BOOTS = 30.0
"""Seconds after which an operator that was killed knows everything again."""
SEEN = 90.0
"""Seconds after which the operator has seen what people did in Atlas, however much its lists lag."""
POSTS, POSTS_WITHIN = 10, 60.0
"""How often a few resources ask for their services in so many seconds, unless the operator is killed."""


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
        self._naming, self._showing = Lately[Target](now), Lately[str](now)
        self._handed_over: set[Target] = set()
        self._gone_at: dict[str, float] = {}
        self._posts: list[float] = []
        self._blind_until = 0.0

    @override
    def crash(self) -> None:
        self._posts.clear()
        self._blind(BOOTS)
        super().crash()

    @override
    def loses_answers(self, side: Side, seconds: float) -> None:
        self._blind(seconds + KNOWN)
        super().loses_answers(side, seconds)

    @override
    def loses_events(self, seconds: float) -> None:
        self._blind(seconds + KNOWN)
        super().loses_events(seconds)

    @override
    def is_away(self, side: Side, seconds: float) -> None:
        self._blind(seconds + KNOWN)
        super().is_away(side, seconds)

    def _blind(self, seconds: float) -> None:
        """Note that the operator may not know for so long what stands in a status."""
        self._blind_until = max(self._blind_until, self.clock.monotonic() + seconds)

    @property
    def _known(self) -> float:
        """Seconds after which the operator knows what stands in a status."""
        return KNOWN if self.clock.monotonic() < self._blind_until else TOLD

    # What has to be true at any time.

    def _changed(self, body: Body) -> None:
        uid = body["metadata"]["uid"]
        if reason_of(body) == "InternalError":
            self._violated(f"{body['metadata']['name']} met a defect: {body['status']}")
        self._naming.note(uid, named_by(body))
        self._showing.note(uid, service_of(body))

    def _sent(self, request: Request) -> None:
        target = target_in(request)
        match request.operation:
            case calls.CREATE:
                self._creates_a_service()
            case calls.CREATE_ENDPOINT if target is not None:
                self._registers(target)
            case calls.DELETE_ENDPOINT if target is not None:
                self._deletes(target)
            case calls.DELETE if target is not None:
                self._deletes_the_service(target.service_id)
            case _:
                pass

    def _creates_a_service(self) -> None:
        now = self.clock.monotonic()
        self._posts = [each for each in [*self._posts, now] if each > now - POSTS_WITHIN]
        if len(self._posts) > POSTS:
            self._violated(f"a service is asked for {len(self._posts)} times in {POSTS_WITHIN:g} s")

    def _registers(self, target: Target) -> None:
        if all(registrations_of(body).get(target, True) for body in self._recent()):
            self._violated(f"{target} is registered, and no status has the intention")
        if self.atlas.attempts.get(target, 0) >= ATTEMPTS:
            self._violated(f"{target} is registered more than {ATTEMPTS} times in a row")

    def _deletes(self, target: Target) -> None:
        registrars = [body for body in self._recent() if target in registrations_of(body)]
        if not registrars:
            self._violated(f"{target} is deleted, and no resource has registered it")
        naming = self._naming.held_lately(target, RELISTED)
        if any(_lives(body) and body["metadata"]["uid"] in naming for body in registrars):
            return  # it is registered anew
        for body in self._living(self._naming.held(target, since=self._known)):
            if body not in registrars and shows(body, target):
                self._violated(f"{target} is deleted, which {body['metadata']['name']} needs")

    def _deletes_the_service(self, service_id: str) -> None:
        if service_id not in self.atlas.made:
            self._violated(f"service {service_id} is deleted, and the operator has not created it")
        service = self.atlas.service(service_id)
        # One that has failed is replaced on request, and the answer to that DELETE may be lost.
        is_usable = service is None or service.status not in {FAILED, DELETING}
        for body in self._living(self._showing.held(service_id, since=self._known)) if is_usable else ():
            self._violated(f"service {service_id} is deleted, which {body['metadata']['name']} shares")
        old = self.clock.now().timestamp() - SEEN
        for target, appeared in self.atlas.appeared.items():
            if target.service_id == service_id and appeared < old:
                self._violated(f"service {service_id} is deleted, and it has {target.endpoint_id}")

    def _goes(self, body: Body) -> None:
        """A resource is gone: what was to go with it is, too, unless somebody else needs it."""
        metadata, now = body["metadata"], self.clock.monotonic()
        uid, name = metadata["uid"], metadata["name"]
        self._naming.note(uid, None)
        self._showing.note(uid, None)
        self._gone_at[uid] = now
        self.atlas.look()
        for target in registrations_of(body):
            if self._naming.held_lately(target, KNOWN) - {uid}:
                self._handed_over.add(target)
            elif goes_with(body, self.cluster.held) and target in self.atlas.registered:
                self._violated(f"{name} goes before {target}, which was registered for it")
        service = self.atlas.service(service_of(body))
        if service is None or not is_there(service) or not goes_with(body, self.cluster.held):
            return
        was_in_use = self.clock.now().timestamp() - self.atlas.in_use.get(service.id, 0.0) < SEEN
        is_shared = self._showing.held_lately(service.id, KNOWN) - {uid}
        if body["status"]["service"].get("origin") == "Created" and not was_in_use and not is_shared:
            self._violated(f"{name} goes before the service {service.id}, which was created for it")

    def _violated(self, what: str) -> None:
        self.atlas.violations.append(f"at {self.clock.monotonic():.1f} s {what}")

    def _recent(self) -> list[Body]:
        """Give the resources that are there, or were a moment ago."""
        old = self.clock.monotonic() - KNOWN
        gone = [body for body in self.cluster.deleted if self._gone_at[body["metadata"]["uid"]] > old]
        return [*self.cluster.objects.values(), *gone]

    def _living(self, uids: set[str]) -> list[Body]:
        return [body for body in self.cluster.objects.values() if body["metadata"]["uid"] in uids and _lives(body)]

    # What has to be true in the end.

    @override
    def wrong(self) -> str | None:
        self.atlas.look()
        return Ending(list(self.cluster.objects.values()), self.atlas, self._handed_over).wrong()


def _lives(body: Body) -> bool:
    return "deletionTimestamp" not in body["metadata"]
