"""Stories about an Atlas that does not answer, or something in its place that does."""

from __future__ import annotations

import itertools
import time
from functools import partial
from typing import TYPE_CHECKING

from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT, OTHER_CLOUD_ENDPOINT
from support.resources import condition
from support.scenes import NAME, Stories

if TYPE_CHECKING:
    from typing import Any

    from support.scenes import Scene

stories = Stories()

HTML = "<html><head><title>Sign in</title></head><body>Please sign in</body></html>"

UNREADABLE: dict[str, tuple[dict[str, Any], int | None, str]] = {
    "connections that break off are tried again": ({"drop": "before"}, None, "The connection to Atlas broke off"),
    "the page of a proxy is no answer": (
        {"status": 200, "body": HTML},
        200,
        (
            "Atlas answered 200 without the content that belongs to it (empty, cut off, or not from Atlas); if it persists,"
            " check ATLAS_ENDPOINTS_ATLAS_URL (or baseUrl in the operator's Secret) and the proxies on the way."
        ),
    ),
    "the error page of a proxy is no answer": (
        {"status": 502, "body": HTML},
        502,
        "Atlas cannot serve the call at the moment; it is retried. (HTTP 502)",
    ),
    "a refusal in HTML is not Atlas's word": (
        {"status": 403, "body": HTML},
        403,
        (
            "Something that is not the Atlas Admin API answered; check ATLAS_ENDPOINTS_ATLAS_URL (or baseUrl in the operator's Secret) and the"
            " proxies on the way."
        ),
    ),
    "JSON that ends early is no answer": (
        {"status": 200, "body": '[{"_id": "6f7cac1a'},
        200,
        "Atlas answered 200 without the content that belongs to it",
    ),
    "a body that is cut off on the wire is no answer": (
        {"status": 200, "headers": {"Content-Length": "500"}, "body": '[{"_id": "6f7cac1a'},
        None,
        "Atlas's answer broke off or cannot be decoded; the call is retried.",
    ),
    "an empty LIST is not a list of nothing": (
        {"status": 200},
        200,
        "Atlas answered 200 without the content that belongs to it",
    ),
    "Atlas being upgraded is waited for": (
        {"status": 503, "headers": {"Retry-After": "3"}},
        503,
        "Atlas cannot serve the call at the moment; it is retried. (HTTP 503 SERVICE_UNAVAILABLE)",
    ),
}
"""A fault of every GET, the HTTP status that is reported, and what is said."""


def _is_unreadable(scene: Scene, *, fault: dict[str, Any], status: int | None, says: str) -> None:
    scene.atlas.fail(scene.place, method="GET", **fault)
    scene.create(connected=True)
    scene.becomes(
        "AtlasUnavailable",
        "Reconciling",
        says=(says,),
        error={"operation": "listServerlessPrivateEndpoint", "httpStatus": status, "retryable": True},
    )
    began = len(scene.resources.states(NAME))

    time.sleep(max(0.0, scene.calls()[0]["time"] + 12 - time.time()))
    # A GET whose connection breaks off is sent once more at once, by the library.
    _is_backoff(scene.calls(), most=12 if "drop" in fault else 6)
    assert len(scene.resources.states(NAME)) == began  # no write for each attempt
    scene.atlas.heal(scene.place)

    scene.becomes_ready()
    assert scene.patches() == []


for _sentence, (_fault, _status, _says) in UNREADABLE.items():
    stories.add(_sentence, partial(_is_unreadable, fault=_fault, status=_status, says=_says))


def _is_backoff(calls: list[dict[str, Any]], *, most: int) -> None:
    """Check that the calls of the first twelve seconds came neither in a hurry nor too seldom.

    The resource and the round of its instance each pause for some part, by chance, of 1, 2, 4, 8 seconds and so on. What either
    finds they share, for about as long.

    Args:
        calls: of one kind.
        most: how many are not too many.
    """
    pauses = [round(later["time"] - earlier["time"], 1) for earlier, later in itertools.pairwise(calls)]
    assert 2 <= len(calls) <= most, pauses


@stories
def a_settled_resource_stays_ready_while_atlas_is_down(scene: Scene) -> None:
    """Nothing is written about it, and an edit meanwhile is not lost."""
    scene.create(connected=True)
    scene.becomes_ready()
    began = len(scene.resources.states(NAME))

    scene.atlas.fail(scene.place, drop="before")
    time.sleep(10)
    assert len(scene.resources.states(NAME)) == began
    assert len(scene.calls()) > 2
    scene.edit(comment="during the outage")
    scene.becomes(
        "AtlasUnavailable",
        "Reconciling",
        says=("The connection to Atlas broke off; the call is retried.",),
        error={"httpStatus": None, "retryable": True},
    )
    scene.atlas.heal(scene.place)

    scene.becomes_ready()
    assert scene.atlas.endpoint(scene.place)["comment"] == "during the outage"


