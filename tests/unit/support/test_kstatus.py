"""A checker that lets something pass is worse than none: each rule has a status that breaks it and nothing else."""

from copy import deepcopy
from typing import Any

import pytest

from support.kstatus import kstatus, problems

NOON = "2026-11-25T12:00:00Z"


def condition(type_: str, status: str, reason: str, *, generation: int = 2, **fields: Any) -> dict[str, Any]:
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": "A sentence for people.",
        "observedGeneration": generation,
        "lastTransitionTime": NOON,
        **fields,
    }


def body(*conditions: dict[str, Any], **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"generation": 2},
        "spec": {"comment": "orders"},
        "status": {"observedGeneration": 2, "conditions": list(conditions), **status},
    }


def ready_body(**status: Any) -> dict[str, Any]:
    """A resource that is ready, with nothing to find fault with."""
    return body(
        condition("Ready", "True", "Available"),
        condition("Synced", "True", "InSync"),
        condition("CredentialsValid", "True", "Verified"),
        **{
            "applied": {"generation": 2, "comment": "orders"},
            "endpoint": {"id": "1", "status": "AVAILABLE"},
            **status,
        },
    )


def failing_body(reason: str = "InstanceNotFound", pair: str = "Reconciling", **status: Any) -> dict[str, Any]:
    """A resource that is not ready, with nothing to find fault with."""
    return body(condition("Ready", "False", reason), condition(pair, "True", reason), **status)


def planned_body() -> dict[str, Any]:
    """A resource for which something would be sent, with nothing to find fault with."""
    return failing_body(
        "Planned",
        "Stalled",
        conditions=[
            condition("Ready", "False", "Planned"),
            condition("Stalled", "True", "Planned"),
            condition("Synced", "False", "Planned"),
        ],
        plan={"method": "PATCH", "body": {"providerName": "AWS", "comment": "orders"}, "reason": "Edit"},
    )


