"""No edit is lost, whatever happens around it, and each costs what it must and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT
from support.audit import writes
from support.concurrent_cases import NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from control_plane import ControlPlane
    from support.concurrent_cases import Env

pytestmark = pytest.mark.gate

SHARED = "system:serviceaccount:default:operator-shared"


@pytest.fixture(name="settled")
def a_settled_resource(env: Env) -> Env:
    """With the comment ``one``."""
    env.create(connected=True, comment="one")
    env.becomes_ready()
    return env


def status_writes(env: Env) -> int:
    """How often the shared operator has written something else than an Event, which an edit has, in a namespace."""
    written = [each for each in writes(env.control_plane, SHARED) if each.namespace == env.resources.namespace]
    return len([each for each in written if each.resource != "events"])


def first_writes(env: Env) -> int:
    """Wait until those by which the resource has settled are in the audit log, which comes a little later."""
    wait_until(lambda: status_writes(env) > 0, "the first write in the audit log")
    return status_writes(env)


def test_kubectl_wait_after_an_edit_waits_for_that_edit(settled: Env, control_plane: ControlPlane) -> None:
    settled.atlas.fail(settled.place, method="PATCH", delay=2, times=1)
    settled.edit(comment="two")

    where = (f"spe/{NAME}", f"--namespace={settled.resources.namespace}")
    control_plane.kubectl("wait", "--for=condition=Ready", *where, "--timeout=90s")

    assert settled.atlas.endpoint(settled.place)["comment"] == "two"
    assert settled.resources.get(NAME)["status"]["observedGeneration"] == 2


def test_an_edit_costs_one_patch_and_one_status_write(settled: Env) -> None:
    written = first_writes(settled)

    settled.edit(comment="two")
    settled.becomes_ready()

    assert settled.patches() == [{"comment": "two"}]
    wait_until(lambda: status_writes(settled) > written, "the write in the audit log")
    assert status_writes(settled) - written == 1


def _a_burst(env: Env) -> None:
    for number in range(1, 30):
        env.edit(comment=str(number))


def _an_answer_that_is_lost(env: Env) -> None:
    """The change arrives at Atlas, and nobody knows; then it is taken back."""
    env.atlas.fail(env.place, method="PATCH", drop="after", times=1)
    env.edit(comment="second")
    wait_until(lambda: env.atlas.endpoint(env.place)["comment"] == "second", "the second comment in Atlas")


@pytest.mark.parametrize(
    ("before", "comment"),
    [
        pytest.param(_a_burst, "30", id="a burst of edits"),
        pytest.param(_an_answer_that_is_lost, "one", id="an edit whose answer is lost, and that is reverted"),
    ],
)
def test_the_last_edit_is_in_atlas_after(before: Callable[[Env], None], comment: str, settled: Env) -> None:
    before(settled)

    settled.edit(comment=comment)
    body = settled.becomes_ready()

    assert settled.atlas.endpoint(settled.place)["comment"] == comment
    assert body["status"]["applied"]["comment"] == comment


def test_resources_that_are_deleted_and_created_anew_at_once_are_all_served(env: Env) -> None:
    places = {f"e{number}": env.place.sibling(number + 1) for number in range(20)}
    for name, each in places.items():
        env.atlas.connect(each)
        env.resources.create(name, each.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))

    for name, each in places.items():
        env.resources.delete(name)
        env.resources.create(name, each.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))

    for name in places:
        env.becomes_ready(name)
