"""The health check expressions that are shown for Flux judge each recorded object right."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import celpy
import pytest
import yaml
from celpy.adapter import json_to_cel

from delivery.recorded import KINDS, ROOT, SERVERLESS, recorded
from support.kstatus import kstatus
from support.resources import ready

if TYPE_CHECKING:
    from collections.abc import Mapping

FLUX = ROOT / "deploy" / "flux"
STATES = [(kind, state) for kind in KINDS for state, body in recorded(kind).items() if "status" in body]


@cache
def expressions() -> list[dict[str, str]]:
    """All health checks that are shown."""
    documents = [each for path in sorted(FLUX.glob("*.yaml")) for each in yaml.safe_load_all(path.read_text("utf-8"))]
    return [check for each in documents for check in each["spec"].get("healthCheckExprs", ())]


@cache
def program(expression: str) -> celpy.Runner:
    """Compile an expression."""
    environment = celpy.Environment()
    return environment.program(environment.compile(expression))


def judge(body: Mapping[str, Any], check: Mapping[str, str]) -> str:
    """Tell what Flux makes of an object that has a status (RFC 0009; fluxcd/pkg/runtime/cel, StatusEvaluator)."""
    if body["status"]["observedGeneration"] != body["metadata"]["generation"]:
        return "InProgress"
    for name in ("inProgress", "failed", "current"):
        if program(check[name]).evaluate({key: json_to_cel(value) for key, value in body.items()}):
            return name[0].upper() + name[1:]
    return "InProgress"


def check_of(kind: str) -> dict[str, str]:
    """The health check of a kind."""
    return next(each for each in expressions() if each["kind"] == kind)


def test_each_example_that_waits_for_endpoints_has_the_same_checks_of_all_kinds() -> None:
    shown = expressions()
    assert len(shown) == 2 * len(KINDS)
    assert shown[: len(KINDS)] == shown[len(KINDS) :]
    told = {(each["apiVersion"], each["kind"]) for each in shown}
    assert told == {("atlas-endpoints.dev/v1alpha1", kind) for kind in KINDS}


@pytest.mark.parametrize(("kind", "state"), STATES)
def test_flux_judges_as_kstatus_does_but_does_not_wait_for_what_is_suspended(kind: str, state: str) -> None:
    body = recorded(kind)[state]
    said = "Current" if ready(body)["reason"] == "Suspended" else kstatus(body)
    if said == "Terminating":  # which is nothing special to Flux
        said = "Failed" if ready(body)["reason"] == "DeletionBlocked" else "InProgress"
    assert judge(body, check_of(kind)) == said


@pytest.mark.parametrize("kind", KINDS)
def test_all_verdicts_occur(kind: str) -> None:
    found = {judge(recorded(kind)[state], check_of(kind)) for of, state in STATES if of == kind}
    assert found == {"InProgress", "Failed", "Current"}


def test_a_status_without_conditions_is_waited_for() -> None:
    body = {**recorded()["available"], "status": {"observedGeneration": 1}}
    assert judge(body, check_of(SERVERLESS)) == "InProgress"
