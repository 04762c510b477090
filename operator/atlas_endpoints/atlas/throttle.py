"""The admission of calls to Atlas, by waits that Atlas asked for and by credentials that do not work; it never sleeps.

There is a gate for each pair of credentials, and one for each project, instance and operation that Atlas has asked to wait for. A
gate is open, closed until a time, or half open: it admits one call at a time until one is answered. When a closed gate opens, a
few callers come back at once, and the others in turns. A caller has one turn, however often it asks.

- A 429 closes the gate of the project (or of the credentials, when the token endpoint sent it). Credentials without a success
  in the project have their own gate of it, so that they cannot slow down the others. It closes the gate of the operation in the
  instance, too, whose waits double until the operation succeeds, whatever other operations do meanwhile.
- Another failure for which Atlas names a time (a 503 with ``Retry-After``) closes the gate of the instance until then, with the
  same exception, and that of the operation in it, as a 429 does. In each such wait, a person can have one call admitted.
- Refused credentials close their gate for long. New or changed credentials have another fingerprint, and so another gate.
- For new credentials, and after a wait for another reason than a 429, the gate is half open. The first answer to a call, also a
  refusal, opens it.
"""

import itertools
import math
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TypeAlias

from atlas_endpoints.atlas.errors import (
    AtlasError,
    AtlasUnavailableError,
    CredentialsInvalidError,
    CredentialsRateLimitedError,
    Explanation,
    RateLimitedError,
)
from atlas_endpoints.controller.bookkeeping import Bookkeeping, Sweep
from atlas_endpoints.controller.requeue import doubled

PENDING = "Pending"
"""Reason of a wait for another running call."""

_TRIAL = 60.0
"""Seconds after which a trial without a report counts as lost; no call takes that long."""

_PAUSE = 0.1
"""Seconds after which a trial that has just begun may have an answer."""

_AT_ONCE = 8
"""Callers that come back together when a gate opens; the answers to them show whether Atlas admits calls again."""

_TURN = 0.035
"""Seconds between the turns of the others: a few calls less than the 33 a second that Atlas admits for a project, since a refusal
costs all of them another wait."""

_LINE = 60.0
"""Seconds after a wait in which callers come back. When all turns are taken, they are given again from the first, so nobody waits longer."""

_SCOPES = {2: "project", 3: "instance"}
"""What a tuple of this length names; a longer one names an operation."""

_NEXT = -1
"""The serial of the next call."""

