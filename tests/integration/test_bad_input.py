"""What bad input gets: each case a case on the real path, from the cause to the next good state, which comes by itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from control_plane.process import wait_until
from integration.bad_input import credentials, failures, limits, rotation, tenancy
from support.concurrent_cases import NAME, Env, Running, Setup
from support.resources import Resources, ready

if TYPE_CHECKING:
    from collections.abc import Iterator

    from control_plane import ControlPlane
    from integration.conftest import Setups
    from support.atlas import Atlas, Place
    from support.fixtures import RunOperator
    from support.operator_process import OperatorProcess

pytestmark = pytest.mark.gate

CASES = {
    sentence: case
    for file in (credentials, failures, limits, tenancy, rotation)
    for sentence, case in file.cases.table.items()
}


@pytest.fixture(scope="module")
def tenancy_operator(control_plane: ControlPlane, start_operator: RunOperator, atlas: Atlas) -> OperatorProcess:
    """An operator with a Secret of its own, which only the resources of one namespace may use."""
    control_plane.kubectl("create", "namespace", tenancy.GUEST)
    own = Resources(control_plane, "default", {})
    own.secret(tenancy.OWN)
    own.close()
    return start_operator(label=tenancy.SETUP, atlas=atlas, sync_interval="4s", stall_grace="3s", **tenancy.SETTINGS)


@pytest.fixture(scope="module")
def setups(
    *,
    atlas: Atlas,
    shared_operator: OperatorProcess,
    tenancy_operator: OperatorProcess,
    places: Iterator[Place],
) -> Setups:
    """What cases share."""
    return {
        "shared": (Setup(atlas, shared_operator), places),
        tenancy.SETUP: (Setup(atlas, tenancy_operator), places),
    }


@pytest.mark.parametrize("sentence", CASES)
def test_bad_input(running: Running, sentence: str) -> None:
    running.outcome(sentence)


def test_a_spec_that_is_newer_than_the_operator_is_reported_and_not_applied(newer_crd: None, env: Env) -> None:
    env.create(connected=True, comment="ours")
    before = env.becomes_ready()["status"]

    env.edit(comment="new", driftPolicy="Ask")
    body = env.becomes("InvalidSpec", "Stalled", says=("spec.driftPolicy: ",), error={"operation": "validate"})
    assert {key: body["status"][key] for key in ("applied", "endpoint")} == {
        key: before[key] for key in ("applied", "endpoint")
    }
    assert env.patches() == []
    env.edit(driftPolicy=None)
    env.becomes_ready()
    assert env.patches() == [{"comment": "new"}]

    # The API server goes on to hide the new field from a watch that began before: a LIST brings it up.
    env.edit(tomorrow="never dies")
    body = env.resources.wait_reason(NAME, "InvalidSpec", pair="Stalled")
    assert "spec.tomorrow: unknown field" in ready(body)["message"]
    assert env.resources.get(NAME)["spec"]["tomorrow"] == "never dies"
    env.edit(tomorrow=None)
    env.becomes_ready()
    assert env.patches() == [{"comment": "new"}]


@pytest.fixture
def newer_crd(control_plane: ControlPlane, crd: str, env: Env) -> Iterator[None]:
    """The CRD as a later version may have it: with one more field, and one more value of a field that there is."""
    properties = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties"
    field, value = f"{properties}/tomorrow", f"{properties}/driftPolicy/enum/2"
    spec = env.place.spec(tomorrow="never dies", driftPolicy="Ask")

    def patch(*changes: dict[str, Any], newer: bool) -> None:
        control_plane.kubectl("patch", crd, "--type=json", f"--patch={json.dumps(changes)}")
        wait_until(
            lambda: env.resources.accepts(spec) is newer and env.resources.is_listed(), "the changed CRD to be served"
        )

    added = {"op": "add", "path": field, "value": {"type": "string"}}, {"op": "add", "path": value, "value": "Ask"}
    patch(*added, newer=True)
    yield
    for body in env.resources.all():
        env.resources.delete(body["metadata"]["name"])
    patch({"op": "remove", "path": field}, {"op": "remove", "path": value}, newer=False)
