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
    """A release of a chart with endpoints, in a namespace with an operator that serves it, and how to install or upgrade it."""

    helm: Helm
    resources: Resources

    def __call__(self, command: str, endpoints: dict[str, Any], *flags: str) -> str:
        values = json.dumps({"labels": LABELS, "endpoints": endpoints})
        namespace = f"--namespace={self.resources.namespace}"
        return self.helm(command, "shop", ENDPOINTS, namespace, "--values=-", *flags, stdin=values)


@pytest.fixture(scope="module")
def operator(start_operator: RunOperator, atlas: Atlas) -> OperatorProcess:
    """An operator with the grace that it has by default."""
    return start_operator(label=LABELS["served-by"], atlas=atlas)


@pytest.fixture
def release(
    control_plane: ControlPlane, helm4: Helm, operator: OperatorProcess, make_resources: MakeResources
) -> Release:
    return Release(replace(helm4, kubeconfig=control_plane.kubeconfig), make_resources(LABELS["served-by"]))


def is_ready(resources: Resources, name: str) -> bool:
    body = resources.get(name)
    return observed(body) and ready(body)["status"] == "True"


def test_an_install_and_an_upgrade_wait_until_the_endpoint_is_ready(
    release: Release, atlas: Atlas, place: Place
) -> None:
    """Though it was ready before the upgrade."""
    for command, comment in (("install", "one"), ("upgrade", "two")):
        spec = place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment=comment)
        atlas.fail(place, method="PATCH", delay=SLOW, times=1)
        began = time.monotonic()

        release(command, {"orders": spec}, "--wait", "--timeout=3m")

        assert is_ready(release.resources, "orders")
        assert (atlas.endpoint(place)["status"], atlas.endpoint(place)["comment"]) == ("AVAILABLE", comment)
        assert time.monotonic() - began > SLOW


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


def test_a_secret_that_comes_later_is_waited_for(release: Release, atlas: Atlas, place: Place) -> None:
    """As it does when another tool writes it, or in the same release after the endpoint."""
    atlas.connect(place)
    resources = release.resources
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
    release: Release, atlas: Atlas, place: Place
) -> None:
    atlas.fail(place, method="PATCH", delay=SLOW, times=1)
    # There is no kubelet here, so a Pod of this release would be waited for in vain; the operator runs beside it.
    namespace = f"--namespace={release.resources.namespace}"
    where = ("own", CHART, namespace, "--set=replicas=0,crds.install=false", "--wait", "--timeout=3m")
    endpoint = {
        "apiVersion": "atlas-endpoints.dev/v1alpha1",
        "kind": "ServerlessPrivateEndpoint",
        "metadata": {"name": "orders", "labels": LABELS},
        "spec": place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT),
    }
    release.helm("install", *where)

    release.helm("upgrade", *where, "--values=-", stdin=json.dumps({"extraObjects": [endpoint]}))

    assert is_ready(release.resources, "orders")
