"""Cases about an Atlas that does not answer, or something in its place that does."""

from __future__ import annotations

import itertools
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT
from support.concurrent_cases import NAME, Cases

if TYPE_CHECKING:
    from support.concurrent_cases import Env

cases = Cases()

HTML = "<html><head><title>Sign in</title></head><body>Please sign in</body></html>"

UNREADABLE: dict[str, tuple[dict[str, Any], int | None, str]] = {
    "connections that break off are tried again": ({"drop": "before"}, None, ""),
    "the page of a proxy is no answer": ({"status": 200, "body": HTML}, 200, "ATLAS_ENDPOINTS_ATLAS_URL"),
    "the error page of a proxy is no answer": ({"status": 502, "body": HTML}, 502, "HTTP 502"),
    "a refusal in HTML is not Atlas's word": ({"status": 403, "body": HTML}, 403, "ATLAS_ENDPOINTS_ATLAS_URL"),
    "JSON that ends early is no answer": ({"status": 200, "body": '[{"_id": "6f7cac1a'}, 200, ""),
    "a body that is cut off on the wire is no answer": (
        {"status": 200, "headers": {"Content-Length": "500"}, "body": '[{"_id": "6f7cac1a'},
        None,
        "",
    ),
    "an empty LIST is not a list of nothing": ({"status": 200}, 200, ""),
    "Atlas being upgraded is waited for": (
        {"status": 503, "headers": {"Retry-After": "3"}},
        503,
        "HTTP 503 SERVICE_UNAVAILABLE",
    ),
}
"""A fault of every GET, the HTTP status that is reported, and words of the message."""


def _settled(env: Env, comment: str | None = None) -> tuple[int, int]:
    """Have a resource be ready; give how many PATCHes and calls that took."""
    env.create(connected=True, **({} if comment is None else {"comment": comment}))
    env.becomes_ready()
    return len(env.patches()), len(env.calls())


def _is_unreadable(env: Env, *, fault: dict[str, Any], status: int | None, says: str) -> None:
    env.atlas.fail(env.place, method="GET", **fault)
    env.create(connected=True)
    error = {"operation": "listServerlessPrivateEndpoint", "httpStatus": status, "retryable": True}
    env.becomes("AtlasUnavailable", "Reconciling", says=(says,), error=error)
    began = len(env.resources.states(NAME))

    time.sleep(max(0.0, env.calls()[0]["time"] + 12 - time.time()))
    # A GET whose connection breaks off is sent once more at once, by the library.
    _is_backoff(env.calls(), most=12 if "drop" in fault else 6)
    assert len(env.resources.states(NAME)) == began  # no write for each attempt
    env.atlas.heal(env.place)

    env.becomes_ready()
    assert env.patches() == []


for _sentence, (_fault, _status, _says) in UNREADABLE.items():
    cases.add(_sentence, partial(_is_unreadable, fault=_fault, status=_status, says=_says))


def _is_backoff(calls: list[dict[str, Any]], *, most: int) -> None:
    """Check that the calls of the first twelve seconds came neither in a hurry nor too seldom.

    The resource and the round of its instance each pause for some part, by chance, of 1, 2, 4, 8 seconds and so on. What either
    finds they share, for about as long.
    """
    pauses = [round(later["time"] - earlier["time"], 1) for earlier, later in itertools.pairwise(calls)]
    assert 2 <= len(calls) <= most, pauses


@cases
def a_settled_resource_stays_ready_while_atlas_is_down(env: Env) -> None:
    """Nothing is written about it, and an edit meanwhile is not lost."""
    _, seen = _settled(env)
    began = len(env.resources.states(NAME))

    env.atlas.fail(env.place, drop="before")
    wait_until(lambda: len(env.calls()) >= seen + 3, "some rounds")
    assert len(env.resources.states(NAME)) == began
    env.edit(comment="during the outage")
    env.becomes("AtlasUnavailable", "Reconciling", error={"httpStatus": None, "retryable": True})
    env.atlas.heal(env.place)

    env.becomes_ready()
    assert env.atlas.endpoint(env.place)["comment"] == "during the outage"


