"""`helm --wait` on a release that holds endpoints, with a real operator and a simulated Atlas."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from control_plane.process import wait_until
from delivery.helm import CHART, Helm, HelmError
from delivery.installing import says
from support.atlas import CLOUD_ENDPOINT, OTHER_CLOUD_ENDPOINT
from support.resources import Resources, observed, ready

if TYPE_CHECKING:
    from control_plane import ControlPlane
    from support.atlas import Atlas, Place
    from support.fixtures import MakeResources, RunOperator
    from support.operator_process import OperatorProcess

ENDPOINTS = Path(__file__).parent / "testdata" / "endpoints"
LABELS = {"served-by": "helm-wait"}
SLOW = 2
"""Seconds that a call to Atlas takes, so that there is something to wait for."""


@dataclass(frozen=True, slots=True)
class Release:
    """A release of the chart with endpoints, in a namespace with an operator that serves it."""

    helm: Helm
    resources: Resources

    def __call__(self, command: str, endpoints: dict[str, Any], *flags: str) -> str:
        """Install or upgrade it."""
        values = json.dumps({"labels": LABELS, "endpoints": endpoints})
        namespace = f"--namespace={self.resources.namespace}"
        return self.helm(command, "shop", ENDPOINTS, namespace, "--values=-", *flags, stdin=values)


@pytest.fixture(scope="module")
def operator(start_operator: RunOperator, atlas: Atlas) -> OperatorProcess:
    """An operator with the grace that it has by default."""
    return start_operator(label=LABELS["served-by"], atlas=atlas)


@pytest.fixture
def resources(operator: OperatorProcess, make_resources: MakeResources) -> Resources:
    return make_resources(LABELS["served-by"])


@pytest.fixture
def release(control_plane: ControlPlane, helm4: Helm, resources: Resources) -> Release:
    return Release(replace(helm4, kubeconfig=control_plane.kubeconfig), resources)


def is_ready(resources: Resources, name: str) -> bool:
    body = resources.get(name)
    return observed(body) and ready(body)["status"] == "True"


def test_an_install_waits_until_the_endpoint_is_ready(release: Release, atlas: Atlas, place: Place) -> None:
    atlas.fail(place, method="PATCH", delay=SLOW, times=1)
    began = time.monotonic()

    release("install", {"orders": place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT)}, "--wait", "--timeout=3m")

    assert is_ready(release.resources, "orders")
    assert atlas.endpoint(place)["status"] == "AVAILABLE"
    assert time.monotonic() - began > SLOW


def test_an_upgrade_waits_for_an_edit(release: Release, atlas: Atlas, place: Place) -> None:
    """Though the endpoint was ready before."""
    atlas.connect(place, "one")
    spec = place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one")
    release("install", {"orders": spec}, "--wait", "--timeout=3m")
    atlas.fail(place, method="PATCH", delay=SLOW, times=1)

    release("upgrade", {"orders": spec | {"comment": "two"}}, "--wait", "--timeout=3m")

    assert atlas.endpoint(place)["comment"] == "two"
    assert is_ready(release.resources, "orders")


def test_what_atlas_refuses_ends_the_wait_at_once_with_atlas_s_words(
    release: Release, atlas: Atlas, place: Place
) -> None:
    atlas.connect(place)
    release("install", {"orders": place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT)}, "--wait", "--timeout=3m")
    changed = {"orders": place.spec(cloudProviderEndpointId=OTHER_CLOUD_ENDPOINT)}
    began = time.monotonic()

    with pytest.raises(HelmError, match=says("status: Failed, message:")) as failure:
        release("upgrade", changed, "--wait", "--timeout=10m")

    assert time.monotonic() - began < 300  # half of what it would have waited
    body = release.resources.wait_reason("orders", "UpdateRejected", pair="Stalled")
    assert ready(body)["message"] in str(failure.value)


def test_an_endpoint_that_waits_for_a_person_is_waited_for_in_vain(release: Release, place: Place) -> None:
    with pytest.raises(HelmError, match=says("status: InProgress", "context deadline exceeded")):
        release("install", {"orders": place.spec()}, "--wait", "--timeout=5s")

    release.resources.wait_reason("orders", "WaitingForCloudEndpoint")


def test_a_secret_that_comes_later_is_waited_for(
    release: Release, resources: Resources, atlas: Atlas, place: Place
) -> None:
    """As it does when another tool writes it, or in the same release after the endpoint."""
    atlas.connect(place)
    resources.delete_secret()
    with ThreadPoolExecutor() as pool:
        endpoints = {"orders": place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT)}
        installing = pool.submit(release, "install", endpoints, "--wait", "--timeout=3m")
        wait_until(lambda: resources.exists("orders"), "Helm to create it")
        resources.wait_reason("orders", "CredentialsInvalid", pair="Reconciling")
        time.sleep(SLOW)  # a wait that gives up on such a resource has ended by then
        assert not installing.done()
        resources.secret()

        installing.result()

    assert is_ready(resources, "orders")


@pytest.mark.usefixtures("controller_manager")
def test_an_upgrade_of_the_operator_s_own_chart_waits_for_an_endpoint_that_it_adds(
    control_plane: ControlPlane, helm4: Helm, resources: Resources, atlas: Atlas, place: Place
) -> None:
    helm = replace(helm4, kubeconfig=control_plane.kubeconfig)
    atlas.fail(place, method="PATCH", delay=SLOW, times=1)
    # There is no kubelet here, so a Pod of this release would be waited for in vain; the operator runs beside it.
    where = ("own", CHART, f"--namespace={resources.namespace}", "--set=replicas=0", "--set=crds.install=false")
    endpoint = {
        "apiVersion": "atlas-endpoints.dev/v1alpha1",
        "kind": "ServerlessPrivateEndpoint",
        "metadata": {"name": "orders", "labels": LABELS},
        "spec": place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT),
    }
    helm("install", *where, "--wait", "--timeout=3m")

    helm("upgrade", *where, "--wait", "--timeout=3m", "--values=-", stdin=json.dumps({"extraObjects": [endpoint]}))

    assert is_ready(resources, "orders")