_FORGET = 3600.0
"""Seconds without a call after which credentials count as new."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """An admitted call; :meth:`Throttle.report` or :meth:`Throttle.release` must follow in any case."""

    fingerprint: str
    project: str
    instance: str
    operation: str
    serial: int


_Place: TypeAlias = tuple[str, ...]
"""The owner of a gate, a project, perhaps an instance in it, and an operation there; the owner is a fingerprint or ``_SHARED``."""

_SHARED = ""
"""The owner of what all credentials with a success in the project share."""


@dataclass(frozen=True, slots=True)
class Wait:
    """No call may be made before ``until`` (in the seconds of ``now``); ``reason`` is one of ``Ready``."""

    until: float
    reason: str
    explanation: Explanation | str


@dataclass(slots=True)
class _Gate:
    """The gate of a project, an instance, an operation, or a pair of credentials."""

    one_at_a_time: bool
    closed_until: float = -math.inf
    reason: str = PENDING
    explanation: Explanation | str = ""
    trial: int | None = None
    trial_until: float = -math.inf
    failures: int = 0
    exempt: int | None = None
    """The serial of the one call that is admitted in a wait, ``_NEXT`` before that call, None without one."""
    last_turn: float = -math.inf
    """The newest turn: when the caller that was held last comes back."""
    at_once: int = 0
    """How many of the next callers that it holds come back as soon as it opens."""
    turns: Bookkeeping[dict[Hashable, float]] = field(default_factory=dict)
    """When the callers that it holds come back."""
    used: Bookkeeping[float] = -math.inf

    def wait(self, now: float, caller: Hashable) -> Wait | None:
        if now < self.closed_until and self.exempt != _NEXT:
            return Wait(self._turn(caller), self.reason, self.explanation)
        if self.one_at_a_time and now < self.trial_until:
            tested_for = now - (self.trial_until - _TRIAL)
            pause = max(doubled(_PAUSE, self.failures, 30.0), tested_for)
            return Wait(now + pause, PENDING, "Another call tests whether Atlas answers.")
        return None

    def _turn(self, caller: Hashable) -> float:
        """Return when the caller that is held now comes back: at its turn, if it has one after the wait."""
        turn = self.turns.get(caller, -math.inf)
        if turn >= self.closed_until:
            return turn
        if self.at_once:
            self.at_once -= 1
            turn = self.closed_until
        else:
            following = self.last_turn + _TURN
            is_in_line = self.closed_until <= following < self.closed_until + _LINE
            turn = self.last_turn = following if is_in_line else self.closed_until
        if caller is not None:
            self.turns[caller] = turn
        return turn

    def circuit(self, now: float) -> str:
        if now < self.closed_until:
            return "open"
        return "half_open" if self.one_at_a_time else "closed"

    def is_in_use(self, now: float) -> bool:
        return self.used >= now - _FORGET or self.closed_until >= now

    def enter(self, serial: int, now: float) -> None:
        self.used = now
        if self.exempt == _NEXT:
            self.exempt = serial
        if self.one_at_a_time:
            self.trial, self.trial_until = serial, now + _TRIAL

    def leave(self, serial: int) -> None:
        if self.trial == serial:
            self.trial, self.trial_until = None, -math.inf

    def close(self, until: float, error: AtlasError) -> None:
        if until > self.closed_until:
            self.closed_until, self.reason, self.explanation = until, error.reason, error.explanation
            self.at_once = _AT_ONCE  # anew if the wait is extended, since its first callers come back too early
            self.turns = {caller: turn for caller, turn in self.turns.items() if turn >= until}
        if not isinstance(error, RateLimitedError):
            self.one_at_a_time = True

    def fail(self, now: float) -> None:
        if now >= self.closed_until:  # concurrent calls count once
            self.failures += 1
            self.exempt = None

    def open(self, serial: int, now: float) -> bool:
        # The answer to a call that began before the wait does not end the wait.
        if now < self.closed_until and self.reason != CredentialsInvalidError.reason and serial != self.exempt:
            return False
        self.closed_until = -math.inf
        self.one_at_a_time = False
        self.exempt = None
        self.failures = 0
        if now > self.last_turn:
            self.turns = {}
        return True


class Throttle:
    """Decides which calls may be made; times are monotonic seconds.

    Args:
        probe_interval: seconds after which one call tries refused credentials again.
        max_in_flight: concurrent calls with one pair of credentials, so that slow calls of one tenant leave room for others:
            half of the workers.
    """

    _reached: Bookkeeping[dict[str, dict[str, float]]]
    """By credentials: the projects in which a call has succeeded, and the last time."""

    def __init__(self, *, probe_interval: float = 600.0, max_in_flight: int = 8) -> None:
        self._probe_interval = probe_interval
        self._max_in_flight = max_in_flight
        self._credentials: dict[str, _Gate] = {}
        self._places: dict[_Place, _Gate] = {}
        self._reached = {}
        self._in_flight: Counter[str] = Counter()
        self._serials = itertools.count()
        self._sweep = Sweep()

    def circuits(self, now: float) -> Counter[tuple[str, str]]:
        """Count the gates by owner (``credentials``, ``project`` or ``instance``) and state, in the words of circuit breakers.

        A ``closed`` circuit admits all calls, a ``half_open`` one call at a time, an ``open`` one none. A project or an instance has
        one only during and after a wait that Atlas asked for.
        """
        circuits = Counter(("credentials", gate.circuit(now)) for gate in self._credentials.values())
        for place, gate in self._places.items():
            if (scope := _SCOPES.get(len(place))) is not None:
                circuits[scope, gate.circuit(now)] += 1
        return circuits

    def longest_wait(self, now: float) -> float:
        """Return the seconds for which Atlas has asked to wait from now, at most; 0 without a wait."""
        gates = (*self._credentials.values(), *self._places.values())
        waits = (gate.closed_until - now for gate in gates if gate.reason == RateLimitedError.reason)
        return max((0.0, *waits))

    def admit(
        self, fingerprint: str, project: str, instance: str, now: float, *, operation: str = "", caller: Hashable = None
    ) -> Admitted | Wait:
        """Admit one call, or return its wait.

        Args:
            project: names the project at its Atlas.
            instance: names the instance in it.
            operation: as Atlas calls it.
            caller: has one turn after a wait, and keeps it when it asks again; None has another one each time.
        """
        admitted = Admitted(fingerprint, project, instance, operation, next(self._serials))
        gates = [self._gate_of(fingerprint, now), *self._places_of(admitted).values()]
        wait = next((wait for gate in gates if (wait := gate.wait(now, caller)) is not None), None)
        if wait is None and self._in_flight[fingerprint] >= self._max_in_flight:
            wait = Wait(now + 1.0, PENDING, "The limit of concurrent calls with these credentials is reached.")
        if wait is not None:
            return wait
        self._in_flight[fingerprint] += 1
        for gate in gates:
            gate.enter(admitted.serial, now)
        return admitted

    def let_through(self, fingerprint: str, project: str, instance: str, now: float) -> None:
        """Admit the next call to an instance before the time that Atlas named, once in each such wait; arguments as above."""
        instances = {(owner, project, instance) for owner in (fingerprint, _SHARED)}
        for place, gate in self._places.items():
            waits = now < gate.closed_until and gate.reason != RateLimitedError.reason
            if place[:3] in instances and gate.exempt is None and waits:
                gate.exempt = _NEXT

    def report(self, admitted: Admitted, error: AtlasError | None, now: float) -> None:
        """Record the end of an admitted call; ``error`` is None when it succeeded."""
        self.release(admitted)
        credentials = self._gate_of(admitted.fingerprint, now)
        places = self._places_of(admitted)
        project = _SHARED if self._reaches(admitted) else admitted.fingerprint, admitted.project
        match error:
            case CredentialsRateLimitedError():
                self._limit(credentials, error, now)
            case RateLimitedError():
                whole = self._place(project, now)
                operation = self._place((*project, admitted.instance, admitted.operation), now)
                is_alone = operation.failures > whole.failures  # other operations have succeeded since it was limited
                self._limit(whole, error, now)
                self._limit(operation, error, now, doubles=is_alone)
            case CredentialsInvalidError():
                credentials.close(now + self._probe_interval, error)
            case AtlasUnavailableError():
                for gate in (credentials, *places.values()):
                    gate.fail(now)
                if error.retry_after:
                    instance = self._place((*project, admitted.instance), now)
                    instance.close(now + error.retry_after, error)
                    operation = self._place((*project, admitted.instance, admitted.operation), now)
                    wait = max(error.retry_after, doubled(error.retry_after, operation.failures, 300.0))
                    operation.close(now + wait, error)
            case AtlasError(http_status=None):
                pass  # nothing was sent
            case _:
                if error is None:
                    self._reached.setdefault(admitted.fingerprint, {})[admitted.project] = now
                credentials.open(admitted.serial, now)
                for place, gate in places.items():
                    if gate.open(admitted.serial, now) and now > gate.last_turn:
                        del self._places[place]

    def release(self, admitted: Admitted) -> None:
        """Record the end of an admitted call without a result."""
        self._in_flight[admitted.fingerprint] -= 1
        if not self._in_flight[admitted.fingerprint]:
            del self._in_flight[admitted.fingerprint]
        credentials = self._credentials.get(admitted.fingerprint)
        for gate in (credentials, *self._places_of(admitted).values()):
            if gate is not None:
                gate.leave(admitted.serial)

    def _limit(self, gate: _Gate, error: RateLimitedError, now: float, *, doubles: bool = False) -> None:
        """Close a gate for as long as Atlas asks; if that is no time, or ``doubles``, for a wait that doubles."""
        wait = error.retry_after or 0.0
        if not wait and now < gate.closed_until:
            return  # concurrent calls back off once
        if not wait or doubles:
            wait = max(wait, doubled(10.0, gate.failures, 300.0))  # as Atlas recommends: 10, 20, 40 seconds and so on
        until = now + wait
        gate.fail(now)
        gate.close(until, error)

    def _reaches(self, call: Admitted) -> bool:
        return call.project in self._reached.get(call.fingerprint, ())

    def _place(self, place: _Place, now: float) -> _Gate:
        return self._places.setdefault(place, _Gate(one_at_a_time=False, used=now))

    def _places_of(self, admitted: Admitted) -> dict[_Place, _Gate]:
        owners = (admitted.fingerprint, _SHARED) if self._reaches(admitted) else (admitted.fingerprint,)
        projects: list[_Place] = [(owner, admitted.project) for owner in owners]
        instances = [(*project, admitted.instance) for project in projects]
        places = [*projects, *instances, *((*instance, admitted.operation) for instance in instances)]
        return {place: gate for place in places if (gate := self._places.get(place)) is not None}

    def _gate_of(self, fingerprint: str, now: float) -> _Gate:
        gate = self._credentials.get(fingerprint)
        if gate is None:
            if self._sweep.is_due(now):
                self._credentials = {name: gate for name, gate in self._credentials.items() if gate.is_in_use(now)}
                self._places = {place: gate for place, gate in self._places.items() if gate.is_in_use(now)}
                self._reached = {
                    name: projects
                    for name, projects in self._reached.items()
                    if max(projects.values()) >= now - _FORGET
                }
            gate = self._credentials[fingerprint] = _Gate(one_at_a_time=True, used=now)
        return gate
