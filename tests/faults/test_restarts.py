"""The operator killed and stopped, and the API server and etcd restarted under it, once with the data of yesterday."""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from control_plane import ControlPlane, provide_programs
from control_plane.process import PATIENCE, wait_until
from faults.proxy import Proxy
from faults.rules import Unmarked
from support.atlas import CLOUD_ENDPOINT
from support.operator_process import OperatorProcess
from support.rbac import grant
from support.resources import Resources, observed
from support.running import install

if TYPE_CHECKING:
    from faults.at_once import AtOnce, Tale
    from faults.ground import Ground
    from faults.scale import Scale

LABEL = "restarts"
KIND = "/serverlessprivateendpoints"


@pytest.fixture(scope="module")
def operator(ground: Ground) -> OperatorProcess:
    """An operator with the interval that it has by default, which is no help here."""
    return ground.start(LABEL)


@pytest.fixture(scope="module")
def resources(ground: Ground) -> Resources:
    return ground.resources(LABEL)


def _killed_again_and_again_it_sends_what_came_last(ground: Ground, _: Scale) -> None:
    """Each time in the middle of a PATCH: Atlas has been asked, and nobody hears its answer."""
    resources, place = ground.resources("killed"), ground.place()
    ground.atlas.connect(place, "0")
    resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="0"))
    for number in range(1, 4):
        ground.atlas.fail(place, method="PATCH", delay=1, times=1)
        resources.edit("orders", comment=str(number))
        operator = ground.start("killed", wait=False)
        wait_until(
            lambda number=number: len(ground.atlas.requests(place, "PATCH")) == number,  # type: ignore[misc]
            "the PATCH",
            servers=[operator.server],
        )
        operator.stop(kill=True)
        assert not observed(resources.get("orders")), "the kill came too late to interrupt anything"

    operator = ground.start("killed")
    resources.wait_ready("orders")

    assert ground.atlas.endpoint(place)["comment"] == "3"
    assert ground.atlas.patches(place) == [{"comment": str(number)} for number in range(1, 4)]
    operator.stop()


def _etcd_restored_from_a_backup(ground: Ground, _: Scale) -> None:
    """Its versions go back, so all news would look old: the operator ends and says why, and a fresh one does what is right."""
    with TemporaryDirectory() as folder, ControlPlane(provide_programs()) as control_plane:
        install(control_plane)
        with Proxy(control_plane.url, ca=control_plane.ca) as api:
            _restore(ground, control_plane, api, Path(folder))


def _restore(ground: Ground, control_plane: ControlPlane, api: Proxy, folder: Path) -> None:
    grant(control_plane, "default", "operator")
    kubeconfig = api.kubeconfig(control_plane.kubeconfig_for("default", "operator"), folder / "kubeconfig")

    def start() -> OperatorProcess:
        return OperatorProcess.start(ground.group, folder, kubeconfig=kubeconfig, atlas_url=ground.atlas.url)

    place = ground.place()
    ground.atlas.connect(place, "one")
    resources = Resources(control_plane, "default", {})
    resources.secret()
    operator = start()
    resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one"))
    resources.wait_ready("orders")
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

    assert operator.server.process.wait(PATIENCE) == 1
    assert "has to be started anew: The cluster's data are older" in operator.log
    assert "Traceback" not in operator.log
    assert [each["comment"] for each in ground.atlas.patches(place)] == ["two", "three"]
    fresh = start()
    wait_until(lambda: ground.atlas.endpoint(place)["comment"] == "one", "what was restored in Atlas")
    resources.wait_ready("orders")
    resources.edit("orders", comment="four")
    resources.wait_ready("orders")
    assert ground.atlas.endpoint(place)["comment"] == "four"
    fresh.stop()
    resources.close()


KILLED, RESTORED = "killed again and again", "etcd restored from a backup"
TALES: dict[str, Tale] = {
    KILLED: _killed_again_and_again_it_sends_what_came_last,
    RESTORED: _etcd_restored_from_a_backup,  # on a control plane of its own, while the other tests go on
}


@pytest.mark.parametrize("tale", [KILLED])
def test_the_operator(tale: str, at_once: AtOnce) -> None:
    at_once.outcome(tale)


def test_stopped_in_the_middle_of_a_call_and_continued(
    ground: Ground, operator: OperatorProcess, resources: Resources
) -> None:
    """As a host does that sleeps: the world goes on, and the operator has seen nothing of it."""
    here, other = ground.place(), ground.place()
    for name, place in (("here", here), ("other", other)):
        ground.atlas.connect(place, "one")
        resources.create(name, place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one"))
        resources.wait_ready(name)
    known = operator.metric("atlas_endpoints_resources")
    ground.atlas.fail(here, method="PATCH", delay=1, times=1)
    resources.edit("here", comment="two")
    wait_until(lambda: bool(ground.atlas.requests(here, "PATCH")), "the PATCH")

    operator.server.process.send_signal(signal.SIGSTOP)
    resources.edit("here", comment="three")
    resources.delete("other")
    time.sleep(4)
    operator.server.process.send_signal(signal.SIGCONT)

    resources.wait_ready("here")
    assert ground.atlas.patches(here) == [{"comment": "two"}, {"comment": "three"}]
    wait_until(lambda: operator.metric("atlas_endpoints_resources") == known - 1, "the deleted one to be forgotten")
    assert operator.get("livez").text == "ok"


@pytest.mark.parametrize("server", ["apiserver", "etcd"])
def test_a_restart_under_it(server: str, ground: Ground, operator: OperatorProcess, resources: Resources) -> None:
    place = ground.place()
    name = f"over-{server}"
    ground.atlas.connect(place, "one")
    resources.create(name, place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one"))
    resources.wait_ready(name)
    ground.atlas.fail(place, method="PATCH", delay=1, times=1)
    resources.edit(name, comment="two")
    wait_until(lambda: bool(ground.atlas.requests(place, "PATCH")), "the PATCH")

    if server == "etcd":
        ground.control_plane.restart_etcd(kill=True)
    else:
        ground.control_plane.restart_apiserver(kill=True)
    resources.wait_ready(name)
    resources.edit(name, comment="three")

    resources.wait_ready(name)
    assert ground.atlas.patches(place) == [{"comment": "two"}, {"comment": "three"}]
    operator.server.check()
    assert operator.get("livez").text == "ok"


def test_a_watch_without_bookmarks_that_a_new_api_server_knows_nothing_of(
    ground: Ground, operator: OperatorProcess, resources: Resources
) -> None:
    """Others wrote, and no bookmark said so: the watch is to go on from before all that the server remembers. So it is not."""
    place = ground.place()
    ground.atlas.connect(place, "one")
    resources.create("unmarked", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one"))
    resources.wait_ready("unmarked")
    with ground.api.breaking(Unmarked(), verb="watch", path=KIND):
        ground.resources("of-others").create("orders", ground.place().spec())
        began = len(ground.api.exchanges)
        ground.control_plane.restart_apiserver(kill=True)
        resources.edit("unmarked", comment="two")

        resources.wait_ready("unmarked")
    asked = [each.request.verb for each in ground.api.exchanges[began:] if each.request.path.endswith(KIND)]
    assert "list" in asked[asked.index("watch") :], "the server remembered it all, and the test shows nothing"
    assert ground.atlas.patches(place) == [{"comment": "two"}]
    operator.server.check()


@pytest.mark.parametrize("tale", [RESTORED])
def test_the_cluster(tale: str, at_once: AtOnce) -> None:
    at_once.outcome(tale)
