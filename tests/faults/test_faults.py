"""Whatever goes wrong between the operator and the API server: it lives, and each edit reaches Atlas once."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pytest

from atlas_endpoints.cluster.relister import APART
from control_plane.process import PATIENCE, wait_until
from faults.environment import KIND, alive
from faults.rules import (
    Closed,
    Delay,
    FailedState,
    Frozen,
    Hold,
    Moment,
    Refusal,
    Reset,
    Revoked,
    Said,
    Truncated,
    Verb,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from control_plane import ControlPlane
    from faults.environment import AtOnce, Case, Env, Scale
    from faults.proxy import Exchange, Proxy
    from support.atlas import Atlas, Place
    from support.operator_process import OperatorProcess
    from support.resources import Resources

LABEL = "faults"
MANY = 1000
"""More requests than are made while something goes wrong."""
LONG = 2.0
"""Seconds that what goes wrong again and again goes wrong."""


@dataclass(frozen=True, slots=True)
class Goes:
    """What goes wrong, with which requests, how often (``None``: for ``LONG``)."""

    trouble: FailedState
    verb: Verb
    times: int | None = 1
    path: str = KIND


ENDS = Goes(Closed(), "watch")
EXPIRES = Goes(Said.error(410, "Expired"), "watch")


def _refused(verb: Verb, first: Goes, status: int, reason: str, *, times: int | None = 2) -> Sequence[Goes]:
    """What brings a request about comes last, so that the request meets the refusal."""
    return (Goes(Refusal(status, reason), verb, times), first)


RESUMED: dict[str, Sequence[Goes]] = {
    "a watch is reset": (Goes(Reset(), "watch"),),
    "a watch ends": (ENDS,),
}
"""What goes wrong with the watch that all resources share; it goes on from where it was. One after the other."""

RELISTED: dict[str, Sequence[Goes]] = {
    "a watch breaks off in an event": (Goes(Truncated(), "watch"),),
    "a watch says 410": (EXPIRES,),
    "a watch is refused with 403": _refused("watch", ENDS, 403, "Forbidden"),
    "a LIST is reset": (Goes(Reset(), "list", 2), EXPIRES),
    "a LIST is refused with 403": _refused("list", EXPIRES, 403, "Forbidden"),
    "LISTs are refused with 503 for a while": _refused("list", EXPIRES, 503, "ServiceUnavailable", times=None),
}
"""What goes wrong with the watch and the LIST that all resources share; a LIST tells what was missed. One after the other."""

ALONE: dict[str, tuple[Sequence[Goes], dict[str, str]]] = {
    # It looks like a watch while nothing happens. Each is asked for anew after a minute, and freezes too: only a resync shows
    # the edit.
    "watches freeze": ((Goes(Frozen(), "watch", MANY),), {"sync_interval": "4s"}),
    "a watch hangs before it begins": ((Goes(Hold(Moment.BEFORE), "watch"), ENDS), {}),
    "a LIST hangs": ((Goes(Hold(Moment.BEFORE), "list"), EXPIRES), {}),
}
"""What takes its time to be noticed, and what the operator needs for it; each with an operator of its own, all at once."""

A_STATUS: dict[str, tuple[FailedState, int]] = {
    "is written and the answer lost": (Reset(Moment.AFTER), 1),
    "is written and answered with 500": (Refusal(500, "InternalError", moment=Moment.AFTER), 1),
    "hangs": (Hold(Moment.BEFORE), 1),
    "meets a conflict that is none": (Refusal(409, "Conflict"), 5),
    "is refused with 403": (Refusal(403, "Forbidden"), 2),
    "is refused with 429": (Refusal(429, "TooManyRequests", headers={"Retry-After": "1"}), 2),
}
A_SECRET: dict[str, tuple[FailedState, int]] = {
    "is read slowly": (Delay(3.0), 1),
    "is refused with 403": (Refusal(403, "Forbidden"), 1),
}
ONE_RESOURCE: dict[str, Goes] = {
    **{
        f"a status {says}": Goes(trouble, "write", times, "/{name}/status")
        for says, (trouble, times) in A_STATUS.items()
    },
    **{
        f"a Secret {says}": Goes(trouble, "get", times, "/secrets/of-{name}$")
        for says, (trouble, times) in A_SECRET.items()
    },
}
"""What goes wrong with one resource, which the others do not notice; all at once."""


@pytest.fixture
def api(env: Env) -> Proxy:
    """The way to the API server."""
    return env.api


@pytest.fixture(scope="module")
def running(env: Env) -> tuple[OperatorProcess, Path]:
    """The operator of this file, and the kubeconfig that it reads; no round comes within a test and hides what was lost."""
    return env.start_behind(env.api, label=LABEL, atlas_url=env.atlas.url, concurrency=64)


@pytest.fixture(scope="module")
def operator(running: tuple[OperatorProcess, Path]) -> OperatorProcess:
    return running[0]


@pytest.fixture(scope="module")
def resources(env: Env) -> Resources:
    return env.resources(LABEL)


@pytest.fixture(name="alive")
def is_alive(operator: OperatorProcess) -> Iterator[None]:
    """The operator is the same process before and after the test, and well."""
    yield
    alive(operator)


@dataclass(frozen=True, slots=True)
class Subject:
    """A resource that is at rest, with the comment ``one``."""

    name: str
    place: Place
    resources: Resources
    atlas: Atlas

    def converges(self, *comments: str) -> None:
        """Check that it gets ready with the last of some comments, and that Atlas was told of each once."""
        body = self.resources.wait_ready(self.name)
        assert body["status"]["applied"]["comment"] == comments[-1]
        assert self.atlas.endpoint(self.place)["comment"] == comments[-1]
        assert self.atlas.patches(self.place) == [{"comment": comment} for comment in comments]


@pytest.fixture
def subject(resources: Resources, env: Env, operator: OperatorProcess) -> Subject:
    operator.server.check()
    return _at_rest(f"e{len(resources.all())}", resources, env)


def _at_rest(name: str, resources: Resources, env: Env) -> Subject:
    return Subject(name, env.settled(resources, name), resources, env.atlas)


def _edit_while(going: Sequence[Goes], api: Proxy, subject: Subject) -> None:
    # After errors the operator takes its time to watch again.
    wait_until(lambda: api.watched(KIND), "the operator to watch")
    before = len(api.exchanges)
    with ExitStack() as breaking:
        faults = [
            breaking.enter_context(api.breaking(each.trouble, verb=each.verb, path=each.path, times=each.times))
            for each in going
        ]
        subject.resources.edit(subject.name, comment="two")
        for each, fault in zip(going, faults, strict=True):
            assert fault.happened.wait(PATIENCE), each
        if any(each.times is None for each in going):
            time.sleep(LONG)
            asked = [each for each in api.exchanges[before:] if each.request.verb in {"list", "watch"}]
            assert len(asked) < LONG * 10, "the API server is hammered"
            breaking.close()

        subject.converges("two")


def _no_list_is_due(api: Proxy) -> None:
    """Wait until a LIST that has nothing to do with the test cannot bring what the watch has missed."""
    wait_until(lambda: not _lists(api, time.time() - 2 * APART), "the last LIST to be over")


def _lists(api: Proxy, began: float) -> list[Exchange]:
    return [
        each
        for each in api.exchanges
        if each.time > began and each.request.verb == "list" and each.request.path.endswith(KIND)
    ]


@pytest.mark.gate
@pytest.mark.parametrize("sentence", RESUMED)
def test_an_edit_that_a_watch_brings_late_since(sentence: str, api: Proxy, alive: None, subject: Subject) -> None:
    _no_list_is_due(api)
    began = time.time()

    _edit_while(RESUMED[sentence], api, subject)

    assert not _lists(api, began)


@pytest.mark.parametrize("sentence", RELISTED)
def test_an_edit_that_a_list_brings_since(sentence: str, api: Proxy, alive: None, subject: Subject) -> None:
    _edit_while(RELISTED[sentence], api, subject)


def _alone(env: Env, _: Scale, *, label: str, going: Sequence[Goes], settings: Mapping[str, str]) -> None:
    resources = env.resources(label)
    operator = env.start(label, **settings)
    subject = _at_rest("orders", resources, env)
    if settings:
        time.sleep(2 * APART)  # else the LIST that follows kopf's first one brings the edit
    else:
        _no_list_is_due(env.api)
    _edit_while(going, env.api, subject)
    alive(operator)
    operator.stop()


CASES: dict[str, Case] = {
    sentence: partial(_alone, label=f"alone-{number}", going=going, settings=settings)
    for number, (sentence, (going, settings)) in enumerate(ALONE.items())
}


@pytest.fixture(scope="module", autouse=True)
def under_way(at_once: AtOnce) -> None:
    """Begin what takes long before the first test."""


@pytest.fixture(scope="module")
def one_each(env: Env, operator: OperatorProcess, resources: Resources) -> Iterator[dict[str, Future[None]]]:
    """All that goes wrong with one resource each, under way."""

    def play(name: str, going: Goes) -> None:
        secret = f"of-{name}"
        resources.secret(secret)
        subject = _at_rest(name, resources, env)
        path = going.path.format(name=name)
        with env.api.breaking(going.trouble, verb=going.verb, path=path, times=going.times) as fault:
            resources.edit(name, comment="two", credentialsSecretRef={"name": secret})
            assert fault.happened.wait(PATIENCE), going
            subject.converges("two")

    with ThreadPoolExecutor(len(ONE_RESOURCE)) as pool:
        yield {
            sentence: pool.submit(play, f"one-{number}", going)
            for number, (sentence, going) in enumerate(ONE_RESOURCE.items())
        }
        pool.shutdown(cancel_futures=True)


@pytest.mark.gate
@pytest.mark.parametrize("sentence", ONE_RESOURCE)
def test_an_edit_of_which(sentence: str, one_each: dict[str, Future[None]], alive: None) -> None:
    one_each[sentence].result()


@pytest.mark.gate
def test_an_edit_while_connections_are_refused(api: Proxy, alive: None, subject: Subject) -> None:
    api.refuse()
    subject.resources.edit(subject.name, comment="two")
    time.sleep(3)
    api.listen()

    subject.converges("two")


def test_an_edit_after_the_token_was_replaced_and_the_old_one_revoked(
    control_plane: ControlPlane,
    api: Proxy,
    running: tuple[OperatorProcess, Path],
    alive: None,
    subject: Subject,
) -> None:
    _, kubeconfig = running
    account = ("create", "token", f"operator-{LABEL}", "--namespace=default")
    token = control_plane.kubectl(*account).stdout.strip()
    with api.breaking(Closed(), verb="watch", path=KIND, times=1) as closed:
        assert closed.happened.wait(PATIENCE)
    with api.breaking(Revoked(token)) as revoked:
        subject.resources.edit(subject.name, comment="two")
        assert revoked.happened.wait(PATIENCE)

        api.kubeconfig(kubeconfig, kubeconfig, token=token)

        subject.converges("two")


@pytest.mark.parametrize("case", CASES)
def test_an_edit_alone_while(case: str, at_once: AtOnce) -> None:
    at_once.outcome(case)