@cases(setup="patient")
def an_atlas_that_refuses_connections_is_waited_for(env: Env) -> None:
    """As long as it takes."""
    _settled(env)
    began = len(env.resources.states(NAME))
    newcomer = env.place.sibling(1)
    env.atlas.stop()
    try:
        env.resources.create("newcomer", newcomer.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
        says = ("Connection refused", "ATLAS_ENDPOINTS_ATLAS_URL")
        error = {"httpStatus": None, "retryable": True}
        env.becomes("AtlasUnavailable", "Reconciling", name="newcomer", says=says, error=error)
        time.sleep(5)
        assert len(env.resources.states(NAME)) == began
    finally:
        env.atlas.start_again()
    env.atlas.connect(env.place)
    env.atlas.connect(newcomer)

    env.becomes_ready("newcomer")
    env.becomes_ready()


@cases
def a_change_whose_connection_broke_before_it_was_applied_is_sent_again(env: Env) -> None:
    """After a look that shows that it was not."""
    sent, seen = _settled(env, "one")

    env.atlas.fail(env.place, method="PATCH", drop="before", times=2)
    env.edit(comment="two")

    body = env.becomes_ready()
    assert env.patches()[sent:] == [{"comment": "two"}] * 3
    methods = "".join(each["method"][0] for each in env.calls()[seen:])
    assert "PP" not in methods, methods
    results = [each["result"] for each in body["status"]["history"]]
    assert results[:2] == ["Applied", "Unknown: AtlasUnavailable"]


ANSWER_LOST: dict[str, dict[str, Any]] = {
    "a change whose connection broke after it was applied is not sent again": {"drop": "after"},
    "a change that was applied and answered with nothing is not sent again": {"status": 200, "apply": True},
    "a change that was applied and answered with the page of a proxy is not sent again": {
        "status": 502,
        "body": HTML,
        "apply": True,
    },
    "a change that was applied and answered with half a document is not sent again": {
        "status": 200,
        "body": '{"_id": "6f7',
        "apply": True,
    },
}


def _loses_its_answer(env: Env, *, fault: dict[str, Any]) -> None:
    """Even when Atlas takes its time, it is looked at once more when nothing can come late any more."""
    sent, _ = _settled(env, "one")
    env.atlas.fail(env.place, method="PATCH", times=1, **fault)
    began = time.time()
    env.edit(comment="two")

    env.becomes_ready()
    assert env.patches()[sent:] == [{"comment": "two"}]
    env.edit(syncInterval="24h")
    env.becomes_ready()
    wait_until(lambda: bool(env.calls(since=began + 60)), "the look at the end of all doubt")
    time.sleep(3)
    assert [each["method"] for each in env.calls(since=began + 60)] == ["GET"]
    assert env.patches()[sent:] == [{"comment": "two"}]
    env.becomes_ready()


for _sentence, _lost in ANSWER_LOST.items():
    cases.add(_sentence, partial(_loses_its_answer, fault=_lost))


@cases
def a_connection_whose_answer_is_lost_is_made_once(env: Env) -> None:
    """A second PATCH that connects would be refused, or worse."""
    env.atlas.fail(env.place, method="PATCH", drop="after", times=1)
    env.create(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one")

    env.becomes_ready()
    assert env.patches() == [{"cloudProviderEndpointId": CLOUD_ENDPOINT, "comment": "one"}]


@cases
def a_redirect_is_never_followed(env: Env) -> None:
    """The credentials would go where it points."""
    elsewhere = f"/elsewhere/{env.place.project}"
    env.atlas.fail(env.place, status=302, headers={"Location": f"{env.atlas.url}{elsewhere}"})
    env.create(connected=True)

    env.becomes("AtlasUnavailable", "Reconciling", says=("redirect",), error={"httpStatus": 302, "retryable": True})
    env.atlas.heal(env.place)

    env.becomes_ready()
    assert not [each for each in env.atlas.requests() if each["path"] == elsewhere]
