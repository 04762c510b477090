"""What is as expected of a broken set-up, and when it counts as healed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from demo import broken
from demo.broken import deviate, is_healed
from demo.set_ups import NOTHING, SET_UPS
from demo.stage import UnexpectedError

ROLE = next(each for each in SET_UPS if each.heading == "MissingRole")
SILENT = next(each for each in SET_UPS if each.heading == NOTHING)
MESSAGE = f"The credentials may not do this: {ROLE.message} in the project."


def resource(
    name: str = "orders", *, observed: int = 1, status: str = "False", message: str = MESSAGE, **reasons: str
) -> dict[str, Any]:
    conditions = [{"type": type_, "reason": reason} for type_, reason in reasons.items()]
    for condition in conditions:
        if condition["type"] == "Ready":
            condition.update(status=status, message=message)
    told = {"observedGeneration": observed, **({"conditions": conditions} if conditions else {})}
    return {"metadata": {"name": name, "generation": 1}, "status": told}


def test_as_expected() -> None:
    assert deviate(ROLE, [resource(Ready="MissingRole", CredentialsValid="NotAllowed")]) == []


@pytest.mark.parametrize(
    ("resources", "told"),
    [
        pytest.param([], "there is no resource orders", id="no resource"),
        pytest.param([resource("others", Ready="MissingRole")], "there is no resource orders", id="of another name"),
        pytest.param(
            [resource(CredentialsValid="NotAllowed")], "Ready of orders says None, not MissingRole", id="no reason"
        ),
        pytest.param(
            [resource(Ready="Available", CredentialsValid="NotAllowed")],
            "Ready of orders says Available, not MissingRole",
            id="another reason",
        ),
        pytest.param(
            [resource(Ready="MissingRole", CredentialsValid="Verified")],
            "CredentialsValid of orders says Verified, not NotAllowed",
            id="another reason beside it",
        ),
        pytest.param(
            [resource(Ready="MissingRole", CredentialsValid="NotAllowed", message="No.")],
            f"the message of orders lacks “{ROLE.message}”: No.",
            id="a message without the remedy",
        ),
    ],
)
def test_not_as_expected(resources: list[Any], told: str) -> None:
    assert deviate(ROLE, resources) == [told]


def test_of_silence_a_condition_is_a_deviation() -> None:
    assert deviate(SILENT, [resource()]) == []
    assert deviate(SILENT, [resource(Ready="Available")]) == ["orders has the condition Ready"]


def test_what_is_never_as_expected_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broken, "LOOK", 0)

    def wait(is_met: Any, what: str, *, timeout: float) -> None:
        assert not is_met()
        raise TimeoutError

    scene: Any = SimpleNamespace(stage=SimpleNamespace(wait=wait), resources=list)
    with pytest.raises(UnexpectedError, match="stock: there is no resource orders"):
        broken.expect(scene, ROLE)


READY = resource(Ready="Available", status="True")


@pytest.mark.parametrize(
    ("resources", "goes", "expected"),
    [
        pytest.param([READY], False, True, id="ready"),
        pytest.param([READY, READY], False, True, id="all ready"),
        pytest.param([READY, resource(Ready="Conflict")], False, False, id="one is not"),
        pytest.param([resource()], False, False, id="it says nothing"),
        pytest.param(
            [resource(Ready="Available", status="True", observed=0)], False, False, id="ready before the edit"
        ),
        pytest.param([], False, False, id="gone, though it should not"),
        pytest.param([], True, True, id="gone"),
        pytest.param([READY], True, False, id="ready, though it should go"),
    ],
)
def test_healed(resources: list[Any], goes: bool, expected: bool) -> None:
    assert is_healed(resources, goes=goes) is expected
