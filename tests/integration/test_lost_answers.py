"""A reservation whose answer never arrives makes no second endpoint, on a real control plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from control_plane.process import wait_until
from support.atlas import Atlas, place, seed
from support.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from control_plane import ControlPlane
    from control_plane.process import ServerGroup
    from support.fixtures import MakeNamespace, RunOperator


@pytest.fixture
def own_atlas(group: ServerGroup, tmp_path: Path) -> Iterator[Atlas]:
    """An Atlas of its own, whose faults hit nobody else."""
    atlas = Atlas.start(group, tmp_path, seed(4))
    yield atlas
    atlas.close()


def test_a_process_that_is_killed_around_the_call_makes_no_second_endpoint(
    control_plane: ControlPlane, own_atlas: Atlas, make_namespace: MakeNamespace, start_operator: RunOperator
) -> None:
    """Killed while Atlas has not applied the call, while it is about to without an answer, and after the answer."""
    resources = Resources(control_plane, make_namespace(), {"served-by": "killed"})
    resources.secret()
    before, after, applied, quiet = (place(number) for number in range(4))
    own_atlas.fail(before, method="POST", drop="before", delay=20, times=1)
    own_atlas.fail(after, method="POST", drop="after", delay=20, times=1)
    operator = start_operator(label="killed", atlas=own_atlas, namespace="default", sync_interval="4s")
    resources.create("applied", applied.reserving(comment="applied", deletionPolicy="Delete"))
    wait_until(lambda: len(own_atlas.reserved(applied)) == 1, "an endpoint")
    for name, where in {"before": before, "after": after}.items():
        resources.create(name, where.reserving(comment=name, deletionPolicy="Delete"))
    wait_until(lambda: all(own_atlas.requests(each, "POST") for each in (before, after)), "both calls")
    operator.stop(kill=True)
    (first,), (second,) = own_atlas.requests(before, "POST"), own_atlas.requests(after, "POST")
    assert first["answered"] is second["answered"] is None, "a call was over before the kill"
    assert _has_intent(resources, "before")
    assert _has_intent(resources, "after")

    again = start_operator(label="killed", atlas=own_atlas, namespace="default", sync_interval="4s")
    for name in ("before", "after", "applied"):
        resources.wait_reason(name, "WaitingForCloudEndpoint", pair="Reconciling", timeout=120)
    for name, where in {"before": before, "after": after, "applied": applied}.items():
        (endpoint,) = own_atlas.reserved(where)
        assert endpoint["comment"] == name
    assert own_atlas.reserved(quiet) == []
    for name in ("before", "after", "applied"):
        resources.delete(name)
    wait_until(lambda: resources.all() == [], "all to go")
    assert own_atlas.reserved(before) == own_atlas.reserved(after) == own_atlas.reserved(applied) == []
    again.stop()
    resources.close()


def test_an_answer_that_is_lost_makes_no_second_endpoint_though_lists_lag(
    control_plane: ControlPlane, own_atlas: Atlas, make_namespace: MakeNamespace, start_operator: RunOperator
) -> None:
    resources = Resources(control_plane, make_namespace(), {"served-by": "lagging"})
    resources.secret()
    where = place(0)
    own_atlas.post("switches", {"listLag": 12})
    own_atlas.fail(where, method="POST", drop="after", times=1)
    operator = start_operator(label="lagging", atlas=own_atlas, namespace="default", sync_interval="4s")
    resources.create("orders", where.reserving(comment="orders"))
    body = resources.wait_reason("orders", "WaitingForCloudEndpoint", pair="Reconciling", timeout=120)
    (endpoint,) = own_atlas.reserved(where)
    assert body["status"]["reservation"]["endpointId"] == endpoint["_id"]
    assert len(own_atlas.requests(where, "POST")) == 1
    operator.stop()
    resources.close()


def _has_intent(resources: Resources, name: str) -> bool:
    return "reservation" in resources.get(name).get("status", {})
