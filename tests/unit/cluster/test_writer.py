"""Writing status and reading objects: exactly this version of exactly this object, or the right error."""

from typing import Any

import pytest
from kubernetes.aio import client

from atlas_endpoints.cluster import writer
from atlas_endpoints.cluster.errors import ClusterUnavailableError, SelectorRefusedError
from atlas_endpoints.cluster.writer import ResourceWriter
from atlas_endpoints.controller.cache import Key, Listing
from atlas_endpoints.controller.controller import ConflictError, GoneError, MetadataChange, RefusedError
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from unit.cluster.api_server import HANG, JSON_PATCH, RESET, RESOURCES, Answer, ApiServer, status_of

STATUS = {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True"}]}
DB = Key("ServerlessPrivateEndpoint", "shop", "db")


class Harness:
    def __init__(self, server: ApiServer, api: client.ApiClient) -> None:
        self.server = server
        self.api = api
        self.writer = ResourceWriter(self.api, KIND.names)

    @property
    def status(self) -> Any:
        return self.server.resources["shop", "db"]["status"]


@pytest.fixture
def harness(server: ApiServer, api: client.ApiClient) -> Harness:
    return Harness(server, api)


class TestWriting:
    async def test_the_status_of_this_version_is_replaced(self, harness: Harness) -> None:
        body = harness.server.put("shop", "db", comment="one")
        after = await harness.writer.write(body, STATUS)
        assert harness.status == STATUS
        assert after["status"] == STATUS
        assert after["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]

    async def test_it_is_a_json_patch_with_tests_and_our_field_manager(self, harness: Harness) -> None:
        body = harness.server.put("shop", "db")
        await harness.writer.write(body, STATUS)
        (request,) = harness.server.requests
        assert (request.method, request.path) == (
            "PATCH",
            f"{RESOURCES}/namespaces/shop/serverlessprivateendpoints/db/status",
        )
        assert request.headers["Content-Type"] == JSON_PATCH
        assert request.query == {"fieldManager": "atlas-endpoints"}
        assert request.body == [
            {"op": "test", "path": "/metadata/uid", "value": body["metadata"]["uid"]},
            {"op": "test", "path": "/metadata/resourceVersion", "value": body["metadata"]["resourceVersion"]},
            {"op": "add", "path": "/status", "value": STATUS},
        ]

    async def test_an_object_that_has_changed_is_not_written_to(self, harness: Harness) -> None:
        body = harness.server.put("shop", "db")
        harness.server.touch("shop", "db")
        with pytest.raises(ConflictError):
            await harness.writer.write(body, STATUS)
        assert harness.status == {"observedGeneration": -1}

    async def test_another_object_of_the_same_name_is_not_written(self, harness: Harness) -> None:
        body = harness.server.put("shop", "db")
        version = body["metadata"]["resourceVersion"]
        harness.server.put("shop", "db")
        harness.server.resources["shop", "db"]["metadata"]["resourceVersion"] = version
        with pytest.raises(ConflictError):
            await harness.writer.write(body, STATUS)
        assert harness.status == {"observedGeneration": -1}

    async def test_a_missing_object_is_gone(self, harness: Harness) -> None:
        body = harness.server.put("shop", "db")
        del harness.server.resources["shop", "db"]
        with pytest.raises(GoneError):
            await harness.writer.write(body, STATUS)

    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            (Answer(409, status_of(409, "Conflict", "the object has been modified")), ConflictError),
            (Answer(422, status_of(422, "Invalid", "the server rejected our request")), ConflictError),
            (Answer(422, status_of(422, "Invalid", "no details") | {"details": None}), ConflictError),
            (Answer(404, status_of(404, "NotFound", "not found")), GoneError),
        ],
        ids=["409", "422 without causes", "422 without details", "404"],
    )
    async def test_answers_about_the_object(self, harness: Harness, answer: Answer, error: type[Exception]) -> None:
        body = harness.server.put("shop", "db")
        harness.server.answers.append(answer)
        with pytest.raises(error):
            await harness.writer.write(body, STATUS)

    @pytest.mark.parametrize(
        "answer",
        [
            Answer(403, status_of(403, "Forbidden", "not allowed here")),
            Answer(400, status_of(400, "BadRequest", "not allowed here")),
            Answer(422, status_of(422, "Invalid", "not allowed here", causes=[{"message": "not here"}])),
        ],
        ids=["no right", "a webhook", "an admission policy"],
    )
    async def test_a_forbidden_change_is_refused(self, harness: Harness, answer: Answer) -> None:
        body = harness.server.put("shop", "db")
        harness.server.answers.append(answer)
        with pytest.raises(RefusedError, match="not allowed here"):
            await harness.writer.change(body, MetadataChange({"example.com/keep": True}))

    async def test_a_change_that_meets_a_busy_server_is_not_refused(self, harness: Harness) -> None:
        body = harness.server.put("shop", "db")
        harness.server.answers.append(Answer(503, status_of(503, "ServiceUnavailable", "later")))
        with pytest.raises(ClusterUnavailableError):
            await harness.writer.change(body, MetadataChange({"example.com/keep": True}))

    async def test_a_status_that_the_schema_refuses_is_no_conflict(self, harness: Harness) -> None:
        """To render it anew on a fresh object would bring up the same, again and again."""
        body = harness.server.put("shop", "db")
        causes = [{"reason": "FieldValueTooLong", "message": "Too long", "field": "status.conditions[0].message"}]
        message = "status.conditions[0].message: Too long: may not be more than 1024 bytes"
        harness.server.answers.append(Answer(422, status_of(422, "Invalid", message, causes=causes)))
        with pytest.raises(ClusterUnavailableError, match=r"422 .*status\.conditions\[0\]\.message: Too long"):
            await harness.writer.write(body, STATUS)

    @pytest.mark.parametrize(
        "answer",
        [
            Answer(500, status_of(500, "InternalError", "etcd")),
            Answer(429, status_of(429, "TooManyRequests", "storage is (re)initializing")),
            Answer(403, status_of(403, "Forbidden", "patch is forbidden")),
            Answer(401, status_of(401, "Unauthorized", "Unauthorized")),
            Answer(404, "404 page not found", "text/plain"),
            Answer(404, "<html>", "text/html"),
            Answer(200, "<html>", "text/html"),
            Answer(200, '"a word"'),
            Answer(200, '{"kind": '),
            RESET,
        ],
        ids=lambda answer: f"{answer.status} {str(answer.body)[:20]}",
    )
    async def test_anything_else_is_a_temporary_error(self, harness: Harness, answer: Answer) -> None:
        body = harness.server.put("shop", "db")
        harness.server.answers.append(answer)
        with pytest.raises(ClusterUnavailableError):
            await harness.writer.write(body, STATUS)
        assert len(harness.server.requests) == 1, "a write is never sent a second time behind our back"

    async def test_a_write_that_hangs_times_out(self, harness: Harness) -> None:
        body = harness.server.put("shop", "db")
        harness.server.answers.append(HANG)
        impatient = ResourceWriter(harness.api, KIND.names, write_within=0.05)
        with pytest.raises(ClusterUnavailableError):
            await impatient.write(body, STATUS)

    async def test_a_long_refusal_is_cut(self, harness: Harness) -> None:
        body = harness.server.put("shop", "db")
        harness.server.answers.append(Answer(400, status_of(400, "BadRequest", "x" * 10_000)))
        with pytest.raises(ClusterUnavailableError) as caught:
            await harness.writer.write(body, STATUS)
        assert len(str(caught.value)) < 600


