"""Writing and reading resources and ConfigMaps: exactly this version of exactly this object, or the right error."""

import json
import sys
import tracemalloc
from typing import Any

import pytest
from kubernetes.aio import client

from atlas_endpoints.cluster import writer
from atlas_endpoints.cluster.api import ConfigMap, OutputOwner
from atlas_endpoints.cluster.errors import ClusterUnavailableError, ForbiddenError, SelectorRefusedError
from atlas_endpoints.cluster.writer import ConfigMapWriter, ResourceWriter, lean
from atlas_endpoints.controller.cache import Key, Listing
from atlas_endpoints.controller.controller import ConflictError, GoneError, MetadataChange, RefusedError
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from unit.cluster.api_server import HANG, JSON_PATCH, RESET, RESOURCES, Answer, ApiServer, status_of

STATUS = {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True"}]}
DB = Key("ServerlessPrivateEndpoint", "shop", "db")
FIELD_MANAGER = {"fieldManager": "atlas-endpoints"}


def status(code: int, reason: str, message: str = "words", **details: object) -> Answer:
    return Answer(code, status_of(code, reason, message, **details))


def in_words(answer: Answer) -> str:
    return f"{answer.status} {str(answer.body)[:20]}"


UNCLEAR = [
    status(500, "InternalError", "etcd"),
    status(401, "Unauthorized"),
    Answer(403, "<html>", "text/html"),
    Answer(404, "404 page not found", "text/plain"),
    Answer(404, '"a word"'),
    Answer(200, "<html>", "text/html"),
    Answer(200, '"a word"'),
]
"""Answers that are no proof of anything."""


class Harness:
    def __init__(self, server: ApiServer, api: client.ApiClient) -> None:
        self.server = server
        self.api = api
        self.writer = ResourceWriter(self.api, KIND.names)
        self.config_maps = ConfigMapWriter(api)
        self.body = server.put("shop", "db", comment="one")

    def selecting(self, label_selector: str) -> ResourceWriter:
        return ResourceWriter(self.api, KIND.names, label_selector=label_selector)

    @property
    def status(self) -> Any:
        return self.server.resources["shop", "db"]["status"]

    async def call(self, what: str) -> object:
        match what:
            case "write":
                return await self.writer.write(self.body, STATUS)
            case "change":
                return await self.writer.change(self.body, MetadataChange({"example.com/keep": True}))
            case "list":
                return await self.writer.list(None)
            case "read":
                return await self.writer.read(DB)
            case "read a ConfigMap":
                return await self.config_maps.read("shop", "orders")
            case "create a ConfigMap":
                await self.config_maps.create(OWNER, "orders", {"endpointId": "b"})
            case _:
                await self.config_maps.update(OWNER, "orders", CONFIG_MAP, {"endpointId": "b"})
        return None


@pytest.fixture
def harness(server: ApiServer, api: client.ApiClient) -> Harness:
    return Harness(server, api)


class TestWriting:
    async def test_the_status_of_this_version_is_replaced_by_a_json_patch_with_tests(self, harness: Harness) -> None:
        after = await harness.writer.write(harness.body, STATUS)
        assert after["status"] == harness.status == STATUS
        metadata = harness.body["metadata"]
        assert after["metadata"]["resourceVersion"] != metadata["resourceVersion"]
        (request,) = harness.server.requests
        assert (request.method, request.query) == ("PATCH", FIELD_MANAGER)
        assert request.path == f"{RESOURCES}/namespaces/shop/serverlessprivateendpoints/db/status"
        assert request.headers["Content-Type"] == JSON_PATCH
        assert request.body == [
            {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
            {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
            {"op": "add", "path": "/status", "value": STATUS},
        ]

    @pytest.mark.parametrize("replaced", [False, True], ids=["changed", "another of the same name and version"])
    async def test_an_object_that_has_changed_is_not_written(self, harness: Harness, replaced: bool) -> None:
        version = harness.body["metadata"]["resourceVersion"]
        if replaced:
            harness.server.put("shop", "db")
            harness.server.resources["shop", "db"]["metadata"]["resourceVersion"] = version
        else:
            harness.server.touch("shop", "db")
        with pytest.raises(ConflictError):
            await harness.writer.write(harness.body, STATUS)
        assert harness.status == {"observedGeneration": -1}

    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            (status(409, "Conflict", "the object has been modified"), ConflictError),
            (status(422, "Invalid", "the server rejected our request"), ConflictError),
            (Answer(422, status_of(422, "Invalid", "no details") | {"details": None}), ConflictError),
            (status(404, "NotFound"), GoneError),
        ],
        ids=["409", "422 without causes", "422 without details", "404"],
    )
    async def test_answers_about_the_object(self, harness: Harness, answer: Answer, error: type[Exception]) -> None:
        harness.server.answers.append(answer)
        with pytest.raises(error):
            await harness.call("write")

    async def test_finalizers_and_annotations_of_others_stay(self, harness: Harness) -> None:
        metadata = harness.body["metadata"]
        metadata |= {"finalizers": ["theirs", "old"], "annotations": {"theirs": "a", "ours": "b"}}
        harness.server.answers.append(Answer(200, harness.body))
        change = MetadataChange({"old": False, "new": True, "never": False}, annotations={"ours": "c"})
        await harness.writer.change(harness.body, change)
        (request,) = harness.server.requests
        assert request.path.endswith("/serverlessprivateendpoints/db")
        assert request.body[2:] == [
            {"op": "add", "path": "/metadata/finalizers", "value": ["theirs", "new"]},
            {"op": "add", "path": "/metadata/annotations", "value": {"theirs": "a", "ours": "c"}},
        ]

    @pytest.mark.parametrize(
        "answer",
        [
            status(403, "Forbidden", "not allowed here"),
            status(400, "BadRequest", "not allowed here"),
            status(422, "Invalid", "not allowed here", causes=[{"message": "not here"}]),
        ],
        ids=["no right", "a webhook", "an admission policy"],
    )
    async def test_a_forbidden_change_is_refused(self, harness: Harness, answer: Answer) -> None:
        harness.server.answers.append(answer)
        with pytest.raises(RefusedError, match="not allowed here"):
            await harness.call("change")

    async def test_a_status_that_the_schema_refuses_is_no_conflict(self, harness: Harness) -> None:
        """To render it anew on a fresh object would bring up the same, again and again."""
        causes = [{"reason": "FieldValueTooLong", "message": "Too long", "field": "status.conditions[0].message"}]
        message = "status.conditions[0].message: Too long: may not be more than 1024 bytes"
        harness.server.answers.append(status(422, "Invalid", message, causes=causes))
        with pytest.raises(ClusterUnavailableError, match=r"422 .*status\.conditions\[0\]\.message: Too long"):
            await harness.call("write")

    @pytest.mark.parametrize("what", ["write", "change"])
    @pytest.mark.parametrize("answer", [*UNCLEAR, RESET], ids=in_words)
    async def test_anything_else_is_a_temporary_error(self, harness: Harness, what: str, answer: Answer) -> None:
        harness.server.answers.append(answer)
        with pytest.raises(ClusterUnavailableError):
            await harness.call(what)
        assert len(harness.server.requests) == 1, "a write is never sent a second time behind our back"

    async def test_a_write_that_hangs_times_out(self, harness: Harness) -> None:
        harness.server.answers.append(HANG)
        impatient = ResourceWriter(harness.api, KIND.names, write_within=0.05)
        with pytest.raises(ClusterUnavailableError):
            await impatient.write(harness.body, STATUS)

    async def test_a_long_refusal_is_cut(self, harness: Harness) -> None:
        harness.server.answers.append(status(403, "Forbidden", "x" * 10_000))
        with pytest.raises(ClusterUnavailableError) as caught:
            await harness.call("write")
        assert len(str(caught.value)) < 600


class TestReading:
    async def test_an_object_is_returned(self, harness: Harness) -> None:
        assert await harness.writer.read(DB) == harness.body

    async def test_a_missing_object_is_none(self, harness: Harness) -> None:
        assert await harness.writer.read(DB._replace(name="other")) is None

    @pytest.mark.parametrize("answer", [*UNCLEAR, status(403, "Forbidden")], ids=in_words)
    async def test_anything_else_is_no_proof_that_it_is_gone(self, harness: Harness, answer: Answer) -> None:
        harness.server.answers.append(answer)
        with pytest.raises(ClusterUnavailableError):
            await harness.call("read")

    @pytest.mark.parametrize("selected", [True, False])
    async def test_with_a_label_selector_an_unselected_object_is_none(self, harness: Harness, selected: bool) -> None:
        """A status that meets a changed object must not be written to one that has left the selection."""
        items = [harness.body] if selected else []
        page = {"items": items, "metadata": {"resourceVersion": "11"}}
        harness.server.answers.extend([Answer(200, harness.body), Answer(200, page)])
        read = await harness.selecting("team=blue").read(DB)
        assert read == (harness.body if selected else None)
        _, asked = harness.server.requests
        assert asked.path == f"{RESOURCES}/namespaces/shop/serverlessprivateendpoints"
        selectors = {"labelSelector": "team=blue", "fieldSelector": "metadata.name=db"}
        assert asked.query == {"limit": str(writer.PAGE), **selectors}


class TestListing:
    async def test_all_namespaces(self, harness: Harness) -> None:
        bodies = [harness.body, harness.server.put("warehouse", "db")]
        assert await harness.writer.list(None) == Listing(bodies, int(bodies[-1]["metadata"]["resourceVersion"]))
        assert harness.server.calls == [f"GET {RESOURCES}/serverlessprivateendpoints"]

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
        assert listing == Listing(bodies, int(last["metadata"]["resourceVersion"]))
        assert [request.query.get("continue") for request in harness.server.requests] == [None, "2", "4"]
        for request in harness.server.requests:
            assert request.path == f"{RESOURCES}/namespaces/shop/serverlessprivateendpoints"
            assert request.query["labelSelector"] == "team=blue"

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

    @pytest.mark.parametrize(
        "answer",
        [
            status(403, "Forbidden", "list is forbidden"),
            Answer(404, "<html>", "text/html"),
            Answer(200, {"kind": "Status"}),
            Answer(200, {"items": ["a word"], "metadata": {"resourceVersion": "10"}}),
            Answer(200, {"items": []}),
            Answer(200, {"items": [], "metadata": {"resourceVersion": "ten"}}),
            Answer(200, []),
        ],
        ids=in_words,
    )
    async def test_anything_else_is_an_error(self, harness: Harness, answer: Answer) -> None:
        harness.server.answers.append(answer)
        with pytest.raises(ClusterUnavailableError):
            await harness.call("list")


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
IMMUTABLE = status(422, "Invalid", "data: Forbidden: field is immutable", causes=[{"field": "data"}])
ALL = ["read a ConfigMap", "create a ConfigMap", "update a ConfigMap"]


class TestConfigMaps:
    async def test_one_is_read_by_its_name(self, harness: Harness) -> None:
        assert await harness.call("read a ConfigMap") is None
        harness.server.objects[PATH] = FOUND
        assert await harness.call("read a ConfigMap") == CONFIG_MAP
        assert harness.server.calls == [f"GET {PATH}"] * 2

    async def test_one_without_owner_and_data_that_is_being_deleted(self, harness: Harness) -> None:
        metadata = {"uid": "uid-1", "resourceVersion": "7", "deletionTimestamp": "2026-11-25T12:00:00Z"}
        harness.server.objects[PATH] = {"metadata": metadata}
        assert await harness.call("read a ConfigMap") == ConfigMap("uid-1", "7", frozenset(), deleting=True, data={})

    async def test_one_is_created_with_its_owner_and_does_not_block_its_deletion(self, harness: Harness) -> None:
        harness.server.answers.append(Answer(201, FOUND))
        await harness.call("create a ConfigMap")
        (request,) = harness.server.requests
        assert (request.method, request.path, request.query) == ("POST", COLLECTION, FIELD_MANAGER)
        assert request.body["metadata"] == {"name": "orders", "namespace": "shop", "ownerReferences": [REFERENCE]}
        assert request.body["data"] == {"endpointId": "b"}

    async def test_its_data_are_replaced_at_this_version_only(self, harness: Harness) -> None:
        harness.server.answers.append(Answer(200, FOUND))
        await harness.call("update a ConfigMap")
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
            ("create a ConfigMap", status(409, "AlreadyExists")),
            ("update a ConfigMap", status(422, "Invalid", "the server rejected our request")),
            ("update a ConfigMap", status(409, "Conflict")),
            ("update a ConfigMap", status(404, "NotFound")),
        ],
    )
    async def test_a_changed_one_is_a_conflict(self, harness: Harness, what: str, answer: Answer) -> None:
        harness.server.answers.append(answer)
        with pytest.raises(ConflictError):
            await harness.call(what)

    @pytest.mark.parametrize("what", ALL)
    @pytest.mark.parametrize(
        ("answer", "words"), [(status(403, "Forbidden", "cannot do it"), "cannot do it"), (IMMUTABLE, "immutable")]
    )
    async def test_a_refusal_repeats_the_message_of_the_api_server(
        self, harness: Harness, what: str, answer: Answer, words: str
    ) -> None:
        harness.server.answers.append(answer)
        with pytest.raises(RefusedError, match=words):
            await harness.call(what)

    @pytest.mark.parametrize("what", ALL)
    @pytest.mark.parametrize("answer", UNCLEAR[:-1], ids=in_words)
    async def test_an_unclear_answer_is_an_error(self, harness: Harness, what: str, answer: Answer) -> None:
        harness.server.answers.append(answer)
        with pytest.raises(ClusterUnavailableError):
            await harness.call(what)

    @pytest.mark.parametrize("body", [[], {"metadata": {}}, {"metadata": "x"}], ids=str)
    async def test_an_answer_that_is_no_object_is_an_error(self, harness: Harness, body: object) -> None:
        harness.server.answers.append(Answer(200, body))
        with pytest.raises(ClusterUnavailableError):
            await harness.call("read a ConfigMap")


