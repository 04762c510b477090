"""A side that is away for long: nothing is lost, nothing is said twice, and all is as before when it returns."""

from __future__ import annotations

import re
import time
from collections import Counter
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from control_plane.process import PATIENCE, wait_until
from support.atlas import CLOUD_ENDPOINT, Atlas, Place, place, seed
from support.audit import writes
from support.resources import observed, ready

if TYPE_CHECKING:
    from faults.environment import AtOnce, Case, Env, Scale

PER_INSTANCE = 20


def _told(log: str) -> Counter[str]:
    """What a log says that is no good news, without times and figures."""
    lines = [line for line in log.splitlines() if re.match(r"\S+ \S+ (WARNING|ERROR)", line)]
    return Counter(re.sub(r"\d+", "n", line.split(maxsplit=2)[2]) for line in lines)


def _is_asked(atlas: Atlas, place: Place) -> bool:
    return bool(atlas.requests(place, "PATCH"))


def an_api_server_that_is_away(env: Env, scale: Scale) -> None:
    resources = env.resources("away")
    operator = env.start("away")  # with the interval that it has by default, which is no help here
    in_flight = {name: env.create(resources, name) for name in (f"in-flight-{number}" for number in range(6))}
    there = {"edited": env.create(resources, "edited"), "deleted": env.create(resources, "deleted"), **in_flight}
    for name in there:
        resources.wait_ready(name)
    assert operator.metric("atlas_endpoints_resources") == len(there)
    already = len(operator.log)
    # Atlas takes edits, and by then there is nobody to tell of them.
    for name, each in in_flight.items():
        env.atlas.fail(each, method="PATCH", delay=2, times=1)
        resources.edit(name, comment="two")
    for each in in_flight.values():
        wait_until(partial(_is_asked, env.atlas, each), "the PATCH")

    env.api.refuse()
    began = time.monotonic()
    resources.edit("edited", comment="two")
    resources.delete("deleted")
    created = env.create(resources, "created")
    while time.monotonic() < began + scale.api_away:
        assert operator.get("livez").text == "ok"
        assert operator.get("readyz").text == "ok"
        time.sleep(1)
    env.api.listen()

    for name in ("edited", *in_flight, "created"):
        resources.wait_ready(name)
    wait_until(
        lambda: operator.metric("atlas_endpoints_resources") == len(there),
        "the deleted one to be forgotten",
    )
    for each in (there["edited"], *in_flight.values()):
        assert env.atlas.patches(each) == [{"comment": "two"}]
    assert env.atlas.patches(there["deleted"]) == env.atlas.patches(created) == []
    operator.server.check()
    told = _told(operator.log[already:])
    assert sum("The API server has not answered" in line for line in told) == 1
    assert {*told.values()} == {1}, told
    assert told.total() <= len(in_flight), told
    assert operator.log[already:].count("The API server answers again") == 1
    operator.stop()


def an_atlas_that_is_away_while_all_is_settled(env: Env, scale: Scale) -> None:
    with TemporaryDirectory() as folder:
        crowded_atlas = Atlas.start(
            env.group, Path(folder), seed(scale.settled // PER_INSTANCE, endpoints=PER_INSTANCE)
        )
        try:
            _is_away_while_all_is_settled(env, scale, crowded_atlas)
        finally:
            crowded_atlas.close()


def _is_away_while_all_is_settled(env: Env, scale: Scale, crowded_atlas: Atlas) -> None:
    resources = env.resources("settled")
    for number in range(scale.settled):
        each = place(number // PER_INSTANCE, number % PER_INSTANCE)
        crowded_atlas.connect(each)
        resources.create(f"e{number}", each.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    operator, _ = env.start_behind(
        env.api, label="settled", atlas_url=crowded_atlas.url, sync_interval=f"{scale.interval:g}s"
    )

    def all_ready() -> bool:
        return all(observed(body) and ready(body)["status"] == "True" for body in resources.all())

    wait_until(all_ready, "all to be ready", timeout=PATIENCE + scale.settled / 5)
    version = resources.version()
    already = len(operator.log)

    crowded_atlas.post("faults", [{"match": {"path": "/api/"}, "drop": "before"}])
    called = len(crowded_atlas.requests())
    time.sleep(scale.atlas_away)
    lost = len(crowded_atlas.requests()) - called
    crowded_atlas.heal()
    assert lost >= scale.settled / PER_INSTANCE, "hardly anybody noticed"
    answered = len(crowded_atlas.requests())
    instances = {place(number // PER_INSTANCE).path for number in range(scale.settled)}
    wait_until(
        lambda: (
            {
                path
                for path in instances
                for each in crowded_atlas.requests()[answered:]
                if re.search(path, each["path"]) and each["status"] == 200
            }
            == instances
        ),
        "all instances to be looked at again",
        # The last wait before the next try is in proportion to the outage; which part of it is left to chance.
        timeout=PATIENCE + 3 * max(scale.interval, scale.atlas_away),
    )

    assert resources.version() == version
    user = "system:serviceaccount:default:operator-settled"
    assert len(writes(env.control_plane, user)) == scale.settled, "one for each, before Atlas went away"
    assert all_ready()
    assert not crowded_atlas.requests(method="PATCH")
    assert _told(operator.log[already:]).total() <= 2, _told(operator.log[already:])
    operator.server.check()
    operator.stop()


CASES: dict[str, Case] = {
    "an API server that is away": an_api_server_that_is_away,
    "an Atlas that is away while all is settled": an_atlas_that_is_away_while_all_is_settled,
}


@pytest.mark.timeout(0)
@pytest.mark.parametrize("case", CASES)
def test_outages(case: str, at_once: AtOnce) -> None:
    at_once.outcome(case)
