"""What the integration tests share: one control plane, one Atlas, and one operator that most of them use."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import pytest

from support.concurrent_cases import Case, Env, Running, Setup, new_namespace
from support.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from control_plane import ControlPlane
    from support.atlas import Atlas, Place
    from support.fixtures import MakeEnv, RunOperator
    from support.observed import Recorder
    from support.operator_process import OperatorProcess

pytest.register_assert_rewrite(
    "integration.bad_input", "integration.dedicated", "integration.life"
)  # they hold assertions of tests

ResourcesOf: TypeAlias = "Callable[[str], Resources]"

Setups: TypeAlias = "Mapping[str, tuple[Setup, Iterator[Place]]]"
"""Setups by the label that their operator serves, each with its places that are free."""


@pytest.fixture(scope="session")
def shared_operator(start_operator: RunOperator, atlas: Atlas) -> OperatorProcess:
    """The operator that most tests share: it looks often, and calls things stalled soon."""
    return start_operator(label="shared", atlas=atlas, sync_interval="4s", stall_grace="3s", concurrency=64)


@pytest.fixture
def env(make_env: MakeEnv, atlas: Atlas, shared_operator: OperatorProcess, place: Place) -> Env:
    """A namespace with working credentials whose resources the shared operator serves, and a place in Atlas."""
    return make_env(Setup(atlas, shared_operator), place, "shared")


@pytest.fixture
def resources(env: Env) -> Resources:
    """The resources of that namespace."""
    return env.resources


@pytest.fixture(scope="module")
def setups(atlas: Atlas, shared_operator: OperatorProcess, places: Iterator[Place]) -> Setups:
    """What the cases of a file share."""
    return {"shared": (Setup(atlas, shared_operator), places)}


@pytest.fixture(scope="module")
def resources_of(control_plane: ControlPlane, recorder: Recorder) -> ResourcesOf:
    """What returns a new namespace for the resources of the cases' kind, by the label that their operator serves."""
    return lambda label: Resources(control_plane, new_namespace(control_plane), {"served-by": label}, recorder=recorder)


@pytest.fixture(scope="module")
def running(
    request: pytest.FixtureRequest, control_plane: ControlPlane, resources_of: ResourcesOf, setups: Setups
) -> Iterator[Running]:
    """The cases of a file (its ``CASES``) that were selected, under way."""

    def env(case: Case) -> Env:
        setup, free = setups[case.setup]
        resources = resources_of(case.setup)
        resources.secret()
        return Env(setup, next(free), resources, control_plane)

    chosen = [
        str(item.callspec.params["sentence"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path and "running" in item.fixturenames
    ]
    running = Running({name: request.module.CASES[name] for name in chosen}, env)
    yield running
    running.close()
