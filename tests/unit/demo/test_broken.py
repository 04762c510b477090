"""When a broken set-up counts as expected, and when as healed; integration/test_demo_broken.py runs all of them."""

from __future__ import annotations

from typing import Any

import pytest

from demo.broken import deviate, is_healed
from demo.set_ups import NOTHING, SET_UPS

ROLE = next(each for each in SET_UPS if each.heading == "MissingRole")
SILENT = next(each for each in SET_UPS if each.heading == NOTHING)


def resource(*, observed: int = 1, status: str = "False", message: str = ROLE.message, **reasons: str) -> Any:
    conditions = [
        {"type": type_, "reason": reason, "status": status, "message": message} for type_, reason in reasons.items()
    ]
    status_ = {"observedGeneration": observed, "conditions": conditions}
    return {"metadata": {"name": "orders", "generation": 1}, "status": status_}


@pytest.mark.parametrize(
    ("resources", "deviations"),
    [
        pytest.param([resource(Ready="MissingRole", CredentialsValid="NotAllowed")], [], id="as expected"),
        pytest.param([], ["there is no resource orders"], id="no resource"),
        pytest.param(
            [resource(CredentialsValid="NotAllowed")], ["Ready of orders says None, not MissingRole"], id="no reason"
        ),
        pytest.param(
            [resource(Ready="MissingRole", CredentialsValid="Verified")],
            ["CredentialsValid of orders says Verified, not NotAllowed"],
            id="another reason beside it",
        ),
        pytest.param(
            [resource(Ready="MissingRole", message="No.", CredentialsValid="NotAllowed")],
            [f"the message of orders lacks “{ROLE.message}”: No."],
            id="a message without the remedy",
        ),
    ],
)
def test_a_set_up_is_as_expected(resources: list[Any], deviations: list[str]) -> None:
    assert deviate(ROLE, resources) == deviations


def test_of_a_resource_that_nobody_serves_a_condition_is_a_deviation() -> None:
    assert deviate(SILENT, [resource()]) == []
    assert deviate(SILENT, [resource(Ready="Available")]) == ["orders has the condition Ready"]


READY = resource(Ready="Available", status="True")


@pytest.mark.parametrize(
    ("resources", "goes", "expected"),
    [
        pytest.param([READY, READY], False, True, id="all ready"),
        pytest.param([READY, resource(Ready="Conflict")], False, False, id="one is not"),
        pytest.param([resource()], False, False, id="it says nothing"),
        pytest.param([resource(Ready="Available", status="True", observed=0)], False, False, id="before the edit"),
        pytest.param([], False, False, id="gone, though it should not"),
        pytest.param([], True, True, id="gone"),
        pytest.param([READY], True, False, id="ready, though it should go"),
    ],
)
def test_a_set_up_is_healed(resources: list[Any], goes: bool, expected: bool) -> None:
    assert is_healed(resources, goes=goes) is expected
