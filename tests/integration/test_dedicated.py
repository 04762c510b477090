"""Private endpoints of all kinds but serverless ones, and what users get with them: cases that run at the same time, and what needs more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from atlas_endpoints.kinds import KINDS
from atlas_endpoints.kinds.dedicated_private_endpoint.kind import KIND
from integration.dedicated import endpoints, federation, regional, services, sharing, streams
from integration.dedicated.project import VPCE, Project
from support import clouds
from support.atlas import CLOUD_ENDPOINT, Atlas, Place
from support.concurrent_cases import Env, Setup, new_namespace
from support.rbac import grant_also
from support.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from control_plane import ControlPlane
    from integration.conftest import ResourcesOf, Setups
    from support.concurrent_cases import Running
    from support.fixtures import RunOperator
    from support.observed import Recorder
    from support.operator_process import OperatorProcess

LABEL = "dedicated"
SETTINGS: dict[str, Any] = {
    "sync_interval": "4s",
    "stall_grace": "3s",
    "concurrency": 64,
    "outputs": "true",
}
RULES = ({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "get", "patch"]},)
"""What the operator may do beside what the overlay grants: write outputs."""

CASES = {
    sentence: case
    for file in (services, sharing, endpoints, federation, regional, streams)
    for sentence, case in file.cases.table.items()
}
GATE = frozenset(
    {
        "a service that exists is adopted by the cloud s name of its region and outlives its resource",
        "nobody else s endpoint is deleted and the service goes with the last that needs it",
        "from nothing to a vpc endpoint of ack whose id is all that is waited for",
    }
)


@pytest.fixture(scope="module")
def operator(control_plane: ControlPlane, start_operator: RunOperator, atlas: Atlas) -> OperatorProcess:
    for kind in (clouds.ACK, clouds.ASO, clouds.ADDRESS, clouds.FORWARDING_RULE):
        clouds.install(control_plane, kind)
    grant_also(control_plane, "default", f"operator-{LABEL}", RULES)
    return start_operator(label=LABEL, atlas=atlas, **SETTINGS)


@pytest.fixture(scope="module")
def setups(atlas: Atlas, operator: OperatorProcess, places: Iterator[Place]) -> Setups:
    """What cases share."""
    return {"shared": (Setup(atlas, operator), places)}


@pytest.fixture(scope="module")
def resources_of(control_plane: ControlPlane, dedicated_recorder: Recorder) -> ResourcesOf:
    """What returns a new namespace for resources of this kind."""

    def make(label: str) -> Resources:
        labels, namespace = {"served-by": LABEL if label == "shared" else label}, new_namespace(control_plane)
        return Resources(control_plane, namespace, labels, recorder=dedicated_recorder, names=KIND.names)

    return make


@pytest.mark.parametrize(
    "sentence", [pytest.param(each, marks=pytest.mark.gate) if each in GATE else each for each in CASES]
)
def test_dedicated(running: Running, sentence: str) -> None:
    running.outcome(sentence)


@pytest.fixture
def own(
    control_plane: ControlPlane, resources_of: ResourcesOf, operator: OperatorProcess, atlas: Atlas, place: Place
) -> Iterator[Env]:
    """An environment that only one test uses."""
    resources = resources_of("shared")
    resources.secret()
    env = Env(Setup(atlas, operator), place, resources, control_plane)
    yield env
    env.close()


@pytest.mark.parametrize("served", ["DedicatedPrivateEndpoint", "ServerlessPrivateEndpoint"])
def test_an_operator_serves_the_kinds_that_it_is_told_to(
    run_operator: RunOperator, own: Env, atlas: Atlas, control_plane: ControlPlane, served: str
) -> None:
    operator = run_operator(label="kinds", atlas=atlas, kinds=served, sync_interval="2s")
    place, namespace = own.place, own.resources.namespace
    kinds = {
        kind.names.kind: Resources(control_plane, namespace, {"served-by": "kinds"}, names=kind.names) for kind in KINDS
    }
    atlas.connect(place)
    kinds["DedicatedPrivateEndpoint"].create("one", Project(own).spec(cloudProviderEndpointId=VPCE))
    kinds["ServerlessPrivateEndpoint"].create("one", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    federated = {"providerName": "AWS", "cloudProviderEndpointId": VPCE}
    kinds["DataFederationPrivateEndpoint"].create("one", Project(own).spec(**federated))
    for kind in ("EncryptionAtRestPrivateEndpoint", "BackupPrivateEndpoint"):
        kinds[kind].create("one", Project(own).spec())
    kinds["StreamPrivateEndpoint"].create("one", Project(own).spec(vendor="KINESIS"))
    kinds["PrivateEndpointRegionalMode"].create("one", {"projectId": place.project})

    mine = kinds.pop(served)
    mine.wait_ready("one")
    own.next_calls()
    for other in kinds.values():
        assert other.get("one")["status"] == {"observedGeneration": -1}
        assert "finalizers" not in other.get("one")["metadata"]
    assert operator.metric("atlas_endpoints_resources", kind=served) == 1
    for each in (mine, *kinds.values()):
        each.delete("one")
        each.close()
