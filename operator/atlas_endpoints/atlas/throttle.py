"""Who may call Atlas now: waits that Atlas asked for, and credentials that do not work. Pure state over given times.

There is a gate for each project and for each pair of credentials. A gate is open, closed until a time, or lets one call
at a time through until one is answered:

- A 429 closes the gate of the project (or of the credentials, when the token endpoint sent it).
- Refused credentials close theirs for long. New or changed credentials have another fingerprint, and so another gate.
- After a wait, and for credentials that were never seen to work, calls go one at a time. The first answer to a call,
  whatever it says about the call itself, opens the gate.

Nothing sleeps here: whoever may not call is told when to come again.
"""

import itertools
import math
from collections import Counter
from dataclasses import dataclass

from atlas_endpoints.atlas.errors import (
    AtlasError,
    AtlasUnavailableError,
    CredentialsInvalidError,
    RateLimitedError,
    Scope,
)
from atlas_endpoints.engine.backoff import doubled
from atlas_endpoints.engine.bookkeeping import Bookkeeping
from atlas_endpoints.engine.sweep import Sweep

PENDING = "Pending"
"""Reason of a wait that has no cause but another call that is under way."""

_TRIAL = 60.0
"""Seconds after which a trial that was never reported is given up for lost; no call takes that long."""

_FORGET = 86400.0
"""Seconds without a call after which credentials count as never seen."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A call may be made; :meth:`Throttle.report` or :meth:`Throttle.release` must follow, whatever becomes of it."""

    fingerprint: str
    project: str
    serial: int


@dataclass(frozen=True, slots=True)
class Wait:
    """No call may be made before ``until`` (in the same seconds as ``now``); ``reason`` is one of ``Ready``'s."""

    until: float
    reason: str
    message: str


@dataclass(slots=True)
class _Gate:
    """A project, or a pair of credentials."""

    one_at_a_time: bool
    closed_until: float = -math.inf
    reason: str = PENDING
    message: str = ""
    trial: int | None = None
    trial_until: float = -math.inf
    fruitless: int = 0
    used: Bookkeeping[float] = -math.inf

    def wait(self, now: float) -> Wait | None:
        if now < self.closed_until:
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

    def enter(self, serial: int, now: float) -> None:
        self.used = now
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

    def open(self, now: float) -> bool:
        # An answer to a call that was under way when Atlas asked to wait does not end the wait.
        if now < self.closed_until and self.reason != CredentialsInvalidError.reason:
            return False
        self.closed_until = -math.inf
        self.one_at_a_time = False
        self.fruitless = 0
        return True


class Throttle:
    """Decides which calls may be made.

    Args:
        probe_interval: seconds after which refused credentials are tried again, with one call.
        max_in_flight: calls at a time with one pair of credentials, so that slow calls of one tenant leave room for the
            others; half of the workers is meant.
    """

    def __init__(self, *, probe_interval: float = 600.0, max_in_flight: int = 8) -> None:
        self._probe_interval = probe_interval
        self._max_in_flight = max_in_flight
        self._credentials: dict[str, _Gate] = {}
        self._projects: dict[str, _Gate] = {}
        self._in_flight: Counter[str] = Counter()
        self._serials = itertools.count()
        self._sweep = Sweep()

    def circuits(self, now: float) -> Counter[tuple[str, str]]:
        """Count the gates by whose they are (``credentials`` or ``project``) and, as circuit breakers are spoken of, their state.

        Through a ``closed`` circuit calls go as they come, through a ``half_open`` one at a time, through an ``open`` one none.
        A project has one only from when Atlas asks to wait until that is over.
        """
        return Counter(
            (scope, gate.circuit(now))
            for scope, gates in (("credentials", self._credentials), ("project", self._projects))
            for gate in gates.values()
        )

    def longest_wait(self, now: float) -> float:
        """Tell for how many more seconds a gate stays closed since Atlas has asked to wait, at most; 0: none does."""
        gates = (*self._credentials.values(), *self._projects.values())
        waits = (gate.closed_until - now for gate in gates if gate.reason == RateLimitedError.reason)
        return max((0.0, *waits))

    def admit(self, fingerprint: str, project: str, now: float) -> Admitted | Wait:
        """Decide about one call.

        Args:
            fingerprint: of the credentials.
            project: names the project that the call is about, and its Atlas.
            now: monotonic seconds, as for all methods.
        """
        credentials = self._gate_of(fingerprint, now)
        gate = self._projects.get(project)
        wait = credentials.wait(now) or (gate.wait(now) if gate else None)
        if wait is None and self._in_flight[fingerprint] >= self._max_in_flight:
            wait = Wait(now + 1.0, PENDING, "Enough calls with these credentials are under way.")
        if wait is not None:
            return wait
        admitted = Admitted(fingerprint, project, next(self._serials))
        self._in_flight[fingerprint] += 1
        credentials.enter(admitted.serial, now)
        if gate is not None:
            gate.enter(admitted.serial, now)
        return admitted

    def report(self, admitted: Admitted, error: AtlasError | None, now: float) -> None:
        """Take in how an admitted call ended; ``error`` is None when it succeeded."""
        self.release(admitted)
        credentials = self._gate_of(admitted.fingerprint, now)
        project = self._projects.get(admitted.project)
        match error:
            case RateLimitedError(scope=Scope.PROJECT):
                self._limit(self._projects.setdefault(admitted.project, _Gate(one_at_a_time=True)), error, now)
            case RateLimitedError():
                self._limit(credentials, error, now)
            case CredentialsInvalidError():
                credentials.close(now + self._probe_interval, error.reason, error.message)
            case AtlasUnavailableError():
                credentials.fail(now)
                if project is not None:
                    project.fail(now)
            case AtlasError(http_status=None):
                pass  # nothing was sent
            case _:
                credentials.open(now)
                if project is not None and project.open(now):
                    del self._projects[admitted.project]

    def release(self, admitted: Admitted) -> None:
        """Take in that an admitted call was given up, so that nothing was learned from it."""
        self._in_flight[admitted.fingerprint] -= 1
        if not self._in_flight[admitted.fingerprint]:
            del self._in_flight[admitted.fingerprint]
        for gate in (self._credentials.get(admitted.fingerprint), self._projects.get(admitted.project)):
            if gate is not None:
                gate.leave(admitted.serial)

    def forget(self, fingerprint: str, now: float) -> None:
        """Drop the gate of credentials that nobody uses any more, unless Atlas has asked to wait: then, when that is over."""
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

    def _gate_of(self, fingerprint: str, now: float) -> _Gate:
        gate = self._credentials.get(fingerprint)
        if gate is None:
            every = ((self._credentials, 0.0), (self._projects, _FORGET))
            for gates, kept in every if self._sweep.is_due(now) else ():
                for name in [
                    name for name, gate in gates.items() if gate.used < now - _FORGET and gate.closed_until < now - kept
                ]:
                    del gates[name]
            gate = self._credentials[fingerprint] = _Gate(one_at_a_time=True, used=now)
        return gate
