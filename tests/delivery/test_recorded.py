"""What Argo CD and Flux are tested with is what an operator writes on the real path, today; ``--record`` records it anew."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from delivery.recorded import DEDICATED, KINDS, SERVERLESS, file_of, folder_of, normalised, recorded, text_of
from delivery.states import LIMITED, NOBODY, STATES, WORKING
from delivery.subjects import SUBJECTS, place_of, with_services
from support import kstatus
from support.atlas import seed
from support.concurrent_cases import Setup, new_namespace
from support.observed import Recorder
from support.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from control_plane import ControlPlane
    from support.fixtures import RunOperator, StartAtlas

Bodies: TypeAlias = "Mapping[tuple[str, str], Future[dict[str, Any]]]"
"""By kind and name of a state."""

ALL = [(kind, name) for kind in KINDS for name in STATES[kind]]
GATE = DEDICATED
"""The kind whose states the gate brings about."""
OPERATORS: dict[str, dict[str, Any]] = {WORKING: {}, LIMITED: {"max_corrections": 1, "sync_interval": "1h"}}
NEVER = 3600.0
"""Seconds until Atlas goes on from one state of an endpoint to the next: no test takes so long."""


@pytest.fixture(scope="module")
def bodies(
    request: pytest.FixtureRequest,
    control_plane: ControlPlane,
    recorder: Recorder,
    start_atlas: StartAtlas,
    start_operator: RunOperator,
) -> Iterator[Bodies]:
    """An object in each state of what is tested, brought about all at the same time, since each of them mostly waits."""
    tested = {kind for kind in KINDS if any(kind in each.name for each in request.session.items)}
    others = {kind: Recorder(control_plane, SUBJECTS[kind].KIND.names.plural) for kind in KINDS if kind != SERVERLESS}
    recorders = {SERVERLESS: recorder, **others}
    still_atlas = start_atlas(with_services(seed(len(ALL))), transition=NEVER)  # with a project for each state
    operators = {
        label: start_operator(
            label=label, atlas=still_atlas, **{"sync_interval": "2s", "stall_grace": "15s", **settings}
        )
        for label, settings in OPERATORS.items()
    }
    setups = {label: Setup(still_atlas, operators.get(label, operators[WORKING])) for label in (*OPERATORS, NOBODY)}

    def bring_about(kind: str, name: str, number: int) -> dict[str, Any]:
        state, subject = STATES[kind][name], SUBJECTS[kind]
        labels, seen = {"served-by": state.operator}, recorders[kind]
        namespace, names = new_namespace(control_plane), subject.KIND.names
        resources = Resources(control_plane, namespace, labels, recorder=seen, names=names)
        resources.secret()
        env = subject(setups[state.operator], place_of(kind, number), resources, control_plane)
        try:
            return normalised(state.bring_about(env))
        finally:
            env.close()

    states = [each for each in ALL if each[0] in tested]
    with ThreadPoolExecutor(max_workers=len(states)) as pool:
        under_way = {state: pool.submit(bring_about, *state, number) for number, state in enumerate(states)}
    for operator in operators.values():
        operator.stop()
    yield under_way
    for each in others.values():
        each.stop()


@pytest.mark.parametrize(
    "kind", [pytest.param(each, marks=pytest.mark.gate) if each == GATE else each for each in KINDS]
)
def test_each_state_has_its_record_and_no_other_has(kind: str, request: pytest.FixtureRequest, bodies: Bodies) -> None:
    if request.config.getoption("--record", default=False):
        texts = {state: text_of(body.result()) for (of, state), body in bodies.items() if of == kind}
        for path in folder_of(kind).glob("testdata/*.yaml"):
            path.unlink()
        for state, text in texts.items():
            file_of(kind, state).parent.mkdir(parents=True, exist_ok=True)
            file_of(kind, state).write_text(text, encoding="utf-8")
        recorded.cache_clear()
    assert recorded(kind).keys() == STATES[kind].keys()


@pytest.mark.parametrize(
    ("kind", "state"), [pytest.param(*each, marks=pytest.mark.gate) if each[0] == GATE else each for each in ALL]
)
def test_a_state_is_written_as_it_was_recorded(kind: str, state: str, bodies: Bodies) -> None:
    told = "what the operator writes has changed: look whether that is meant, and run `make record`"
    assert bodies[kind, state].result() == recorded(kind)[state], told


@pytest.mark.parametrize(("kind", "state"), [each for each in ALL if each[1] != "without-status"])
def test_a_record_obeys_the_rules_of_conditions(kind: str, state: str) -> None:
    assert kstatus.problems(recorded(kind)[state]) == []
