"""The support bundle about a resource, from a small API server."""

from __future__ import annotations

import re
from typing import Any

import pytest
from kubernetes.aio import client

from atlas_endpoints.cluster.connection import Connection
from atlas_endpoints.commands import report
from atlas_endpoints.commands.report import without_secrets
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.settings import ReportSettings
from unit.cluster.api_server import ApiServer, serving

SPEC: dict[str, Any] = {"projectId": "5f" * 12, "instanceName": "shop", "providerName": "AWS", "endpointId": "a1" * 12}
POD = {
    "metadata": {
        "name": "atlas-endpoints-1",
        "annotations": {"kubectl.kubernetes.io/default-container": "operator"},
    },
    "spec": {"containers": [{"name": "proxy"}, {"name": "operator", "env": [{"name": "TOKEN", "value": "canary"}]}]},
    "status": {
        "containerStatuses": [
            {"name": "operator", "image": "team/atlas:0.1.0", "imageID": "sha256:1", "ready": True, "restartCount": 3}
        ]
    },
}
LOG = """\
{"level": "INFO", "message": "yes 1", "namespace": "shop", "name": "orders", "uid": "1"}
{"level": "WARNING", "message": "yes 2, with mdb_sa_sk_canary", "namespace": "billing", "name": "copy"}
2026-11-27 12:00:00,123 INFO    yes 3  namespace=shop name=orders
{"level": "ERROR", "message": "yes 4: the API server is away"}
2026-11-27 12:00:00,123 WARNING yes 5: the API server is away  server=a
2026-11-27 12:00:00,123 INFO    yes 6  key=shop/orders
{"level": "ERROR", "message": "yes 7", "key": "billing/copy"}
{"level": "WARNING", "message": "not", "namespace": "shop-2", "name": "orders"}
{"level": "INFO", "message": "not", "namespace": "shop", "name": "orders-2"}
{"level": "INFO", "message": "not"}
{"level": "WARNING", "message": "not", "project": "5f", "instance": "pay-db", "credentialsSource": "pay/atlas"}
2026-11-27 12:00:00,123 WARNING not  key=pay/invoices
2026-11-27 12:00:00,123 INFO    not: an ERROR of another  project=5f
["ERROR", "not"]
"""
HERE, PODS = "/api/v1/namespaces/shop/events", "/api/v1/namespaces/operators/pods"


