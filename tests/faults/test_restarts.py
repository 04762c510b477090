"""The operator stopped, and the API server and etcd restarted under it, once with the data of yesterday."""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from atlas_endpoints.cluster.relister import STALE_FOR
from control_plane import ControlPlane, provide_programs
from control_plane.process import PATIENCE, wait_until
from faults.environment import KIND, alive
from faults.proxy import Proxy
from faults.rules import Unmarked
from support.operator_process import OperatorProcess
from support.rbac import grant
from support.resources import Resources
from support.running import install

if TYPE_CHECKING:
    from faults.environment import AtOnce, Case, Env, Scale

LABEL = "restarts"


@pytest.fixture(scope="module")
def operator(env: Env) -> OperatorProcess:
    """An operator with the interval that it has by default, which is no help here."""
    return env.start(LABEL)


@pytest.fixture(scope="module")
def resources(env: Env) -> Resources:
    return env.resources(LABEL)


def _etcd_restored_from_a_backup(env: Env, _: Scale) -> None:
    """Its versions go back, so all news would look old: the operator ends and says why, and a fresh one does what is right."""
    with TemporaryDirectory() as folder, ControlPlane(provide_programs()) as control_plane:
        install(control_plane)
        with Proxy(control_plane.url, ca=control_plane.ca) as api:
            _restore(env, control_plane, api, Path(folder))


def _restore(env: Env, control_plane: ControlPlane, api: Proxy, folder: Path) -> None:
    grant(control_plane, "default", "operator")
    kubeconfig = api.kubeconfig(control_plane.kubeconfig_for("default", "operator"), folder / "kubeconfig")

    def start() -> OperatorProcess:
        return OperatorProcess.start(env.group, folder, kubeconfig=kubeconfig, atlas_url=env.atlas.url)

    resources = Resources(control_plane, "default", {})
    resources.secret()
    operator = start()
    place = env.settled(resources)
    data, backup = control_plane.directory / "etcd", folder / "backup"
    control_plane.stop_etcd(kill=True)
    shutil.copytree(data, backup)
    control_plane.start_etcd()
    for comment in ("two", "three"):
        resources.edit("orders", comment=comment)
        resources.wait_ready("orders")

    api.refuse()
    control_plane.stop_apiserver(kill=True)
    control_plane.stop_etcd(kill=True)
    shutil.rmtree(data)
    shutil.copytree(backup, data)
    control_plane.start_etcd()
    control_plane.start_apiserver()
    time.sleep(4)  # an outage that people are told of
    api.listen()

    assert operator.server.process.wait(STALE_FOR + PATIENCE) == 1
    assert "The cluster's data are older" in operator.log
    assert "Traceback" not in operator.log
    assert [each["comment"] for each in env.atlas.patches(place)] == ["two", "three"]
    fresh = start()
    wait_until(lambda: env.atlas.endpoint(place)["comment"] == "one", "what was restored in Atlas")
    resources.wait_ready("orders")
    resources.edit("orders", comment="four")
    resources.wait_ready("orders")
    assert env.atlas.endpoint(place)["comment"] == "four"
    fresh.stop()
    resources.close()


RESTORED = "etcd restored from a backup"
CASES: dict[str, Case] = {
    RESTORED: _etcd_restored_from_a_backup,  # on a control plane of its own, while the other tests go on
}


def test_stopped_in_the_middle_of_a_call_and_continued(
    env: Env, operator: OperatorProcess, resources: Resources
) -> None:
    """As a host does that sleeps: the world goes on, and the operator has seen nothing of it."""
    here, _ = env.settled(resources, "here"), env.settled(resources, "other")
    known = operator.metric("atlas_endpoints_resources")
    env.atlas.fail(here, method="PATCH", delay=1, times=1)
    resources.edit("here", comment="two")
    wait_until(lambda: bool(env.atlas.requests(here, "PATCH")), "the PATCH")

    operator.server.process.send_signal(signal.SIGSTOP)
    resources.edit("here", comment="three")
    resources.delete("other")
    time.sleep(4)
    operator.server.process.send_signal(signal.SIGCONT)

    resources.wait_ready("here")
    assert env.atlas.patches(here) == [{"comment": "two"}, {"comment": "three"}]
    wait_until(lambda: operator.metric("atlas_endpoints_resources") == known - 1, "the deleted one to be forgotten")
    assert operator.get("livez").text == "ok"


@pytest.mark.parametrize("server", ["apiserver", "etcd"])
def test_a_restart_under_it(server: str, env: Env, operator: OperatorProcess, resources: Resources) -> None:
    name = f"over-{server}"
    place = env.settled(resources, name)
    env.atlas.fail(place, method="PATCH", delay=1, times=1)
    resources.edit(name, comment="two")
    wait_until(lambda: bool(env.atlas.requests(place, "PATCH")), "the PATCH")

    if server == "etcd":
        env.control_plane.restart_etcd(kill=True)
    else:
        env.control_plane.restart_apiserver(kill=True)
    resources.wait_ready(name)
    resources.edit(name, comment="three")

    resources.wait_ready(name)
    assert env.atlas.patches(place) == [{"comment": "two"}, {"comment": "three"}]
    alive(operator)


def test_a_watch_without_bookmarks_that_a_new_api_server_knows_nothing_of(
    env: Env, operator: OperatorProcess, resources: Resources
) -> None:
    """Others wrote, and no bookmark said so: the watch is to go on from before all that the server remembers. So it is not."""
    place = env.settled(resources, "unmarked")
    with env.api.breaking(Unmarked(), verb="watch", path=KIND):
        env.resources("of-others").create("orders", env.place().spec())
        began = len(env.api.exchanges)
        env.control_plane.restart_apiserver(kill=True)
        resources.edit("unmarked", comment="two")

        resources.wait_ready("unmarked")
    asked = [each.request.verb for each in env.api.exchanges[began:] if each.request.path.endswith(KIND)]
    assert "list" in asked[asked.index("watch") :], "the server remembered it all, and the test shows nothing"
    assert env.atlas.patches(place) == [{"comment": "two"}]
    operator.server.check()


@pytest.mark.parametrize("case", [RESTORED])
def test_the_cluster(case: str, at_once: AtOnce) -> None:
    at_once.outcome(case)
