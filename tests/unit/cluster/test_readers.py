"""Reading Secrets, Namespaces and referenced objects: how often the API server is asked, and what is said of a lack."""

import asyncio
import gc
import json
import logging
import re
import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from weakref import WeakSet

import pytest
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from atlas_endpoints.atlas.credentials import keep_credentials
from atlas_endpoints.cluster import readers
from atlas_endpoints.cluster.api import VALUE_LIMIT, Age, Lack, Target, extract
from atlas_endpoints.cluster.errors import ClusterUnavailableError, UnreadableError
from atlas_endpoints.cluster.readers import (
    FRESH,
    MAX_AGE,
    READ_IDLE,
    RETRY_FIRST,
    RETRY_LAST,
    NamespaceReader,
    ObjectCache,
    ReferenceReader,
    SecretReader,
)
from unit.cluster.api_server import RESET, Answer, ApiServer, status_of

CANARY = "canary-4711"
FORBIDDEN = Answer(403, status_of(403, "Forbidden", "it is forbidden"))
MISSING = Answer(404, status_of(404, "NotFound", "secrets not found"))
OURS = "atlas-endpoints.dev/credentials-secret"

ACK, ASO = "vpcendpoints.ec2.services.k8s.aws", "privateendpoints.network.azure.com"
API = "/apis/ec2.services.k8s.aws/v1alpha1"
OBJECT = f"{API}/namespaces/shop/vpcendpoints/orders"
TARGET = Target("shop", "ec2.services.k8s.aws", "v1alpha1", "VPCEndpoint", "orders", ("status", "vpcEndpointID"))
VPCE = "vpce-0123456789abcdef0"


class Value:
    """What is wanted of an object."""


class Harness:
    """The readers, their API server, and the time."""

    def __init__(self, api_server: ApiServer, api: client.ApiClient) -> None:
        self.server = api_server
        self.now = 100.0
        self.secrets = SecretReader(api, lambda: self.now, keep=keep_credentials)
        self.namespaces = NamespaceReader(api, lambda: self.now)
        self.references = ReferenceReader(api, (ACK, ASO), lambda: self.now)
        self.put_secret("one")
        self.server.namespaces["shop"] = {OURS: "mine", "kubectl.kubernetes.io/last-applied-configuration": "{}"}

    def put_secret(self, client_id: str, *, namespace: str = "shop", name: str = "mine") -> None:
        self.server.secrets[namespace, name] = {"clientId": client_id, "clientSecret": CANARY}

    def put_object(self, value: object, **metadata: str) -> None:
        self.server.others["ec2.services.k8s.aws/v1alpha1", "VPCEndpoint"] = "vpcendpoints"
        self.server.objects[OBJECT] = {"metadata": metadata, "status": {"vpcEndpointID": value}}

    @property
    def asked(self) -> int:
        return len(self.server.requests)

    async def client_id(self, namespace: str = "shop", name: str = "mine", *, age: Age = Age.RECENT) -> str:
        return (await self.secrets.read(namespace, name, age=age))["clientId"]

    async def problem(self, name: str = "mine", namespace: str = "shop") -> UnreadableError:
        with pytest.raises(UnreadableError) as caught:
            await self.client_id(namespace, name)
        return caught.value

    async def reference_problem(self, target: Target = TARGET) -> UnreadableError:
        with pytest.raises(UnreadableError) as caught:
            await self.references.read(target)
        return caught.value


@pytest.fixture
def harness(server: ApiServer, api: client.ApiClient) -> Harness:
    return Harness(server, api)


Read = Callable[[Harness], Awaitable[object]]


def secret(harness: Harness) -> Awaitable[object]:
    return harness.client_id()


def namespace(harness: Harness) -> Awaitable[object]:
    return harness.namespaces.annotations("shop")


def kind(harness: Harness) -> Awaitable[object]:
    """Read an object whose kind is not known yet."""
    return harness.references.read(TARGET)


