"""Nothing is left for a GitOps tool to correct, and what it does to a resource causes no work: on the real control plane.

Argo CD applies server-side with a field manager of its own, or client-side; Flux server-side. Each of them then compares
what is in the cluster with what is in Git, as ``kubectl diff`` does.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from atlas_endpoints.reconcile.observe import SHARED_FOR
from control_plane.process import wait_until
from delivery.recorded import DEDICATED, SERVERLESS
from delivery.subjects import DedicatedPlace, DedicatedSubject
from support.atlas import CLOUD_ENDPOINT, Atlas, Place
from support.audit import mark, writes
from support.resources import Resources, observed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from control_plane import ControlPlane
    from support.fixtures import MakeResources, RunOperator
    from support.operator_process import OperatorProcess

OPERATOR = "system:serviceaccount:default:operator-gitops"
TRACKING_ID = "argocd.argoproj.io/tracking-id"
MINUTES = 10
"""The operator's interval: within a test nothing is due by itself."""

A_WHILE = 2.0
"""Seconds to look on: an operator that reacts does so within milliseconds."""

FORGETS = SHARED_FOR + 0.5
"""Seconds after which no reconcile gets along with what was seen before: from then on each costs a call."""

ROUNDS = 60
"""How often a manifest is applied in a loop."""


@pytest.fixture(scope="module")
def operator(start_operator: RunOperator, atlas: Atlas) -> OperatorProcess:
    """An operator as it is shipped."""
    return start_operator(label="gitops", atlas=atlas, sync_interval=f"{MINUTES}m")


@dataclass(frozen=True, slots=True)
class Tool:
    """How a GitOps tool applies a manifest, and how it looks for differences."""

    control_plane: ControlPlane
    resources: Resources
    options: tuple[str, ...]
    kind: str = SERVERLESS

    def manifest(self, spec: dict[str, Any], **annotations: str) -> str:
        """Write what is in Git."""
        return json.dumps(
            {
                "apiVersion": "atlas-endpoints.dev/v1alpha1",
                "kind": self.kind,
                "metadata": {
                    "name": "orders",
                    "namespace": self.resources.namespace,
                    "labels": {"served-by": "gitops"},
                    "annotations": {TRACKING_ID: "endpoints:1", **annotations},
                },
                "spec": spec,
            }
        )

    def apply(self, manifest: str) -> None:
        """Bring the cluster to what is in Git."""
        self.control_plane.kubectl("apply", *self.options, "--filename=-", stdin=manifest)

    def differences(self, manifest: str) -> str:
        """Compare the cluster with what is in Git; empty when nothing differs."""
        found = self.control_plane.kubectl("diff", *self.options, "--filename=-", stdin=manifest, check=False)
        assert found.returncode == bool(found.stdout), found.stderr
        return found.stdout


TOOLS = {
    "server-side, as Argo CD and Flux": ("--server-side", "--force-conflicts", "--field-manager=argocd-controller"),
    "client-side": (),
}


@pytest.fixture
def resources(operator: OperatorProcess, make_resources: MakeResources) -> Resources:
    """A namespace with credentials that work."""
    return make_resources("gitops")


@pytest.fixture(params=list(TOOLS.values()), ids=list(TOOLS))
def tool(request: pytest.FixtureRequest, control_plane: ControlPlane, resources: Resources) -> Tool:
    """A GitOps tool, in each of its ways."""
    return Tool(control_plane, resources, request.param)


def _becomes_ready(tool: Tool, atlas: Atlas, place: Place) -> None:
    tool.resources.wait_ready("orders")


def _is_refused(tool: Tool, atlas: Atlas, place: Place) -> None:
    tool.resources.wait_reason("orders", "UpdateRejected", pair="Stalled")


