"""What bad input gets: each case a case on the real path, from the cause to the next good state, which comes by itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from control_plane.process import wait_until
from integration.bad_input import (
    api_keys,
    credentials,
    endpoints,
    limits,
    manifests,
    outages,
    policies,
    rotation,
    tenancy,
)
from support.atlas import CLOUD_ENDPOINT, Atlas, Place, place, seed
from support.concurrent_cases import Case, Env, Running, Setup, new_namespace
from support.observed import Recorder
from support.resources import Resources, ready

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from control_plane import ControlPlane
    from control_plane.process import ServerGroup
    from support.fixtures import RunOperator
    from support.operator_process import OperatorProcess

pytestmark = pytest.mark.gate

Setups: TypeAlias = "Mapping[str, tuple[Setup, Iterator[Place]]]"
"""Setups by name, each with its places that are free."""

CASES: dict[str, Case] = {
    **manifests.cases.table,
    **credentials.cases.table,
    **endpoints.cases.table,
    **outages.cases.table,
    **limits.cases.table,
    **policies.cases.table,
    **api_keys.cases.table,
    **tenancy.cases.table,
    **rotation.cases.table,
}

PATIENT_PLACES = 20
"""Projects in the Atlas of the patient setup: more than there are cases on it."""


@pytest.fixture(scope="module")
def patient_atlas(group: ServerGroup, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Atlas]:
    """An Atlas for cases that change what is common to all its projects."""
    atlas = Atlas.start(group, tmp_path_factory.mktemp("patient"), seed(PATIENT_PLACES))
    yield atlas
    atlas.close()


@pytest.fixture(scope="module")
def patient_operator(start_operator: RunOperator, patient_atlas: Atlas) -> Iterator[OperatorProcess]:
    """An operator that waits for two minutes, as by default, before it calls stalled what others may heal."""
    operator = start_operator(label="patient", atlas=patient_atlas, namespace="default", sync_interval="4s")
    yield operator
    operator.stop()


@pytest.fixture(scope="module")
def tenancy_operator(control_plane: ControlPlane, start_operator: RunOperator, atlas: Atlas) -> OperatorProcess:
    """An operator with a Secret of its own, which only the resources of one namespace may use."""
    control_plane.kubectl("create", "namespace", tenancy.GUEST)
    own = Resources(control_plane, "default", {})
    own.secret(tenancy.OWN)
    own.close()
    return start_operator(
        label=tenancy.SETUP,
        atlas=atlas,
        namespace="default",
        sync_interval="4s",
        stall_grace="3s",
        **tenancy.SETTINGS,
    )


@pytest.fixture(scope="module")
def setups(
    *,
    atlas: Atlas,
    shared_operator: OperatorProcess,
    patient_atlas: Atlas,
    patient_operator: OperatorProcess,
    tenancy_operator: OperatorProcess,
    places: Iterator[Place],
) -> Setups:
    """What cases share."""
    return {
        "shared": (Setup(atlas, shared_operator), places),
        tenancy.SETUP: (Setup(atlas, tenancy_operator), places),
        "patient": (
            Setup(patient_atlas, patient_operator, one_at_a_time=True),
            (place(number) for number in range(PATIENT_PLACES)),
        ),
    }


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest, control_plane: ControlPlane, setups: Setups) -> Iterator[Running]:
    """All cases that were selected, under way."""
    recorder = Recorder(control_plane)

    def env(case: Case) -> Env:
        setup, free = setups[case.setup]
        resources = Resources(control_plane, new_namespace(control_plane), {"served-by": case.setup}, recorder=recorder)
        resources.secret()
        return Env(setup, next(free), resources, control_plane)

    chosen = [
        str(item.callspec.params["sentence"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path and "running" in item.fixturenames
    ]
    running = Running({name: CASES[name] for name in chosen}, env)
    yield running
    running.close()
    recorder.stop()


@pytest.mark.parametrize("sentence", CASES)
def test_bad_input(running: Running, sentence: str) -> None:
    running.outcome(sentence)


def test_a_spec_that_is_newer_than_the_operator_is_told_and_not_acted_on(
    control_plane: ControlPlane, newer_crd: None, resources: Resources, atlas: Atlas, place: Place
) -> None:
    atlas.connect(place, "ours")
    resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="ours"))
    before = resources.wait_ready("orders")["status"]

    resources.edit("orders", comment="new", driftPolicy="Ask")
    body = resources.wait_reason("orders", "InvalidSpec", pair="Stalled")
    assert (
        "Correct the spec, or install the CRD and the operator in the same version: spec.driftPolicy: "
        in ready(body)["message"]
    )
    assert body["status"]["lastError"]["operation"] == "validate"
    assert {key: body["status"][key] for key in ("applied", "endpoint")} == {
        key: before[key] for key in ("applied", "endpoint")
    }
    assert atlas.patches(place) == []
    resources.edit("orders", driftPolicy=None)
    resources.wait_ready("orders")
    assert atlas.patches(place) == [{"comment": "new"}]

    # The API server goes on to hide the new field from a watch that began before: a LIST brings it up.
    resources.edit("orders", tomorrow="never dies")
    body = resources.wait_reason("orders", "InvalidSpec", pair="Stalled")
    assert "spec.tomorrow: unknown field" in ready(body)["message"]
    assert body["spec"]["tomorrow"] == "never dies"
    resources.edit("orders", tomorrow=None)
    resources.wait_ready("orders")
    assert atlas.patches(place) == [{"comment": "new"}]


@pytest.fixture
def newer_crd(control_plane: ControlPlane, crd: str, resources: Resources, place: Place) -> Iterator[None]:
    """The CRD as a later version may have it: with one more field, and one more value of a field that there is."""
    properties = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties"
    field, value = f"{properties}/tomorrow", f"{properties}/driftPolicy/enum/2"
    spec = place.spec(tomorrow="never dies", driftPolicy="Ask")

    def serves_it() -> bool:
        return resources.accepts(spec)

    _patch(
        control_plane,
        crd,
        {"op": "add", "path": field, "value": {"type": "string"}},
        {"op": "add", "path": value, "value": "Ask"},
    )
    wait_until(serves_it, "the newer CRD to be served")
    yield
    for body in resources.all():
        resources.delete(body["metadata"]["name"])
    _patch(control_plane, crd, {"op": "remove", "path": field}, {"op": "remove", "path": value})
    wait_until(lambda: not serves_it(), "the CRD to be served as before")


def _patch(control_plane: ControlPlane, crd: str, *changes: dict[str, Any]) -> None:
    control_plane.kubectl("patch", crd, "--type=json", f"--patch={json.dumps(changes)}")
