"""Cases of the life of an endpoint that run at the same time; those that need an Atlas or an operator of their own are elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration.life import deletions, reservations
from support.concurrent_cases import Case, Env, Running, Setup, new_namespace
from support.observed import Recorder
from support.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from control_plane import ControlPlane
    from support.atlas import Atlas, Place
    from support.operator_process import OperatorProcess

pytestmark = pytest.mark.gate

CASES: dict[str, Case] = {**reservations.cases.table, **deletions.cases.table}


@pytest.fixture(scope="module")
def running(
    *,
    request: pytest.FixtureRequest,
    control_plane: ControlPlane,
    atlas: Atlas,
    shared_operator: OperatorProcess,
    places: Iterator[Place],
) -> Iterator[Running]:
    """All cases that were selected, under way."""
    recorder, setup = Recorder(control_plane), Setup(atlas, shared_operator)

    def env(case: Case) -> Env:
        labels = {"served-by": case.setup}
        resources = Resources(control_plane, new_namespace(control_plane), labels, recorder=recorder)
        resources.secret()
        return Env(setup, next(places), resources, control_plane)

    running = Running({name: CASES[name] for name in selected(request)}, env)
    yield running
    running.close()
    recorder.stop()


def selected(request: pytest.FixtureRequest) -> list[str]:
    """Give the cases of this file that the run is about."""
    items = [each for each in request.session.items if isinstance(each, pytest.Function)]
    return [str(each.callspec.params["sentence"]) for each in items if each.path == request.path]


@pytest.mark.parametrize("sentence", CASES)
def test_life(running: Running, sentence: str) -> None:
    running.outcome(sentence)
