"""What Argo CD is told of the kind is generated from one source, and covers all that a resource may say."""

from __future__ import annotations

import pytest

from atlas_endpoints.reconcile.reasons import Progress, Reason
from atlas_endpoints.reconcile.resource import POLICY_ANNOTATIONS, REQUEST_ANNOTATIONS
from delivery.argocd import ACTIONS, generated
from delivery.recorded import KIND, recorded
from delivery.states import STATES
from support.resources import ready


def test_no_other_file_is_in_the_layout() -> None:
    by_hand = {KIND / "health.lua", ACTIONS / "discovery.lua", *ACTIONS.glob("*/action.lua")}
    files = {path for path in KIND.rglob("*") if path.is_file() and path.parent != KIND / "testdata"}
    assert files == by_hand | {path for path in generated() if path.is_relative_to(KIND)}


def test_every_reason_is_recorded() -> None:
    assert {ready(body)["reason"] for body in recorded().values()} - {""} == set(Reason)


@pytest.mark.parametrize("state", [name for name, state in STATES.items() if state.message is None])
def test_the_table_of_healths_follows_from_what_a_reason_means(state: str) -> None:
    body = recorded()[state]
    reason = Reason(ready(body)["reason"])
    stalled = any(each["type"] == "Stalled" for each in body["status"]["conditions"])
    expected = {
        Progress.NONE: "Suspended" if reason is Reason.SUSPENDED else "Healthy",
        Progress.RECONCILING: "Progressing",
        Progress.GRACE: "Degraded" if stalled else "Progressing",
        Progress.STALLED: "Degraded",
    }
    assert STATES[state].health == expected[reason.progress]


def test_the_actions_know_the_annotations_of_the_operator() -> None:
    discovery = (ACTIONS / "discovery.lua").read_text(encoding="utf-8")
    assert all(f'annotations["{name}"] == "skip"' in discovery for name in POLICY_ANNOTATIONS)
    assert f'annotations["{REQUEST_ANNOTATIONS[0]}"]' in (ACTIONS / "reconcile" / "action.lua").read_text("utf-8")
