"""Two replicas on a real control plane: who leads, how fast that changes, and what Atlas hears of it.

Their Lease is short, so that a take-over takes seconds. Each replica has a ServiceAccount and Atlas credentials of its own,
by which the audit log and the simulator's log tell the two apart.
"""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from atlas_endpoints.cluster.election import Terms
from atlas_endpoints.process.leadership import LOST
from control_plane.process import PATIENCE, wait_until
from support.atlas import CLIENT_ID, CLOUD_ENDPOINT
from support.audit import writes
from support.operator_process import OperatorProcess
from support.rbac import grant
from support.relay import Relay
from support.resources import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from control_plane import ControlPlane
    from control_plane.process import ServerGroup
    from support.atlas import Atlas, Place
    from support.fixtures import MakeResources, RecordProperty
    from support.resources import Resources

TERMS = Terms(9.0)
LEASE = "/apis/coordination.k8s.io/v1/namespaces/{}/leases/atlas-endpoints"


@dataclass
class Replicas:
    """Replicas that compete for one Lease, and the resource that they serve; all in one namespace."""

    control_plane: ControlPlane
    group: ServerGroup
    atlas: Atlas
    folder: Path
    place: Place
    label: str
    resources: Resources
    running: list[OperatorProcess] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.namespace = self.resources.namespace
        self.resources.secret("a", CREDENTIALS)
        self.resources.secret("b", self.atlas.put_account(self.place))
        self.clients = {"a": CLIENT_ID, "b": f"mdb_sa_id_{self.place.project}"}

    def start(self, name: str, *, relay: Relay | None = None) -> OperatorProcess:
        """Start a replica, and wait until it leads or could take over."""
        grant(self.control_plane, self.namespace, name)
        kubeconfig = self.control_plane.kubeconfig_for(self.namespace, name)
        if relay is not None:
            kubeconfig = relay.kubeconfig(kubeconfig, self.folder / f"{self.namespace}.{name}.kubeconfig")
        replica = OperatorProcess.start(
            self.group,
            self.folder,
            kubeconfig=kubeconfig,
            atlas_url=self.atlas.url,
            name=f"{self.namespace}.{name}",
            label_selector=f"served-by={self.label}",
            leader_elect="true",
            lease_duration=f"{TERMS.lease:g}s",
            credentials_secret=f"{self.namespace}/{name}",
            sync_interval="1h",
        )
        self.running.append(replica)
        return replica

    def start_pair(self, *, relay: Relay | None = None) -> tuple[OperatorProcess, OperatorProcess]:
        """Start ``a``, which leads and has served the resource, and ``b``, which stands by."""
        self.atlas.connect(self.place, "one")
        self.resources.create("orders", self.spec(self.place, comment="one"))
        leader = self.start("a", relay=relay)
        self.resources.wait_ready("orders")
        standby = self.start("b")
        assert (leads(leader), leads(standby)) == (True, False)
        return leader, standby

    def spec(self, where: Place, **fields: Any) -> dict[str, Any]:
        """A spec that names no Secret, so that each replica uses its own."""
        return where.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, credentialsSecretRef=None, **fields)

    def sent(self, name: str) -> list[dict[str, Any]]:
        """What a replica wrote to Atlas."""
        return [
            each
            for each in self.atlas.requests(self.place)
            if each["credentials"] == self.clients[name] and each["method"] != "GET"
        ]

    def written(self, name: str) -> list[str]:
        """What a replica wrote to the API server, but for the Lease."""
        user = f"system:serviceaccount:{self.namespace}:{name}"
        return [each.resource for each in writes(self.control_plane, user) if each.resource != "leases"]

    def lease(self) -> dict[str, Any]:
        """The Lease as it is now."""
        with self.control_plane.client() as http:
            return dict(http.get(LEASE.format(self.namespace)).raise_for_status().json())

    def acquired(self) -> datetime:
        """When its holder took the Lease; all clocks here are one."""
        return datetime.fromisoformat(self.lease()["spec"]["acquireTime"])

    def edit_and_wait(self, comment: str) -> None:
        """Edit the resource, and wait until that is in Atlas and in its status."""
        self.resources.edit("orders", comment=comment)
        self.resources.wait_ready("orders")
        assert self.atlas.endpoint(self.place)["comment"] == comment

    def close(self) -> None:
        for replica in self.running:
            replica.server.process.send_signal(signal.SIGCONT)
            replica.server.stop(kill=True)


