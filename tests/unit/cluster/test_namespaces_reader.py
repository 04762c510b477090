"""Reading Namespaces; how often the API server is asked is told by the tests of the Secrets' reader, which shares that."""

import asyncio

import pytest
from kubernetes.aio import client

from atlas_endpoints.cluster.age import Age
from atlas_endpoints.cluster.errors import ClusterUnavailableError, UnreadableError
from atlas_endpoints.cluster.namespaces_reader import NamespaceReader
from atlas_endpoints.cluster.readings import FRESH, MAX_AGE, RETRY_FIRST
from unit.cluster.api_server import Answer, ApiServer, status_of

OURS = "atlas-endpoints.dev/credentials-secret"
FORBIDDEN = Answer(403, status_of(403, "Forbidden", "namespaces is forbidden"))


class World:
    """A reader, its API server, and the time."""

    def __init__(self, api_server: ApiServer, api: client.ApiClient) -> None:
        self.server = api_server
        self.now = 100.0
        self.reader = NamespaceReader(api, lambda: self.now)


@pytest.fixture
def world(server: ApiServer, api: client.ApiClient) -> World:
    server.namespaces["shop"] = {OURS: "mine", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
    return World(server, api)


async def test_only_annotations_for_us_are_kept(world: World) -> None:
    assert await world.reader.annotations("shop") == {OURS: "mine"}
    assert world.server.calls == ["GET /api/v1/namespaces/shop"]


@pytest.mark.parametrize("annotations", [None, {}])
async def test_a_namespace_may_have_none(world: World, annotations: dict[str, str] | None) -> None:
    world.server.namespaces["shop"] = annotations
    assert await world.reader.annotations("shop") == {}
    await world.reader.annotations("shop")
    assert len(world.server.requests) == 1, "which is kept as well"


async def test_many_who_ask_at_once_cost_one_call(world: World) -> None:
    readings = await asyncio.gather(*(world.reader.annotations("shop") for _ in range(100)))
    assert all(each == {OURS: "mine"} for each in readings)
    assert len(world.server.requests) == 1


async def test_a_changed_annotation_is_seen_when_the_reading_is_old_or_at_once_when_asked(world: World) -> None:
    await world.reader.annotations("shop")
    world.server.namespaces["shop"] = {OURS: "other"}
    world.now += FRESH
    assert await world.reader.annotations("shop") == {OURS: "mine"}
    assert await world.reader.annotations("shop", age=Age.FRESH) == {OURS: "other"}
    world.server.namespaces["shop"] = None
    world.now += MAX_AGE
    assert await world.reader.annotations("shop") == {}


async def test_a_namespace_that_may_not_be_read_is_told_with_the_remedy_the_second_time(world: World) -> None:
    world.server.answers.extend([FORBIDDEN, FORBIDDEN])
    with pytest.raises(ClusterUnavailableError, match="asked once more"):
        await world.reader.annotations("shop")
    world.now += RETRY_FIRST
    with pytest.raises(UnreadableError) as caught:
        await world.reader.annotations("shop")
    assert caught.value.reason == "NamespaceForbidden"
    assert "may not read Namespace shop" in caught.value.message
    assert "verb get on namespaces" in caught.value.message
    assert caught.value.retry_in == 2 * RETRY_FIRST
    world.now += caught.value.retry_in
    assert await world.reader.annotations("shop") == {OURS: "mine"}


async def test_a_namespace_that_is_gone_takes_its_resources_with_it(world: World) -> None:
    """Nothing is concluded meanwhile, such as that it named no Secret."""
    with pytest.raises(ClusterUnavailableError, match="There is no Namespace warehouse"):
        await world.reader.annotations("warehouse")
