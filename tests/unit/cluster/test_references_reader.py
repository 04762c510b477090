"""Reading what resources refer to; how readings are shared and paced is told by the tests of the Secrets' reader, too."""

import asyncio
from collections.abc import Collection

import pytest
from kubernetes.aio import client

from atlas_endpoints.cluster.age import Age
from atlas_endpoints.cluster.errors import ClusterUnavailableError, UnreadableError
from atlas_endpoints.cluster.readings import FRESH, MAX_AGE, RETRY_FIRST, RETRY_LAST
from atlas_endpoints.cluster.references_reader import ReferenceReader
from atlas_endpoints.cluster.targets import Target
from unit.cluster.api_server import Answer, ApiServer, status_of

ACK, ASO = "vpcendpoints.ec2.services.k8s.aws", "privateendpoints.network.azure.com"
API = "/apis/ec2.services.k8s.aws/v1alpha1"
OBJECT = f"{API}/namespaces/shop/vpcendpoints/orders"
TARGET = Target("shop", "ec2.services.k8s.aws", "v1alpha1", "VPCEndpoint", "orders", ("status", "vpcEndpointID"))
VPCE = "vpce-0123456789abcdef0"
FORBIDDEN = Answer(403, status_of(403, "Forbidden", "vpcendpoints is forbidden"))


class World:
    """A reader, its API server, and the time."""

    def __init__(self, api_server: ApiServer, api: client.ApiClient, allowed: Collection[str] = (ACK, ASO)) -> None:
        self.server = api_server
        self.now = 100.0
        self.reader = ReferenceReader(api, allowed, lambda: self.now)

    def hold(self, value: object) -> None:
        self.server.others["ec2.services.k8s.aws/v1alpha1", "VPCEndpoint"] = "vpcendpoints"
        self.server.objects[OBJECT] = {"kind": "VPCEndpoint", "status": {"vpcEndpointID": value}}

    async def problem(self, target: Target = TARGET) -> UnreadableError:
        with pytest.raises(UnreadableError) as caught:
            await self.reader.read(target)
        return caught.value


@pytest.fixture
def world(server: ApiServer, api: client.ApiClient) -> World:
    return World(server, api)


async def test_a_kind_is_looked_up_and_its_object_read_by_name(world: World) -> None:
    world.hold(VPCE)
    assert await world.reader.read(TARGET) == VPCE
    assert world.server.calls == [f"GET {API}", f"GET {OBJECT}"]


async def test_many_who_ask_at_once_cost_two_calls(world: World) -> None:
    world.hold(VPCE)
    assert set(await asyncio.gather(*(world.reader.read(TARGET) for _ in range(100)))) == {VPCE}
    assert len(world.server.calls) == 2


async def test_a_changed_value_is_seen_when_the_reading_is_old_or_at_once_when_asked(world: World) -> None:
    world.hold(VPCE)
    await world.reader.read(TARGET)
    world.hold("another")
    world.now += FRESH
    assert await world.reader.read(TARGET) == VPCE
    assert await world.reader.read(TARGET, age=Age.FRESH) == "another"
    world.hold("a third")
    world.now += MAX_AGE
    assert await world.reader.read(TARGET) == "a third"


async def test_a_missing_crd_is_told_and_found_by_itself_later(world: World) -> None:
    problem = await world.problem()
    assert problem.reason == "NotFound"
    assert "no namespaced kind VPCEndpoint in ec2.services.k8s.aws/v1alpha1. Install its CRD" in problem.message
    assert problem.retry_in == RETRY_FIRST
    world.hold(VPCE)
    world.now += RETRY_FIRST
    assert await world.reader.read(TARGET) == VPCE


async def test_a_kind_that_its_api_does_not_have_is_told(world: World) -> None:
    world.hold(VPCE)
    assert "no namespaced kind Vpc in" in (await world.problem(TARGET._replace(kind="Vpc"))).message


async def test_a_kind_of_the_cluster_is_none_of_the_namespace(world: World) -> None:
    world.server.answers.append(
        Answer(200, {"resources": [{"kind": "VPCEndpoint", "name": "vpcendpoints", "namespaced": False}]})
    )
    assert (await world.problem()).reason == "NotFound"


async def test_an_object_that_is_missing_is_read_again_ever_more_seldom(world: World) -> None:
    world.hold(VPCE)
    del world.server.objects[OBJECT]
    waits = []
    for _ in range(6):
        problem = await world.problem()
        assert (problem.reason, problem.message.startswith("There is no VPCEndpoint orders in namespace shop.")) == (
            "NotFound",
            True,
        )
        waits.append(problem.retry_in)
        world.now += problem.retry_in
    assert waits == [5.0, 10.0, 20.0, 40.0, RETRY_LAST, RETRY_LAST]
    world.hold(VPCE)
    assert await world.reader.read(TARGET) == VPCE


