"""Who may call Atlas now: waits that Atlas asked for, and credentials that do not work. Pure state over given times.

There is a gate for each pair of credentials, and one for each project and each instance that Atlas has asked to wait for. A
gate is open, closed until a time, or lets one call at a time through until one is answered:

- A 429 closes the gate of the project (or of the credentials, when the token endpoint sent it). Credentials that were never
  seen to reach the project have a gate of it for themselves: whoever only names a project slows nobody down who uses it.
- Another failure for which Atlas names a time (a 503 with ``Retry-After``) closes the gate of the instance until then, with the
  same exception for strangers. In each such wait, a person who asks for it has one call let through.
- Refused credentials close theirs for long. New or changed credentials have another fingerprint, and so another gate.
- After a wait, and for credentials that were never seen to work, calls go one at a time. The first answer to a call,
  whatever it says about the call itself, opens the gate.

Nothing sleeps here: whoever may not call is told when to come again.
"""

import itertools
import math
from collections import Counter
from dataclasses import dataclass
from typing import TypeAlias

from atlas_endpoints.atlas.errors import (
    AtlasError,
    AtlasUnavailableError,
    CredentialsInvalidError,
    RateLimitedError,
    Scope,
)
from atlas_endpoints.controller.backoff import doubled
from atlas_endpoints.controller.bookkeeping import Bookkeeping
from atlas_endpoints.controller.sweep import Sweep

PENDING = "Pending"
"""Reason of a wait that has no cause but another call that is under way."""

_TRIAL = 60.0
"""Seconds after which a trial that was never reported is given up for lost; no call takes that long."""

_INSTANCE = 3
"""How many names the place of an instance has."""

_NEXT = -1
"""The serial of a call that is still to be made."""

_FORGET = 86400.0
"""Seconds without a call after which credentials count as never seen."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A call may be made; :meth:`Throttle.report` or :meth:`Throttle.release` must follow, whatever becomes of it."""

    fingerprint: str
    project: str
    instance: str
    serial: int

    @property
    def own_project(self) -> "_Place":
        """Names the project as long as these credentials were not seen to reach it."""
        return self.fingerprint, self.project

    @property
    def own_instance(self) -> "_Place":
        """Names the instance as long as these credentials were not seen to reach its project."""
        return self.fingerprint, self.project, self.instance

    @property
    def shared_instance(self) -> "_Place":
        """Names the instance for all who were seen to reach its project."""
        return "", self.project, self.instance


_Place: TypeAlias = tuple[str, ...]
"""What a gate is of, beside credentials: a project or an instance, of all who reach it or of some credentials."""


@dataclass(frozen=True, slots=True)
class Wait:
    """No call may be made before ``until`` (in the same seconds as ``now``); ``reason`` is one of ``Ready``'s."""

    until: float
    reason: str
    message: str


@dataclass(slots=True)
class _Gate:
    """A project, an instance, or a pair of credentials."""

    one_at_a_time: bool
    closed_until: float = -math.inf
    reason: str = PENDING
    message: str = ""
    trial: int | None = None
    trial_until: float = -math.inf
    fruitless: int = 0
    exception: int | None = None
    """Which call was let through although the gate was closed; below 0: the next one is to be. There is one in a wait."""
    used: Bookkeeping[float] = -math.inf

    def wait(self, now: float) -> Wait | None:
        if now < self.closed_until and self.exception != _NEXT:
            return Wait(self.closed_until, self.reason, self.message)
        if self.one_at_a_time and now < self.trial_until:
            return Wait(
                now + doubled(1.0, self.fruitless, 30.0), PENDING, "Another call finds out whether Atlas answers."
            )
        return None

    def circuit(self, now: float) -> str:
        if now < self.closed_until:
            return "open"
        return "half_open" if self.one_at_a_time else "closed"

    def is_in_use(self, now: float) -> bool:
        return self.used >= now - _FORGET or self.closed_until >= now

    def enter(self, serial: int, now: float) -> None:
        self.used = now
        if self.exception == _NEXT:
            self.exception = serial
        if self.one_at_a_time:
            self.trial, self.trial_until = serial, now + _TRIAL

    def leave(self, serial: int) -> None:
        if self.trial == serial:
            self.trial, self.trial_until = None, -math.inf

    def close(self, until: float, reason: str, message: str) -> None:
        if until > self.closed_until:
            self.closed_until, self.reason, self.message = until, reason, message
        self.one_at_a_time = True

    def fail(self, now: float) -> None:
        if now >= self.closed_until:  # once for all calls that were under way together
            self.fruitless += 1
            self.exception = None

    def open(self, serial: int, now: float) -> bool:
        # An answer to a call that was under way when Atlas asked to wait does not end the wait.
        if now < self.closed_until and self.reason != CredentialsInvalidError.reason and serial != self.exception:
            return False
        self.closed_until = -math.inf
        self.one_at_a_time = False
        self.exception = None
        self.fruitless = 0
        return True


