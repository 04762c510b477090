"""The admission of calls to Atlas: a time before which no such call goes to a project, and one breaker for each pair of credentials.

It never sleeps: a caller that is held comes back at its own turn, so that all together come about as fast as Atlas admits calls.

- A 429 holds the calls of its sort in the project until the time that Atlas names: reads, or one operation that writes. So creations
  that are refused for ever hold up no edit and no deletion. Credentials without a success in the project set and obey times of
  their own, so that they cannot slow down the others.
- Refused credentials are tried once in each probe interval, and a 429 of the token endpoint holds all calls with its credentials.
- With new credentials, and with refused ones at their probe, one call is made at a time until one is answered, if only by a refusal, but not by a rate limit.
  New or changed credentials have another fingerprint, and so another breaker.
"""

import math
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field

from atlas_endpoints.atlas.errors import (
    AtlasError,
    AtlasUnavailableError,
    CredentialsInvalidError,
    CredentialsRateLimitedError,
    Explanation,
    RateLimitedError,
)
from atlas_endpoints.controller.bookkeeping import Sweep
from atlas_endpoints.controller.requeue import doubled

PENDING = "Pending"
"""Reason of a wait for another running call."""

_PAUSE = 0.1
"""Seconds after which a trial that has just begun may have an answer."""

_TURN = 0.035
"""Seconds between two turns of edits, and between two of the rest: one line alone makes a few calls less than the 33 a
second that Atlas admits for a project, since a refusal costs all of them another wait."""

_LINE = 60.0
"""Seconds after a wait in which callers come back. When all turns are taken, they are given again from the first, so nobody waits longer."""

_FORGET = 3600.0
"""Seconds without a call after which credentials count as new, and without a wait after which its project is forgotten."""