def changed(before: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A body with one value set, or removed (``...``)."""
    after = deepcopy(before)
    *parents, last = path.split(".")
    target: Any = after
    for name in parents:
        target = target[_step(name)]
    if value is ...:
        del target[_step(last)]
    else:
        target[_step(last)] = value
    return after


def _step(name: str) -> str | int:
    return int(name) if name.isdigit() else name


class TestKstatus:
    @pytest.mark.parametrize(
        ("given", "said"),
        [
            pytest.param({"metadata": {"generation": 1}}, "Current", id="without any status: taken for done"),
            pytest.param(
                {"metadata": {"generation": 1}, "status": {"observedGeneration": -1}},
                "InProgress",
                id="with the default of the CRD: not done",
            ),
            pytest.param(ready_body(), "Current", id="ready"),
            pytest.param(
                changed(ready_body(), "metadata.generation", 3), "InProgress", id="ready, but for an older spec"
            ),
            pytest.param(
                changed(changed(ready_body(), "metadata.generation", 3), "status.observedGeneration", ...),
                "Current",
                id="ready, and nobody says for which spec",
            ),
            pytest.param(
                changed(ready_body(), "status.observedGeneration", "2"),
                "InProgress",
                id="a generation as text never counts as observed",
            ),
            pytest.param(failing_body(), "InProgress", id="reconciling"),
            pytest.param(failing_body(pair="Stalled"), "Failed", id="stalled"),
            pytest.param(
                body(condition("Stalled", "True", "A"), condition("Reconciling", "True", "A")),
                "Failed",
                id="both: the first in the list wins, here Stalled",
            ),
            pytest.param(
                body(condition("Reconciling", "True", "A"), condition("Stalled", "True", "A")),
                "InProgress",
                id="both: the first in the list wins, here Reconciling",
            ),
            pytest.param(
                body(condition("Stalled", "False", "A"), condition("Ready", "True", "A")),
                "Current",
                id="a pair that is not true does not count",
            ),
            pytest.param(
                body(condition("Reconciling", "True", "A"), condition("Ready", "True", "A")),
                "InProgress",
                id="reconciling outweighs ready",
            ),
            pytest.param(
                body(condition("Ready", "False", "Suspended")), "InProgress", id="not ready, for no reason given"
            ),
            pytest.param(body(condition("Ready", "Unknown", "Pending")), "InProgress", id="nobody knows"),
            pytest.param(body(), "Current", id="observed, without any condition"),
            pytest.param(
                changed(failing_body(pair="Stalled"), "metadata.deletionTimestamp", NOON),
                "Terminating",
                id="being deleted, whatever else",
            ),
        ],
    )
    def test_it_says_what_the_library_says(self, given: dict[str, Any], said: str) -> None:
        assert kstatus(given) == said


class TestProblems:
    @pytest.mark.parametrize(
        "given",
        [
            pytest.param(ready_body(), id="ready"),
            pytest.param(changed(ready_body(), "metadata.generation", 3), id="edited a moment ago"),
            pytest.param(
                {"metadata": {"generation": 1}, "spec": {}, "status": {"observedGeneration": -1}}, id="never seen"
            ),
            pytest.param(failing_body(), id="on its way"),
            pytest.param(failing_body(pair="Stalled"), id="stalled after a while"),
            pytest.param(failing_body("EndpointFailed", "Stalled"), id="stalled at once"),
            pytest.param(planned_body(), id="planned"),
            pytest.param(
                body(condition("Ready", "Unknown", "Pending"), condition("Reconciling", "True", "Pending")),
                id="nobody knows yet",
            ),
            pytest.param(
                body(
                    condition("Ready", "False", "Suspended"),
                    condition("Synced", "True", "Updated", generation=1),
                ),
                id="suspended, with what was known of an older spec",
            ),
            pytest.param(ready_body(applied={"generation": 1, "comment": "orders"}), id="confirmed for an older spec"),
            pytest.param(
                changed(
                    ready_body(
                        applied={
                            "generation": 2,
                            "cloudProviderEndpointId": "/subscriptions/A",
                            "privateEndpointIpAddress": "2001:db8::4",
                            "comment": "somebody else's",
                        }
                    ),
                    "spec",
                    {"cloudProviderEndpointId": "/SUBSCRIPTIONS/a", "privateEndpointIpAddress": "2001:DB8:0:0::4"},
                ),
                id="confirmed in other letters, and a field that is not managed",
            ),
            pytest.param(
                changed(ready_body(applied={"generation": 2}), "spec.comment", ""),
                id="a comment that was cleared and is absent",
            ),
            pytest.param(
                ready_body(
                    history=[
                        {"time": "2026-11-25T12:00:01Z"},
                        {"time": NOON},
                        {"time": NOON},
                    ]
                ),
                id="changes of one second",
            ),
        ],
    )
    def test_a_sound_status_has_none(self, given: dict[str, Any]) -> None:
        assert problems(given) == []

    @pytest.mark.parametrize(
        ("given", "problem"),
        [
            pytest.param(changed(ready_body(), "status", ...), "there is no status", id="no status at all"),
            pytest.param(changed(ready_body(), "status", None), "there is no status", id="null for a status"),
            pytest.param(
                changed(ready_body(), "status.observedGeneration", ...), "no integer", id="no observed generation"
            ),
            pytest.param(changed(ready_body(), "status.observedGeneration", "2"), "no integer", id="one that is text"),
            pytest.param(
                changed(ready_body(), "status.observedGeneration", True), "no integer", id="one that is a boolean"
            ),
            pytest.param(changed(ready_body(), "metadata.generation", 1), "ahead", id="one from the future"),
            pytest.param(
                changed(ready_body(), "status.observedGeneration", -1), "never seen", id="a status of nothing seen"
            ),
            pytest.param(ready_body(resolved=None), "status.resolved is null", id="a null"),
            pytest.param(
                ready_body(history=[{"time": None}]), "status.history[0].time is null", id="a null deep inside"
            ),
            pytest.param(body(), "Ready is missing", id="observed, and no Ready"),
            pytest.param(
                changed(failing_body(), "status.conditions.0.status", "True"),
                "Ready is True for the reason InstanceNotFound",
                id="Ready is True for a failure",
            ),
            pytest.param(
                changed(failing_body(), "status.conditions.0.status", "Unknown"),
                "Ready is Unknown for the reason InstanceNotFound",
                id="Ready is Unknown for a failure",
            ),
            pytest.param(
                changed(ready_body(), "status.conditions.0.status", "False"),
                "Ready is False for the reason Available",
                id="Ready is False for success",
            ),
            pytest.param(
                changed(failing_body(), "status.conditions.0.observedGeneration", 1),
                "Ready speaks about another generation",
                id="Ready is about an older spec",
            ),
            pytest.param(
                changed(failing_body(), "status.conditions.1.observedGeneration", 1),
                "Reconciling speaks about another generation",
                id="Reconciling is about an older spec",
            ),
            pytest.param(
                body(
                    condition("Ready", "False", "InstanceNotFound"),
                    condition("Reconciling", "True", "InstanceNotFound"),
                    condition("Stalled", "True", "InstanceNotFound"),
                ),
                "both there",
                id="both of the pair",
            ),
            pytest.param(
                changed(failing_body(), "status.conditions.1.status", "False"),
                "there and not True",
                id="one of the pair is kept as False",
            ),
            pytest.param(
                changed(failing_body(), "status.conditions.1.reason", "MissingRole"),
                "another reason than Ready",
                id="the pair has a reason of its own",
            ),
            pytest.param(
                body(condition("Ready", "False", "AtlasUnavailable")), "neither Reconciling nor Stalled", id="no pair"
            ),
            pytest.param(
                body(condition("Ready", "False", "Suspended"), condition("Stalled", "True", "Suspended")),
                "Stalled is there for the reason Suspended",
                id="a suspended resource is called stalled",
            ),
            pytest.param(
                failing_body("RateLimited", "Stalled"),
                "Stalled: the reason RateLimited",
                id="stalled although it heals by itself",
            ),
            pytest.param(
                failing_body("EndpointFailed"),
                "Reconciling: the reason EndpointFailed",
                id="reconciling although a person must act",
            ),
            pytest.param(
                body(*ready_body()["status"]["conditions"], condition("Ready", "True", "Available")),
                "twice",
                id="a double",
            ),
            pytest.param(
                failing_body(
                    conditions=[*failing_body()["status"]["conditions"], condition("Healthy", "True", "Fine")]
                ),
                "Healthy: no such type",
                id="a type that nobody promised",
            ),
            pytest.param(
                failing_body(
                    conditions=[
                        *failing_body()["status"]["conditions"],
                        condition("CredentialsValid", "False", "Moody"),
                    ]
                ),
                "CredentialsValid: the reason Moody",
                id="a reason that nobody promised",
            ),
            pytest.param(
                failing_body("instance_not_found"), "no PascalCase word", id="a reason that is no PascalCase word"
            ),
            pytest.param(
                changed(ready_body(), "status.conditions.1.status", "true"),
                "the status is 'true'",
                id="a boolean for a status",
            ),
            pytest.param(
                changed(ready_body(), "status.conditions.0.message", " "), "no message", id="an empty message"
            ),
            pytest.param(
                changed(ready_body(), "status.conditions.0.message", "x" * 1025), "more than 1024", id="a long message"
            ),
            pytest.param(
                changed(failing_body(), "status.conditions.0.observedGeneration", ...),
                "Ready: there is no observedGeneration",
                id="a condition that does not say for which spec",
            ),
            pytest.param(
                changed(failing_body(), "status.conditions.0.observedGeneration", 3),
                "Ready: observedGeneration 3",
                id="a condition from the future",
            ),
            pytest.param(
                changed(failing_body(), "status.conditions.0.observedGeneration", -1),
                "Ready: observedGeneration -1",
                id="a condition of nothing seen",
            ),
            pytest.param(
                changed(ready_body(), "status.conditions.0.lastTransitionTime", "yesterday"),
                "lastTransitionTime is 'yesterday'",
                id="a time that is none",
            ),
            pytest.param(
                changed(ready_body(), "status.conditions.0.lastTransitionTime", "2026-13-25T12:00:00Z"),
                "lastTransitionTime is '2026-13",
                id="a time in a thirteenth month",
            ),
            pytest.param(
                changed(ready_body(), "status.conditions.2.observedGeneration", 1),
                "CredentialsValid speaks about another generation",
                id="ready, by what is known of an older spec",
            ),
            pytest.param(
                changed(ready_body(), "status.conditions.1", condition("Synced", "False", "DriftDetected")),
                "Synced is not True",
                id="ready and not in sync",
            ),
            pytest.param(
                changed(ready_body(), "status.endpoint.status", "INITIATING"),
                "Atlas does not say AVAILABLE",
                id="ready although Atlas is not",
            ),
            pytest.param(
                changed(ready_body(), "status.endpoint", ...),
                "Atlas does not say AVAILABLE",
                id="ready although never looked at",
            ),
            pytest.param(ready_body(drift=[{"field": "comment"}]), "there is drift", id="ready with drift"),
            pytest.param(ready_body(lastError={"since": NOON}), "there is lastError", id="ready with an error"),
            pytest.param(
                changed(ready_body(), "status.applied", ...), "nothing was confirmed", id="ready, and nothing confirmed"
            ),
            pytest.param(
                changed(ready_body(), "spec.comment", "invoices"),
                "comment is wanted as 'invoices'",
                id="ready with another comment than was confirmed",
            ),
            pytest.param(
                changed(ready_body(), "spec.privateEndpointIpAddress", "10.0.0.4"),
                "privateEndpointIpAddress is wanted",
                id="ready with an address that was never confirmed",
            ),
            pytest.param(
                changed(planned_body(), "status.plan", ...), "there is no plan", id="planned, and nobody tells what"
            ),
            pytest.param(
                changed(planned_body(), "status.conditions.2", condition("Synced", "True", "InSync")),
                "Synced is not False",
                id="planned, and in sync",
            ),
            pytest.param(
                failing_body(plan={"method": "PATCH"}), "not Planned", id="a plan that is left from another time"
            ),
            pytest.param(ready_body(history=[{"time": NOON}] * 6), "more than 5", id="a history that is too long"),
            pytest.param(
                ready_body(history=[{"time": NOON}, {"time": "2026-11-25T12:00:01Z"}]),
                "newest first",
                id="a history in the wrong order",
            ),
        ],
    )
    def test_a_broken_rule_is_told(self, given: dict[str, Any], problem: str) -> None:
        assert any(problem in each for each in problems(given)), problems(given)
