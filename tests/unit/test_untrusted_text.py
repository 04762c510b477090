"""Whatever a resource holds is one segment of a path or one value of JSON, as a real server of HTTP receives it, or nothing is sent.

A CRD that is not ours, without any pattern, must not help anybody: so resources come here past all that the API server checks.
"""

import asyncio
import json
import re
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import unquote

from aiohttp import web
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kubernetes.aio import client

from atlas_endpoints.atlas.credentials import ServiceAccount
from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.cluster.api import Age
from atlas_endpoints.cluster.errors import ClusterUnavailableError, UnreadableError
from atlas_endpoints.cluster.readers import SecretReader
from atlas_endpoints.controller.cache import Body, Key, Listing, key_of
from atlas_endpoints.controller.clock import SystemClock
from atlas_endpoints.controller.controller import MetadataChange, Status
from atlas_endpoints.core import Core
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import update_of
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessPrivateEndpoint
from atlas_endpoints.reconcile.credentials import ANNOTATION
from atlas_endpoints.reconcile.spec import InvalidSpecError
from atlas_endpoints.settings import OperatorSettings
from support.listing import list_endpoints
from support.named import NAMED
from support.ports import NoObserver
from support.targets import NoConfigMaps, NoTargets
from support.worker import Worker
from unit.atlas.wire import client_of, serving

ACCOUNT = ServiceAccount("mdb_sa_id_0123", "mdb_sa_sk_4567")
PROJECT, INSTANCE, ENDPOINT = "32b6e34b3d91647abb20e7b8", "shop-1", "5f7cac1adf5d6c6306f4b283"
CLOUD_ID, IP_ADDRESS = "vpce-0123456789abcdef0", "10.0.0.1"
AZURE_ID = (
    "/subscriptions/4e133d35-e734-4385-a565-c0945567ae34/resourceGroups/g"
    "/providers/Microsoft.Network/privateEndpoints/e"
)
ESCAPES = (
    *("..", ".", "../..", "/", "//", "a/b", "/../../groups", "%2e%2e", "%2e%2e%2f", "a%2fb", "a%00b", "..;/", "\\..\\"),
    *("?", "a?b=c", "#", "a#b", "a;b", "a\nb", "a\r\nX: y", "\n", "\t", " ", "\x00"),
    *("\u2028", "\u202e", "\ud800", "", "ä"),
)
TEXT = st.text(max_size=20) | st.sampled_from(ESCAPES)


def around(valid: str) -> st.SearchStrategy[str]:
    """Give a value that is right, or is so but for what stands before, within or behind it, or is not at all."""
    return st.one_of(
        st.just(valid),
        TEXT,
        TEXT.map(lambda text: valid + text),
        TEXT.map(lambda text: text + valid),
        TEXT.map(lambda text: valid[:4] + text + valid[4 + len(text) :]),
    )


@dataclass
class Heard:
    """What a server has received: the target of each call to the Admin API as it was on the wire, and its body."""

    targets: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/api/oauth/token":
            return web.json_response({"access_token": "token", "expires_in": 3600})
        self.targets.append(request.raw_path)
        body = await request.text()
        self.bodies += [json.loads(body)] if body else []
        return web.json_response([] if request.method == "GET" else {"status": "AVAILABLE"})


def segments(target: str) -> list[str]:
    """Take a target apart as a server does, and then decode its parts."""
    path, _, query = target.partition("?")
    assert not query
    assert "#" not in target
    return [unquote(part, errors="strict") for part in path.split("/")]


def path_of(project: str, instance: str, *endpoint: str) -> list[str]:
    """Give the segments of the path of an operation."""
    groups = ["", "api", "atlas", "v2", "groups", project]
    return [*groups, "privateEndpoint", "serverless", "instance", instance, "endpoint", *endpoint]