async def test_an_object_that_lacks_the_field_is_read_again_as_soon_as_one_that_is_missing(world: World) -> None:
    world.hold(None)
    problem = await world.problem()
    assert (problem.reason, problem.retry_in) == ("NotReady", RETRY_FIRST)
    assert problem.message == "VPCEndpoint orders has no .status.vpcEndpointID yet; it is picked up by itself."
    reads = len(world.server.calls)
    assert (await world.problem()).retry_in == RETRY_FIRST
    assert len(world.server.calls) == reads, "whoever asks in between gets the same answer"
    world.now += RETRY_FIRST
    assert (await world.problem()).retry_in == 2 * RETRY_FIRST
    world.hold(VPCE)
    world.now += 2 * RETRY_FIRST
    assert await world.reader.read(TARGET) == VPCE
    world.hold(None)
    world.now += MAX_AGE
    assert (await world.problem()).retry_in == RETRY_FIRST


async def test_a_field_that_holds_no_text_is_told(world: World) -> None:
    world.hold({"a": "b"})
    problem = await world.problem()
    assert problem.reason == "FieldMissing"
    assert ".status.vpcEndpointID of VPCEndpoint orders holds no text" in problem.message


async def test_an_object_that_is_being_deleted_is_told(world: World) -> None:
    world.hold(VPCE)
    world.server.objects[OBJECT]["metadata"] = {"deletionTimestamp": "2026-11-25T12:00:00Z"}
    problem = await world.problem()
    assert (problem.reason, "is being deleted" in problem.message) == ("NotReady", True)


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(TARGET._replace(group="example.com"), id="of a group of which nothing is allowed"),
        pytest.param(TARGET._replace(group="services.k8s.aws"), id="of a group that is only the end of one"),
        pytest.param(TARGET._replace(group=""), id="of the core group, to which Secrets belong"),
    ],
)
async def test_a_kind_that_is_not_allowed_is_not_even_looked_up(world: World, target: Target) -> None:
    problem = await world.problem(target)
    assert problem.reason == "KindNotAllowed"
    assert "ATLAS_ENDPOINTS_REFERENCE_KINDS" in problem.message
    assert world.server.calls == []


async def test_of_an_allowed_group_only_the_allowed_kinds_are_read(world: World) -> None:
    world.server.others["ec2.services.k8s.aws/v1alpha1", "Instance"] = "instances"
    assert (await world.problem(TARGET._replace(kind="Instance"))).reason == "KindNotAllowed"
    assert world.server.calls == [f"GET {API}"]


async def test_a_right_that_is_missing_is_told_the_second_time(world: World) -> None:
    world.hold(VPCE)
    await world.reader.read(TARGET)
    world.server.answers.extend([FORBIDDEN, FORBIDDEN])
    with pytest.raises(ClusterUnavailableError, match="asked once more"):
        await world.reader.read(TARGET._replace(name="other"))
    world.now += RETRY_FIRST
    problem = await world.problem(TARGET._replace(name="other"))
    assert problem.reason == "KindNotAllowed"
    assert problem.message.endswith("Give its ServiceAccount the verb get on vpcendpoints.ec2.services.k8s.aws.")


@pytest.mark.parametrize(
    "target",
    [
        TARGET._replace(name=".."),
        TARGET._replace(name=""),
        TARGET._replace(namespace=".."),
        TARGET._replace(version=".."),
    ],
)
async def test_what_would_lead_to_another_path_is_never_asked_for(world: World, target: Target) -> None:
    assert (await world.problem(target)).reason == "NotFound"
    assert world.server.calls == []


async def test_a_key_of_a_config_map_needs_no_leave_and_no_looking_up(world: World) -> None:
    target = Target("shop", "", "v1", "ConfigMap", "orders", ("data", "address.ip"))
    problem = await world.problem(target)
    assert (problem.reason, "There is no ConfigMap orders" in problem.message) == ("NotFound", True)
    world.server.objects["/api/v1/namespaces/shop/configmaps/orders"] = {"data": {"address.ip": "10.0.0.4"}}
    world.now += RETRY_FIRST
    assert await world.reader.read(target) == "10.0.0.4"
    assert set(world.server.calls) == {"GET /api/v1/namespaces/shop/configmaps/orders"}
    assert (await world.problem(target._replace(name=".."))).reason == "NotFound"
    assert (await world.problem(target._replace(kind="Secret"))).reason == "KindNotAllowed"


@pytest.mark.parametrize("answer", [Answer(500, "?"), Answer(200, "[]"), Answer(200, "no json"), Answer(404, "<html>")])
async def test_an_answer_that_says_nothing_is_no_answer(world: World, answer: Answer) -> None:
    world.server.answers.append(answer)
    with pytest.raises(ClusterUnavailableError):
        await world.reader.read(TARGET)
