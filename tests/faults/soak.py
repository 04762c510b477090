"""Random edits under random faults of both sides; then the faults stop, and everything has to come out right.

Who uses it decides how long it takes: three quarters of a minute in ``make test-all``, any time in ``make soak``.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from typing import TYPE_CHECKING, Any

from faults.beside import CALLS
from faults.environment import KIND
from faults.rules import (
    Closed,
    Delay,
    FailedState,
    Frozen,
    Moment,
    Refusal,
    Reset,
    Said,
    Truncated,
    Unmarked,
    Verb,
)
from support.atlas import CLOUD_ENDPOINT, place
from support.resources import observed, ready

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from faults.beside import Beside
    from faults.proxy import Proxy
    from support.atlas import Atlas, Place
    from support.operator_process import OperatorProcess
    from support.resources import Resources

LIMIT = 30.0
"""Seconds after the last fault in which everything has to be as it should."""

EXPIRED = Said.error(410, "Expired")

API_FAULTS: tuple[tuple[str, FailedState, Verb, FailedState | None], ...] = (
    ("watch reset", Reset(), "watch", None),
    ("watch closed", Closed(), "watch", None),
    ("watch frozen", Frozen(), "watch", None),
    ("watch without bookmarks", Unmarked(), "watch", None),
    ("half an event", Truncated(), "watch", None),
    ("410 in the stream", EXPIRED, "watch", None),
    ("500 in the stream", Said.error(500, "InternalError"), "watch", None),
    ("watch 410", Refusal(410, "Expired"), "watch", Closed()),
    ("watch 503", Refusal(503, "ServiceUnavailable"), "watch", Closed()),
    ("LIST 429", Refusal(429, "TooManyRequests"), "list", EXPIRED),
    ("LIST 500", Refusal(500, "InternalError"), "list", EXPIRED),
    ("LIST cut short", Truncated(), "list", EXPIRED),
    ("LIST reset", Reset(), "list", EXPIRED),
    ("status reset", Reset(), "write", None),
    ("status lost", Reset(Moment.AFTER), "write", None),
    ("status 409", Refusal(409, "Conflict"), "write", None),
    ("status 429", Refusal(429, "TooManyRequests"), "write", None),
    ("status 500", Refusal(500, "InternalError"), "write", None),
    ("status 504 after writing", Refusal(504, "Timeout", moment=Moment.AFTER), "write", None),
    ("status slow", Delay(1.0), "write", None),
    ("GET 500", Refusal(500, "InternalError"), "get", None),
)
"""What goes wrong on the way to the API server: name, trouble, verb of the requests, and what has them come."""

ATLAS_FAULTS: Mapping[str, Mapping[str, Any]] = {
    "Atlas 500": {"status": 500},
    "Atlas 500 after applying": {"status": 500, "apply": True},
    "Atlas 503": {"status": 503},
    "Atlas 429": {"status": 429, "headers": {"Retry-After": "1"}},
    "Atlas drops before": {"drop": "before"},
    "Atlas drops after": {"drop": "after"},
    "Atlas is slow": {"delay": 0.5},
}
"""What goes wrong at Atlas, as the simulator is told it."""


@dataclass(frozen=True, slots=True)
class Course:
    """How a soak goes.

    Attributes:
        seconds: of edits and faults.
        resources: how many.
        instances: over which they are spread.
        rate: edits a second.
        pause: seconds between two faults on each side, on average.
        seed: of all chance.
    """

    seconds: float
    resources: int = 200
    instances: int = 10
    rate: float = 25.0
    pause: float = 0.4
    seed: int = 1


@dataclass(slots=True)
class Summary:
    """What came of it.

    Attributes:
        edits: how many were made.
        patches: how many PATCHes Atlas got.
        repeated: those that told Atlas again what it had confirmed.
        faults: how many requests were hit, by kind.
        converged: seconds after the last fault until everything was as it should; ``None``: not in time.
        astray: what was not, in words.
        rss: resident memory in MiB, once a second.
        made: the IDs of what Atlas has made for the resources of other kinds, before and after.
        tasks: of the operator's event loop, at rest before and after.
        deaths: how often the operator was found dead or unwell.
    """

    edits: int = 0
    patches: int = 0
    repeated: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    converged: float | None = None
    astray: list[str] = field(default_factory=list)
    rss: list[float] = field(default_factory=list)
    made: tuple[dict[str, list[str]], dict[str, list[str]]] = field(default_factory=lambda: ({}, {}))
    tasks: list[float] = field(default_factory=list)
    deaths: int = 0

    @property
    def memory(self) -> tuple[float, float]:
        """Medians of the resident memory in the two halves, in MiB."""
        half = len(self.rss) // 2
        return median(self.rss[:half]), median(self.rss[half:])

    def told(self) -> str:
        """Tell it to people."""
        first, second = self.memory
        faults = ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items()))
        converged = "not in time" if self.converged is None else f"{self.converged:.1f} s after the last fault"
        return (
            f"edits {self.edits}, PATCHes {self.patches} (repeated without need {len(self.repeated)}),"
            f" converged {converged}\n"
            f"memory {first:.1f} MiB, then {second:.1f} MiB; tasks at rest {self.tasks}\n"
            f"requests hit {self.faults.total()}: {faults}"
        )


class Soak:
    """A soak over resources of its own.

    Args:
        course: how it goes.
        resources: a namespace for them.
        api: the way to the API server.
        atlas: with as many places as the course needs.
        operator: serves them.
        beside: those of other kinds.
    """

    def __init__(
        self,
        course: Course,
        *,
        resources: Resources,
        api: Proxy,
        atlas: Atlas,
        operator: OperatorProcess,
        beside: Beside,
    ) -> None:
        self._course = course
        self._resources = resources
        self._api = api
        self._atlas = atlas
        self._operator = operator
        self._beside = beside
        self._over = threading.Event()
        each = course.resources // course.instances
        self._places: dict[str, Place] = {
            f"e{number}": place(number // each, number % each) for number in range(course.resources)
        }
        self.summary = Summary()

    def run(self) -> Summary:
        """Do it all."""
        self._prepare()
        self._rest()
        began, made = len(self._atlas.requests(method="PATCH")), self._beside.made(self._atlas)
        with ThreadPoolExecutor(4, thread_name_prefix="soak") as pool:
            doing = [pool.submit(each) for each in (self._edit, self._break_api, self._break_atlas, self._look)]
            time.sleep(self._course.seconds)
            self._over.set()
            for each in doing:
                each.result()
        self._converge()
        self._rest()
        self.summary.made = made, self._beside.made(self._atlas)
        patches = self._atlas.requests(method="PATCH")[began:]
        self.summary.patches = len(patches)
        self.summary.repeated = repeated(patches)
        return self.summary

    def _prepare(self) -> None:
        """Have all resources at rest."""

        def create(name: str) -> None:
            self._atlas.connect(self._places[name], "0")
            self._resources.create(name, self._places[name].spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="0"))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(create, self._places))
        self._beside.create()
        deadline = time.monotonic() + 60
        while astray := self._astray():
            assert time.monotonic() < deadline, astray[:5]
            time.sleep(0.5)

    def _rest(self) -> None:
        """Let what the last change brought about end, and count what is left."""
        time.sleep(2.5)
        self.summary.tasks.append(self._operator.metric("atlas_endpoints_tasks"))

    def _edit(self) -> None:
        random = Random(self._course.seed)  # noqa: S311  # as all below: it is to be the same again
        names = list(self._places)
        before: dict[str, str] = {}
        while not self._over.wait(random.expovariate(self._course.rate)):
            if random.random() < 0.1:
                self._beside.edit(random)
                continue
            name = random.choice(names)
            self.summary.edits += 1
            is_reverted = name in before and random.random() < 0.2
            comment = before[name] if is_reverted else f"{self._course.seed}-{self.summary.edits}"
            before[name] = str(self._resources.edit(name, comment=comment)["spec"]["comment"])

    def _break_api(self) -> None:
        random = Random(self._course.seed + 1)  # noqa: S311
        while not self._over.wait(random.expovariate(1 / self._course.pause)):
            name, trouble, verb, first = random.choice(API_FAULTS)
            path = "" if verb == "get" else KIND
            fault = self._api.inject(trouble, verb=verb, path=path, times=random.randint(1, 5), share=0.8)
            if first is not None:
                self._api.inject(first, verb="watch", path=KIND, times=1)
            self._over.wait(random.uniform(0.1, 2.0))
            self._api.heal(fault)
            self.summary.faults[name] += fault.hits
            if random.random() < 0.03:
                self._api.refuse()
                self.summary.faults["connections refused for a second"] += 1
                time.sleep(1)
                self._api.listen()
        self._api.heal()

    def _break_atlas(self) -> None:
        random = Random(self._course.seed + 2)  # noqa: S311
        while not self._over.wait(random.expovariate(1 / self._course.pause)):
            name = random.choice(list(ATLAS_FAULTS))
            patches = {"path": "/endpoint", "method": "PATCH"}
            match = patches if random.random() < 0.7 else {"path": random.choice(["/endpoint", CALLS])}
            fault = {"match": match, "times": random.randint(1, 10), **ATLAS_FAULTS[name]}
            self._atlas.post("faults", [fault])
            self._over.wait(random.uniform(0.1, 2.0))
            self.summary.faults[name] += sum(each["hits"] for each in self._atlas.faults())
            self._atlas.heal()

    def _look(self) -> None:
        """See once a second how the operator is."""
        status = Path(f"/proc/{self._operator.server.process.pid}/status")
        while not self._over.wait(1.0):
            self._operator.server.check()
            (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmRSS:"))
            self.summary.rss.append(int(line.split()[1]) / 1024)
            if self._operator.get("livez").text != "ok":
                self.summary.deaths += 1

    def _converge(self) -> None:
        began = time.monotonic()
        while self.summary.converged is None and time.monotonic() - began < LIMIT:
            self.summary.astray = self._astray()
            if not self.summary.astray:
                self.summary.converged = time.monotonic() - began
            time.sleep(0.25)

    def _astray(self) -> list[str]:
        """Tell which resources are not as they should be, and how they are."""
        held = {each["_id"]: each.get("comment") for each in self._atlas.endpoints()}
        return self._beside.astray() + [
            f"{body['metadata']['name']}: wants {body['spec']['comment']}, Atlas has"
            f" {held[body['spec']['endpointId']]}, generation {body['metadata']['generation']},"
            f" observed {body['status']['observedGeneration']}, Ready {ready(body)['status']} {ready(body)['reason']}"
            for body in self._resources.all()
            if not (
                observed(body)
                and ready(body)["status"] == "True"
                and body["status"]["applied"]["comment"] == body["spec"]["comment"]
                and held[body["spec"]["endpointId"]] == body["spec"]["comment"]
            )
        ]


def repeated(patches: Iterable[Mapping[str, Any]]) -> list[str]:
    """Tell which PATCHes told Atlas what it had confirmed by its answer to the one before, of the same endpoint.

    Args:
        patches: entries of the simulator's log, in order.
    """
    last: dict[str, tuple[str, bool]] = {}
    found = []
    for each in patches:
        comment = each["body"]["comment"]
        if last.get(each["path"]) == (comment, True):
            found.append(f"{each['index']}: {comment} to {each['path']}")
        confirmed = each["status"] == 200 and not each["fault"] and each["dropped"] is None
        last[each["path"]] = (comment, confirmed)
    return found
