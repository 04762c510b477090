"""The table, the JSON and the support bundle, from a small API server; and one resource among hostile ones."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from kubernetes.aio import client

from atlas_endpoints.cluster.connection import Connection
from atlas_endpoints.commands.status import command
from atlas_endpoints.commands.status.settings import StatusSettings
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from support.named import NAMED
from unit.cluster.api_server import Answer, ApiServer, serving, status_of

SPEC: dict[str, Any] = {"projectId": "5f" * 12, "instanceName": "shop", "providerName": "AWS", "endpointId": "a1" * 12}
POD = {
    "metadata": {"name": "atlas-endpoints-1"},
    "spec": {"containers": [{"name": "operator", "env": [{"name": "TOKEN", "value": "canary"}]}]},
    "status": {"containerStatuses": [{"name": "operator", "image": "team/atlas:0.1.0", "restartCount": 3}]},
}
LOG = """\
{"level": "INFO", "message": "one 1", "namespace": "shop", "name": "orders", "uid": "1"}
{"level": "WARNING", "message": "one 2, shop 2, with mdb_sa_sk_canary", "namespace": "shop", "name": "orders"}
2026-11-27 12:00:00,123 INFO    one 3  namespace=shop name=orders
{"level": "ERROR", "message": "one 4, shop 4: the API server is away"}
2026-11-27 12:00:00,123 WARNING one 5, shop 5: the API server is away  server=a
2026-11-27 12:00:00,123 INFO    one 6  key=shop/orders
{"level": "ERROR", "message": "shop 7", "key": "shop/copy"}
{"level": "WARNING", "message": "all 8", "namespace": "shop-2", "name": "orders"}
{"level": "INFO", "message": "not", "namespace": "shop", "name": "orders-2"}
{"level": "INFO", "message": "not"}
{"level": "WARNING", "message": "all 9", "project": "5f", "instance": "pay-db", "credentialsSource": "pay/atlas"}
2026-11-27 12:00:00,123 INFO    not: an ERROR of another  project=5f
["ERROR", "not"]
"""
HERE, PODS = "/api/v1/namespaces/shop/events", "/api/v1/namespaces/atlas-endpoints/pods"
HOSTILE = "a\n\x1b[2J\u202e" + "b" * 1_000_000


async def ask(server: ApiServer, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> tuple[bool, str, list[str]]:
    """Give whether there is any, what is printed, and what is said besides."""

    async def opened() -> Connection:
        return Connection(client.Configuration(host=server.url), namespace="mine")

    monkeypatch.setattr(Connection, "open", opened)
    lines: list[str] = []
    said: list[str] = []
    is_there = await command.run(StatusSettings(**settings), [KIND], lines.append, said.append)
    assert {each.method for each in server.requests} <= {"GET"}
    assert not [each for each in server.calls if "secrets" in each or "configmaps" in each]
    return is_there, "\n".join(lines), said


def put(server: ApiServer, namespace: str, name: str, reason: str = "", pair: str = "", **spec: Any) -> None:
    server.put(namespace, name, **SPEC | spec)
    at = {"lastTransitionTime": "2026-11-27T10:00:00Z", "observedGeneration": 1}
    ready = {
        "type": "Ready",
        "status": str(reason == "Available"),
        "reason": reason,
        "message": f"It is {reason}.",
        **at,
    }
    conditions = [ready, *([{**ready, "type": pair, "status": "True"}] if pair else [])]
    status = {"observedGeneration": 1, "conditions": conditions} if reason else {"observedGeneration": -1}
    server.resources[namespace, name]["status"] = status


def event(message: str, time: str) -> dict[str, Any]:
    return {"type": "Warning", "reason": "Conflict", "message": message, "lastTimestamp": time}


async def test_all_resources_are_a_table_with_the_most_urgent_first(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as server:
        put(server, "billing", "a", "Available")
        put(server, "shop", "b", "Initiating", "Reconciling")
        put(server, "shop", "c", "WaitingForCloudEndpoint", "Reconciling")
        put(server, "shop", "d", "CredentialsInvalid", "Reconciling")
        put(server, "shop", "e")
        put(server, "shop", "f", "UpdateRejected", "Stalled")
        put(server, "shop", "g", "Suspended")
        is_there, table, said = await ask(server, monkeypatch)
        _, of_shop, _ = await ask(server, monkeypatch, namespace="shop", output="json")

    head, *rows, nothing, summary = table.splitlines()
    assert (is_there, nothing, said) == (True, "", [])
    assert head.split() == ["NAMESPACE", "KIND", "NAME", "STATE", "READY", "REASON", "SINCE", "MESSAGE"]
    states = ("ActionRequired", "NotHandled", "GracePeriod", "WaitingForYou", "InProgress", "Settled", "Settled")
    assert [(*each.split()[2:4],) for each in rows] == list(zip("fedcbga", states, strict=True))
    assert rows[0].endswith(" 2026-11-27T10:00:00Z   It is UpdateRejected.")
    assert summary.startswith("Resources: 7 (1 ActionRequired, 1 NotHandled, ")
    document = json.loads(of_shop)
    assert [each["name"] for each in document["resources"]] == ["f", "e", "d", "c", "b", "g"]
    assert document["resources"][0] == {
        "namespace": "shop",
        "kind": "ServerlessPrivateEndpoint",
        "name": "f",
        "state": "ActionRequired",
        "ready": "False",
        "reason": "UpdateRejected",
        "since": "2026-11-27T10:00:00Z",
        "message": "It is UpdateRejected.",
    }
    assert (document["formatVersion"], document["problems"], document["details"]) == (1, [], [])


async def test_who_may_list_one_namespace_sees_it_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = Answer(403, status_of(403, "Forbidden", "you may not list that"))
    async with serving() as server:
        put(server, "mine", "orders", "Available")
        server.lists.append(refused)
        _, table, said = await ask(server, monkeypatch)
        server.lists.append(refused)
        _, bundle, _ = await ask(server, monkeypatch, resource="mine/orders", bundle=True)
        server.lists += [refused, refused]
        is_there, none, why = await ask(server, monkeypatch, output="json")

    assert "mine " in table
    assert said == ["You may not list all namespaces: only mine is shown. -n (--namespace) names another."]
    assert said[0] in bundle
    assert (is_there, why) == (False, ["The API server refused: 403 Forbidden: you may not list that"])
    assert json.loads(none) == {"formatVersion": 1, "problems": why, "resources": [], "details": []}


async def test_that_there_is_none_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as server:
        for settings, why in (
            ({}, "There is no ServerlessPrivateEndpoint yet."),
            ({"namespace": "shop", "bundle": True}, "There is no ServerlessPrivateEndpoint in namespace shop."),
            ({"resource": "shop/orders"}, "There is no ServerlessPrivateEndpoint shop/orders."),
        ):
            assert await ask(server, monkeypatch, **settings) == (False, "", [why])
        server.serves_the_kind = False
        _, _, said = await ask(server, monkeypatch)
    assert said == [f"The API server does not serve {NAMED['kind']}: install the CRD (kubectl apply -f crds/)."]


async def test_what_is_hostile_is_one_short_line_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as server:
        put(server, "shop", "orders", "Conflict", endpointId="b2" * 12)
        put(server, "shop", "copy", "Conflict", endpointId="b2" * 12)
        put(server, "shop", "odd", "Conflict", endpointId="b2" * 12)
        status = server.resources["shop", "orders"]["status"]
        status["conditions"][0]["message"] = f"password=canary {HOSTILE}"
        status |= {"endpoint": {"id": HOSTILE, "status": 7}, "resolved": [], "more": HOSTILE}
        server.resources["shop", "copy"]["status"] = {"conditions": 7, "resolved": "x", "endpoint": []}
        server.resources["shop", "odd"]["status"] = [HOSTILE]
        events = [event(HOSTILE, HOSTILE), {"count": ["x"], "message": {}}, 7, {}]
        server.objects |= {
            HERE: {"items": events},
            PODS: {"items": [POD, {}, 7, {"metadata": {"name": HOSTILE}, "status": {"containerStatuses": 7}}]},
        }
        server.objects["/version"] = {"gitVersion": [HOSTILE]}
        log = "".join(f'{{"level": "ERROR", "message": {json.dumps(each)}}}\n' for each in (HOSTILE, "[" * 100_000))
        log += f"{'[' * 100_000}\n{'9' * 100_000}\nx y ERROR {'z' * 1_000_000}\n"
        server.logs[f"{PODS}/atlas-endpoints-1/log?operator&false"] = log
        for settings in ({}, {"output": "json"}, {"bundle": True}):
            for which in ({}, {"resource": "shop/orders"}, {"resource": "shop/copy"}, {"resource": "shop/odd"}):
                is_there, found, said = await ask(server, monkeypatch, **settings, **which)
                assert (is_there, said) == (True, [])
                assert max(map(len, found.splitlines())) < 2100
                assert all(line.isprintable() for line in found.splitlines())
                assert "canary" not in found


async def test_a_bundle_has_all_that_an_issue_needs_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as server:
        put(server, "shop", "orders", "Conflict")
        put(server, "billing", "copy", "Available", comment="not for others")
        annotations = {"example.com/token": "canary", "atlas-endpoints.dev/force-sync": "7"}
        server.resources["shop", "orders"]["metadata"]["annotations"] = annotations
        _, forbidden, _ = await ask(server, monkeypatch, resource="shop/orders", bundle=True)
        server.objects[PODS] = {"items": None}
        _, without_pods, _ = await ask(server, monkeypatch, resource="shop/orders", bundle=True)
        events = [event("later", "2026-11-27T11:00:00Z"), event("earlier", "2026-11-27T10:00:00Z")]
        server.objects |= {"/version": {"gitVersion": "v1.37.0"}, HERE: {"items": events}, PODS: {"items": [POD]}}
        server.logs |= {
            f"{PODS}/atlas-endpoints-1/log?operator&false": LOG,
            f"{PODS}/atlas-endpoints-1/log?operator&true": "2026-11-27 11:00:00,123 CRITICAL one 0, shop 0",
        }
        _, found, _ = await ask(server, monkeypatch, resource="shop/orders", bundle=True)
        _, of_shop, _ = await ask(server, monkeypatch, namespace="shop", bundle=True)
        _, of_all, _ = await ask(server, monkeypatch, bundle=True)

    unread = forbidden.partition("## Not read")[2].splitlines()
    assert [each.strip() for each in unread if each] == [
        f"{path}: The API server refused: 404 Not Found:" for path in ("/version", PODS, HERE)
    ]
    assert "Pods of namespace atlas-endpoints (--operator-namespace) with the label app." in without_pods
    for text in (
        "Kubernetes: v1.37.0",
        '"image": "team/atlas:0.1.0"',
        "shop/orders: Ready is False, Conflict",
        '"instanceName": "shop"',
        '"atlas-endpoints.dev/force-sync": "7"',
        "Endpoint named by: billing/copy",
        "with ***",
    ):
        assert text in found
    assert found.index("Warning Conflict: earlier") < found.index("Warning Conflict: later")
    for text, word, numbers in ((found, "one", "0123456"), (of_shop, "shop", "02457"), (of_all, "all", "89")):
        assert re.findall(rf"{word} (\d)", text.partition("## Pod")[2]) == list(numbers)
        assert "canary" not in text
        assert "not" not in text.partition("## Log")[2]
    assert "not for others" not in found
    assert "1 ServerlessPrivateEndpoint: Ready is True, Available, Settled" in of_all
    assert "billing" not in of_shop


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("proxy http://me:hunter2@proxy:3128 refused", "proxy http://***@proxy:3128 refused"),
        ("to mongodb+srv://u:hunter2@h/", "to mongodb+srv://***@h/"),
        (f"{'x' * 1980} mongodb://u:hunter2@h/", f"{'x' * 1980} mongodb://***…"),
        ("sent eyJhbGciOi.eyJzdWIi.c2ln", "sent ***"),
        ('{"client_secret": "hunter2", "a": 1}', '{"client_secret": "***", "a": 1}'),
        (r'{"message": "sent {\"password\": \"hunter2\"}"}', r'{"message": "sent {\"password\": \"***"}"}'),
        (r'{"detail": "token: \"hunter2\""}', r'{"detail": "token: \"***""}'),
        ("privateApiKey=hunter2, again", "privateApiKey=***, again"),
        ("credentialsSecretRef: {name: atlas}", "credentialsSecretRef: {name: atlas}"),
        ("The token endpoint answers: later.", "The token endpoint answers: later."),
    ],
)
def test_what_looks_like_a_credential_is_hidden(line: str, left: str) -> None:
    assert command.plain(line) == left
