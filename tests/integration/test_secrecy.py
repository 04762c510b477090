"""Nothing that came from a Secret is shown to those who may not read it: in no log, status, Event, metric, span or probe."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT, endpoint_id, project_id
from support.collector import Collector
from support.indiscreet import MANNERS, OF_TOKENS, Indiscreet, forms
from support.operator_process import OperatorProcess
from support.rbac import grant
from support.resources import condition, observed

if TYPE_CHECKING:
    from pathlib import Path

    from control_plane import ControlPlane
    from control_plane.process import ServerGroup
    from support.fixtures import MakeResources

PROXY_PASSWORD = "canary-proxy-password"
UNUSABLE = {
    "half": {"clientSecret": "mdb_sa_sk_canary-half"},
    "both": {
        "clientId": "mdb_sa_id_both",
        "clientSecret": "mdb_sa_sk_canary-both",
        "publicApiKey": "abcdefgh",
        "privateApiKey": "canary-both-private",
    },
    "swapped": {"clientId": "mdb_sa_sk_canary-swapped", "clientSecret": "mdb_sa_id_swapped"},
    "in-the-wrong-place": {"publicApiKey": "mdb_sa_sk_canary-place", "privateApiKey": "mdb_sa_sk_canary-place"},
    "encoded-twice": {
        "clientId": "mdb_sa_id_twice",
        "clientSecret": base64.b64encode(b"mdb_sa_sk_canary-twice").decode(),
    },
    "misspelt": {"clientid": "mdb_sa_id_misspelt", "clientSecret": "mdb_sa_sk_canary-misspelt"},
    "not-ascii": {"clientId": "mdb_sa_id_ascii", "clientSecret": "mdb_sa_sk_canary-ascii-ü"},
}
"""Secrets that are of no use, each in its way, and for which nothing is sent."""


def account(name: str, version: str) -> dict[str, str]:
    """Give a service account with white space around its secret, and a key of somebody else."""
    return {
        "clientId": f"mdb_sa_id_{name.replace('-', '_')}",
        "clientSecret": f"mdb_sa_sk_canary-{version}-{name}\n",
        "password": f"canary-of-another-program-{name}",
    }


def api_key(name: str, version: str) -> dict[str, str]:
    """Give an API key, whose user has no other: what answers must not know a secret that the operator has not read yet."""
    return {"publicApiKey": f"{version}-{name}", "privateApiKey": f"canary-{version}-private+key/{name}"}


def secrets(version: str) -> dict[str, dict[str, str]]:
    """Give the Secrets of all resources by the resources' names."""
    return {
        **{f"a-{each}": account(each, version) for each in (*MANNERS, *OF_TOKENS)},
        **{f"k-{each}": api_key(each, version) for each in MANNERS},
        **{f"u-{name}": data for name, data in UNUSABLE.items()},
    }


@pytest.mark.gate
@pytest.mark.parametrize("log_format", ["json", "text"])
def test_whatever_goes_wrong_nothing_of_a_secret_is_shown(
    log_format: str, control_plane: ControlPlane, group: ServerGroup, make_resources: MakeResources, tmp_path: Path
) -> None:
    label = f"secrecy-{log_format}"
    resources = make_resources(label)
    home = resources.namespace
    canaries = {PROXY_PASSWORD}
    with Indiscreet(endpoint_id(0)) as atlas, Collector() as collector:

        def write_secrets(version: str) -> None:
            for name, data in secrets(version).items():
                resources.secret(name, data)
                canaries.update(value.strip() for value in data.values() if "canary" in value or "twice" in name)
                if "publicApiKey" in data:
                    atlas.passwords[data["publicApiKey"]] = data["privateApiKey"]

        write_secrets("first")
        resources.secret("operators-own", account("well", "own"))
        for number, name in enumerate((*secrets(""), "own")):
            manner = name.partition("-")[2]
            reference = {} if name == "own" else {"credentialsSecretRef": {"name": name}}
            spec: dict[str, Any] = {
                "projectId": project_id(number),  # else a limit of one would hold all
                "instanceName": manner if manner in MANNERS else "well",
                "providerName": "AWS",
                "endpointId": atlas.endpoint,
                "cloudProviderEndpointId": CLOUD_ENDPOINT,
                "comment": "one",
                **reference,
            }
            resources.create(name, spec)
        grant(control_plane, "default", label)
        operator = OperatorProcess.start(
            group,
            tmp_path,
            kubeconfig=control_plane.kubeconfig_for("default", label),
            atlas_url="http://atlas.invalid",
            environment={
                "HTTP_PROXY": f"http://user:{PROXY_PASSWORD}@{atlas.url}",
                "NO_PROXY": "127.0.0.1",
                "ATLAS_ENDPOINTS_ALLOW_PLAIN_HTTP": "true",
                "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            },
            label_selector=f"served-by={label}",
            log_format=log_format,
            log_level="DEBUG",
            credentials_secret=f"{home}/operators-own",
            sync_interval="3s",
            stall_grace="2s",
            concurrency=64,
        )

        def told() -> bool:
            return all(observed(body) and condition(body, "Ready") for body in resources.all())

        wait_until(told, "a status of every resource")
        write_secrets("second")
        for body in resources.all():
            resources.patch(
                body["metadata"]["name"],
                {"spec": {"comment": "two"}, "metadata": {"annotations": {"atlas-endpoints.dev/force-sync": "now"}}},
            )
        wait_until(told, "a status of every edit")
        shown = {path: operator.get(path).text for path in ("metrics", "livez", "readyz")}
        bodies = resources.all()
        assert operator.stop() == 0

    reasons = {body["metadata"]["name"]: (condition(body, "Ready") or {})["reason"] for body in bodies}
    assert {"AtlasUnavailable", "CredentialsInvalid", "UpdateRejected", "RateLimited"} <= set(reasons.values()), reasons
    with control_plane.client() as http:
        events = http.get(f"/apis/events.k8s.io/v1/namespaces/{home}/events").raise_for_status().text
    assert collector.spans()
    shown |= {f"spans {number}": body.decode("latin-1") for number, body in enumerate(collector.received)}
    shown |= {"log": operator.log, "resources": json.dumps(bodies, ensure_ascii=False), "events": events}
    assert '"DEBUG"' in operator.log or " DEBUG " in operator.log
    sought = {form for canary in canaries for form in forms(canary)} | atlas.heard
    assert len(sought) > 3 * len(secrets(""))
    found = {(where, form) for where, text in shown.items() for form in sought if form in text}
    assert found == set()