def received() -> dict[str, Any]:
    """Return an object as it arrives: with its history, and with texts of its own."""
    metadata = {"namespace": "shop", "labels": {"team": "blue"}, "managedFields": [{"manager": "kubectl"}]}
    body: dict[str, Any] = json.loads(
        json.dumps({"metadata": metadata, "spec": {"on": False}, "items": ["The endpoint is available."]})
    )
    return body


class TestLeanObjects:
    def test_an_object_is_equal_except_for_managed_fields(self) -> None:
        body, expected = received(), received()
        del expected["metadata"]["managedFields"]
        assert lean(body) == expected
        assert body == received(), "the argument is not changed"

    def test_two_objects_share_their_texts(self) -> None:
        one, other = lean(received()), lean(received())
        assert one["items"][0] is other["items"][0]
        assert one["metadata"]["labels"]["team"] is other["metadata"]["labels"]["team"]

    def test_nothing_is_interned(self) -> None:
        """Early releases of CPython 3.12 never free what was interned: new texts could fill the memory."""
        body = lean({"metadata": {"annotations": {f"note-{number}": f"note {number}" for number in range(10)}}})
        for name, text in body["metadata"]["annotations"].items():
            for each in (name, text):
                copy = "".join([*each])
                assert sys.intern(copy) is copy

    def test_unique_texts_are_released_with_their_objects(self) -> None:
        tracemalloc.start()
        for first in range(0, 100_000, 1000):
            lean({"data": {f"{number:0>200}": f"{number:1>200}" for number in range(first, first + 1000)}})
        kept, _peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert kept < 10_000_000  # of 50 MB
