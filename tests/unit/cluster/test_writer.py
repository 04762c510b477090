"""Writing and reading resources and ConfigMaps: exactly this version of exactly this object, or the right error."""

import json
import sys
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from kubernetes.aio import client

from atlas_endpoints.cluster import writer
from atlas_endpoints.cluster.api import ConfigMap, OutputOwner
from atlas_endpoints.cluster.errors import ClusterUnavailableError, ForbiddenError, SelectorRefusedError
from atlas_endpoints.cluster.writer import ConfigMapWriter, ResourceWriter, lean
from atlas_endpoints.controller.cache import Key, ListedObjects
from atlas_endpoints.controller.controller import ConflictError, GoneError, MetadataChange, RefusedError
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from unit.cluster.api_server import HANG, JSON_PATCH, PLURAL, RESET, RESOURCES, Answer, ApiServer, status_of

STATUS = {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True"}]}
DB = Key("ServerlessPrivateEndpoint", "shop", "db")
IN_SHOP = f"{RESOURCES}/namespaces/shop/{PLURAL}"
FIELD_MANAGER = {"fieldManager": "atlas-endpoints"}
OWNER = OutputOwner(KIND.names, "shop", "db", "uid-db")
COLLECTION = "/api/v1/namespaces/shop/configmaps"
PATH = f"{COLLECTION}/orders"
REFERENCE = {
    "apiVersion": "atlas-endpoints.dev/v1alpha1",
    "kind": "ServerlessPrivateEndpoint",
    "name": "db",
    "uid": "uid-db",
    "controller": True,
}
FOUND: dict[str, Any] = {
    "metadata": {"name": "orders", "uid": "uid-1", "resourceVersion": "7", "ownerReferences": [REFERENCE]},
    "data": {"endpointId": "a"},
}
CONFIG_MAP = ConfigMap("uid-1", "7", frozenset({"uid-db"}), deleting=False, data={"endpointId": "a"})


def status(code: int, reason: str, message: str = "words", **details: object) -> Answer:
    return Answer(code, status_of(code, reason, message, **details))


def in_words(answer: Answer) -> str:
    return f"{answer.status} {str(answer.body)[:20]}"


class Harness:
    def __init__(self, server: ApiServer, api: client.ApiClient) -> None:
        self.server = server
        self.api = api
        self.writer = ResourceWriter(self.api, KIND.names)
        self.config_maps = ConfigMapWriter(api)
        self.body = server.put("shop", "db", comment="one")

    def selecting(self, label_selector: str) -> ResourceWriter:
        return ResourceWriter(self.api, KIND.names, label_selector=label_selector)


@pytest.fixture
def harness(server: ApiServer, api: client.ApiClient) -> Harness:
    return Harness(server, api)


CALLS: dict[str, Callable[[Harness], Awaitable[object]]] = {
    "write": lambda harness: harness.writer.write(harness.body, STATUS),
    "change": lambda harness: harness.writer.change(harness.body, MetadataChange({"example.com/keep": True})),
    "list": lambda harness: harness.writer.list(None),
    "read": lambda harness: harness.writer.read(DB),
    "read a ConfigMap": lambda harness: harness.config_maps.read("shop", "orders"),
    "create a ConfigMap": lambda harness: harness.config_maps.create(OWNER, "orders", {"endpointId": "b"}),
    "update a ConfigMap": lambda harness: harness.config_maps.update(OWNER, "orders", CONFIG_MAP, {"endpointId": "b"}),
}
UNCLEAR = [
    status(500, "InternalError", "etcd"),
    status(401, "Unauthorized"),
    Answer(403, "<html>", "text/html"),
    Answer(404, '"a word"'),
    Answer(404, "<html>", "text/html"),
    Answer(200, "<html>", "text/html"),
]
WORD, FORBIDDEN = Answer(200, '"a word"'), status(403, "Forbidden")
NOT_SERVED = Answer(404, "404 page not found", "text/plain")
MORE: dict[str, list[Answer]] = {
    "write": [WORD, NOT_SERVED, RESET],
    "change": [WORD, NOT_SERVED, RESET],
    "read": [WORD, NOT_SERVED],
    "list": [
        *(WORD, Answer(200, {"kind": "Status"}), Answer(200, []), Answer(200, {"items": []})),
        Answer(200, {"items": ["a word"], "metadata": {"resourceVersion": "10"}}),
        Answer(200, {"items": [{"metadata": {"namespace": "shop"}}], "metadata": {"resourceVersion": "10"}}),
        Answer(200, {"items": [], "metadata": {"resourceVersion": "ten"}}),
    ],
    "read a ConfigMap": [
        *(WORD, NOT_SERVED, Answer(200, []), Answer(200, {"metadata": {}}), Answer(200, {"metadata": "x"})),
    ],
    "create a ConfigMap": [NOT_SERVED, RESET],
    "update a ConfigMap": [NOT_SERVED, RESET],
}
"""Answers that are no proof of anything: to any call, and to some."""


@pytest.mark.parametrize(
    ("call", "answer"),
    [pytest.param(call, each, id=f"{call}: {in_words(each)}") for call in CALLS for each in (*UNCLEAR, *MORE[call])],
)
async def test_an_unclear_answer_is_a_temporary_error(harness: Harness, call: str, answer: Answer) -> None:
    harness.server.answers.append(answer)
    with pytest.raises(ClusterUnavailableError):
        await CALLS[call](harness)
    assert len(harness.server.requests) == 1, "a write is never sent a second time behind our back"


REFUSED = [status(403, "Forbidden", "not allowed here")]
BY_POLICY = status(422, "Invalid", "not allowed here", causes=[{"message": "not here"}])
CONFLICTS = [status(409, "Conflict"), status(422, "Invalid", "the server rejected our request")]
ANSWERS: list[tuple[str, Answer, type[Exception]]] = [
    *(("write", each, ConflictError) for each in CONFLICTS),
    ("write", Answer(422, status_of(422, "Invalid", "no details") | {"details": None}), ConflictError),
    ("write", status(404, "NotFound"), GoneError),
    *((call, FORBIDDEN, ForbiddenError) for call in ("list", "read")),
    *(("change", each, RefusedError) for each in (*REFUSED, status(400, "BadRequest", "not allowed here"), BY_POLICY)),
    ("create a ConfigMap", status(409, "AlreadyExists"), ConflictError),
    *(("update a ConfigMap", each, ConflictError) for each in (*CONFLICTS, status(404, "NotFound"))),
    *((call, each, RefusedError) for call in CALLS if "Map" in call for each in (*REFUSED, BY_POLICY)),
]


@pytest.mark.parametrize(
    ("call", "answer", "error"), ANSWERS, ids=[f"{call}: {in_words(answer)}" for call, answer, _ in ANSWERS]
)
async def test_an_answer_about_the_object_is_an_error_of_its_own(
    harness: Harness, call: str, answer: Answer, error: type[Exception]
) -> None:
    harness.server.answers.append(answer)
    with pytest.raises(error, match="not allowed here" if error is RefusedError else None):
        await CALLS[call](harness)


class TestWriting:
    async def test_the_status_of_this_version_is_replaced_by_a_json_patch_with_tests(self, harness: Harness) -> None:
        after = await harness.writer.write(harness.body, STATUS)
        metadata = harness.body["metadata"]
        assert after["status"] == STATUS
        assert after["metadata"]["resourceVersion"] != metadata["resourceVersion"]
        (request,) = harness.server.requests
        assert (request.method, request.path, request.query) == ("PATCH", f"{IN_SHOP}/db/status", FIELD_MANAGER)
        assert request.headers["Content-Type"] == JSON_PATCH
        assert request.body == [
            {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
            {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
            {"op": "add", "path": "/status", "value": STATUS},
        ]

    async def test_finalizers_and_annotations_of_others_stay(self, harness: Harness) -> None:
        metadata = harness.body["metadata"]
        metadata |= {"finalizers": ["theirs", "old"], "annotations": {"theirs": "a", "ours": "b"}}
        change = MetadataChange({"old": False, "new": True, "never": False}, annotations={"ours": "c"})
        await harness.writer.change(harness.body, change)
        (request,) = harness.server.requests
        assert request.path == f"{IN_SHOP}/db"
        assert request.body[2:] == [
            {"op": "add", "path": "/metadata/finalizers", "value": ["theirs", "new"]},
            {"op": "add", "path": "/metadata/annotations", "value": {"theirs": "a", "ours": "c"}},
        ]

    async def test_a_status_that_the_schema_refuses_is_no_conflict(self, harness: Harness) -> None:
        """To render it anew on a fresh object would bring up the same, again and again."""
        causes = [{"reason": "FieldValueTooLong", "message": "Too long", "field": "status.conditions[0].message"}]
        message = "status.conditions[0].message: Too long: may not be more than 1024 bytes"
        harness.server.answers.append(status(422, "Invalid", message, causes=causes))
        with pytest.raises(ClusterUnavailableError, match=r"422 .*status\.conditions\[0\]\.message: Too long"):
            await CALLS["write"](harness)

    async def test_a_write_that_hangs_times_out(self, harness: Harness) -> None:
        harness.server.answers.append(HANG)
        impatient = ResourceWriter(harness.api, KIND.names, write_within=0.05)
        with pytest.raises(ClusterUnavailableError):
            await impatient.write(harness.body, STATUS)

    async def test_a_long_refusal_is_cut(self, harness: Harness) -> None:
        harness.server.answers.append(status(403, "Forbidden", "x" * 10_000))
        with pytest.raises(ClusterUnavailableError) as caught:
            await CALLS["write"](harness)
        assert len(str(caught.value)) < 600


class TestReading:
    async def test_an_object_is_returned_and_none_if_it_is_missing(self, harness: Harness) -> None:
        assert await harness.writer.read(DB) == harness.body
        assert await harness.writer.read(DB._replace(name="other")) is None

    @pytest.mark.parametrize("selected", [True, False])
    async def test_with_a_label_selector_an_unselected_object_is_none(self, harness: Harness, selected: bool) -> None:
        """A status that meets a changed object must not be written to one that has left the selection."""
        page = {"items": [harness.body] if selected else [], "metadata": {"resourceVersion": "11"}}
        harness.server.answers.extend([Answer(200, harness.body), Answer(200, page)])
        read = await harness.selecting("team=blue").read(DB)
        assert read == (harness.body if selected else None)
        _, asked = harness.server.requests
        selectors = {"labelSelector": "team=blue", "fieldSelector": "metadata.name=db"}
        assert (asked.path, asked.query) == (IN_SHOP, {"limit": str(writer.PAGE), **selectors})


class TestListing:
    async def test_all_namespaces(self, harness: Harness) -> None:
        bodies = [harness.body, harness.server.put("warehouse", "db")]
        assert await harness.writer.list(None) == ListedObjects(bodies, int(bodies[-1]["metadata"]["resourceVersion"]))
        assert harness.server.calls == [f"GET {RESOURCES}/{PLURAL}"]

    async def test_of_an_object_that_is_known_no_second_copy_is_kept(self, harness: Harness) -> None:
        listing = await harness.writer.list(None, lambda read: harness.body if read == harness.body else read)
        assert listing is not None
        assert [body is harness.body for body in listing.bodies] == [True]

    async def test_one_namespace_with_a_selector_in_pages(
        self, harness: Harness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writer, "PAGE", 2)
        bodies = [harness.body, *(harness.server.put("shop", f"db-{number}") for number in range(4))]
        last = harness.server.put("warehouse", "db")
        listing = await harness.selecting("team=blue").list("shop")
        assert listing == ListedObjects(bodies, int(last["metadata"]["resourceVersion"]))
        asked = [
            (each.path, each.query["labelSelector"], each.query.get("continue")) for each in harness.server.requests
        ]
        assert asked == [(IN_SHOP, "team=blue", page) for page in (None, "2", "4")]

    async def test_an_invalid_label_selector_is_reported_with_the_servers_message(self, harness: Harness) -> None:
        words = "unable to parse requirement: found ',', expected: in, notin"
        harness.server.answers.append(status(400, "BadRequest", words))
        with pytest.raises(SelectorRefusedError, match=f"LABEL_SELECTOR is 'team,,'.*{words}"):
            await harness.selecting("team,,").list(None)

    @pytest.mark.parametrize(
        ("selector", "answer", "error"),
        [
            ("team=blue", Answer(400, "<html>Bad Request</html>", "text/html"), ClusterUnavailableError),
            ("team=blue", status(403, "Forbidden", "list is forbidden"), ForbiddenError),
            ("", status(400, "BadRequest", "what was that?"), ClusterUnavailableError),
        ],
        ids=["a proxy refuses", "another refusal", "no selector"],
    )
    async def test_no_other_refusal_blames_the_label_selector(
        self, harness: Harness, selector: str, answer: Answer, error: type[Exception]
    ) -> None:
        harness.server.answers.append(answer)
        with pytest.raises(ClusterUnavailableError) as raised:
            await harness.selecting(selector).list(None)
        assert type(raised.value) is error

    async def test_a_list_that_cannot_be_continued_is_an_error(self, harness: Harness) -> None:
        first = {"items": [harness.body], "metadata": {"resourceVersion": "12", "continue": "1"}}
        expired = status(410, "Expired", "The provided continue parameter is too old")
        harness.server.answers.extend([Answer(200, first), expired])
        with pytest.raises(ClusterUnavailableError, match="410"):
            await harness.writer.list(None)
        listing = await harness.writer.list(None)
        assert listing is not None
        assert listing.bodies == [harness.body], "and the next one begins anew"

    async def test_a_kind_that_is_not_served_is_none(self, harness: Harness) -> None:
        harness.server.serves_the_kind = False
        assert await harness.writer.list(None) is None
        harness.server.answers.append(status(404, "NotFound", "could not find the requested resource"))
        assert await harness.writer.list(None) is None


class TestConfigMaps:
    async def test_one_is_read_by_its_name(self, harness: Harness) -> None:
        assert await harness.config_maps.read("shop", "orders") is None
        harness.server.objects[PATH] = FOUND
        assert await harness.config_maps.read("shop", "orders") == CONFIG_MAP
        bare = {"uid": "uid-1", "resourceVersion": "7", "deletionTimestamp": "2026-11-25T12:00:00Z"}
        harness.server.objects[PATH] = {"metadata": bare}
        going = ConfigMap("uid-1", "7", frozenset(), deleting=True, data={})
        assert await harness.config_maps.read("shop", "orders") == going
        assert harness.server.calls == [f"GET {PATH}"] * 3

    async def test_one_is_created_with_its_owner_and_does_not_block_its_deletion(self, harness: Harness) -> None:
        harness.server.answers.append(Answer(201, FOUND))
        await CALLS["create a ConfigMap"](harness)
        (request,) = harness.server.requests
        assert (request.method, request.path, request.query) == ("POST", COLLECTION, FIELD_MANAGER)
        assert request.body["metadata"] == {"name": "orders", "namespace": "shop", "ownerReferences": [REFERENCE]}
        assert request.body["data"] == {"endpointId": "b"}

    async def test_its_data_are_replaced_at_this_version_only(self, harness: Harness) -> None:
        harness.server.answers.append(Answer(200, FOUND))
        await CALLS["update a ConfigMap"](harness)
        (request,) = harness.server.requests
        assert (request.method, request.path, request.headers["Content-Type"]) == ("PATCH", PATH, JSON_PATCH)
        assert request.body == [
            {"op": "test", "path": "/metadata/uid", "value": "uid-1"},
            {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
            {"op": "add", "path": "/data", "value": {"endpointId": "b"}},
        ]


class TestLeanObjects:
    def test_an_object_is_equal_except_for_managed_fields(self) -> None:
        metadata = {"namespace": "shop", "labels": {"team": "blue"}, "managedFields": [{"manager": "kubectl"}]}
        body = {"metadata": metadata, "spec": {"on": False}, "items": ["The endpoint is available."]}
        before = json.dumps(body)
        assert lean(body) == {**body, "metadata": {"namespace": "shop", "labels": {"team": "blue"}}}
        assert json.dumps(body) == before, "the argument is not changed"

    def test_two_objects_share_their_texts(self) -> None:
        one, other = (lean({"items": [f"A text of two {what}."]}) for what in ["objects"] * 2)
        assert one["items"][0] is other["items"][0]
        copy = "".join([*one["items"][0]])
        assert sys.intern(copy) is copy, "early releases of CPython 3.12 never free what was interned"

    def test_unique_texts_are_released_with_their_objects(self) -> None:
        tracemalloc.start()
        for first in range(0, 100_000, 1000):
            lean({"data": {f"{number:0>200}": f"{number:1>200}" for number in range(first, first + 1000)}})
        kept, _peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert kept < 10_000_000  # of 50 MB