@settings(max_examples=60, deadline=None)
@given(around(PROJECT), around(INSTANCE), around(ENDPOINT), TEXT)
@example("..", "..", "..", "")
@example("a/../b", "%2e%2e", "a?b#c", "\n")
def test_a_call_to_atlas_has_exactly_these_segments_or_is_not_sent(
    project: str, instance: str, endpoint: str, comment: str
) -> None:
    """The last line of defence knows nothing of patterns."""
    heard = Heard()

    async def call() -> None:
        async with serving(heard.answer) as url, client_of(url) as atlas:
            with suppress(AtlasError):
                await list_endpoints(atlas, ACCOUNT, project, instance)
            with suppress(AtlasError):
                await atlas.request(ACCOUNT, update_of(project, instance, endpoint, "AWS", {"comment": comment}))

    asyncio.run(call())
    listed, *updated = [segments(target) for target in heard.targets] or [path_of(project, instance)]
    assert listed == path_of(project, instance)
    assert updated in ([], [path_of(project, instance, endpoint)])
    assert heard.bodies == [{"providerName": "AWS", "comment": comment}] * len(updated)


class Objects:
    """Takes every status."""

    def __init__(self) -> None:
        self.statuses: list[Status] = []

    async def write(self, body: Body, status: Status) -> Body:
        self.statuses.append(status)
        return {**body, "status": status}

    async def change(self, body: Body, change: MetadataChange) -> Body:
        return body

    async def read(self, key: Key) -> Body | None:
        raise NotImplementedError

    async def list(self, namespace: str | None, known: Callable[[Body], Body]) -> Listing | None:
        raise NotImplementedError


class Secrets:
    """Has every Secret."""

    def __init__(self) -> None:
        self.names: list[tuple[str, str]] = []

    async def read(self, namespace: str, name: str, *, age: Age = Age.RECENT) -> Mapping[str, str]:
        self.names.append((namespace, name))
        return {"clientId": ACCOUNT.identity, "clientSecret": ACCOUNT.secret}


@dataclass
class Namespaces:
    """Has one annotation in every Namespace.

    Attributes:
        named: what it says.
    """

    named: str

    async def annotations(self, namespace: str, *, age: Age = Age.RECENT) -> Mapping[str, str]:
        return {ANNOTATION: self.named}


SPECS = st.fixed_dictionaries(
    {
        "projectId": around(PROJECT),
        "instanceName": around(INSTANCE),
        "providerName": st.sampled_from(["AWS", "AZURE"]) | TEXT,
        "endpointId": around(ENDPOINT),
        "credentialsSecretRef": st.fixed_dictionaries({"name": around("atlas-credentials")}),
    },
    optional={
        "cloudProviderEndpointId": around(CLOUD_ID) | around(AZURE_ID),
        "privateEndpointIpAddress": around(IP_ADDRESS),
        "comment": TEXT,
    },
)
RIGHT: dict[str, Any] = {
    "projectId": PROJECT,
    "instanceName": INSTANCE,
    "providerName": "AWS",
    "endpointId": ENDPOINT,
    "credentialsSecretRef": {"name": "atlas-credentials"},
}
NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
MANAGED = ("cloudProviderEndpointId", "privateEndpointIpAddress", "comment")


async def reconcile_of(body: Body, heard: Heard, objects: Objects, secrets: Secrets, annotation: str) -> None:
    """Run one reconcile as the operator does, with a real client of a real server."""
    async with AsyncExitStack() as closing:
        url = await closing.enter_async_context(serving(heard.answer))
        worker = Worker()
        core = Core(
            OperatorSettings(atlas_url=url),
            [KIND],
            client=await closing.enter_async_context(client_of(url)),
            objects=lambda _: objects,
            secrets=secrets,
            namespaces=Namespaces(annotation),
            targets=NoTargets(),
            config_maps=NoConfigMaps(),
            observer=NoObserver(),
            clock=SystemClock(),
            random=Random(1),  # noqa: S311  # jitter
            around=worker,
        )
        core.seen(body)
        await worker.run(key_of(body))


