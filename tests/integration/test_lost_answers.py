"""A reservation whose answer never arrives makes no second endpoint, on a real control plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from control_plane.process import wait_until
from support.atlas import place, seed

if TYPE_CHECKING:
    from support.fixtures import MakeResources, RunOperator, StartAtlas


def test_a_process_that_is_killed_around_the_call_makes_no_second_endpoint(
    start_atlas: StartAtlas, make_resources: MakeResources, run_operator: RunOperator
) -> None:
    """Killed while Atlas has not applied the call, while it is about to without an answer, and after the answer."""
    atlas, resources = start_atlas(seed(4)), make_resources("killed")
    places = {name: place(number) for number, name in enumerate(("applied", "before", "after"))}
    for moment in ("before", "after"):
        atlas.fail(places[moment], method="POST", drop=moment, delay=20, times=1)
    operator = run_operator(label="killed", atlas=atlas, sync_interval="4s")
    for name, where in places.items():
        resources.create(name, where.reserving(comment=name, deletionPolicy="Delete"))
        wait_until(lambda where=where: bool(atlas.requests(where, "POST")), "the call")  # type: ignore[misc]
        if name == "applied":
            wait_until(lambda: len(atlas.reserved(places["applied"])) == 1, "an endpoint")
    operator.stop(kill=True)
    for moment in ("before", "after"):
        (call,) = atlas.requests(places[moment], "POST")
        assert call["answered"] is None, "the call was over before the kill"
        assert "reservation" in resources.get(moment)["status"], "the intent"

    run_operator(label="killed", atlas=atlas, sync_interval="4s")
    for name, where in places.items():
        resources.wait_reason(name, "WaitingForCloudEndpoint", pair="Reconciling", timeout=120)
        (endpoint,) = atlas.reserved(where)
        assert endpoint["comment"] == name
    assert atlas.reserved(place(3)) == []
    for name in places:
        resources.delete(name)
    wait_until(lambda: resources.all() == [], "all to go")
    assert [atlas.reserved(where) for where in places.values()] == [[], [], []]


def test_an_answer_that_is_lost_makes_no_second_endpoint_though_lists_lag(
    start_atlas: StartAtlas, make_resources: MakeResources, run_operator: RunOperator
) -> None:
    atlas, resources, where = start_atlas(seed(1)), make_resources("lagging"), place(0)
    atlas.post("switches", {"listLag": 12})
    atlas.fail(where, method="POST", drop="after", times=1)
    run_operator(label="lagging", atlas=atlas, sync_interval="4s")
    resources.create("orders", where.reserving(comment="orders"))
    body = resources.wait_reason("orders", "WaitingForCloudEndpoint", pair="Reconciling", timeout=120)
    (endpoint,) = atlas.reserved(where)
    assert body["status"]["reservation"]["endpointId"] == endpoint["_id"]
    assert len(atlas.requests(where, "POST")) == 1
