"""Nothing is left for a GitOps tool to correct, and what it does to a resource causes no work: on the real control plane.

Argo CD applies server-side with a field manager of its own, or client-side; Flux server-side. Each of them then compares
what is in the cluster with what is in Git, as ``kubectl diff`` does.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from atlas_endpoints.tunings import SHARED_FOR
from control_plane.process import wait_until
from delivery.recorded import BACKUP, DATA_FEDERATION, DEDICATED, ENCRYPTION_AT_REST, SERVERLESS
from delivery.subjects import SUBJECTS, DedicatedPlace
from support.atlas import CLOUD_ENDPOINT, Atlas, Place
from support.audit import mark, writes
from support.resources import Resources, observed

if TYPE_CHECKING:
    from collections.abc import Callable

    from control_plane import ControlPlane
    from support.fixtures import MakeResources, RunOperator
    from support.operator_process import OperatorProcess

OPERATOR = "system:serviceaccount:default:operator-gitops"
LABELS = {"served-by": "gitops"}
TRACKING_ID = "argocd.argoproj.io/tracking-id"
A_WHILE = 2.0
"""Seconds to look on: an operator that reacts does so within milliseconds."""

FORGETS = SHARED_FOR + 0.5
"""Seconds after which no reconcile gets along with what was seen before: from then on each costs a call."""

ROUNDS = 60
"""How often a manifest is applied in a loop."""


@pytest.fixture(scope="module")
def operator(start_operator: RunOperator, atlas: Atlas) -> OperatorProcess:
    """An operator to which nothing is due by itself within a test."""
    return start_operator(label=LABELS["served-by"], atlas=atlas, sync_interval="10m")


@dataclass(frozen=True, slots=True)
class Tool:
    """How a GitOps tool applies a manifest, and how it looks for differences."""

    control_plane: ControlPlane
    resources: Resources
    options: tuple[str, ...]
    kind: str = SERVERLESS

    def manifest(self, spec: dict[str, Any], labels: dict[str, str] | None = None, **annotations: str) -> str:
        """Write what is in Git."""
        metadata = {
            "name": "orders",
            "namespace": self.resources.namespace,
            "labels": {**LABELS, **(labels or {})},
            "annotations": {TRACKING_ID: "endpoints:1", **annotations},
        }
        names = {"apiVersion": "atlas-endpoints.dev/v1alpha1", "kind": self.kind}
        return json.dumps({**names, "metadata": metadata, "spec": spec})

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


@pytest.fixture(params=list(TOOLS.values()), ids=list(TOOLS))
def tool(
    request: pytest.FixtureRequest,
    control_plane: ControlPlane,
    operator: OperatorProcess,
    make_resources: MakeResources,
) -> Tool:
    """A GitOps tool, in each of its ways."""
    return Tool(control_plane, make_resources(LABELS["served-by"]), request.param)


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
    for manager in body["metadata"]["managedFields"]:
        owned = manager["fieldsV1"].keys()
        assert ("f:status" in owned) is (owned == {"f:status"}) is (manager.get("subresource") == "status")


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


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (DEDICATED, {"supportedRemoteRegions": ["eu-west-2"]}),
        (DATA_FEDERATION, {"comment": "orders"}),
        (ENCRYPTION_AT_REST, {}),
        (BACKUP, {"vpcRegion": "eu-west-2"}),
    ],
)
def test_nothing_differs_of_an_endpoint_that_the_operator_has_registered_or_created(
    kind: str, fields: dict[str, Any], tool: Tool, control_plane: ControlPlane, place: Place
) -> None:
    resources = Resources(control_plane, tool.resources.namespace, LABELS, names=SUBJECTS[kind].KIND.names)
    tool = replace(tool, resources=resources, kind=kind)
    named = {**SUBJECTS[kind].NAMED, **fields, "deletionPolicy": "Delete"}
    manifest = tool.manifest(DedicatedPlace(place.project, "", "").spec(**named))
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


@pytest.mark.parametrize("tool", [TOOLS["server-side, as Argo CD and Flux"]], indirect=True)
@pytest.mark.parametrize("changes", [False, True], ids=["the same", "with other labels and annotations each time"])
def test_applying_in_a_loop_causes_no_work(changes: bool, tool: Tool, atlas: Atlas, place: Place) -> None:
    """As fast as the API server takes it, which no tool does."""
    spec = place.spec(**FULL)
    atlas.connect(place, "orders")
    tool.apply(tool.manifest(spec))
    status = tool.resources.wait_ready("orders")["status"]
    time.sleep(FORGETS)
    before, log, calls = tool.resources.version(), mark(tool.control_plane), len(atlas.requests(place))

    collection = "/apis/atlas-endpoints.dev/v1alpha1/namespaces"
    path = f"{collection}/{tool.resources.namespace}/serverlessprivateendpoints/orders"
    names = (TRACKING_ID, "argocd.argoproj.io/sync-wave", "example.com/anything")
    with tool.control_plane.client() as http:
        for number in range(ROUNDS):
            labels = {"app.kubernetes.io/instance": f"shop-{number}"} if changes else {}
            annotations = dict.fromkeys(names, str(number)) if changes else {}
            http.patch(
                path,
                params={"fieldManager": "argocd-controller", "force": "true"},
                headers={"Content-Type": "application/apply-patch+yaml"},
                content=tool.manifest(spec, labels, **annotations),
            ).raise_for_status()
    time.sleep(A_WHILE)

    assert (tool.resources.version() == before) is not changes
    assert len(atlas.requests(place)) == calls
    assert writes(tool.control_plane, OPERATOR, since=log) == []
    assert tool.resources.get("orders")["status"] == status
