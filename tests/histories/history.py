"""A random history of a few resources, their endpoints, an operator and everything that may go wrong between them.

People edit, connect, suspend, delete and create anew; Atlas expires and fails endpoints; calls are lost or late; the operator
is killed at any instant. When all that is over, the world has to be as the resources want it.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any

from atlas_endpoints.core import Core
from atlas_endpoints.kinds.serverless_private_endpoint.model import endpoint_of
from atlas_endpoints.settings import OperatorSettings
from histories.atlas import INSTANCE, PROJECT, Atlas
from histories.cluster import Cluster
from support.targets import NoConfigMaps, NoTargets
from support.virtual_time import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from atlas_endpoints.cluster.age import Age
    from atlas_endpoints.engine.controller import Status
    from atlas_endpoints.engine.outcome import Next
    from atlas_endpoints.engine.store import Body
    from atlas_endpoints.kinds.serverless_private_endpoint.announcements import Announcement

TROUBLED = (30.0, 120.0, 900.0)
"""Seconds in which things happen: some histories are dense, some are long."""
EVENTS = 25
CALM, STEP = 4 * 3600.0, 300.0
"""Seconds within which everything has to be as wanted afterwards, and how often that is looked at."""

KNOWN = 150.0
"""Seconds after which the operator knows what stands in a status, whatever was lost meanwhile."""

NAMED = ("a" * 24, "b" * 24)
"""Endpoints that resources name."""
FOREIGN = "f" * 24
"""An endpoint that none of them names."""
VPCES = ("vpce-11111111111111111", "vpce-22222222222222222")
SETTINGS = OperatorSettings.model_construct(credentials_secret="operator/atlas", concurrency=4)


class Secrets:
    """There is one pair of credentials, and it never changes."""

    async def read(self, namespace: str, name: str, *, age: Age) -> Mapping[str, str]:
        del namespace, name, age
        return {"publicApiKey": "abcdefgh", "privateApiKey": "01234567-89ab-cdef-0123-456789abcdef"}


class Namespaces:
    """None has an annotation for us."""

    async def annotations(self, namespace: str, *, age: Age) -> Mapping[str, str]:
        del namespace, age
        return {}


class Nobody:
    """Listens to nothing."""

    def passed(self, following: Next, seconds: float) -> None: ...

    def held_up(self, reason: str) -> None: ...

    def waited(self, seconds: float, *, urgent: bool) -> None: ...

    def retried(self) -> None: ...

    def written(self, body: Body, status: Status) -> None: ...

    def announced(self, body: Body, announcement: Announcement) -> None: ...


class History:
    """One history.

    Args:
        seed: decides everything that happens.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311  # a history is to be the same each time
        loop = asyncio.get_running_loop()
        self._clock = VirtualClock(loop)
        self.cluster = Cluster(self._random, lambda: f"{self._clock.now():%Y-%m-%dT%H:%M:%SZ}")
        self.atlas = Atlas(self._random, lambda: self._clock.now().timestamp())
        self.cluster.gone = self._goes
        self.atlas.deleting = self._is_deleted
        for each in (*NAMED, FOREIGN):
            self.atlas.put(each, status="RESERVED", comment="theirs")
        self._tasks: list[asyncio.Task[Any]] = []
        self.told: list[str] = []

    async def run(self) -> str | None:
        """Play it; give what is wrong at its end, or ``None``."""
        self._boot()
        troubled = self._random.choice(TROUBLED)
        times = sorted(self._random.uniform(0.0, troubled) for _ in range(EVENTS))
        for before, at in zip([0.0, *times], times, strict=False):
            await asyncio.sleep(at - before)
            event = self._random.choice(self._possible())
            self.told.append(f"{at:6.1f} s {event.__name__.strip('_')}")
            event()
        self._calm()
        wrong: str | None = "nothing has been looked at"
        for _ in range(int(CALM / STEP)):
            await asyncio.sleep(STEP)
            self.atlas.world.settle()
            wrong = self._wrong()
            if wrong is None or self.atlas.violations:
                break
        self._kill()
        await asyncio.sleep(0)
        return "; ".join(self.atlas.violations) or wrong

    # What happens.

    def _possible(self) -> list[Callable[[], None]]:
        names = [key.name for key in self.cluster.objects]
        people = [self._create]
        if names:
            people += [self._edit, self._edit, self._connect, self._policy, self._delete, self._suspend, self._force]
        misfortunes = [
            self._crash,
            self._crash_at_a_write,
            self._crash_at_a_write,
            self._loses_answers,
            self._api_is_away,
            self._atlas_is_away,
        ]
        misfortunes += [self._lists_lag, self._loses_events]
        atlas = [self._expires, self._meddles, self._fails]
        return self._random.choice([people, people, misfortunes, atlas])

    def _name(self) -> str:
        return self._random.choice([key.name for key in self.cluster.objects])

    def _create(self) -> None:
        free = [each for each in ("one", "two", "three") if not any(key.name == each for key in self.cluster.objects)]
        if not free:
            return
        name = self._random.choice(free)
        named = self._random.choice([None, None, *NAMED])
        self.cluster.apply(
            name,
            {
                "projectId": PROJECT,
                "instanceName": INSTANCE,
                "providerName": "AWS",
                "endpointId": named,
                "comment": self._random.choice([None, "", "first"]),
                "cloudProviderEndpointId": self._random.choice([None, VPCES[0]]),
                "deletionPolicy": self._random.choice([None, "Retain", "Delete"]),
            },
        )

    def _edit(self) -> None:
        self.cluster.edit(self._name(), comment=self._random.choice([None, "", "second", "third"]))

    def _connect(self) -> None:
        self.cluster.edit(self._name(), cloudProviderEndpointId=VPCES[0])

    def _policy(self) -> None:
        self.cluster.edit(self._name(), deletionPolicy=self._random.choice([None, "Retain", "Delete"]))

    def _suspend(self) -> None:
        self.cluster.edit(self._name(), suspend=self._random.choice([None, True]))

    def _force(self) -> None:
        self.cluster.annotate(self._name(), force_sync=str(self._random.random()))

    def _delete(self) -> None:
        self.cluster.delete(self._name())

    def _crash(self) -> None:
        self._kill()
        self._boot()

    def _crash_at_a_write(self) -> None:
        """One of the next writes is the last thing that the process does, whether or not its answer would have come."""
        either: list[Atlas | Cluster] = [self.atlas, self.cluster]
        what = self._random.choice(either)
        left = self._random.randint(1, 3)

        def written() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                what.written = lambda: None
                asyncio.get_running_loop().call_soon(self._crash)

        what.written = written

    def _for_a_while(self, what: Any, name: str, value: Any) -> None:
        before = getattr(what, name)
        setattr(what, name, value)
        asyncio.get_running_loop().call_later(self._random.uniform(1.0, 60.0), setattr, what, name, type(before)())

    def _loses_answers(self) -> None:
        self._for_a_while(self._random.choice([self.atlas, self.cluster]), "unreliable", 0.5)

    def _loses_events(self) -> None:
        self._for_a_while(self.cluster, "lost_events", 0.5)

    def _api_is_away(self) -> None:
        self._for_a_while(self.cluster, "down", True)

    def _atlas_is_away(self) -> None:
        self._for_a_while(self.atlas, "down", True)

    def _lists_lag(self) -> None:
        self.atlas.lag(self._random.choice([0.0, 3.0, 20.0]))

    def _endpoint(self) -> str | None:
        there = [each for each in self.atlas.instance.endpoints if each != FOREIGN]
        return self._random.choice(sorted(there)) if there else None

    def _expires(self) -> None:
        if (endpoint := self._endpoint()) is not None and endpoint not in NAMED:
            self.atlas.put(endpoint, remove=True)

    def _meddles(self) -> None:
        if (endpoint := self._endpoint()) is not None:
            known = self.atlas.instance.endpoints[endpoint]
            if (known.comment or "").startswith("atlas-endpoints.dev/"):
                return  # whoever takes the mark away makes the endpoint a stranger's
            self.atlas.put(endpoint, comment="by hand")

    def _fails(self) -> None:
        endpoint = self._endpoint()
        if endpoint is not None and self.atlas.instance.endpoints[endpoint].status == "AVAILABLE":
            self.atlas.put(endpoint, status="FAILED", errorMessage="It broke.")

    def _calm(self) -> None:
        """Nothing goes wrong any more, and nobody is suspended."""
        self.atlas.down = self.cluster.down = False
        self.atlas.written = self.cluster.written = lambda: None
        self.atlas.unreliable = self.cluster.unreliable = self.cluster.lost_events = 0.0
        self.atlas.lag(0.0)
        for key in list(self.cluster.objects):
            self.cluster.edit(key.name, suspend=None)

    # The operator's process.

    def _boot(self) -> None:
        core = Core(
            SETTINGS,
            client=self.atlas,
            objects=self.cluster,
            secrets=Secrets(),
            targets=NoTargets(),
            config_maps=NoConfigMaps(),
            namespaces=Namespaces(),
            observer=Nobody(),
            clock=self._clock,
            random=self._random,
        )
        events: asyncio.Queue[tuple[str, Body]] = asyncio.Queue()
        self.cluster.watcher = lambda type_, body: events.put_nowait((type_, body))

        async def watch() -> None:
            while True:
                type_, body = await events.get()
                await asyncio.sleep(self._random.uniform(0.0, 0.2))
                (core.deleted if type_ == "DELETED" else core.seen)(body)

        for each in (core.inventory.keep(), core.work(), watch()):
            task = asyncio.create_task(each)
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    def _kill(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()
        self.cluster.watcher = None

    def _ended(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled():
            with suppress(asyncio.CancelledError):
                self.atlas.violations.append(f"a task has ended: {task.exception()!r}")

    # What has to be true at any time.

    def _goes(self, body: Body) -> None:
        """A resource is gone: the endpoint that was to go with it is, too, unless somebody else stands for it."""
        endpoint_id = endpoint_of(body)
        takes_it_along = body["spec"].get("deletionPolicy") == "Delete" and body["metadata"]["uid"] in self.cluster.held
        if not takes_it_along or self._others(body, endpoint_id):
            return
        self.atlas.world.settle()
        if endpoint_id in self.atlas.instance.endpoints:
            self.atlas.violations.append(f"{body['metadata']['name']} goes before its endpoint {endpoint_id}")

    def _is_deleted(self, endpoint_id: str) -> None:
        """An endpoint is asked to be deleted: nobody who lives has been seen to need it for long."""
        for body in self.cluster.objects.values():
            seen = (body["status"].get("endpoint") or {}).get("id") == endpoint_id
            since = self._clock.monotonic() - self.cluster.written_at.get(body["metadata"]["uid"], math.inf)
            if seen and "deletionTimestamp" not in body["metadata"] and since > KNOWN:
                name = body["metadata"]["name"]
                self.atlas.violations.append(f"endpoint {endpoint_id} is deleted, which {name} needs")

    def _others(self, body: Body, endpoint_id: str | None) -> list[Body]:
        return [each for each in self.cluster.objects.values() if each is not body and endpoint_of(each) == endpoint_id]

    # What has to be true in the end.

    def _wrong(self) -> str | None:
        """Tell what is not as the resources want it."""
        for body in self.cluster.objects.values():
            if (wrong := self._wrong_with(body)) is not None:
                ready = next((each for each in body["status"].get("conditions", ()) if each["type"] == "Ready"), None)
                return f"{body['metadata']['name']}: {wrong}; {ready}"
        return self._left_over()

    def _wrong_with(self, body: Body) -> str | None:
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
        endpoint_id = spec.get("endpointId") or status["reservation"].get("endpointId")
        endpoint = self.atlas.instance.endpoints.get(endpoint_id)
        if endpoint is None:
            return None if spec.get("endpointId") and ready["reason"] == "EndpointNotFound" else "it has no endpoint"
        if endpoint.status == "FAILED":
            return None if ready["reason"] == "EndpointFailed" else "it does not tell of the failure"
        if "comment" in spec and (endpoint.comment or "") != spec["comment"]:
            return f"the comment in Atlas is {endpoint.comment}"
        if "cloudProviderEndpointId" in spec:
            return None if (ready["status"], str(endpoint.status)) == ("True", "AVAILABLE") else "it is not available"
        return None if ready["reason"] in {"WaitingForCloudEndpoint", "Available"} else "it does not wait"

    def _has_rival(self, body: Body) -> bool:
        return bool(self._others(body, endpoint_of(body)))

    def _left_over(self) -> str | None:
        """Tell of endpoints that are there and should not be, or are not there and should."""
        bodies = self.cluster.objects.values()
        living = {body["metadata"]["uid"]: body for body in bodies}
        gone = {body["metadata"]["uid"]: body for body in self.cluster.deleted}
        for endpoint_id, uid in self.atlas.reserved_for.items():
            if endpoint_id not in self.atlas.instance.endpoints:
                continue
            if uid in living:
                bound = living[uid]["status"].get("reservation", {}).get("endpointId")
                if bound != endpoint_id:
                    return f"endpoint {endpoint_id} was reserved for {uid}, which uses {bound}"
            elif gone[uid]["spec"].get("deletionPolicy") == "Delete" and uid in self.cluster.held:
                return f"endpoint {endpoint_id} was left behind by {uid}"
        if FOREIGN in self.atlas.deletions | self.atlas.changes or FOREIGN not in self.atlas.instance.endpoints:
            return "a stranger's endpoint was touched"
        unwanted = [each for each in self.atlas.deletions if not self._was_to_go(each)]
        return f"endpoint {unwanted[0]} was deleted and nobody wanted that" if unwanted else None

    def _was_to_go(self, endpoint_id: str) -> bool:
        """Tell whether a resource that stood for an endpoint was deleted, and was to take it along at any time."""
        return any(
            self.atlas.reserved_for.get(endpoint_id) == body["metadata"]["uid"]
            or body["spec"].get("endpointId") == endpoint_id
            for body in self.cluster.deleted
            if body["metadata"]["uid"] in self.cluster.wanted_delete
        )
