"""Writing ConfigMaps: exactly this version of exactly this object, with its owner, or the right error."""

from typing import Any

import pytest
from kubernetes.aio import client

from atlas_endpoints.cluster.config_maps import ConfigMap, Owner
from atlas_endpoints.cluster.config_maps_writer import ConfigMapWriter
from atlas_endpoints.cluster.errors import ClusterUnavailableError, RefusedError
from atlas_endpoints.controller.controller import ConflictError
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from unit.cluster.api_server import JSON_PATCH, Answer, ApiServer, status_of

DB = Owner(KIND.names, "shop", "db", "uid-db")
COLLECTION = "/api/v1/namespaces/shop/configmaps"
PATH = f"{COLLECTION}/orders"
REFERENCE = {
    "apiVersion": "atlas-endpoints.dev/v1alpha1",
    "kind": "ServerlessPrivateEndpoint",
    "name": "db",
    "uid": "uid-db",
    "controller": True,
}
BODY: dict[str, Any] = {
    "metadata": {"name": "orders", "uid": "uid-1", "resourceVersion": "7", "ownerReferences": [REFERENCE]},
    "data": {"endpointId": "a"},
}
FOUND = ConfigMap("uid-1", "7", frozenset({"uid-db"}), deleting=False, data={"endpointId": "a"})


class Harness:
    def __init__(self, server: ApiServer, api: client.ApiClient) -> None:
        self.server = server
        self.writer = ConfigMapWriter(api)

    async def do(self, what: str) -> None:
        match what:
            case "read":
                await self.writer.read("shop", "orders")
            case "create":
                await self.writer.create(DB, "orders", {"endpointId": "b"})
            case _:
                await self.writer.update(DB, "orders", FOUND, {"endpointId": "b"})


@pytest.fixture
def harness(server: ApiServer, api: client.ApiClient) -> Harness:
    return Harness(server, api)


async def test_one_is_read_by_its_name(harness: Harness) -> None:
    harness.server.objects[PATH] = BODY
    assert await harness.writer.read("shop", "orders") == FOUND
    assert harness.server.calls == [f"GET {PATH}"]


async def test_a_missing_one_is_none(harness: Harness) -> None:
    assert await harness.writer.read("shop", "orders") is None


async def test_one_without_owner_and_data_that_is_being_deleted(harness: Harness) -> None:
    metadata = {"uid": "uid-1", "resourceVersion": "7", "deletionTimestamp": "2026-11-25T12:00:00Z"}
    harness.server.objects[PATH] = {"metadata": metadata}
    found = await harness.writer.read("shop", "orders")
    assert found == ConfigMap("uid-1", "7", frozenset(), deleting=True, data={})


async def test_one_is_created_with_its_owner_and_does_not_block_its_deletion(harness: Harness) -> None:
    harness.server.answers.append(Answer(201, BODY))
    await harness.do("create")
    (request,) = harness.server.requests
    assert (request.method, request.path, request.query) == ("POST", COLLECTION, {"fieldManager": "atlas-endpoints"})
    assert request.body["metadata"] == {"name": "orders", "namespace": "shop", "ownerReferences": [REFERENCE]}
    assert request.body["data"] == {"endpointId": "b"}


async def test_its_data_are_replaced_at_this_version_only(harness: Harness) -> None:
    harness.server.answers.append(Answer(200, BODY))
    await harness.do("update")
    (request,) = harness.server.requests
    assert (request.method, request.path, request.headers["Content-Type"]) == ("PATCH", PATH, JSON_PATCH)
    assert request.body == [
        {"op": "test", "path": "/metadata/uid", "value": "uid-1"},
        {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
        {"op": "add", "path": "/data", "value": {"endpointId": "b"}},
    ]


@pytest.mark.parametrize(
    ("what", "answer"),
    [
        ("create", Answer(409, status_of(409, "AlreadyExists", "exists"))),
        ("update", Answer(422, status_of(422, "Invalid", "the server rejected our request"))),
        ("update", Answer(409, status_of(409, "Conflict", "the object has been modified"))),
        ("update", Answer(404, status_of(404, "NotFound", "not found"))),
    ],
)
async def test_a_changed_one_is_a_conflict(harness: Harness, what: str, answer: Answer) -> None:
    harness.server.answers.append(answer)
    with pytest.raises(ConflictError):
        await harness.do(what)


IMMUTABLE = status_of(422, "Invalid", "data: Forbidden: field is immutable", causes=[{"field": "data"}])


@pytest.mark.parametrize("what", ["read", "create", "update"])
@pytest.mark.parametrize(
    ("answer", "words"),
    [(Answer(403, status_of(403, "Forbidden", "cannot do it")), "cannot do it"), (Answer(422, IMMUTABLE), "immutable")],
)
async def test_a_refusal_repeats_the_message_of_the_api_server(
    harness: Harness, what: str, answer: Answer, words: str
) -> None:
    harness.server.answers.append(answer)
    with pytest.raises(RefusedError, match=words):
        await harness.do(what)


@pytest.mark.parametrize("what", ["read", "create", "update"])
@pytest.mark.parametrize(
    "answer",
    [
        Answer(500, status_of(500, "InternalError", "etcd")),
        Answer(401, status_of(401, "Unauthorized", "Unauthorized")),
        Answer(403, "<html>", "text/html"),
        Answer(404, "404 page not found", "text/plain"),
        Answer(200, "no json"),
    ],
)
async def test_an_unclear_answer_is_an_error(harness: Harness, what: str, answer: Answer) -> None:
    harness.server.answers.append(answer)
    with pytest.raises(ClusterUnavailableError):
        await harness.do(what)


@pytest.mark.parametrize("body", [[], {"metadata": {}}, {"metadata": "x"}])
async def test_an_answer_that_is_no_object_is_an_error(harness: Harness, body: object) -> None:
    harness.server.answers.append(Answer(200, body))
    with pytest.raises(ClusterUnavailableError):
        await harness.do("read")