def _is_corrected(tool: Tool, atlas: Atlas, place: Place) -> None:
    """Somebody changes the endpoint in Atlas, and the operator is asked to look."""
    tool.resources.wait_ready("orders")
    atlas.change(place, comment="theirs")
    tool.resources.annotate("orders", {"atlas-endpoints.dev/force-sync": "1"})
    tool.resources.wait("orders", lambda body: body["status"].get("lastHandledReconcileAt") == "1")
    tool.resources.wait_ready("orders")
    assert atlas.endpoint(place)["comment"] == "orders"


def _is_suspended(tool: Tool, atlas: Atlas, place: Place) -> None:
    tool.resources.wait_reason("orders", "Suspended")


FULL = {"cloudProviderEndpointId": CLOUD_ENDPOINT, "comment": "orders", "driftPolicy": "Correct"}
TIMES = {"syncInterval": "90m", "provisioningTimeout": "1h30m"}
CASES: dict[str, tuple[dict[str, Any], Callable[[Tool, Atlas, Place], None]]] = {
    "of a minimal resource": ({"cloudProviderEndpointId": CLOUD_ENDPOINT}, _becomes_ready),
    "of a resource that uses every field": ({**FULL, **TIMES, "suspend": False}, _becomes_ready),
    "of a comment that is cleared": ({**FULL, "comment": ""}, _becomes_ready),
    "after drift was corrected in Atlas": (FULL, _is_corrected),
    "of what Atlas refuses": ({**FULL, "cloudProviderEndpointId": "vpce-0123456789abcdef1"}, _is_refused),
    "of a suspended resource": ({**FULL, "suspend": True}, _is_suspended),
}


@pytest.mark.parametrize("case", CASES)
def test_nothing_differs_once_the_operator_is_done(case: str, tool: Tool, atlas: Atlas, place: Place) -> None:
    fields, come_to_rest = CASES[case]
    atlas.connect(place, "an endpoint of long standing")
    manifest = tool.manifest(place.spec(**fields))
    tool.apply(manifest)
    come_to_rest(tool, atlas, place)

    body = tool.resources.get("orders")
    assert observed(body)
    assert tool.differences(manifest) == ""
    assert body["metadata"]["generation"] == 1
    assert body["spec"] == json.loads(manifest)["spec"]


def test_nothing_differs_where_the_operator_has_left_an_annotation_and_a_finalizer(
    tool: Tool, atlas: Atlas, place: Place
) -> None:
    manifest = tool.manifest(place.reserving(deletionPolicy="Delete"))
    tool.apply(manifest)
    tool.resources.wait_reason("orders", "WaitingForCloudEndpoint", pair="Reconciling")

    body = tool.resources.get("orders")
    assert "atlas-endpoints.dev/endpoint-id" in body["metadata"]["annotations"]
    assert body["metadata"]["finalizers"] == ["atlas-endpoints.dev/cleanup"]
    assert tool.differences(manifest) == ""
    tool.apply(manifest)
    again = tool.resources.get("orders")["metadata"]
    assert again["finalizers"] == body["metadata"]["finalizers"]
    assert again["annotations"].keys() >= body["metadata"]["annotations"].keys()
    tool.resources.delete("orders")
    wait_until(lambda: not tool.resources.exists("orders"), "the resource to go")


def test_nothing_differs_of_an_endpoint_of_dedicated_clusters_that_the_operator_has_registered(
    tool: Tool, control_plane: ControlPlane, place: Place
) -> None:
    names, namespace = DedicatedSubject.KIND.names, tool.resources.namespace
    resources = Resources(control_plane, namespace, {"served-by": "gitops"}, names=names)
    tool = replace(tool, resources=resources, kind=DEDICATED)
    fields = {"cloudProviderEndpointId": CLOUD_ENDPOINT, "supportedRemoteRegions": ["eu-west-2"]}
    manifest = tool.manifest(DedicatedPlace(place.project, "", "").spec(**fields, deletionPolicy="Delete"))
    tool.apply(manifest)
    resources.wait_ready("orders")

    body = resources.get("orders")
    assert body["metadata"]["finalizers"] == ["atlas-endpoints.dev/cleanup"]
    assert tool.differences(manifest) == ""
    assert body["metadata"]["generation"] == 1
    assert body["spec"] == json.loads(manifest)["spec"]
    resources.delete("orders")
    wait_until(lambda: not resources.exists("orders"), "the resource to go")
    resources.close()


