"""Cases about resources that run at the same time, since each of them mostly waits.

A case is a function of an environment: a resource, its place in Atlas and the operator between the two. Cases that share a setup
share its Atlas and its operator; a place, a namespace and a Secret are each case's own.
"""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

import httpx

from control_plane.process import PATIENCE, wait_until
from support.atlas import CLOUD_ENDPOINT
from support.resources import condition, told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from concurrent.futures import Future

    from control_plane import ControlPlane
    from support.atlas import Atlas, Place
    from support.operator_process import OperatorProcess
    from support.resources import Resources

NAME = "orders"
"""The resource that a case is about."""

INTERVAL = 4.0
"""Seconds between two looks at a healthy endpoint, on every setup."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What environments share.

    Attributes:
        atlas: a simulated Atlas.
        operator: that serves the resources of this setup.
        one_at_a_time: whether cases on it wait for each other, since they change what is common to all.
        turn: is held by a case that does that.
    """

    atlas: Atlas
    operator: OperatorProcess
    one_at_a_time: bool = False
    turn: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True)
class Env:
    """What one case is about.

    Attributes:
        setup: what it shares with other cases.
        place: the endpoint, which is RESERVED at first.
        resources: a namespace with a Secret ``atlas-credentials`` that works.
        control_plane: where that is.
    """

    setup: Setup
    place: Place
    resources: Resources
    control_plane: ControlPlane

    @property
    def atlas(self) -> Atlas:
        return self.setup.atlas

    def create(self, *, connected: bool = False, **fields: Any) -> None:
        """Create the resource.

        Args:
            connected: have the endpoint as wanted already, so that nothing is sent.
            fields: of the spec.
        """
        if connected:
            self.atlas.connect(self.place, fields.get("comment"))
            fields = {"cloudProviderEndpointId": CLOUD_ENDPOINT, **fields}
        self.resources.create(NAME, self.place.spec(**fields))

    def edit(self, **fields: Any) -> None:
        """Edit the resource; ``None`` removes a field."""
        self.resources.edit(NAME, **fields)

    def becomes_ready(self, name: str = NAME) -> dict[str, Any]:
        """Wait until a resource is ready, and check that nothing of an earlier failure is left."""
        body = self.resources.wait_ready(name)
        credentials = condition(body, "CredentialsValid")
        assert credentials is not None, told(body)
        assert (credentials["status"], credentials["reason"]) == ("True", "Verified"), told(body)
        assert "lastError" not in body["status"], told(body)
        assert "drift" not in body["status"], told(body)
        return body

    def becomes(
        self,
        reason: str,
        pair: str,
        *,
        name: str = NAME,
        ready: str = "False",
        says: Iterable[str] = (),
        error: Mapping[str, Any] | None = None,
        credentials: tuple[str, str] | None = None,
        timeout: float = PATIENCE,
    ) -> dict[str, Any]:
        """Wait until a resource is not ready for a reason, and check all that it says about it.

        Args:
            reason: of ``Ready``.
            pair: ``Reconciling`` or ``Stalled``.
            name: of the resource.
            ready: the status of ``Ready``.
            says: what the message has to hold.
            error: what ``status.lastError`` has to hold; ``None``: there must be none.
            credentials: status and reason of ``CredentialsValid``; ``None``: whatever they are.
            timeout: seconds.
        """
        body = self.resources.wait_reason(name, reason, pair=pair, timeout=timeout)
        _check(body, reason, pair, ready=ready, says=says, error=error, credentials=credentials)
        return body

    def stalls(self, reason: str, **told: Any) -> dict[str, Any]:
        """Wait until a resource is not ready for a reason that heals by itself at first, and is stalled after a while.

        Args:
            reason: of ``Ready``.
            told: as for ``becomes``.
        """
        self.becomes(reason, "Reconciling", **told)
        return self.becomes(reason, "Stalled", **told)

    def became(
        self,
        reason: str,
        pair: str,
        *,
        name: str = NAME,
        says: Iterable[str] = (),
        error: Mapping[str, Any] | None = None,
    ) -> None:
        """Check what a resource said about a reason that may be over; the arguments are those of `becomes`."""
        seen = [body for body in self.resources.states(name) if (condition(body, pair) or {}).get("reason") == reason]
        assert seen, self.trace()
        _check(seen[0], reason, pair, ready="False", says=says, error=error, credentials=None)

    def is_told(self, type_: str, reason: str, words: str) -> None:
        """Wait until an Event about the resource tells something in these words, such as an ID."""

        def found() -> bool:
            events = self.resources.events(NAME)
            return any((each["type"], each["reason"]) == (type_, reason) and words in each["note"] for each in events)

        wait_until(found, f"an Event {reason} with {words}")

    def calls(self, method: str | None = None, *, since: float = 0.0) -> list[dict[str, Any]]:
        """The calls about the place's project so far, or those that came at a time or later."""
        return [each for each in self.atlas.requests(self.place, method) if each["time"] >= since]

    def calls_within(self, seconds: float) -> list[dict[str, Any]]:
        """Look on for a while, and return the calls about the place's project that came in this time."""
        began = time.time()
        time.sleep(seconds)
        return [each for each in self.calls(since=began) if each["time"] < began + seconds]

    def next_calls(self, number: int = 2) -> list[dict[str, Any]]:
        """Wait for so many calls about the place's project, as a resync makes them, and return them."""
        began = time.time()
        wait_until(lambda: len(self.calls(since=began)) >= number, f"{number} calls")
        return self.calls(since=began)

    def patches(self) -> list[dict[str, Any]]:
        return self.atlas.patches(self.place)

    def close(self) -> None:
        """Leave nothing that the operator would go on with."""
        self.atlas.heal(self.place)
        for body in self.resources.all():
            self.resources.delete(body["metadata"]["name"])
        self.resources.close()

    def trace(self) -> str:
        """What became of the resources and what was said to Atlas, for whoever finds out why a case went wrong."""
        lines = []
        for body in self.resources.all():
            for state in self.resources.states(body["metadata"]["name"]):
                ready = condition(state, "Ready") or {"status": "?", "reason": "?", "message": ""}
                pair = next((each for each in ("Reconciling", "Stalled") if condition(state, each)), "")
                lines.append(
                    f"{state['metadata']['name']} generation {state['metadata']['generation']}"
                    f" (observed {state['status']['observedGeneration']}):"
                    f" {ready['status']} {ready['reason']} {pair}: {ready['message'][:120]}"
                )
        began = time.time()
        for call in self.calls():
            shown = json.dumps(call["body"]) if call["body"] else ""
            lines.append(
                f"{call['time'] - began:7.1f} s {call['method']} {call['path'].rpartition('/instance/')[2]} {shown}"
                f" -> {call['status']} {call['errorCode'] or ''} {call['dropped'] or ''}"
            )
        return "\n".join(lines)


