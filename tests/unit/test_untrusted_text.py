"""Whatever a resource holds is one segment of a path or one value of JSON, as a real server of HTTP receives it, or nothing is sent.

A CRD that is not ours, without any pattern, must not help anybody: so resources come here past all that the API server checks.
"""

import asyncio
import json
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import unquote

import httpx
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kubernetes.aio import client

from atlas_endpoints.atlas.credentials import ServiceAccount
from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.cluster.api import Age
from atlas_endpoints.cluster.errors import ClusterUnavailableError, UnreadableError
from atlas_endpoints.cluster.readers import SecretReader
from atlas_endpoints.controller.cache import Body, key_of
from atlas_endpoints.kinds.serverless_private_endpoint.calls import ENDPOINTS
from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessPrivateEndpoint
from atlas_endpoints.reconcile.credentials import ANNOTATION
from atlas_endpoints.reconcile.spec import InvalidSpecError
from atlas_endpoints.settings import OperatorSettings
from behaviour.api_server import Cluster, Latency
from support.cores import core_of
from support.listing import list_endpoints
from support.worker import Worker
from unit.atlas.wire import Atlas, answering, client_of

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


def shown(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json=[] if request.method == "GET" else {"status": "AVAILABLE"})


def targets(atlas: Atlas) -> list[str]:
    """Return the target of each call as it was on the wire."""
    return [each.extensions["target"] for each in atlas.calls]


def bodies(atlas: Atlas) -> list[Any]:
    return [json.loads(each.content) for each in atlas.calls if each.content]


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
    atlas = Atlas(shown)

    async def call() -> None:
        async with atlas.serving() as url, client_of(url) as client:
            with suppress(AtlasError):
                await list_endpoints(client, ACCOUNT, project, instance)
            with suppress(AtlasError):
                await client.request(
                    ACCOUNT,
                    ENDPOINTS.update_of(
                        Scope("", project, "", instance), endpoint, {"providerName": "AWS", "comment": comment}
                    ),
                )

    asyncio.run(call())
    listed, *updated = [segments(target) for target in targets(atlas)] or [path_of(project, instance)]
    assert listed == path_of(project, instance)
    assert updated in ([], [path_of(project, instance, endpoint)])
    assert bodies(atlas) == [{"providerName": "AWS", "comment": comment}] * len(updated)


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


class Outcome(NamedTuple):
    """What one reconcile has asked for, and written."""

    atlas: Atlas
    secrets: list[tuple[str, str]]
    statuses: list[Mapping[str, Any]]
    body: Body

    def is_refused_as(self, reason: str) -> None:
        """Check that nothing was asked for, and why."""
        assert (self.atlas.calls, self.secrets) == ([], [])
        (status,) = self.statuses
        assert {each["reason"] for each in status["conditions"] if each["type"] == "Ready"} == {reason}
        assert all(each["message"].isprintable() for each in status["conditions"])


class Everything:
    """Has every Secret, and one annotation in every Namespace."""

    def __init__(self, annotation: str) -> None:
        self._annotation = annotation
        self.names: list[tuple[str, str]] = []

    async def read(self, namespace: str, name: str, *, age: Age = Age.RECENT) -> Mapping[str, str]:
        self.names.append((namespace, name))
        return {"clientId": ACCOUNT.identity, "clientSecret": ACCOUNT.secret}

    async def annotations(self, namespace: str, *, age: Age = Age.RECENT) -> Mapping[str, str]:
        return {ANNOTATION: self._annotation}


def reconciled(spec: Mapping[str, Any], annotation: str = "") -> Outcome:
    """Run one reconcile as the operator does, with a real client of a real server."""
    atlas, cluster, everything, statuses = (
        Atlas(shown),
        Cluster(Latency(), lambda: "2026-11-25T12:00:00Z"),
        Everything(annotation),
        [],
    )
    cluster.status_written = lambda _, status: statuses.append(status)
    cluster.apply("db", spec)
    (body,) = cluster.objects.values()

    async def run() -> None:
        async with atlas.serving() as url, client_of(url) as client:
            worker, own = Worker(), OperatorSettings(atlas_url=url)
            ports: dict[str, Any] = {"secrets": everything, "namespaces": everything, "around": worker}
            core = core_of(cluster, settings=own, client=client, **ports)
            core.seen(body)
            await worker.run(key_of(body))

    asyncio.run(run())
    return Outcome(atlas, everything.names, statuses, body)


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
    outcome = reconciled(spec)
    if not is_taken(outcome.body):
        outcome.is_refused_as("InvalidSpec")
        return
    named = path_of(spec["projectId"], spec["instanceName"])
    found = {tuple(segments(target)) for target in targets(outcome.atlas)}
    assert set() < found <= {tuple(named), (*named, spec["endpointId"])}
    assert set(outcome.secrets) == {("shop", spec["credentialsSecretRef"]["name"])}
    sent = {name: value for each in bodies(outcome.atlas) for name, value in each.items() if name in MANAGED}
    assert sent.items() <= spec.items()


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
    outcome = reconciled({name: value for name, value in RIGHT.items() if name != "credentialsSecretRef"}, annotation)
    if NAME.fullmatch(named := annotation.strip()):
        assert set(outcome.secrets) == {("shop", named)}
    else:
        outcome.is_refused_as("CredentialsInvalid")


@settings(max_examples=60, deadline=None)
@given(around("shop"), around("atlas-credentials"))
@example("shop", "..")
@example("..", "atlas-credentials")
@example("shop", "../configmaps/c")
def test_a_secret_is_read_by_exactly_its_name_or_not_at_all(namespace: str, name: str) -> None:
    """A name may come from a Namespace's annotation, which no schema of ours looks at."""
    api_server = Atlas(answering(404, json={"kind": "Status", "code": 404}))

    async def read() -> None:
        async with api_server.serving() as url:
            api = client.ApiClient(client.Configuration(host=url))
            with suppress(UnreadableError, ClusterUnavailableError):
                await SecretReader(api, time.monotonic, keep=dict).read(namespace, name)
            await api.close()  # type: ignore[no-untyped-call]  # untyped

    asyncio.run(read())
    found = [segments(target) for target in targets(api_server)]
    assert found in ([], [["", "api", "v1", "namespaces", namespace, "secrets", name]])
    assert found or not (NAME.fullmatch(namespace) and NAME.fullmatch(name))
