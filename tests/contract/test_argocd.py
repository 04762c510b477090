"""What Argo CD is told of the kinds is generated from one source, and covers all that a resource may say."""

from __future__ import annotations

import pytest

from atlas_endpoints.kinds import KINDS as REGISTRY
from atlas_endpoints.reconcile.reasons import Progress, Reason
from atlas_endpoints.reconcile.resource import POLICY_ANNOTATIONS, REQUEST_ANNOTATIONS
from delivery.argocd import SCRIPTS, generated
from delivery.recorded import DATA_FEDERATION, DEDICATED, GROUP, KINDS, REGIONAL_MODE, SERVERLESS, STREAM, recorded
from delivery.states import ENDPOINTS, STATES
from support.crd import crds
from support.resources import ready

ONLY_OF = {
    Reason.INSTANCE_NOT_FOUND: {SERVERLESS},
    Reason.NOT_SERVERLESS: {SERVERLESS},
    Reason.NO_CAPACITY: {DEDICATED},
    Reason.DRIFTED: {SERVERLESS, DEDICATED, DATA_FEDERATION, REGIONAL_MODE},
    **dict.fromkeys(
        (
            *(Reason.PENDING, Reason.INITIATING, Reason.CORRECTION_HELD, Reason.DELETING),
            *(Reason.ENDPOINT_NOT_FOUND, Reason.ENDPOINT_FAILED, Reason.PROVISIONING_TIMEOUT),
        ),
        ENDPOINTS,
    ),
    Reason.WAITING_FOR_CLOUD_ENDPOINT: {SERVERLESS, DEDICATED, DATA_FEDERATION, STREAM},
}
"""The shared reasons that only some kinds have, or come to within a minute: what Atlas makes is late for longer before it is lost."""

REASONS = {kind.names.kind: {str(each): each for each in kind.reasons} for kind in REGISTRY}


def test_each_kind_has_its_folder() -> None:
    assert set(KINDS) == crds().keys()


def test_no_other_file_is_in_the_layout() -> None:
    recordings = {*GROUP.glob("*/testdata/*.yaml")}
    files = {path for path in GROUP.rglob("*") if path.is_file()}
    assert files == {*SCRIPTS, *recordings} | {path for path in generated() if path.is_relative_to(GROUP)}


@pytest.mark.parametrize("kind", KINDS)
def test_every_reason_is_recorded(kind: str) -> None:
    of_others = {reason for reason, kinds in ONLY_OF.items() if kind not in kinds}
    assert {ready(body)["reason"] for body in recorded(kind).values()} - {""} == REASONS[kind].keys() - of_others


@pytest.mark.parametrize(
    ("kind", "state"),
    [(kind, name) for kind in KINDS for name, state in STATES[kind].items() if state.message is None],
)
def test_the_table_of_healths_follows_from_what_a_reason_means(kind: str, state: str) -> None:
    body = recorded(kind)[state]
    reason = REASONS[kind][ready(body)["reason"]]
    stalled = any(each["type"] == "Stalled" for each in body["status"]["conditions"])
    expected = {
        Progress.NONE: "Suspended" if reason is Reason.SUSPENDED else "Healthy",
        Progress.RECONCILING: "Progressing",
        Progress.GRACE: "Degraded" if stalled else "Progressing",
        Progress.STALLED: "Degraded",
    }
    assert STATES[kind][state].health == expected[reason.progress]


def test_the_actions_know_the_annotations_of_the_operator() -> None:
    _, discovery, *actions = (path.read_text(encoding="utf-8") for path in SCRIPTS)
    assert all(f'annotations["{name}"] == "skip"' in discovery for name in POLICY_ANNOTATIONS)
    assert any(f'annotations["{REQUEST_ANNOTATIONS[0]}"]' in action for action in actions)