async def bundle(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> str:
    async def opened() -> Connection:
        return Connection(client.Configuration(host=server.url))

    monkeypatch.setattr(Connection, "open", opened)
    lines: list[str] = []
    settings = ReportSettings(namespace="shop", resource="orders", operator_namespace="operators")
    assert await report.run(settings, [KIND], lines.append, lines.append)
    assert {each.method for each in server.requests} == {"GET"}
    assert not [each for each in server.calls if "secrets" in each or "configmaps" in each]
    return "\n".join(lines)


def event(message: str, time: str) -> dict[str, Any]:
    return {"type": "Warning", "reason": "Conflict", "message": message, "lastTimestamp": time}


async def test_a_bundle_has_all_that_an_issue_needs_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as server:
        for namespace, name, spec in (
            ("shop", "orders", SPEC),
            ("billing", "copy", SPEC | {"comment": "not for others"}),
            ("shop", "other", SPEC | {"endpointId": "b2" * 12}),
        ):
            server.put(namespace, name, **spec)
        server.resources["shop", "orders"]["metadata"]["annotations"] = {
            "example.com/token": "canary",
            "atlas-endpoints.dev/force-sync": "7",
        }
        condition = {"type": "Ready", "status": "False", "reason": "Conflict", "message": "not for others"}
        status = {"conditions": [condition | {"lastTransitionTime": "2026-11-27T10:00:00Z", "observedGeneration": 1}]}
        server.resources["billing", "copy"]["status"] |= status
        server.objects |= {
            "/version": {"gitVersion": "v1.37.0"},
            HERE: {"items": [event("later", "2026-11-27T11:00:00Z"), event("earlier", "2026-11-27T10:00:00Z")]},
            PODS: {"items": [POD]},
        }
        long_ago = f"{'x' * 999}\n" * 9000  # more than is read
        server.logs |= {
            f"{PODS}/atlas-endpoints-1/log?operator&false": long_ago + LOG,
            f"{PODS}/atlas-endpoints-1/log?operator&true": "2026-11-27 11:00:00,123 CRITICAL yes 8",
        }

        found = await bundle(server, monkeypatch)

    for text in (
        "Kubernetes: v1.37.0",
        "image team/atlas:0.1.0, sha256:1, ready: True, restarts: 3",
        "shop/orders: no operator has handled this resource",
        "instanceName: shop",
        "atlas-endpoints.dev/force-sync: '7'",
        "## billing/copy names the same endpoint",
        "with ***",
    ):
        assert text in found
    assert found.index("Warning Conflict: earlier") < found.index("Warning Conflict: later")
    assert re.findall(r"yes \d", found) == [f"yes {number}" for number in (8, 1, 2, 3, 4, 5, 6, 7)]
    assert "not" not in found.partition("## Log")[2]
    assert "not for others" not in found
    assert "endpoint: a1a1a1a1a1a1a1a1a1a1a1a1\n    Ready: False, Conflict" in found
    assert "canary" not in found
    assert "shop/other" not in found


ODD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no Pod": (
        {PODS: {"items": []}},
        ["namespace operators has no Pod with the label app.kubernetes.io/name=atlas-end", "--operator-namespace"],
    ),
    "null for lists": ({PODS: {"items": None}, HERE: {"items": None}}, ["has no Pod with the label"]),
    "no lists": (
        {PODS: {"items": 7}, HERE: {}},
        ["not read: The answer of the API server is not the requested object."],
    ),
    "items of another form": (
        {PODS: {"items": [{}, None, POD]}, HERE: {"items": [7, event("later", "2026-11-27T11:00:00Z")]}},
        ["not read: 2 Pods, which are unreadable", "not read: 1 Events", "restarts: 3", "Warning Conflict: later"],
    ),
    "statuses that are absent": (
        {PODS: {"items": [POD | {"status": None}, POD | {"status": {"containerStatuses": [None, {"name": "proxy"}]}}]}},
        ["Pod atlas-endpoints-1, container proxy: image None", "## Log of atlas-endpoints-1"],
    ),
}


@pytest.mark.parametrize(("objects", "says"), ODD.values(), ids=ODD)
async def test_what_is_missing_or_unreadable_is_named(
    objects: dict[str, Any], says: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as server:
        server.put("shop", "orders", **SPEC)
        server.objects |= {"/version": {"gitVersion": "v1.37.0"}, HERE: {"items": []}, **objects}

        found = await bundle(server, monkeypatch)

    assert [each for each in says if each not in found] == []


async def test_what_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as server:
        server.put("shop", "orders", **SPEC)
        server.objects |= {"/version": {"gitVersion": "v1.37.0"}, HERE: {"items": []}}

        found = await bundle(server, monkeypatch)

    assert "not read: The API server refused: 404" in found
    assert "instanceName: shop" in found


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("proxy http://me:hunter2@proxy:3128 refused", "proxy http://***@proxy:3128 refused"),
        ("to mongodb+srv://u:hunter2@h/", "to mongodb+srv://***@h/"),
        ("sent eyJhbGciOi.eyJzdWIi.c2ln", "sent ***"),
        ('{"client_secret": "hunter2", "a": 1}', '{"client_secret": "***", "a": 1}'),
        ("privateApiKey=hunter2, again", "privateApiKey=***, again"),
        ("credentialsSecretRef: {name: atlas}", "credentialsSecretRef: {name: atlas}"),
        ("The token endpoint answers: later.", "The token endpoint answers: later."),
    ],
)
def test_what_looks_like_a_credential_is_hidden(line: str, left: str) -> None:
    assert without_secrets(line) == left