@settings(max_examples=60, deadline=None)
@given(SPECS, st.none() | st.sampled_from([*RIGHT, None]))
@example({**RIGHT, "comment": "one\n\u2028two\x00"}, None)
@example({**RIGHT, "projectId": f"{PROJECT}\n"}, None)
@example({**RIGHT, "instanceName": ".."}, None)
@example({**RIGHT, "credentialsSecretRef": {"name": "../../../secrets"}}, None)
def test_a_resource_reaches_exactly_the_objects_it_names_or_nothing(spec: dict[str, Any], only: str | None) -> None:
    """``only`` is the one field that is not right, so that much of the others does not hide it."""
    if only is not None:
        spec = {**RIGHT, only: spec[only]}
    body = body_of(spec)
    heard, objects, secrets = Heard(), Objects(), Secrets()
    asyncio.run(reconcile_of(body, heard, objects, secrets, ""))
    named = path_of(spec["projectId"], spec["instanceName"])
    if is_taken(body):
        assert heard.targets
        assert {tuple(segments(target)) for target in heard.targets} <= {
            tuple(named),
            (*named, spec["endpointId"]),
        }
        assert set(secrets.names) == {("shop", spec["credentialsSecretRef"]["name"])}
        sent = {name: value for each in heard.bodies for name, value in each.items() if name in MANAGED}
        assert sent.items() <= spec.items()
    else:
        assert (heard.targets, secrets.names) == ([], [])
        (status,) = objects.statuses
        assert {each["reason"] for each in status["conditions"] if each["type"] == "Ready"} == {"InvalidSpec"}
        assert all(each["message"].isprintable() for each in status["conditions"])


def body_of(spec: Mapping[str, Any]) -> Body:
    metadata = {"namespace": "shop", "name": "db", "uid": "1", "generation": 1, "resourceVersion": "1"}
    return {**NAMED, "metadata": metadata, "spec": dict(spec), "status": {"observedGeneration": -1}}


def is_taken(body: Body) -> bool:
    try:
        ServerlessPrivateEndpoint.parse(body)
    except InvalidSpecError:
        return False
    return True


@settings(max_examples=60, deadline=None)
@given(around("atlas-credentials"))
@example("../../other/secrets/atlas-credentials")
@example("other/atlas-credentials")
@example("..")
def test_the_annotation_of_a_namespace_names_a_secret_of_that_namespace_or_nothing(annotation: str) -> None:
    heard, objects, secrets = Heard(), Objects(), Secrets()
    spec = {name: value for name, value in RIGHT.items() if name != "credentialsSecretRef"}
    asyncio.run(reconcile_of(body_of(spec), heard, objects, secrets, annotation))
    named = annotation.strip()
    if NAME.fullmatch(named):
        assert set(secrets.names) == {("shop", named)}
    else:
        assert (heard.targets, secrets.names) == ([], [])
        (status,) = objects.statuses
        assert {each["reason"] for each in status["conditions"] if each["type"] == "Ready"} == {"CredentialsInvalid"}
        assert all(each["message"].isprintable() for each in status["conditions"])


@settings(max_examples=60, deadline=None)
@given(around("shop"), around("atlas-credentials"))
@example("shop", "..")
@example("..", "atlas-credentials")
@example("shop", "../configmaps/c")
def test_a_secret_is_read_by_exactly_its_name_or_not_at_all(namespace: str, name: str) -> None:
    """A name may come from a Namespace's annotation, which no schema of ours looks at."""
    targets: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        targets.append(request.raw_path)
        return web.json_response({"kind": "Status", "code": 404}, status=404)

    async def read() -> None:
        async with serving(answer) as url:
            api = client.ApiClient(client.Configuration(host=url))
            with suppress(UnreadableError, ClusterUnavailableError):
                await SecretReader(api, time.monotonic, keep=dict).read(namespace, name)
            await api.close()  # type: ignore[no-untyped-call]  # untyped

    asyncio.run(read())
    assert [segments(target) for target in targets] in (
        [],
        [["", "api", "v1", "namespaces", namespace, "secrets", name]],
    )
    assert len(targets) == 1 or not (NAME.fullmatch(namespace) and NAME.fullmatch(name))
