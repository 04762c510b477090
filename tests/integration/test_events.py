"""Kubernetes Events about resources: one when something begins to fail, one when that is over, and none otherwise."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import yaml

from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT
from support.concurrent_cases import NAME
from support.operator_process import OperatorProcess
from support.rbac import service_account
from support.resources import Resources, ready

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from control_plane import ControlPlane
    from control_plane.process import ServerGroup
    from support.atlas import Atlas, Place
    from support.concurrent_cases import Env
    from support.fixtures import MakeResources

WRONG = "mdb_sa_sk_mistyped_4711"
FAILED, HEALED = ("Warning", "CredentialsInvalid"), ("Normal", "Available")
NAMES = ("orders", "billing", "search")


def fail(resources: Resources, atlas: Atlas, place: Place) -> dict[str, str]:
    """Have resources whose credentials Atlas refuses; give those that it would take."""
    right = atlas.put_account(place)
    resources.secret(data={**right, "clientSecret": WRONG})
    for number, name in enumerate(NAMES):
        atlas.connect(place.sibling(number))
        resources.create(name, place.sibling(number).spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    for name in NAMES:
        resources.wait_reason(name, "CredentialsInvalid", pair="Stalled")  # it was Reconciling before
    return right


def heal(resources: Resources, right: dict[str, str]) -> None:
    resources.secret(data=right)
    for name in NAMES:
        resources.annotate(name, {"atlas-endpoints.dev/force-sync": "mended"})  # else it looks every 30 s
    for name in NAMES:
        resources.wait_ready(name)


def described(env: Env) -> str:
    return env.control_plane.kubectl("describe", f"spe/{NAME}", f"--namespace={env.resources.namespace}").stdout


def test_wrong_credentials_are_announced_once_and_so_is_that_they_are_mended(env: Env) -> None:
    resources = env.resources
    right = fail(resources, env.atlas, env.place)
    for name in NAMES:
        resources.wait_events(name, FAILED)
    shown = described(env)
    listed = env.control_plane.kubectl("events", f"--for=spe/{NAME}", f"--namespace={resources.namespace}").stdout

    heal(resources, right)

    for name in NAMES:
        body = resources.get(name)
        failed, healed = resources.wait_events(name, FAILED, HEALED)
        about = {
            "apiVersion": "atlas-endpoints.dev/v1alpha1",
            "kind": "ServerlessPrivateEndpoint",
            "namespace": resources.namespace,
            "name": name,
            "uid": body["metadata"]["uid"],
        }
        for event in (failed, healed):
            assert {key: event["regarding"][key] for key in about} == about
            assert event["reportingController"] == "atlas-endpoints.dev/operator"
            assert event["reportingInstance"]
            assert event["action"]
        assert "credentials" in failed["note"]
        assert healed["note"] == ready(body)["message"]
        assert re.search(r"\.\d{6}Z$", failed["eventTime"])
        assert datetime.now(UTC) - datetime.fromisoformat(failed["eventTime"]) < timedelta(minutes=5)
        assert WRONG not in json.dumps([failed, healed])
    for text in (shown, listed):
        (line,) = [line for line in text.splitlines() if re.search(r"Warning\s+CredentialsInvalid", line)]
        assert "credentials" in line
    assert "atlas-endpoints.dev/operator" in shown


@pytest.fixture
def mute_operator(
    control_plane: ControlPlane, crd: str, group: ServerGroup, tmp_path: Path, atlas: Atlas
) -> Iterator[OperatorProcess]:
    """An operator that may do all but create Events."""
    manifests = [each for each in yaml.safe_load_all(service_account("default", "operator-mute")) if each is not None]
    for each in manifests:
        if each["kind"] == "ClusterRole":
            each["metadata"]["name"] = "operator-mute"
            each["rules"] = [rule for rule in each["rules"] if "events" not in rule["resources"]]
        elif each["kind"] == "ClusterRoleBinding":
            each["roleRef"]["name"] = "operator-mute"
    control_plane.kubectl("apply", "--filename=-", stdin=yaml.safe_dump_all(manifests))
    operator = OperatorProcess.start(
        group,
        tmp_path,
        kubeconfig=control_plane.kubeconfig_for("default", "operator-mute"),
        atlas_url=atlas.url,
        label_selector="served-by=mute",
        sync_interval="2s",
        stall_grace="1s",
    )
    yield operator
    operator.server.stop(kill=True)


def test_without_the_right_to_create_events_all_else_works(
    mute_operator: OperatorProcess, atlas: Atlas, place: Place, make_resources: MakeResources
) -> None:
    resources = make_resources("mute")

    heal(resources, fail(resources, atlas, place))

    dropped = "atlas_endpoints_events_total"
    wait_until(lambda: mute_operator.metric(dropped, result="dropped") == 2 * len(NAMES), "all Events")
    assert resources.events() == []
    (line,) = [line for line in mute_operator.log.splitlines() if "Events are dropped" in line]
    assert "the verb create on events of the API group events.k8s.io" in line