@stories(stage="patient")
def an_atlas_that_refuses_connections_is_waited_for(scene: Scene) -> None:
    """As long as it takes."""
    scene.create(connected=True)
    scene.becomes_ready()
    began = len(scene.resources.states(NAME))
    newcomer = scene.place.sibling(1)
    scene.atlas.stop()
    try:
        scene.resources.create("newcomer", newcomer.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
        scene.becomes(
            "AtlasUnavailable",
            "Reconciling",
            name="newcomer",
            says=(
                "Atlas cannot be reached; check ATLAS_ENDPOINTS_ATLAS_URL (or baseUrl in the operator's Secret), network policies and firewalls. (Connection refused)",
            ),
            error={"httpStatus": None, "retryable": True},
        )
        time.sleep(5)
        assert len(scene.resources.states(NAME)) == began
    finally:
        scene.atlas.start_again()
    scene.atlas.connect(scene.place)
    scene.atlas.connect(newcomer)

    scene.becomes_ready("newcomer")
    scene.becomes_ready()


@stories
def a_change_whose_connection_broke_before_it_was_applied_is_sent_again(scene: Scene) -> None:
    """After a look that shows that it was not."""
    scene.create(connected=True, comment="one")
    scene.becomes_ready()
    sent, seen = len(scene.patches()), len(scene.calls())

    scene.atlas.fail(scene.place, method="PATCH", drop="before", times=2)
    scene.edit(comment="two")

    body = scene.becomes_ready()
    assert scene.patches()[sent:] == [{"comment": "two"}] * 3
    methods = "".join(each["method"][0] for each in scene.calls()[seen:])
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


def _loses_its_answer(scene: Scene, *, fault: dict[str, Any]) -> None:
    """Even when Atlas takes its time, it is looked at once more when nothing can come late any more."""
    scene.create(connected=True, comment="one")
    scene.becomes_ready()
    sent = len(scene.patches())
    scene.atlas.fail(scene.place, method="PATCH", times=1, **fault)
    began = time.time()
    scene.edit(comment="two")

    scene.becomes_ready()
    assert scene.patches()[sent:] == [{"comment": "two"}]
    scene.edit(syncInterval="24h")
    scene.becomes_ready()
    wait_until(lambda: bool(scene.calls(since=began + 60)), "the look at the end of all doubt")
    time.sleep(3)
    assert [each["method"] for each in scene.calls(since=began + 60)] == ["GET"]
    assert scene.patches()[sent:] == [{"comment": "two"}]
    scene.becomes_ready()


for _sentence, _lost in ANSWER_LOST.items():
    stories.add(_sentence, partial(_loses_its_answer, fault=_lost))


@stories
def a_connection_whose_answer_is_lost_is_made_once(scene: Scene) -> None:
    """A second PATCH that connects would be refused, or worse."""
    scene.atlas.fail(scene.place, method="PATCH", drop="after", times=1)
    scene.create(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one")

    scene.becomes_ready()
    assert scene.patches() == [{"cloudProviderEndpointId": CLOUD_ENDPOINT, "comment": "one"}]


@stories
def a_change_that_was_answered_with_nothing_and_not_applied_is_sent_again(scene: Scene) -> None:
    """An empty 200 says nothing either way."""
    scene.create(connected=True)
    scene.becomes_ready()
    scene.atlas.fail(scene.place, method="PATCH", status=200, times=1)

    scene.edit(comment="two")

    scene.becomes_ready()
    assert scene.patches() == [{"comment": "two"}] * 2
    assert scene.atlas.endpoint(scene.place)["comment"] == "two"


@stories
def a_redirect_is_never_followed(scene: Scene) -> None:
    """The credentials would go where it points."""
    elsewhere = f"/elsewhere/{scene.place.project}"
    scene.atlas.fail(scene.place, status=302, headers={"Location": f"{scene.atlas.url}{elsewhere}"})
    scene.create(connected=True)

    scene.becomes(
        "AtlasUnavailable",
        "Reconciling",
        says=(
            "redirects are never followed: ATLAS_ENDPOINTS_ATLAS_URL (or baseUrl in the operator's Secret) must be the address of the Atlas Admin API itself",
        ),
        error={"httpStatus": 302, "retryable": True},
    )
    scene.atlas.heal(scene.place)

    scene.becomes_ready()
    assert not [each for each in scene.atlas.requests() if each["path"] == elsewhere]


@stories
def writes_that_atlas_does_not_take_during_an_upgrade_are_sent_afterwards(scene: Scene) -> None:
    """They are surely not applied: the first look that finds Atlas open sends them."""
    scene.create(connected=True)
    scene.becomes_ready()
    scene.atlas.fail(scene.place, method="PATCH", status=405, errorCode="WRITES_NOT_ALLOWED_DURING_APP_UPGRADES")

    scene.edit(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="later")
    scene.becomes(
        "AtlasUnavailable",
        "Reconciling",
        says=("Atlas cannot serve the call at the moment; it is retried. (HTTP 405 WRITES_NOT_ALLOWED",),
        error={
            "operation": "updateServerlessPrivateEndpoint",
            "httpStatus": 405,
            "errorCode": "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES",
            "retryable": True,
        },
    )
    time.sleep(max(0.0, scene.calls("PATCH")[0]["time"] + 12 - time.time()))
    _is_backoff(
        scene.calls("PATCH"), most=18
    )  # they are not shared, and a round that succeeds brings the resource back
    scene.atlas.heal(scene.place)

    scene.becomes_ready()
    assert scene.atlas.endpoint(scene.place)["comment"] == "later"


@stories
def an_edit_that_is_taken_back_during_an_outage_leaves_no_trace(scene: Scene) -> None:
    """What was never applied is not sent any more."""
    scene.create(connected=True, comment="one")
    scene.becomes_ready()
    scene.atlas.fail(scene.place, method="PATCH", drop="before")
    scene.edit(cloudProviderEndpointId=OTHER_CLOUD_ENDPOINT)
    scene.becomes("AtlasUnavailable", "Reconciling", error={"operation": "updateServerlessPrivateEndpoint"})

    scene.edit(cloudProviderEndpointId=CLOUD_ENDPOINT)

    scene.becomes_ready()
    assert scene.atlas.endpoint(scene.place)["cloudProviderEndpointId"] == CLOUD_ENDPOINT
    assert not any(condition(body, "Stalled") for body in scene.resources.states(NAME))
