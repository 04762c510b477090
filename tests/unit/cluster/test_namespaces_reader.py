"""Reading Namespaces; how often the API server is asked is told by the tests of the Secrets' reader, which shares that."""

import asyncio

import pytest
from kubernetes.aio import client

from atlas_endpoints.cluster.age import Age
from atlas_endpoints.cluster.errors import ClusterUnavailableError, UnreadableError
from atlas_endpoints.cluster.namespaces_reader import NamespaceReader
from atlas_endpoints.cluster.object_cache import FRESH, MAX_AGE, RETRY_FIRST
from unit.cluster.api_server import Answer, ApiServer, status_of

OURS = "atlas-endpoints.dev/credentials-secret"
FORBIDDEN = Answer(403, status_of(403, "Forbidden", "namespaces is forbidden"))


class Harness:
    """A reader, its API server, and the time."""

    def __init__(self, api_server: ApiServer, api: client.ApiClient) -> None:
        self.server = api_server
        self.now = 100.0
        self.reader = NamespaceReader(api, lambda: self.now)


@pytest.fixture
def harness(server: ApiServer, api: client.ApiClient) -> Harness:
    server.namespaces["shop"] = {OURS: "mine", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
    return Harness(server, api)


async def test_only_annotations_for_us_are_kept(harness: Harness) -> None:
    assert await harness.reader.annotations("shop") == {OURS: "mine"}
    assert harness.server.calls == ["GET /api/v1/namespaces/shop"]


@pytest.mark.parametrize("annotations", [None, {}])
async def test_a_namespace_may_have_none(harness: Harness, annotations: dict[str, str] | None) -> None:
    harness.server.namespaces["shop"] = annotations
    assert await harness.reader.annotations("shop") == {}
    await harness.reader.annotations("shop")
    assert len(harness.server.requests) == 1, "which is kept as well"


async def test_concurrent_callers_share_one_call(harness: Harness) -> None:
    readers = await asyncio.gather(*(harness.reader.annotations("shop") for _ in range(100)))
    assert all(each == {OURS: "mine"} for each in readers)
    assert len(harness.server.requests) == 1


async def test_a_changed_annotation_is_read_when_the_entry_is_too_old(harness: Harness) -> None:
    await harness.reader.annotations("shop")
    harness.server.namespaces["shop"] = {OURS: "other"}
    harness.now += FRESH
    assert await harness.reader.annotations("shop") == {OURS: "mine"}
    assert await harness.reader.annotations("shop", age=Age.FRESH) == {OURS: "other"}
    harness.server.namespaces["shop"] = None
    harness.now += MAX_AGE
    assert await harness.reader.annotations("shop") == {}


async def test_the_second_refusal_is_an_error_with_the_remedy(harness: Harness) -> None:
    harness.server.answers.extend([FORBIDDEN, FORBIDDEN])
    with pytest.raises(ClusterUnavailableError, match="asked once more"):
        await harness.reader.annotations("shop")
    harness.now += RETRY_FIRST
    with pytest.raises(UnreadableError) as caught:
        await harness.reader.annotations("shop")
    assert caught.value.reason == "NamespaceForbidden"
    assert "may not read Namespace shop" in caught.value.message
    assert "verb get on namespaces" in caught.value.message
    assert caught.value.retry_in == 2 * RETRY_FIRST
    harness.now += caught.value.retry_in
    assert await harness.reader.annotations("shop") == {OURS: "mine"}


async def test_a_missing_namespace_is_a_temporary_error(harness: Harness) -> None:
    """Nothing is concluded meanwhile, such as that it named no Secret."""
    with pytest.raises(ClusterUnavailableError, match="There is no Namespace warehouse"):
        await harness.reader.annotations("warehouse")