_SHARED = ""
"""Stands for all credentials with a success in a project."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """An admitted call; :meth:`Throttle.report` or :meth:`Throttle.leave` must follow in any case.

    Attributes:
        sort: see :meth:`Throttle.admit`.
    """

    fingerprint: str
    project: str
    sort: str
    began: float


@dataclass(frozen=True, slots=True)
class Wait:
    """No call may be made before ``until`` (in the seconds of ``now``); ``reason`` is one of ``Ready``."""

    until: float
    reason: str
    explanation: Explanation | str


@dataclass(slots=True)
class _NotBefore:
    """The time before which no call is made, and the turns of those that it holds."""

    until: float = -math.inf
    reason: str = PENDING
    explanation: Explanation | str = ""
    limits: int = 0
    """The waits in a row for a 429."""
    turns: dict[tuple[Hashable, bool], float] = field(default_factory=dict)
    """When callers come back, those of urgent calls apart."""
    last: dict[bool, float] = field(default_factory=lambda: {True: -math.inf, False: -math.inf})
    """The newest turn of urgent calls, and of others."""
    used: float = -math.inf

    def hold(self, caller: Hashable, *, urgent: bool) -> Wait:
        """Return when a caller comes back: at its turn after the wait. The line of routine calls begins behind the urgent ones."""
        turns = (self.turns.get((caller, each), -math.inf) for each in {True, urgent})  # an urgent turn does for both
        turn = min((each for each in turns if each >= self.until), default=None)
        if turn is None:
            before = self.last[urgent] if urgent or self.last[False] >= self.until else self.last[True]
            turn = before + _TURN if self.until <= before + _TURN < self.until + _LINE else self.until
            self.turns[caller, urgent] = self.last[urgent] = turn
        return Wait(turn, self.reason, self.explanation)

    def close(self, until: float, error: AtlasError, now: float) -> None:
        self.used = now
        if until > self.until:
            self.until, self.reason, self.explanation = until, error.reason, error.explanation
            self.turns = {caller: turn for caller, turn in self.turns.items() if turn >= until}

    def limit(self, error: RateLimitedError, now: float) -> None:
        """Close for as long as Atlas asks, else for a wait that doubles as it recommends: 10, 20, 40 seconds and so on."""
        is_new = now >= self.until  # concurrent calls back off once
        if error.retry_after or is_new:
            self.close(now + (error.retry_after or doubled(10.0, self.limits, 300.0)), error, now)
        self.limits += is_new

    def open(self) -> None:
        self.until, self.limits = -math.inf, 0

    def is_in_use(self, now: float) -> bool:
        return now <= max(self.used + _FORGET, self.until)


@dataclass(slots=True)
class _Breaker(_NotBefore):
    """What is known of a pair of credentials."""

    is_tested: bool = False
    """Whether a call was answered since they were new or refused; until then, one is made at a time."""
    trial: Admitted | None = None
    outages: int = 0
    """Trials in a row without an answer."""
    in_flight: int = 0
    reached: set[str] = field(default_factory=set)
    """The projects in which a call has succeeded."""


_OPEN = _NotBefore()
"""For a project that nobody has to wait for."""


class Throttle:
    """Decides which calls may be made; times are monotonic seconds.

    Args:
        probe_interval: seconds after which one call tries refused credentials again.
        max_in_flight: concurrent calls with one pair of credentials, so that slow calls of one tenant leave room for others.
    """

    def __init__(self, *, probe_interval: float = 600.0, max_in_flight: int = 8) -> None:
        self._probe_interval, self._max_in_flight = probe_interval, max_in_flight
        self._breakers: dict[str, _Breaker] = {}
        self._projects: dict[tuple[str, str, str], _NotBefore] = {}
        """By ``_SHARED`` or the fingerprint of credentials without a success in the project, by project, and by sort of calls."""
        self._sweep = Sweep()

    def circuits(self, now: float) -> Counter[tuple[str, str]]:
        """Count the ``credentials`` by the state of their circuit, and the ``project``s whose circuit is open.

        A ``closed`` circuit admits all calls, a ``half_open`` one call at a time, an ``open`` one none.
        """
        held = {(who, project) for (who, project, _), each in self._projects.items() if now < each.until}
        return Counter({("project", "open"): len(held)}) + Counter(
            ("credentials", "open" if now < each.until else "closed" if each.is_tested else "half_open")
            for each in self._breakers.values()
        )

    def longest_wait(self, now: float) -> float:
        """Return the seconds for which Atlas has asked to wait from now, at most; 0 without a wait."""
        waits = (*self._breakers.values(), *self._projects.values())
        return max((0.0, *(each.until - now for each in waits if each.reason == RateLimitedError.reason)))

    def admit(
        self,
        fingerprint: str,
        project: str,
        now: float,
        *,
        sort: str = "",
        caller: Hashable = None,
        urgent: bool = False,
    ) -> Admitted | Wait:
        """Admit one call, or return its wait.

        Args:
            project: names the project at its Atlas.
            sort: names the calls that a 429 for one of them holds; "": reads.
            caller: has one turn after a wait, and keeps it when it asks again; all without a name have one.
            urgent: whether a person waits for it.
        """
        if self._sweep.is_due(now):
            self._breakers = {name: each for name, each in self._breakers.items() if each.is_in_use(now)}
            self._projects = {name: each for name, each in self._projects.items() if each.is_in_use(now)}
        breaker = self._breakers.setdefault(fingerprint, _Breaker())
        for wait in (breaker, self._projects.get(self._key(fingerprint, project, sort), _OPEN)):
            if now < wait.until:
                return wait.hold(caller, urgent=urgent)
        if breaker.trial is not None:
            pause = max(doubled(_PAUSE, breaker.outages, 30.0), now - breaker.trial.began)
            return Wait(now + pause, PENDING, "Another call tests whether Atlas answers.")
        if breaker.in_flight >= self._max_in_flight:
            return Wait(now + 1.0, PENDING, "The limit of concurrent calls with these credentials is reached.")
        admitted = Admitted(fingerprint, project, sort, now)
        breaker.used, breaker.in_flight = now, breaker.in_flight + 1
        if not breaker.is_tested:
            breaker.trial = admitted
        return admitted

    def report(self, admitted: Admitted, error: AtlasError | None, now: float) -> None:
        """Record the end of an admitted call; ``error`` is None when it succeeded."""
        self.leave(admitted)
        breaker = self._breakers.setdefault(admitted.fingerprint, _Breaker())
        key = self._key(admitted.fingerprint, admitted.project, admitted.sort)
        match error:
            case CredentialsRateLimitedError():
                breaker.limit(error, now)
            case RateLimitedError():
                self._projects.setdefault(key, _NotBefore()).limit(error, now)
            case CredentialsInvalidError():
                breaker.close(now + self._probe_interval, error, now)
                breaker.is_tested = False
            case AtlasUnavailableError():
                breaker.outages += not breaker.is_tested
            case AtlasError(http_status=None):
                pass  # nothing was sent
            case _:
                # The answer to a call that began before a wait does not end the wait.
                if now >= breaker.until or breaker.reason == CredentialsInvalidError.reason:
                    breaker.open()
                    breaker.is_tested, breaker.outages = True, 0
                limit = self._projects.get(key, _OPEN)
                if now >= limit.until:
                    limit.open()
                    if error is None:
                        breaker.reached.add(admitted.project)

    def leave(self, admitted: Admitted) -> None:
        """Record the end of an admitted call without a result."""
        if (breaker := self._breakers.get(admitted.fingerprint)) is not None:
            breaker.in_flight -= 1
            breaker.trial = None if breaker.trial is admitted else breaker.trial

    def _key(self, fingerprint: str, project: str, sort: str) -> tuple[str, str, str]:
        breaker = self._breakers.get(fingerprint)
        return (_SHARED if breaker is not None and project in breaker.reached else fingerprint), project, sort
