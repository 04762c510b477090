"""Private endpoints of dedicated clusters, and what users get with them: cases that run at the same time, and what needs more."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from atlas_endpoints.kinds.dedicated_private_endpoint.kind import KIND
from atlas_endpoints.kinds.registry import KINDS
from integration.dedicated import endpoints, services, sharing
from integration.dedicated.project import AZURE, AZURE_ID, IRELAND, VPCE, Project, goes, named
from support import clouds
from support.atlas import CLOUD_ENDPOINT, Atlas, Place, place, seed
from support.concurrent_cases import INTERVAL, NAME, Env, Setup, new_namespace
from support.kstatus import kstatus
from support.rbac import grant_also
from support.resources import Resources, condition, ready

if TYPE_CHECKING:
    from collections.abc import Iterator

    from control_plane import ControlPlane
    from integration.conftest import ResourcesOf, Setups
    from support.concurrent_cases import Running
    from support.fixtures import RunOperator, StartAtlas
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

CASES = {sentence: case for file in (services, sharing, endpoints) for sentence, case in file.cases.table.items()}
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


@pytest.fixture
def alone(
    control_plane: ControlPlane, resources_of: ResourcesOf, run_operator: RunOperator, start_atlas: StartAtlas
) -> Iterator[Env]:
    """An environment for what changes all projects of an Atlas."""
    atlas = start_atlas(seed(1))
    operator = run_operator(label="alone", atlas=atlas, sync_interval="2s")
    resources = resources_of("alone")
    resources.secret()
    env = Env(Setup(atlas, operator), place(0), resources, control_plane)
    yield env
    env.close()


def test_at_rest_a_project_costs_one_list_and_each_endpoint_one_spread_call_in_an_interval(own: Env) -> None:
    """And the API server is not written to."""
    project, number = Project(own), 12
    ids = [f"vpce-{each:017x}" for each in range(number)]
    project.put(endpoints=[{"id": each} for each in ids])
    for each in ids:
        project.create(each, cloudProviderEndpointId=each)
    for each in ids:
        own.becomes_ready(each)
    time.sleep(INTERVAL)

    before, seconds = own.resources.version(), 5 * INTERVAL
    calls = own.calls_within(seconds)

    assert own.resources.version() == before
    counts = Counter(named(each) for each in calls)
    intervals = seconds / INTERVAL
    assert set(counts) == {"LIST 200", "GET endpoint 200"}
    assert counts["LIST 200"] <= intervals / 0.9 + 1
    assert counts["GET endpoint 200"] <= number * (intervals + 1)
    # No second of the interval has all of them.
    began = min(each["time"] for each in calls)
    per_second = Counter(int(each["time"] - began) for each in calls)
    assert max(per_second.values()) < number


def test_kubectl_shows_waits_and_explains_as_for_any_kind(own: Env) -> None:
    project = Project(own)
    project.create(NAME, cloudProviderEndpointId=VPCE)
    own.becomes_ready()
    where = f"--namespace={own.resources.namespace}"
    own.control_plane.kubectl("wait", "dpe", NAME, "--for=condition=Ready", where, "--timeout=60s")
    header, row = own.control_plane.kubectl("get", "dpe", NAME, where).stdout.splitlines()
    assert header.split() == ["NAME", "READY", "STATUS", "REASON", "PROVIDER", "REGION", "AGE"]
    assert row.split()[:6] == [NAME, "True", "AVAILABLE", "Available", "AWS", "eu-west-1"]
    assert project.services()[IRELAND]["id"] in own.control_plane.kubectl("get", "dpe", where, "--output=wide").stdout
    assert NAME in own.control_plane.kubectl("get", "atlas", where).stdout

    # From the first second on nobody takes it for done before it is, nor for failed.
    seen = [kstatus(body) for body in own.resources.states(NAME)]
    assert seen[0] == "InProgress"
    assert seen[-1] == "Current"
    assert set(seen[: seen.index("Current")]) == {"InProgress"}


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("region", "eu-west-2", "never moves to another region"),
        ("providerName", "GCP", "never moves to another cloud"),
        ("projectId", "f" * 24, "never moves to another project"),
    ],
)
def test_what_never_changes_is_refused_with_the_way_out(own: Env, field: str, value: str, words: str) -> None:
    Project(own).create(NAME, managementPolicy="Observe")
    with pytest.raises(AssertionError, match=words) as refusal:
        own.edit(**{field: value})
    assert "delete this resource" in str(refusal.value)


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

    mine, other = kinds.pop(served), next(iter(kinds.values()))
    mine.wait_ready("one")
    own.next_calls()
    assert other.get("one")["status"] == {"observedGeneration": -1}
    assert "finalizers" not in other.get("one")["metadata"]
    assert operator.metric("atlas_endpoints_resources", kind=served) == 1
    for each in (mine, other):
        each.delete("one")
        each.close()


def test_an_end_that_atlas_announces_and_takes_back_is_a_condition_that_comes_and_goes(alone: Env) -> None:
    project = Project(alone)
    project.create(NAME, cloudProviderEndpointId=VPCE)
    alone.becomes_ready()
    assert condition(alone.resources.get(NAME), "Deprecated") is None

    alone.atlas.post("switches", {"dedicated": {"deprecation": "2026-06-01", "sunset": "2027-06-01"}})
    body = alone.resources.wait(NAME, lambda body: condition(body, "Deprecated") is not None, says="Deprecated")
    assert "2027-06-01" in (condition(body, "Deprecated") or {})["message"]
    assert ready(body)["status"] == "True"

    alone.atlas.post("switches", {"dedicated": {"deprecation": None, "sunset": None}})
    alone.resources.wait(NAME, lambda body: condition(body, "Deprecated") is None, says="without an announced end")


def test_a_service_that_vanishes_with_its_last_endpoint_and_one_that_stays_are_both_survived(alone: Env) -> None:
    project = Project(alone)
    alone.atlas.post("switches", {"dedicated": {"vanishesWhenEmpty": ["AWS"]}})
    project.create("aws", cloudProviderEndpointId=VPCE, deletionPolicy="Delete")
    azure = {**AZURE, "cloudProviderEndpointId": AZURE_ID, "privateEndpointIpAddress": "10.0.0.4"}
    project.create("azure", **azure, deletionPolicy="Delete")
    for name in ("aws", "azure"):
        alone.becomes_ready(name)
        goes(alone.resources, name)
    assert project.services() == {}
