"""A checker that lets something pass is worse than none: testdata/kstatus.yaml has a status that breaks each rule."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.kstatus import kstatus, problems

CASES = yaml.safe_load((Path(__file__).parent / "testdata" / "kstatus.yaml").read_text(encoding="utf-8"))
TEXTS = {"NOON": "2026-11-25T12:00:00Z", "LONG": "x" * 1025}
BASES: dict[str, tuple[list[str], dict[str, Any]]] = {
    "ready": (
        ["Ready True Available", "Synced True InSync", "CredentialsValid True Verified"],
        {"applied": {"generation": 2, "comment": "orders"}, "endpoint": {"id": "1", "status": "AVAILABLE"}},
    ),
    "failing": (["Ready False InstanceNotFound", "Reconciling True InstanceNotFound"], {}),
    "planned": (
        ["Ready False Drifted", "Stalled True Drifted", "Synced False DriftDetected"],
        {"plan": {"method": "PATCH", "body": {"providerName": "AWS", "comment": "orders"}, "reason": "Edit"}},
    ),
}


def condition(text: str) -> dict[str, Any]:
    type_, status, reason, *generation = text.split()
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": "A sentence for people.",
        "observedGeneration": int(generation[0].removeprefix("@")) if generation else 2,
        "lastTransitionTime": TEXTS["NOON"],
    }


def filled(value: Any) -> Any:
    if isinstance(value, list):
        return [filled(each) for each in value]
    if isinstance(value, dict):
        return {name: filled(each) for name, each in value.items()}
    return TEXTS.get(value, value) if isinstance(value, str) else value


def body_of(case: dict[str, Any]) -> dict[str, Any]:
    conditions, fields = BASES[case.get("base", "ready")]
    status = {"observedGeneration": 2, "conditions": list(map(condition, case.get("conditions", conditions))), **fields}
    body: Any = deepcopy({"metadata": {"generation": 2}, "spec": {"comment": "orders"}, "status": status})
    for path, value in case.get("set", {}).items():
        *parents, last = (int(name) if name.isdigit() else name for name in path.split("."))
        target = body
        for name in parents:
            target = target[name]
        if value == "REMOVED":
            del target[last]
        else:
            target[last] = filled(value)
    return dict(body)


@pytest.mark.parametrize("name", CASES["kstatus"])
def test_it_answers_what_the_library_answers(name: str) -> None:
    case = CASES["kstatus"][name]
    assert kstatus(body_of(case)) == case["expected"]


@pytest.mark.parametrize("name", CASES["sound"])
def test_a_sound_status_has_no_problem(name: str) -> None:
    assert problems(body_of(CASES["sound"][name])) == []


@pytest.mark.parametrize("name", CASES["broken"])
def test_a_broken_rule_is_found(name: str) -> None:
    case = CASES["broken"][name]
    found = problems(body_of(case))
    assert any(case["expected"] in each for each in found), found