class TestReading:
    async def test_an_object_is_returned(self, harness: Harness) -> None:
        body = harness.server.put("shop", "db", comment="one")
        assert await harness.writer.read(DB) == body

    async def test_a_missing_object_is_none(self, harness: Harness) -> None:
        assert await harness.writer.read(DB) is None

    @pytest.mark.parametrize(
        "answer",
        [
            Answer(404, "404 page not found", "text/plain"),
            Answer(404, '"a word"'),
            Answer(403, status_of(403, "Forbidden", "get is forbidden")),
            Answer(503, "", "text/plain"),
            Answer(200, ["no", "object"]),
        ],
        ids=lambda answer: f"{answer.status} {str(answer.body)[:20]}",
    )
    async def test_anything_else_is_no_proof_that_it_is_gone(self, harness: Harness, answer: Answer) -> None:
        harness.server.put("shop", "db")
        harness.server.answers.append(answer)
        with pytest.raises(ClusterUnavailableError):
            await harness.writer.read(DB)

    @pytest.mark.parametrize("selected", [True, False])
    async def test_with_a_label_selector_an_unselected_object_is_none(
        self, harness: Harness, *, selected: bool
    ) -> None:
        """A status that meets a changed object must not be written to one that has left the selection."""
        body = harness.server.put("shop", "db")
        items = [body] if selected else []
        harness.server.answers.extend(
            [Answer(200, body), Answer(200, {"items": items, "metadata": {"resourceVersion": "11"}})]
        )
        read = await ResourceWriter(harness.api, KIND.names, label_selector="team=blue").read(DB)
        assert read == (body if selected else None)
        _, asked = harness.server.requests
        assert asked.path == f"{RESOURCES}/namespaces/shop/serverlessprivateendpoints"
        assert asked.query == {
            "limit": str(writer.PAGE),
            "labelSelector": "team=blue",
            "fieldSelector": "metadata.name=db",
        }