async def referenced(harness: Harness) -> object:
    """Read an object whose kind is known."""
    answers = [*harness.server.answers]
    harness.server.answers.clear()
    harness.put_object(VPCE)
    await harness.references.read(TARGET)
    harness.server.answers.extend(answers)
    return await harness.references.read(TARGET._replace(name="other"))


def config_map(harness: Harness) -> Awaitable[object]:
    return harness.references.read(Target("shop", "", "v1", "ConfigMap", "orders", ("data", "address.ip")))


class TestSharing:
    """Of all readers, by the example of Secrets."""

    @pytest.mark.parametrize("exists", [True, False])
    async def test_concurrent_callers_share_one_call(self, harness: Harness, *, exists: bool) -> None:
        if not exists:
            harness.server.secrets.clear()
        results = await asyncio.gather(*(harness.client_id() for _ in range(100)), return_exceptions=True)
        assert all(each == "one" if exists else isinstance(each, UnreadableError) for each in results)
        assert harness.asked == 1

    async def test_a_cancelled_caller_affects_no_other(self, harness: Harness) -> None:
        impatient = asyncio.create_task(harness.client_id())
        patient = asyncio.create_task(harness.client_id())
        await asyncio.sleep(0)
        impatient.cancel()
        assert await patient == "one"
        assert harness.asked == 1

    async def test_a_failure_without_callers_is_not_logged_by_asyncio(self, harness: Harness) -> None:
        logged: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: logged.append(context["message"]))
        harness.server.answers.append(Answer(500, status_of(500, "InternalError", "etcd")))
        impatient = asyncio.create_task(harness.client_id())
        await asyncio.sleep(0)
        (read,) = (each for each in asyncio.all_tasks() if each.get_name() == "read Secret")
        impatient.cancel()
        await asyncio.wait({impatient, read})
        del impatient, read
        gc.collect()
        assert logged == []

    @pytest.mark.parametrize(("age", "seconds"), [(Age.RECENT, MAX_AGE), (Age.FRESH, FRESH)], ids=["recent", "fresh"])
    async def test_an_entry_is_read_again_when_it_is_too_old(self, harness: Harness, age: Age, seconds: float) -> None:
        await harness.client_id()
        harness.put_secret("two")
        harness.now += seconds - 0.1
        assert await harness.client_id(age=age) == "one"
        harness.now += 0.1
        assert await harness.client_id(age=age) == "two"
        assert harness.asked == 2

    async def test_age_anew_starts_another_read_and_age_fresh_waits_for_the_current_one(self, harness: Harness) -> None:
        await harness.client_id()
        begun = asyncio.create_task(harness.client_id(age=Age.ANEW))
        await asyncio.sleep(0)
        harness.put_secret("two")
        found = await asyncio.gather(*(harness.client_id(age=Age.ANEW) for _ in range(3)))
        assert found == ["two"] * 3
        await begun
        assert harness.asked == 3
        begun = asyncio.create_task(harness.client_id(age=Age.ANEW))
        await asyncio.sleep(0)
        assert await harness.client_id(age=Age.FRESH) == await begun == "two"
        assert harness.asked == 4

    async def test_other_names_and_other_namespaces_are_other_secrets(self, harness: Harness) -> None:
        harness.put_secret("other", name="other")
        harness.put_secret("elsewhere", namespace="warehouse")
        found = [await harness.client_id(), await harness.client_id(name="other"), await harness.client_id("warehouse")]
        assert found == ["one", "other", "elsewhere"]

    async def test_unused_entries_are_dropped(self) -> None:
        now, read = 100.0, WeakSet[Value]()

        async def get(_: str) -> Value:
            read.add(value := Value())
            return value

        cache = ObjectCache[str, Value]("value", get, lambda *_: AssertionError(), lambda: now)
        await cache.read("mine", age=Age.RECENT)
        now += READ_IDLE + 1
        await cache.read("other", age=Age.RECENT)
        gc.collect()
        assert len(read) == 1

    async def test_the_entries_that_were_not_read_for_longest_are_dropped_beyond_a_number(
        self, harness: Harness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A tenant may name a new Secret with each edit; what is missing is kept for days."""
        monkeypatch.setattr(readers, "MOST", 10)
        for number in range(10):
            await harness.problem(f"missing-{number}")
        harness.now += RETRY_FIRST
        asked = harness.asked
        for name in ("missing-0", "missing-10", "missing-0", "missing-1"):
            await harness.problem(name)
        assert harness.asked == asked + 3
        assert [(await harness.problem(f"missing-{number}")).retry_in for number in range(2)] == [10.0, 5.0]


class TestBackoff:
    """Of all readers, by the example of Secrets."""

    async def test_a_missing_object_is_read_with_backoff(self, harness: Harness) -> None:
        harness.server.secrets.clear()
        waits = []
        for number in range(1, 8):
            waits.append((await harness.problem()).retry_in)
            assert harness.asked == number
            harness.now += 2.0
            assert (await harness.problem()).retry_in == waits[-1] - 2.0, "all callers share the backoff"
            harness.now += waits[-1] - 2.0
        assert waits == [5.0, 10.0, 20.0, 40.0, RETRY_LAST, RETRY_LAST, RETRY_LAST]
        harness.put_secret("two")
        assert await harness.client_id() == "two"
        harness.server.secrets.clear()
        harness.now += MAX_AGE
        assert (await harness.problem()).retry_in == RETRY_FIRST, "a success resets the backoff"

    async def test_an_object_that_is_missing_for_days_is_read_at_the_longest_backoff(self) -> None:
        now, waits = 100.0, set[float]()

        async def get(_: str) -> Value:
            raise ApiException(404, body=json.dumps(MISSING.body))

        def problem(_key: str, _lack: Lack, retry_in: float) -> Exception:
            waits.add(retry_in)
            return LookupError()

        cache = ObjectCache[str, Value]("value", get, problem, lambda: now)
        for _ in range(1100):  # so many doublings are more than a float holds
            with pytest.raises(LookupError):
                await cache.read("mine", age=Age.RECENT)
            now += RETRY_LAST
        assert waits == {5.0, 10.0, 20.0, 40.0, RETRY_LAST}

    async def test_age_fresh_does_not_wait_for_the_backoff(self, harness: Harness) -> None:
        harness.server.secrets.clear()
        await harness.problem()
        harness.put_secret("two")
        harness.now += FRESH
        assert await harness.client_id(age=Age.FRESH) == "two"


REFUSALS: dict[Read, tuple[str, str]] = {
    secret: (
        "SecretForbidden",
        "may not read Secret mine in namespace shop, whether it exists or not. Give its ServiceAccount the verb get",
    ),
    namespace: ("NamespaceForbidden", "may not read Namespace shop, .* verb get on namespaces"),
    kind: ("KindNotAllowed", "may not list the kinds of ec2.services.k8s.aws/v1alpha1"),
    referenced: ("KindNotAllowed", "Give its ServiceAccount the verb get on vpcendpoints.ec2.services.k8s.aws.$"),
}


@pytest.mark.parametrize("read", REFUSALS, ids=lambda read: read.__name__)
async def test_a_refusal_is_an_error_with_the_remedy(harness: Harness, read: Read) -> None:
    reason, words = REFUSALS[read]
    harness.server.answers.append(FORBIDDEN)
    with pytest.raises(UnreadableError) as caught:
        await read(harness)
    assert (caught.value.reason, caught.value.retry_in) == (reason, RETRY_FIRST)
    assert caught.value.refused is (read in {kind, referenced}), "nobody knows what a reference gives"
    assert re.search(words, caught.value.message)


LACKS: dict[Read, tuple[str, str]] = {
    secret: (
        "SecretNotFound",
        "There is no Secret mine in namespace shop. Create it with the keys clientId and clientSecret",
    ),
    kind: ("NotFound", "no namespaced kind VPCEndpoint in ec2.services.k8s.aws/v1alpha1. Install its CRD"),
    referenced: ("NotFound", "^There is no VPCEndpoint other in namespace shop."),
    config_map: ("NotFound", "^There is no ConfigMap orders"),
}


@pytest.mark.parametrize("read", LACKS, ids=lambda read: read.__name__)
async def test_what_is_missing_is_an_error_with_the_remedy(harness: Harness, read: Read) -> None:
    reason, words = LACKS[read]
    harness.server.secrets.clear()
    with pytest.raises(UnreadableError) as caught:
        await read(harness)
    assert (caught.value.reason, caught.value.retry_in) == (reason, RETRY_FIRST)
    assert re.search(words, caught.value.message)


async def test_a_missing_namespace_is_a_temporary_error(harness: Harness) -> None:
    """Nothing is concluded meanwhile, such as that it named no Secret."""
    with pytest.raises(ClusterUnavailableError, match="There is no Namespace warehouse"):
        await harness.namespaces.annotations("warehouse")


UNCLEAR = [
    *(Answer(500, "?"), Answer(401, status_of(401, "Unauthorized", "Unauthorized")), Answer(200, ["no", "object"])),
    *(Answer(403, "<html>Forbidden</html>", "text/html"), Answer(404, "<html>Not found</html>", "text/html")),
    *(Answer(200, "<html>Sign in</html>", "text/html"), RESET),
]
CANARIES = Answer(200, {"kind": "Secret", "data": {"clientSecret": {CANARY: CANARY}}})


@pytest.mark.parametrize(
    ("read", "answer"),
    [
        *((read, answer) for read in (secret, namespace, kind, referenced) for answer in UNCLEAR),
        *((secret, answer) for answer in (Answer(404, "404 page not found", "text/plain"), CANARIES)),
    ],
    ids=lambda each: f"{each.status} {str(each.body)[:12]}" if isinstance(each, Answer) else each.__name__,
)
async def test_an_unclear_answer_is_a_temporary_error(
    harness: Harness, read: Read, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    harness.server.answers.extend([answer, answer] if answer is RESET else [answer])  # aiohttp sends a GET twice
    with caplog.at_level(logging.DEBUG), pytest.raises(ClusterUnavailableError) as caught:
        await read(harness)
    assert CANARY not in "".join([*traceback.format_exception(caught.value), caplog.text])
    assert not harness.server.answers


@pytest.mark.parametrize("name", ["..", ""])
async def test_a_name_with_another_path_causes_no_call(harness: Harness, name: str) -> None:
    for place, secret_name in (("shop", name), (name, "mine")):
        assert (await harness.problem(secret_name, place)).reason == "SecretNotFound"
    config_map = Target("shop", "", "v1", "ConfigMap", name, ("data", "a"))
    elsewhere = [TARGET._replace(name=name), TARGET._replace(namespace=name), TARGET._replace(version=name)]
    for target in (*elsewhere, config_map):
        assert (await harness.reference_problem(target)).reason == "NotFound"
    assert harness.asked == 0


class TestSecrets:
    async def test_the_values_are_decoded(self, harness: Harness) -> None:
        assert await harness.secrets.read("shop", "mine") == {"clientId": "one", "clientSecret": CANARY}
        assert harness.server.calls == ["GET /api/v1/namespaces/shop/secrets/mine"]

    async def test_only_the_kept_values_are_cached(self, harness: Harness) -> None:
        """Whoever may write one Secret would else fill the memory of all."""
        long = {"clientId": "one", "clientSecret": "s" * 500_000, "tls.crt": "c" * 250_000}
        harness.server.secrets["shop", "mine"] = long
        values = await harness.secrets.read("shop", "mine")
        assert set(values) == {"clientId", "clientSecret"}
        assert sum(map(len, values.values())) < 1000

    async def test_a_secret_without_data_is_empty(self, harness: Harness) -> None:
        harness.server.secrets["shop", "mine"] = {}
        assert await harness.secrets.read("shop", "mine") == {}


@pytest.mark.parametrize(
    ("annotations", "found"),
    [({OURS: "mine", "kubectl.kubernetes.io/x": "{}"}, {OURS: "mine"}), (None, {}), ({}, {})],
    ids=["ours and another", "none", "empty"],
)
async def test_only_annotations_of_a_namespace_for_us_are_kept(
    harness: Harness, annotations: Mapping[str, str] | None, found: Mapping[str, str]
) -> None:
    harness.server.namespaces["shop"] = annotations
    for _ in range(2):
        assert await harness.namespaces.annotations("shop") == found
    assert harness.server.calls == ["GET /api/v1/namespaces/shop"]


class TestReferences:
    async def test_a_kind_is_discovered_and_its_object_read_by_name(self, harness: Harness) -> None:
        harness.put_object(VPCE)
        assert set(await asyncio.gather(*(harness.references.read(TARGET) for _ in range(100)))) == {VPCE}
        assert harness.server.calls == [f"GET {API}", f"GET {OBJECT}"]

    async def test_a_missing_crd_may_be_installed_later(self, harness: Harness) -> None:
        await harness.reference_problem()
        harness.put_object(VPCE)
        harness.now += RETRY_FIRST
        assert await harness.references.read(TARGET) == VPCE
        problem = await harness.reference_problem(TARGET._replace(kind="Vpc"))
        assert (problem.reason, problem.retry_in) == ("NotFound", RETRY_FIRST)
        assert "no namespaced kind Vpc in" in problem.message

    async def test_a_cluster_scoped_kind_is_not_read_and_told_from_one_that_is_not_installed(
        self, harness: Harness
    ) -> None:
        kind = {"kind": "VPCEndpoint", "name": "vpcendpoints", "namespaced": False}
        harness.server.answers.append(Answer(200, {"resources": [kind]}))
        problem = await harness.reference_problem()
        assert problem.reason == "KindNotAllowed"
        assert "ec2.services.k8s.aws/v1alpha1 is cluster-scoped" in problem.message

    @pytest.mark.parametrize(
        ("value", "metadata", "reason", "words"),
        [
            (None, {}, "NotReady", "VPCEndpoint orders has no .status.vpcEndpointID yet"),
            ({"a": "b"}, {}, "FieldMissing", "vpcEndpointID of VPCEndpoint orders is not text"),
            (VPCE, {"deletionTimestamp": "2026-11-25T12:00:00Z"}, "NotReady", "is being deleted"),
        ],
        ids=["a field that is not there yet", "a field that is no text", "an object that is being deleted"],
    )
    async def test_a_field_without_a_value_is_an_error_with_backoff(
        self, harness: Harness, value: object, metadata: dict[str, str], *, reason: str, words: str
    ) -> None:
        harness.put_object(value, **metadata)
        for wait in (RETRY_FIRST, 2 * RETRY_FIRST):
            problem = await harness.reference_problem()
            assert (problem.reason, problem.retry_in) == (reason, wait)
            assert words in problem.message
            reads = harness.asked
            await harness.reference_problem()
            assert harness.asked == reads, "whoever asks in between gets the same answer"
            harness.now += wait
        harness.put_object(VPCE)
        assert await harness.references.read(TARGET) == VPCE

    @pytest.mark.parametrize(
        "target",
        [
            pytest.param(TARGET._replace(group="example.com"), id="of a group of which nothing is allowed"),
            pytest.param(TARGET._replace(group="services.k8s.aws"), id="of a group that is only the end of one"),
            pytest.param(TARGET._replace(group=""), id="of the core group, to which Secrets belong"),
            pytest.param(Target("shop", "", "v1", "Secret", "orders", ("data", "a")), id="a Secret"),
        ],
    )
    async def test_a_kind_that_is_not_allowed_causes_no_call(self, harness: Harness, target: Target) -> None:
        problem = await harness.reference_problem(target)
        assert problem.reason == "KindNotAllowed"
        assert "ATLAS_ENDPOINTS_REFERENCE_KINDS" in problem.message
        assert harness.asked == 0

    async def test_of_an_allowed_group_only_the_allowed_kinds_are_read(self, harness: Harness) -> None:
        harness.server.others["ec2.services.k8s.aws/v1alpha1", "Instance"] = "instances"
        assert (await harness.reference_problem(TARGET._replace(kind="Instance"))).reason == "KindNotAllowed"
        assert harness.server.calls == [f"GET {API}"]

    async def test_a_config_map_is_always_allowed_and_needs_no_discovery(self, harness: Harness) -> None:
        path = "/api/v1/namespaces/shop/configmaps/orders"
        harness.server.objects[path] = {"data": {"address.ip": "10.0.0.4"}}
        assert await config_map(harness) == "10.0.0.4"
        assert harness.server.calls == [f"GET {path}"]


DELETED_AT = {"deletionTimestamp": "2026-11-25T12:00:00Z"}

FIELDS: dict[str, tuple[dict[str, Any], str, str | Lack]] = {
    "a text": ({"status": {"id": "x"}}, "status.id", "x"),
    "an invalid text: others judge it": ({"status": {"id": " ../x\n"}}, "status.id", " ../x\n"),
    "a long path": ({"status": {"a": {"b": {"c": "x"}}}}, "status.a.b.c", "x"),
    "a name with dashes": ({"data": {"a-b_c": "x"}}, "data.a-b_c", "x"),
    "no status": ({"spec": {}}, "status.id", Lack.ABSENT),
    "a null status": ({"status": None}, "status.id", Lack.ABSENT),
    "no field": ({"status": {}}, "status.id", Lack.ABSENT),
    "a null field": ({"status": {"id": None}}, "status.id", Lack.ABSENT),
    "an empty text": ({"status": {"id": ""}}, "status.id", Lack.ABSENT),
    "zero": ({"status": {"id": 0}}, "status.id", Lack.NO_TEXT),
    "false": ({"status": {"id": False}}, "status.id", Lack.NO_TEXT),
    "an object": ({"status": {"id": {"x": "y"}}}, "status.id", Lack.NO_TEXT),
    "an empty list": ({"status": {"id": []}}, "status.id", Lack.NO_TEXT),
    "a field of a text": ({"status": "ok"}, "status.id", Lack.NO_TEXT),
    "a field of a list": ({"status": ["id"]}, "status.id", Lack.NO_TEXT),
    "an item of a list": ({"status": {"a": [{"id": "x"}, {"id": "y"}]}}, "status.a.1.id", "y"),
    "an item that is the text": ({"status": ["x"]}, "status.0", "x"),
    "an item of a list in a list": ({"a": [[], ["x", "y"]]}, "a.1.1", "y"),
    "an item beyond the end of a list": ({"status": [{"id": "x"}]}, "status.1.id", Lack.ABSENT),
    "an item far beyond it": ({"status": ["x"]}, f"status.{'9' * 250}", Lack.ABSENT),
    "an item of an empty list": ({"status": []}, "status.0.id", Lack.ABSENT),
    "a null item": ({"status": [None]}, "status.0.id", Lack.ABSENT),
    "an item that counts from the end": ({"status": ["x"]}, "status.-1", Lack.NO_TEXT),
    "an item of an object is its field of this name": ({"data": {"0": "x"}}, "data.0", "x"),
    "an item of an object without it": ({"status": {"id": "x"}}, "status.0", Lack.ABSENT),
    "an item of a text": ({"status": "xy"}, "status.0", Lack.NO_TEXT),
    "a list in a list, which is no text": ({"a": [["x"]]}, "a.0", Lack.NO_TEXT),
    "a long text": ({"a": "x" * VALUE_LIMIT}, "a", "x" * VALUE_LIMIT),
    "a text that is too long": ({"a": "x" * (VALUE_LIMIT + 1)}, "a", Lack.NO_TEXT),
    "an object that is being deleted": ({"metadata": DELETED_AT, "a": "x"}, "a", Lack.DELETING),
    "an object that is not": ({"metadata": {"deletionTimestamp": None}, "a": "x"}, "a", "x"),
    "metadata of another type": ({"metadata": "?", "a": "x"}, "a", "x"),
}


@pytest.mark.parametrize("case", FIELDS)
def test_a_field_is_a_text_or_a_lack(case: str) -> None:
    body, path, found = FIELDS[case]
    assert extract(body, tuple(path.split("."))) == found