@pytest.fixture
def make_replicas(  # noqa: PLR0917  # pytest passes fixtures by name
    control_plane: ControlPlane,
    group: ServerGroup,
    atlas: Atlas,
    tmp_path: Path,
    make_resources: MakeResources,
    places: Iterator[Place],
) -> Iterator[Callable[[], Replicas]]:
    """A maker of replicas with a place of their own."""
    made: list[Replicas] = []

    def make() -> Replicas:
        place = next(places)
        label = f"replicas-{place.project}"
        made.append(Replicas(control_plane, group, atlas, tmp_path, place, label, make_resources(label)))
        return made[-1]

    yield make
    for replicas in made:
        replicas.close()


def leads(replica: OperatorProcess) -> bool:
    return replica.metric("atlas_endpoints_leader") == 1


def wait_to_lead(replica: OperatorProcess) -> None:
    wait_until(lambda: leads(replica), "the other replica to lead", servers=[replica.server])


def now() -> datetime:
    return datetime.now(UTC)


@pytest.mark.gate
def test_a_leader_that_is_asked_to_end_hands_over_before_its_lease_expires(
    make_replicas: Callable[[], Replicas], record_property: RecordProperty
) -> None:
    replicas = make_replicas()
    leader, standby = replicas.start_pair()
    assert standby.ready()
    assert replicas.written("b") == []
    holder = replicas.lease()["spec"]["holderIdentity"]
    asked = now()

    assert leader.stop() == 0

    assert replicas.lease()["spec"]["holderIdentity"] != holder, "the Lease was not released"
    wait_to_lead(standby)
    took = (replicas.acquired() - asked).total_seconds()
    record_property("seconds of a graceful hand-over", round(took, 3))
    replicas.edit_and_wait("two")
    assert (len(replicas.sent("a")), len(replicas.sent("b"))) == (0, 1)
    assert replicas.lease()["spec"]["leaseTransitions"] == 1
    # The next to come stands by in its turn.
    assert not leads(replicas.start("a"))
    assert standby.stop() == 0


def test_a_leader_that_dies_is_replaced_after_its_deadline(
    make_replicas: Callable[[], Replicas], record_property: RecordProperty
) -> None:
    replicas = make_replicas()
    leader, standby = replicas.start_pair()
    died = now()
    leader.stop(kill=True)
    replicas.resources.edit("orders", comment="two")

    wait_to_lead(standby)

    took = (replicas.acquired() - died).total_seconds()
    record_property("seconds until a killed leader is replaced", round(took, 3))
    assert took > TERMS.deadline, "the killed leader could still write"
    replicas.resources.wait_ready("orders")
    assert replicas.atlas.endpoint(replicas.place)["comment"] == "two"


def test_a_leader_that_is_cut_off_from_the_api_server_ends_before_the_other_leads(
    make_replicas: Callable[[], Replicas], record_property: RecordProperty
) -> None:
    replicas = make_replicas()
    with Relay(replicas.control_plane.url) as relay:
        leader, standby = replicas.start_pair(relay=relay)
        cut = now()
        relay.cut()
        replicas.resources.edit("orders", comment="two")

        assert leader.server.process.wait(PATIENCE) == LOST

        ended = now()
        wait_to_lead(standby)
    record_property("seconds until a leader that is cut off ends", round((ended - cut).total_seconds(), 3))
    record_property("seconds until it is replaced", round((replicas.acquired() - cut).total_seconds(), 3))
    assert ended < replicas.acquired()
    assert "This replica does not lead any more: Lease" in leader.log
    replicas.resources.wait_ready("orders")
    assert (replicas.sent("a"), len(replicas.sent("b"))) == ([], 1)