class TestListing:
    async def test_all_namespaces(self, harness: Harness) -> None:
        bodies = [harness.server.put("shop", "db"), harness.server.put("warehouse", "db")]
        assert await harness.writer.list(None, "") == Listing(bodies, int(bodies[-1]["metadata"]["resourceVersion"]))
        assert harness.server.calls == [f"GET {RESOURCES}/serverlessprivateendpoints"]

    async def test_one_namespace_with_a_selector(self, harness: Harness) -> None:
        bodies = [harness.server.put("shop", "db")]
        last = harness.server.put("warehouse", "db")
        listing = await harness.writer.list("shop", "team=blue")
        assert listing == Listing(bodies, int(last["metadata"]["resourceVersion"]))
        (request,) = harness.server.requests
        assert request.path == f"{RESOURCES}/namespaces/shop/serverlessprivateendpoints"
        assert request.query["labelSelector"] == "team=blue"

    async def test_an_invalid_label_selector_is_reported_with_the_servers_message(self, harness: Harness) -> None:
        words = "unable to parse requirement: found ',', expected: in, notin"
        harness.server.answers.append(Answer(400, status_of(400, "BadRequest", words)))
        with pytest.raises(SelectorRefusedError, match=f"LABEL_SELECTOR is 'team,,'.*{words}"):
            await harness.writer.list(None, "team,,")

    @pytest.mark.parametrize(
        ("selector", "answer"),
        [
            ("team=blue", Answer(400, "<html>Bad Request</html>", "text/html")),
            ("team=blue", Answer(403, status_of(403, "Forbidden", "list is forbidden"))),
            ("", Answer(400, status_of(400, "BadRequest", "what was that?"))),
        ],
        ids=["a proxy refuses", "another refusal", "no selector"],
    )
    async def test_no_other_refusal_blames_the_label_selector(
        self, harness: Harness, selector: str, answer: Answer
    ) -> None:
        harness.server.answers.append(answer)
        with pytest.raises(ClusterUnavailableError) as raised:
            await harness.writer.list(None, selector)
        assert not isinstance(raised.value, SelectorRefusedError)

    async def test_a_list_is_read_in_pages(self, harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(writer, "PAGE", 2)
        bodies = [harness.server.put("shop", f"db-{number}") for number in range(5)]
        assert await harness.writer.list("shop", "team=blue") == Listing(
            bodies, int(bodies[-1]["metadata"]["resourceVersion"])
        )
        assert [request.query.get("continue") for request in harness.server.requests] == [None, "2", "4"]
        assert {request.query["labelSelector"] for request in harness.server.requests} == {"team=blue"}

    async def test_a_list_that_cannot_be_continued_is_an_error(
        self, harness: Harness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writer, "PAGE", 1)
        bodies = [harness.server.put("shop", f"db-{number}") for number in range(2)]
        first = {"items": bodies[:1], "metadata": {"resourceVersion": "12", "continue": "1"}}
        expired = status_of(410, "Expired", "The provided continue parameter is too old")
        harness.server.answers.extend([Answer(200, first), Answer(410, expired)])
        with pytest.raises(ClusterUnavailableError, match="410"):
            await harness.writer.list(None, "")
        listing = await harness.writer.list(None, "")
        assert listing is not None
        assert listing.bodies == bodies, "and the next one begins anew"

    async def test_managed_fields_are_left_out(self, harness: Harness) -> None:
        body = harness.server.put("shop", "db")
        harness.server.resources["shop", "db"]["metadata"]["managedFields"] = [{"manager": "kubectl"}]
        listing = await harness.writer.list(None, "")
        assert listing is not None
        assert listing.bodies == [body]
        assert await harness.writer.read(DB) == body

    async def test_a_kind_that_is_not_served_is_none(self, harness: Harness) -> None:
        assert await harness.writer.list(None, "") == Listing([], 10)
        harness.server.serves_the_kind = False
        assert await harness.writer.list(None, "") is None
        harness.server.answers.append(Answer(404, status_of(404, "NotFound", "could not find the requested resource")))
        assert await harness.writer.list(None, "") is None

    @pytest.mark.parametrize(
        "answer",
        [
            Answer(403, status_of(403, "Forbidden", "list is forbidden")),
            Answer(404, "<html>", "text/html"),
            Answer(500, "", "text/plain"),
            Answer(200, {"kind": "Status"}),
            Answer(200, {"items": ["a word"], "metadata": {"resourceVersion": "10"}}),
            Answer(200, "null"),
            Answer(200, {"items": []}),
            Answer(200, {"items": [], "metadata": {"resourceVersion": "ten"}}),
            Answer(200, []),
        ],
        ids=lambda answer: f"{answer.status} {str(answer.body)[:20]}",
    )
    async def test_anything_else_is_an_error(self, harness: Harness, answer: Answer) -> None:
        harness.server.answers.append(answer)
        with pytest.raises(ClusterUnavailableError):
            await harness.writer.list(None, "")