def test_the_operator_owns_the_status_and_nothing_else(tool: Tool, atlas: Atlas, place: Place) -> None:
    atlas.connect(place)
    tool.apply(tool.manifest(place.spec(**FULL)))
    tool.resources.wait_ready("orders")

    managers = tool.resources.get("orders")["metadata"]["managedFields"]
    (own,) = [each for each in managers if each.get("subresource") == "status"]
    assert own["fieldsV1"].keys() == {"f:status"}
    (other,) = [each for each in managers if each is not own]
    assert "f:status" not in other["fieldsV1"]


@pytest.fixture(scope="module")
def at_rest(
    control_plane: ControlPlane, operator: OperatorProcess, namespace: str, atlas: Atlas, places: Iterator[Place]
) -> Iterator[AtRest]:
    """A resource that was settled so long ago that any work on it would be seen."""
    resources, place = Resources(control_plane, namespace, {"served-by": "gitops"}), next(places)
    resources.secret()
    tool = Tool(control_plane, resources, TOOLS["server-side, as Argo CD and Flux"])
    atlas.connect(place, "orders")
    tool.apply(tool.manifest(place.spec(**FULL)))
    resources.wait_ready("orders")
    time.sleep(FORGETS)
    yield AtRest(tool, atlas, place)
    resources.close()


@dataclass(frozen=True, slots=True)
class AtRest:
    """A resource that nothing is to be done about."""

    tool: Tool
    atlas: Atlas
    place: Place

    @contextmanager
    def causes_no_work(self) -> Iterator[None]:
        """Do something, and see that the operator neither asks Atlas nor writes anything because of it."""
        tool, status = self.tool, self.tool.resources.get("orders")["status"]
        log, calls = mark(tool.control_plane), len(self.atlas.requests(self.place))
        yield
        time.sleep(A_WHILE)
        assert len(self.atlas.requests(self.place)) == calls
        assert writes(tool.control_plane, OPERATOR, since=log) == []
        assert tool.resources.get("orders")["status"] == status


def test_labels_and_annotations_of_others_cause_no_work(at_rest: AtRest) -> None:
    with at_rest.causes_no_work():
        for number in range(5):
            annotations = (TRACKING_ID, "argocd.argoproj.io/sync-wave", "example.com/anything")
            labels = ("app.kubernetes.io/instance", "kustomize.toolkit.fluxcd.io/name")
            metadata = {
                "annotations": dict.fromkeys(annotations, f"shop-{number}"),
                "labels": dict.fromkeys(labels, f"shop-{number}"),
            }
            at_rest.tool.resources.patch("orders", {"metadata": metadata})


@pytest.mark.parametrize("changes", [False, True], ids=["the same", "another tracking-id each time"])
def test_applying_in_a_loop_causes_no_storm(changes: bool, at_rest: AtRest) -> None:
    """As fast as the API server takes it, which no tool does."""
    tool, spec = at_rest.tool, at_rest.place.spec(**FULL)
    tool.apply(tool.manifest(spec))
    before = tool.resources.version()

    collection = "/apis/atlas-endpoints.dev/v1alpha1/namespaces"
    path = f"{collection}/{tool.resources.namespace}/serverlessprivateendpoints/orders"
    with at_rest.causes_no_work(), tool.control_plane.client() as http:
        for number in range(ROUNDS):
            http.patch(
                path,
                params={"fieldManager": "argocd-controller", "force": "true"},
                headers={"Content-Type": "application/apply-patch+yaml"},
                content=tool.manifest(spec, **({TRACKING_ID: str(number)} if changes else {})),
            ).raise_for_status()

    assert (tool.resources.version() == before) is not changes
