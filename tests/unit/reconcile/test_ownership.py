"""Who owns an endpoint that several resources name, and who still needs one, as their statuses tell it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from time import process_time
from typing import Any

import pytest

from atlas_endpoints.controller.cache import Key
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessPrivateEndpoint
from atlas_endpoints.reconcile.ownership import Claim, Owner, Undecided, needed_by, owner_before
from support.named import NAMED

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
ENDPOINT, PROJECT = "6f7cac1adf5d6c6306f4b283", "5f7cac1adf5d6c6306f4b283"
OLDER, SAME, YOUNGER = "2026-11-25T10:00:00Z", "2026-11-25T11:00:00Z", "2026-11-25T11:30:00Z"
ME, OTHER, THEIRS = (
    Key("ServerlessPrivateEndpoint", "shop", "m"),
    Key("ServerlessPrivateEndpoint", "shop", "other"),
    Key("ServerlessPrivateEndpoint", "x", "y"),
)
UNDECIDED = Undecided.UNDECIDED


def condition(type_: str, reason: str) -> dict[str, Any]:
    return {
        "type": type_,
        "status": "True",
        "reason": reason,
        "message": "Said.",
        "observedGeneration": 1,
        "lastTransitionTime": OLDER,
    }


def status(*conditions: dict[str, Any], seen: bool = True, **more: Any) -> dict[str, Any]:
    endpoint = {"endpoint": {"id": ENDPOINT, "status": "AVAILABLE"}} if seen else {}
    return {"observedGeneration": 1, "conditions": list(conditions), **endpoint, **more}


def fails(reason: str, *, retryable: bool, for_: timedelta = timedelta(minutes=1)) -> dict[str, Any]:
    since = f"{NOW - for_:%Y-%m-%dT%H:%M:%SZ}"
    error = {"since": since, "operation": "LIST", "retryable": retryable, "detail": reason}
    return {"lastError": error}


OWNS = status()
NEW: dict[str, Any] = {"observedGeneration": -1}
CONFLICT = status(condition("Contended", "Conflict"))
UNDECIDED_YET = status(condition("Contended", "Pending"))
UNSEEN = status(seen=False)
SHORTLY_WITHOUT_SECRET = status(condition("Reconciling", "CredentialsInvalid"))
LASTINGLY_WITHOUT_SECRET = status(condition("Stalled", "CredentialsInvalid"))


def body(
    key: Key = OTHER, said: Mapping[str, Any] = OWNS, *, created: str = OLDER, deleting: bool = False, **spec: Any
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"namespace": key.namespace, "name": key.name, "uid": f"uid-{key.name}", "generation": 1}
    metadata |= {"resourceVersion": "1", "creationTimestamp": created}
    if deleting:
        metadata["deletionTimestamp"] = SAME
    named = {"projectId": PROJECT, "instanceName": "orders", "providerName": "AWS", "endpointId": ENDPOINT}
    return {**NAMED, "metadata": metadata, "spec": named | spec, "status": dict(said)}


def me(said: Mapping[str, Any], **spec: Any) -> ServerlessPrivateEndpoint:
    return ServerlessPrivateEndpoint.parse(body(ME, said, created=SAME, **spec))


@pytest.mark.parametrize(
    ("mine", "other", "expected"),
    [
        pytest.param(OWNS, body(created=YOUNGER), None, id="two own it: the older one"),
        pytest.param(OWNS, body(), Owner(OTHER), id="two own it, and the other is older"),
        pytest.param(OWNS, body(created=SAME), None, id="two own it, of one second: the uid decides"),
        pytest.param(
            OWNS,
            body(Key("ServerlessPrivateEndpoint", "shop", "a"), created=SAME),
            Owner(Key("ServerlessPrivateEndpoint", "shop", "a")),
            id="so it does for the other",
        ),
        pytest.param(OWNS, body(said=NEW), None, id="an older one that is new takes nothing away"),
        pytest.param(OWNS, body(said=CONFLICT), None, id="an older one in Conflict takes nothing away"),
        pytest.param(OWNS, body(said=UNDECIDED_YET), None, id="an older one that waits takes nothing away"),
        pytest.param(
            NEW, body(created=YOUNGER), Owner(OTHER), id="a younger one that owns it is not overtaken by a new one"
        ),
        pytest.param(CONFLICT, body(created=YOUNGER), Owner(OTHER), id="nor by an older one that waits for it"),
        pytest.param(
            CONFLICT,
            body(said=SHORTLY_WITHOUT_SECRET),
            Owner(OTHER),
            id="a Secret that is away for a moment moves nothing",
        ),
        pytest.param(
            CONFLICT,
            body(said=status(condition("Reconciling", "AtlasUnavailable"), **fails("Away.", retryable=True))),
            Owner(OTHER),
            id="nor does an outage",
        ),
        pytest.param(
            CONFLICT,
            body(said=status(condition("Stalled", "ReferenceNotReady"))),
            Owner(OTHER),
            id="nor a reference that leads nowhere",
        ),
        pytest.param(
            CONFLICT,
            body(said=status(condition("Contended", "Conflict"), condition("Reconciling", "AtlasUnavailable"))),
            Owner(OTHER),
            id="nobody owns it: the oldest that has seen it",
        ),
        pytest.param(CONFLICT, body(said=CONFLICT, created=YOUNGER), None, id="nobody owns it, and this is the oldest"),
        pytest.param(
            status(condition("Contended", "Conflict"), condition("Reconciling", "AtlasUnavailable")),
            body(created=YOUNGER),
            Owner(OTHER),
            id="an outage makes no owner of one in Conflict",
        ),
        pytest.param(
            LASTINGLY_WITHOUT_SECRET,
            body(created=YOUNGER),
            Owner(OTHER),
            id="who was away for long is not given it back",
        ),
        pytest.param(
            LASTINGLY_WITHOUT_SECRET, body(said=CONFLICT, created=YOUNGER), None, id="unless nobody has taken it"
        ),
        pytest.param(NEW, body(said=NEW), UNDECIDED, id="an older one that is new goes first"),
        pytest.param(NEW, body(said={}), UNDECIDED, id="an older one without a status goes first"),
        pytest.param(NEW, body(said=NEW, created=YOUNGER), None, id="a younger one that is new does not"),
        pytest.param(
            NEW,
            body(said=status(seen=False, **fails("Away.", retryable=True))),
            UNDECIDED,
            id="an older one that could not look for an outage goes first",
        ),
        pytest.param(
            NEW,
            body(said=status(seen=False, **fails("Away.", retryable=True, for_=timedelta(hours=1)))),
            None,
            id="but is not waited for for ever",
        ),
        pytest.param(
            NEW,
            body(
                said=status(condition("Reconciling", "CredentialsInvalid"), seen=False, **fails("No.", retryable=False))
            ),
            None,
            id="an older one without credentials that has never seen it is not waited for",
        ),
        pytest.param(NEW, body(said=UNSEEN), None, id="nor one that has not come to see it for another reason"),
        pytest.param(CONFLICT, body(THEIRS), Owner(THEIRS), id="one of another namespace that owns it owns it"),
        pytest.param(
            NEW, body(THEIRS, created=YOUNGER), Owner(THEIRS), id="also if it is younger than one that has not seen it"
        ),
        pytest.param(
            NEW, body(THEIRS, NEW), UNDECIDED, id="an older one of another namespace may be looking: first of all, look"
        ),
        pytest.param(NEW, body(THEIRS, NEW, created=YOUNGER), None, id="a younger one of another namespace is nothing"),
        pytest.param(
            CONFLICT, body(THEIRS, NEW), None, id="nor is an older one to one that has seen it, if it has not itself"
        ),
        pytest.param(
            CONFLICT,
            body(THEIRS, status(seen=False, **fails("Away.", retryable=True))),
            None,
            id="whatever keeps it from looking",
        ),
        pytest.param(
            CONFLICT,
            body(THEIRS, status(seen=False, reservation={"endpointId": ENDPOINT, "adopted": True})),
            None,
            id="and whatever its annotation has made it stand for",
        ),
        pytest.param(NEW, body(THEIRS, NEW, suspend=True), None, id="one that is suspended is not about to look"),
        pytest.param(CONFLICT, body(suspend=True), None, id="one that is suspended owns nothing"),
        pytest.param(CONFLICT, body(managementPolicy="Observe"), None, id="nor does one that observes"),
        pytest.param(NEW, body(said=NEW, managementPolicy="Plan"), None, id="one that plans is not waited for"),
        pytest.param(CONFLICT, body(deleting=True), None, id="one that is being deleted owns nothing"),
        pytest.param(CONFLICT, body(instanceName="other"), None, id="another instance is another endpoint"),
        pytest.param(CONFLICT, body(projectId="0" * 24), None, id="so is another project"),
        pytest.param(CONFLICT, body(ME), None, id="one has no conflict with oneself"),
    ],
)
def test_owner(mine: dict[str, Any], other: dict[str, Any], expected: Claim) -> None:
    assert owner_before(KIND, me(mine), [other], NOW) == expected


@pytest.mark.parametrize(
    "reason",
    [
        "CredentialsInvalid",
        "MissingRole",
        "IPNotAllowed",
        "ProjectNotFound",
        "InstanceNotFound",
        "InvalidSpec",
        "APIGone",
        "NotServerless",
    ],
)
def test_a_resource_that_is_lastingly_unable_is_no_owner(reason: str) -> None:
    stalled = status(condition("Stalled", reason))
    assert owner_before(KIND, me(CONFLICT), [body(said=stalled)], NOW) is None


def test_a_resource_that_observes_is_no_owner() -> None:
    assert owner_before(KIND, me(NEW, managementPolicy="Observe"), [body()], NOW) is None


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param(body(said=NEW), Owner(OTHER), id="one of the same namespace that is new"),
        pytest.param(body(said=UNSEEN), Owner(OTHER), id="one of the same namespace, whatever its state"),
        pytest.param(body(said=UNSEEN, suspend=True), Owner(OTHER), id="one of the same namespace that is suspended"),
        pytest.param(body(deleting=True), None, id="one that goes as well does not"),
        pytest.param(body(instanceName="other"), None, id="one of another instance does not"),
        pytest.param(body(THEIRS), Owner(THEIRS), id="one of another namespace that has seen it"),
        pytest.param(body(THEIRS, LASTINGLY_WITHOUT_SECRET), Owner(THEIRS), id="also when its Secret is gone by now"),
        pytest.param(body(THEIRS, CONFLICT), Owner(THEIRS), id="also when it waits for it"),
        pytest.param(body(THEIRS, suspend=True), Owner(THEIRS), id="also when it is suspended by now"),
        pytest.param(body(THEIRS, managementPolicy="Observe"), Owner(THEIRS), id="also when it only observes"),
        pytest.param(body(THEIRS, NEW), UNDECIDED, id="one of another namespace that is new may"),
        pytest.param(
            body(THEIRS, status(seen=False, **fails("No.", retryable=False))),
            UNDECIDED,
            id="so may one whose Secret is not restored yet",
        ),
        pytest.param(body(THEIRS, NEW, deleting=True), None, id="one of another namespace that goes as well does not"),
    ],
)
def test_needed_by(other: dict[str, Any], expected: Claim) -> None:
    assert needed_by(KIND, me(OWNS), ENDPOINT, [other], NOW) == expected


@pytest.mark.parametrize(
    ("ago", "expected"),
    [
        (timedelta(), UNDECIDED),
        (timedelta(minutes=5, seconds=-1), UNDECIDED),
        (timedelta(minutes=5), None),
        (timedelta(seconds=-2), UNDECIDED),
        (timedelta(days=-30), None),
    ],
    ids=str,
)
def test_a_resource_of_another_namespace_delays_a_deletion_for_five_minutes(ago: timedelta, expected: Claim) -> None:
    deleted = me(OWNS)
    metadata = deleted.metadata.model_copy(update={"deletion_timestamp": NOW - ago})
    deleted = deleted.model_copy(update={**NAMED, "metadata": metadata})
    assert needed_by(KIND, deleted, ENDPOINT, [body(THEIRS, NEW)], NOW) == expected


@pytest.mark.parametrize(
    "said", [CONFLICT, status(seen=False, **fails("No.", retryable=False))], ids=["seen", "worthless"]
)
def test_ownership_among_many_resources_is_fast(said: dict[str, Any]) -> None:
    """Anybody can name an endpoint very often, and each reconcile of one of them looks at all: 20 µs for each are too many."""
    others = [
        body(Key("ServerlessPrivateEndpoint", "x", f"r{number}"), said, created=YOUNGER) for number in range(1000)
    ]
    owner = me(OWNS)

    def seconds() -> float:
        began = process_time()
        owner_before(KIND, owner, others, NOW)
        needed_by(KIND, owner, ENDPOINT, others, NOW)
        return process_time() - began

    assert min(seconds() for _ in range(20)) < 0.02