class Throttle:
    """Decides which calls may be made.

    Args:
        probe_interval: seconds after which refused credentials are tried again, with one call.
        max_in_flight: calls at a time with one pair of credentials, so that slow calls of one tenant leave room for the
            others; half of the workers is meant.
    """

    _reached: Bookkeeping[dict[str, dict[str, float]]]
    """By credentials: the projects in which a call with them has succeeded, and when last."""

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
        """Count the gates by whose they are (``credentials``, ``project`` or ``instance``) and, as circuit breakers are spoken of, their state.

        Through a ``closed`` circuit calls go as they come, through a ``half_open`` one at a time, through an ``open`` one none.
        A project, or an instance, has one only from when Atlas asks to wait until that is over.
        """
        circuits = Counter(("credentials", gate.circuit(now)) for gate in self._credentials.values())
        for place, gate in self._places.items():
            circuits["instance" if len(place) == _INSTANCE else "project", gate.circuit(now)] += 1
        return circuits

    def longest_wait(self, now: float) -> float:
        """Tell for how many more seconds a gate stays closed since Atlas has asked to wait, at most; 0: none does."""
        gates = (*self._credentials.values(), *self._places.values())
        waits = (gate.closed_until - now for gate in gates if gate.reason == RateLimitedError.reason)
        return max((0.0, *waits))

    def admit(self, fingerprint: str, project: str, instance: str, now: float) -> Admitted | Wait:
        """Decide about one call.

        Args:
            fingerprint: of the credentials.
            project: names the project that the call is about, and its Atlas.
            instance: names the instance in the project.
            now: monotonic seconds, as for all methods.
        """
        admitted = Admitted(fingerprint, project, instance, next(self._serials))
        gates = [self._gate_of(fingerprint, now), *self._places_of(admitted).values()]
        wait = next((wait for gate in gates if (wait := gate.wait(now)) is not None), None)
        if wait is None and self._in_flight[fingerprint] >= self._max_in_flight:
            wait = Wait(now + 1.0, PENDING, "Enough calls with these credentials are under way.")
        if wait is not None:
            return wait
        self._in_flight[fingerprint] += 1
        for gate in gates:
            gate.enter(admitted.serial, now)
        return admitted

    def let_through(self, fingerprint: str, project: str, instance: str, now: float) -> None:
        """Let the next call to an instance pass before the time that Atlas named, once in each such wait; arguments as above."""
        call = Admitted(fingerprint, project, instance, _NEXT)
        for place in (call.own_instance, call.shared_instance):
            gate = self._places.get(place)
            if gate is not None and gate.exception is None and now < gate.closed_until:
                gate.exception = _NEXT

    def report(self, admitted: Admitted, error: AtlasError | None, now: float) -> None:
        """Take in how an admitted call ended; ``error`` is None when it succeeded."""
        self.release(admitted)
        credentials = self._gate_of(admitted.fingerprint, now)
        places = self._places_of(admitted)
        match error:
            case RateLimitedError(scope=Scope.PROJECT):
                place = (admitted.project,) if self._reaches(admitted) else admitted.own_project
                self._limit(self._place(place, now), error, now)
            case RateLimitedError():
                self._limit(credentials, error, now)
            case CredentialsInvalidError():
                credentials.close(now + self._probe_interval, error.reason, error.message)
            case AtlasUnavailableError():
                for gate in (credentials, *places.values()):
                    gate.fail(now)
                if error.retry_after:
                    place = admitted.shared_instance if self._reaches(admitted) else admitted.own_instance
                    self._place(place, now).close(now + error.retry_after, error.reason, error.message)
            case AtlasError(http_status=None):
                pass  # nothing was sent
            case _:
                if error is None:
                    self._reached.setdefault(admitted.fingerprint, {})[admitted.project] = now
                credentials.open(admitted.serial, now)
                for place, gate in places.items():
                    if gate.open(admitted.serial, now):
                        del self._places[place]

    def release(self, admitted: Admitted) -> None:
        """Take in that an admitted call was given up, so that nothing was learned from it."""
        self._in_flight[admitted.fingerprint] -= 1
        if not self._in_flight[admitted.fingerprint]:
            del self._in_flight[admitted.fingerprint]
        credentials = self._credentials.get(admitted.fingerprint)
        for gate in (credentials, *self._places_of(admitted).values()):
            if gate is not None:
                gate.leave(admitted.serial)

    def forget(self, fingerprint: str, now: float) -> None:
        """Drop the state of credentials, except for waits that Atlas asked for."""
        reached = self._reached.pop(fingerprint, {})
        limited = {
            project: at
            for project, at in reached.items()
            if (gate := self._places.get((project,))) is not None and now < gate.closed_until
        }
        if limited:
            self._reached[fingerprint] = limited
        gate = self._credentials.get(fingerprint)
        if gate is None:
            return
        if gate.reason == RateLimitedError.reason and now < gate.closed_until:
            gate.used = -math.inf
        else:
            del self._credentials[fingerprint]

    def _limit(self, gate: _Gate, error: RateLimitedError, now: float) -> None:
        if error.retry_after:
            until = now + error.retry_after
        elif now < gate.closed_until:
            return  # calls that were under way together back off once
        else:
            until = now + doubled(10.0, gate.fruitless, 300.0)  # as Atlas recommends: 10, 20, 40 seconds and so on
        gate.fail(now)
        gate.close(until, error.reason, error.message)

    def _reaches(self, call: Admitted) -> bool:
        return call.project in self._reached.get(call.fingerprint, ())

    def _place(self, place: _Place, now: float) -> _Gate:
        return self._places.setdefault(place, _Gate(one_at_a_time=True, used=now))

    def _places_of(self, admitted: Admitted) -> dict[_Place, _Gate]:
        """Return the existing gates of a call, without that of its credentials."""
        places: list[_Place] = [admitted.own_project, admitted.own_instance]
        if self._reaches(admitted):
            places += [(admitted.project,), admitted.shared_instance]
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