def _check(
    body: dict[str, Any],
    reason: str,
    pair: str,
    *,
    ready: str,
    says: Iterable[str],
    error: Mapping[str, Any] | None,
    credentials: tuple[str, str] | None,
) -> None:
    """Check all that a status says; the arguments are those of `Env.becomes`."""
    is_ready, other = condition(body, "Ready"), condition(body, pair)
    assert is_ready is not None, told(body)
    assert other is not None, told(body)
    assert is_ready["status"] == ready, told(body)
    assert (other["reason"], other["message"]) == (reason, is_ready["message"]), told(body)
    missing = [words for words in says if words not in is_ready["message"]]
    assert not missing, f"Ready's message lacks {missing}: {told(body)}"
    last_error = body["status"].get("lastError")
    if error is None:
        assert last_error is None, told(body)
    else:
        assert last_error is not None, told(body)
        assert {key: last_error.get(key) for key in error} == dict(error), told(body)
    if credentials is not None:
        found = condition(body, "CredentialsValid")
        assert found is not None, told(body)
        assert (found["status"], found["reason"]) == credentials, told(body)


def new_namespace(control_plane: ControlPlane) -> str:
    """Make a namespace for one case, and give its name."""
    with control_plane.client() as http:
        answer = http.post("/api/v1/namespaces", json={"metadata": {"generateName": "case-"}})
        return str(answer.raise_for_status().json()["metadata"]["name"])


def seldom(calls: list[dict[str, Any]], seconds: float) -> bool:
    """Return whether calls within some seconds were no more than a healthy endpoint gets, of each kind and path.

    That an API key is asked for another nonce, as after a case that has used up this one, is no call of its own.
    """
    most = seconds / (INTERVAL * 0.9) + 1
    kinds = [(each["method"], each["path"]) for each in calls if not _is_asked_for_a_nonce(each, calls)]
    return all(kinds.count(kind) <= most for kind in kinds)


def _is_asked_for_a_nonce(call: dict[str, Any], calls: list[dict[str, Any]]) -> bool:
    """Return whether a call was only signed anew in the next moment."""
    if call["status"] != httpx.codes.UNAUTHORIZED or call["errorCode"] != "UNEXPECTED_ERROR":
        return False
    same = [each for each in calls if (each["method"], each["path"]) == (call["method"], call["path"])]
    return any(0 < each["time"] - call["time"] < 1 for each in same)


@dataclass(frozen=True, slots=True)
class Case:
    """A function that does and checks all, and the name of the setup it runs on."""

    run: Callable[[Env], None]
    setup: str


class Cases:
    """A table of cases, by their names as sentences."""

    def __init__(self) -> None:
        self.table: dict[str, Case] = {}

    @overload
    def __call__(self, run: Callable[[Env], None]) -> Callable[[Env], None]: ...

    @overload
    def __call__(self, *, setup: str) -> Callable[[Callable[[Env], None]], Callable[[Env], None]]: ...

    def __call__(self, run: Callable[[Env], None] | None = None, *, setup: str = "shared") -> Any:
        """Enter a function whose name is a sentence, as a decorator."""

        def enter(run: Callable[[Env], None]) -> Callable[[Env], None]:
            self.add(run.__name__.replace("_", " "), run, setup=setup)
            return run

        return enter if run is None else enter(run)

    def add(self, sentence: str, run: Callable[[Env], None], *, setup: str = "shared") -> None:
        assert sentence not in self.table, f"two cases are called: {sentence}"
        self.table[sentence] = Case(run, setup)


class Running:
    """Cases under way, all at the same time."""

    def __init__(self, cases: Mapping[str, Case], env: Callable[[Case], Env]) -> None:
        self._pool = ThreadPoolExecutor(max_workers=max(1, len(cases)), thread_name_prefix="case")
        self._outcomes: dict[str, Future[None]] = {
            name: self._pool.submit(_run, case, env(case)) for name, case in cases.items()
        }

    def outcome(self, name: str) -> None:
        """Wait for the end of a case; it raises what the case raised."""
        self._outcomes[name].result()

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


def _run(case: Case, env: Env) -> None:
    with env.setup.turn if env.setup.one_at_a_time else nullcontext():
        try:
            case.run(env)
        except Exception as error:
            error.add_note(env.trace())
            raise
        finally:
            env.close()
