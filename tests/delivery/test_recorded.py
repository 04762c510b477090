"""What Argo CD and Flux are tested with is what an operator writes on the real path, today; ``--record`` records it anew."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from delivery.recorded import TESTDATA, file_of, normalised, recorded, text_of
from delivery.states import LIMITED, NOBODY, STATES, WORKING, WRITES_OFF
from support import kstatus
from support.atlas import place, seed
from support.concurrent_cases import Env, Setup, new_namespace
from support.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Mapping

    from control_plane import ControlPlane
    from support.fixtures import RunOperator, StartAtlas
    from support.observed import Recorder

Bodies: TypeAlias = "Mapping[str, Future[dict[str, Any]]]"

OPERATORS: dict[str, dict[str, Any]] = {WORKING: {}, WRITES_OFF: {"writes": "off"}, LIMITED: {"max_corrections": 1}}
NEVER = 3600.0
"""Seconds until Atlas goes on from one state of an endpoint to the next: no test takes so long."""


@pytest.fixture(scope="module")
def bodies(
    control_plane: ControlPlane, recorder: Recorder, start_atlas: StartAtlas, start_operator: RunOperator
) -> Bodies:
    """An object in each state, brought about all at the same time, since each of them mostly waits."""
    still_atlas = start_atlas(seed(len(STATES)), transition=NEVER)  # with a project for each state
    operators = {
        label: start_operator(label=label, atlas=still_atlas, sync_interval="2s", stall_grace="5s", **settings)
        for label, settings in OPERATORS.items()
    }
    setups = {label: Setup(still_atlas, operators.get(label, operators[WORKING])) for label in (*OPERATORS, NOBODY)}

    def bring_about(name: str, number: int) -> dict[str, Any]:
        state = STATES[name]
        namespace = new_namespace(control_plane)
        resources = Resources(control_plane, namespace, {"served-by": state.operator}, recorder=recorder)
        resources.secret()
        env = Env(setups[state.operator], place(number), resources, control_plane)
        try:
            return normalised(state.bring_about(env))
        finally:
            env.close()

    with ThreadPoolExecutor(max_workers=len(STATES)) as pool:
        under_way = {name: pool.submit(bring_about, name, number) for number, name in enumerate(STATES)}
    for operator in operators.values():
        operator.stop()
    return under_way


def test_each_state_has_its_record_and_no_other_has(request: pytest.FixtureRequest, bodies: Bodies) -> None:
    if request.config.getoption("--record", default=False):
        texts = {state: text_of(body.result()) for state, body in bodies.items()}
        for path in TESTDATA.glob("*.yaml"):
            path.unlink()
        for state, text in texts.items():
            file_of(state).write_text(text, encoding="utf-8")
    assert recorded().keys() == STATES.keys()


@pytest.mark.parametrize("state", STATES)
def test_a_state_is_written_as_it_was_recorded(state: str, bodies: Bodies) -> None:
    told = "what the operator writes has changed: look whether that is meant, and run `make record`"
    assert bodies[state].result() == recorded()[state], told


@pytest.mark.parametrize("state", [state for state in STATES if state != "without-status"])
def test_a_record_obeys_the_rules_of_conditions(state: str) -> None:
    assert kstatus.problems(recorded()[state]) == []