def stop_at_rest(replicas: Replicas) -> None:
    """What is edited meanwhile waits in the stopped one's watch."""


def stop_while_it_observes(replicas: Replicas) -> None:
    """It is about to connect an endpoint, as soon as Atlas has answered what there is."""
    other = replicas.place.sibling(1)
    replicas.atlas.change(other, status="RESERVED")
    replicas.atlas.fail(other, method="GET", delay=2, times=1)
    called = len(replicas.atlas.requests(other, "GET"))
    replicas.resources.create("new", replicas.spec(other))
    wait_until(lambda: len(replicas.atlas.requests(other, "GET")) > called, "the call")


def stop_while_it_writes(replicas: Replicas) -> None:
    """Its PATCH has arrived; it is about to write the status that follows from the answer."""
    replicas.atlas.fail(replicas.place, method="PATCH", delay=2, times=1)
    replicas.resources.edit("orders", comment="under way")
    wait_until(lambda: bool(replicas.sent("a")), "the call")


def stop_while_it_ends(replicas: Replicas) -> None:
    """It was asked to end, and waits for a PATCH before it lets go of the Lease."""
    stop_while_it_writes(replicas)
    replicas.running[0].server.process.terminate()
    wait_until(lambda: "Stopping" in replicas.running[0].log, "the signal")


MOMENTS = (stop_at_rest, stop_while_it_observes, stop_while_it_writes, stop_while_it_ends)


def test_a_leader_that_is_stopped_past_its_lease_and_goes_on_writes_nothing(
    make_replicas: Callable[[], Replicas],
) -> None:
    """At each moment, by a pair of its own; all at once, since each takes as long as the Lease."""
    pairs = {moment: make_replicas() for moment in MOMENTS}
    with ThreadPoolExecutor(len(MOMENTS)) as pool:
        list(pool.map(stop_and_go_on, pairs.keys(), pairs.values()))


def stop_and_go_on(moment: Callable[[Replicas], None], replicas: Replicas) -> None:
    leader, standby = replicas.start_pair()
    moment(replicas)
    leader.server.process.send_signal(signal.SIGSTOP)
    wait_to_lead(standby)
    replicas.edit_and_wait("two")
    sent, written = replicas.sent("a"), replicas.written("a")

    leader.server.process.send_signal(signal.SIGCONT)

    assert leader.server.process.wait(PATIENCE) == LOST, moment.__doc__
    assert "This replica does not lead any more" in leader.log
    assert replicas.sent("a") == sent
    assert replicas.written("a") == written
    assert replicas.sent("b")
    assert all(each["index"] < replicas.sent("b")[0]["index"] for each in sent)
    assert all(each["status"]["observedGeneration"] == each["metadata"]["generation"] for each in settled(replicas))
    assert replicas.atlas.endpoint(replicas.place)["comment"] == "two"


def settled(replicas: Replicas) -> list[dict[str, Any]]:
    return [replicas.resources.wait_ready(body["metadata"]["name"]) for body in replicas.resources.all()]


def test_a_replica_without_rights_on_the_lease_reports_the_missing_right_and_is_not_ready(
    make_replicas: Callable[[], Replicas],
) -> None:
    replicas = make_replicas()
    grant(replicas.control_plane, replicas.namespace, "a")
    replicas.control_plane.kubectl("delete", "rolebinding", "a", f"--namespace={replicas.namespace}")
    replica = OperatorProcess.start(
        replicas.group,
        replicas.folder,
        kubeconfig=replicas.control_plane.kubeconfig_for(replicas.namespace, "a"),
        atlas_url=replicas.atlas.url,
        name="without-rights",
        leader_elect="true",
        lease_duration="9s",
        wait=False,
    )
    replicas.running.append(replica)

    wait_until(lambda: "may not get Lease" in replica.get("readyz").text, "the reason")

    assert "deploy/base/leader-election.yaml" in replica.get("readyz").text
    assert replica.get("livez").text == "ok"
    grant(replicas.control_plane, replicas.namespace, "a")
    wait_to_lead(replica)
    assert replica.ready()
