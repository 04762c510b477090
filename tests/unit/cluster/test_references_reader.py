"""Reading what resources refer to; how readings are shared and paced is told by the tests of the Secrets' reader, too."""

import asyncio
from collections.abc import Collection

import pytest
from kubernetes.aio import client

from atlas_endpoints.cluster.age import Age
from atlas_endpoints.cluster.errors import ClusterUnavailableError, UnreadableError
from atlas_endpoints.cluster.object_cache import FRESH, MAX_AGE, RETRY_FIRST, RETRY_LAST
from atlas_endpoints.cluster.references_reader import ReferenceReader
from atlas_endpoints.cluster.targets import Target
from unit.cluster.api_server import Answer, ApiServer, status_of

ACK, ASO = "vpcendpoints.ec2.services.k8s.aws", "privateendpoints.network.azure.com"
API = "/apis/ec2.services.k8s.aws/v1alpha1"
OBJECT = f"{API}/namespaces/shop/vpcendpoints/orders"
TARGET = Target("shop", "ec2.services.k8s.aws", "v1alpha1", "VPCEndpoint", "orders", ("status", "vpcEndpointID"))
VPCE = "vpce-0123456789abcdef0"
FORBIDDEN = Answer(403, status_of(403, "Forbidden", "vpcendpoints is forbidden"))


class Harness:
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
def harness(server: ApiServer, api: client.ApiClient) -> Harness:
    return Harness(server, api)


async def test_a_kind_is_looked_up_and_its_object_read_by_name(harness: Harness) -> None:
    harness.hold(VPCE)
    assert await harness.reader.read(TARGET) == VPCE
    assert harness.server.calls == [f"GET {API}", f"GET {OBJECT}"]


async def test_concurrent_callers_share_two_calls(harness: Harness) -> None:
    harness.hold(VPCE)
    assert set(await asyncio.gather(*(harness.reader.read(TARGET) for _ in range(100)))) == {VPCE}
    assert len(harness.server.calls) == 2


async def test_a_changed_value_is_read_when_the_entry_is_too_old(harness: Harness) -> None:
    harness.hold(VPCE)
    await harness.reader.read(TARGET)
    harness.hold("another")
    harness.now += FRESH
    assert await harness.reader.read(TARGET) == VPCE
    assert await harness.reader.read(TARGET, age=Age.FRESH) == "another"
    harness.hold("a third")
    harness.now += MAX_AGE
    assert await harness.reader.read(TARGET) == "a third"


async def test_a_missing_crd_is_an_error_until_it_is_installed(harness: Harness) -> None:
    problem = await harness.problem()
    assert problem.reason == "NotFound"
    assert "no namespaced kind VPCEndpoint in ec2.services.k8s.aws/v1alpha1. Install its CRD" in problem.message
    assert problem.retry_in == RETRY_FIRST
    harness.hold(VPCE)
    harness.now += RETRY_FIRST
    assert await harness.reader.read(TARGET) == VPCE


async def test_an_unknown_kind_is_an_error(harness: Harness) -> None:
    harness.hold(VPCE)
    assert "no namespaced kind Vpc in" in (await harness.problem(TARGET._replace(kind="Vpc"))).message


async def test_a_cluster_scoped_kind_is_not_read(harness: Harness) -> None:
    harness.server.answers.append(
        Answer(200, {"resources": [{"kind": "VPCEndpoint", "name": "vpcendpoints", "namespaced": False}]})
    )
    assert (await harness.problem()).reason == "NotFound"


async def test_a_missing_object_is_read_with_backoff(harness: Harness) -> None:
    harness.hold(VPCE)
    del harness.server.objects[OBJECT]
    waits = []
    for _ in range(6):
        problem = await harness.problem()
        assert (problem.reason, problem.message.startswith("There is no VPCEndpoint orders in namespace shop.")) == (
            "NotFound",
            True,
        )
        waits.append(problem.retry_in)
        harness.now += problem.retry_in
    assert waits == [5.0, 10.0, 20.0, 40.0, RETRY_LAST, RETRY_LAST]
    harness.hold(VPCE)
    assert await harness.reader.read(TARGET) == VPCE


async def test_an_object_without_the_field_is_read_with_backoff(harness: Harness) -> None:
    harness.hold(None)
    problem = await harness.problem()
    assert (problem.reason, problem.retry_in) == ("NotReady", RETRY_FIRST)
    assert problem.message == "VPCEndpoint orders has no .status.vpcEndpointID yet; it is picked up by itself."
    reads = len(harness.server.calls)
    assert (await harness.problem()).retry_in == RETRY_FIRST
    assert len(harness.server.calls) == reads, "whoever asks in between gets the same answer"
    harness.now += RETRY_FIRST
    assert (await harness.problem()).retry_in == 2 * RETRY_FIRST
    harness.hold(VPCE)
    harness.now += 2 * RETRY_FIRST
    assert await harness.reader.read(TARGET) == VPCE
    harness.hold(None)
    harness.now += MAX_AGE
    assert (await harness.problem()).retry_in == RETRY_FIRST


async def test_a_field_without_text_is_an_error(harness: Harness) -> None:
    harness.hold({"a": "b"})
    problem = await harness.problem()
    assert problem.reason == "FieldMissing"
    assert ".status.vpcEndpointID of VPCEndpoint orders holds no text" in problem.message


async def test_an_object_that_is_being_deleted_is_an_error(harness: Harness) -> None:
    harness.hold(VPCE)
    harness.server.objects[OBJECT]["metadata"] = {"deletionTimestamp": "2026-11-25T12:00:00Z"}
    problem = await harness.problem()
    assert (problem.reason, "is being deleted" in problem.message) == ("NotReady", True)


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(TARGET._replace(group="example.com"), id="of a group of which nothing is allowed"),
        pytest.param(TARGET._replace(group="services.k8s.aws"), id="of a group that is only the end of one"),
        pytest.param(TARGET._replace(group=""), id="of the core group, to which Secrets belong"),
    ],
)
async def test_a_kind_that_is_not_allowed_causes_no_call(harness: Harness, target: Target) -> None:
    problem = await harness.problem(target)
    assert problem.reason == "KindNotAllowed"
    assert "ATLAS_ENDPOINTS_REFERENCE_KINDS" in problem.message
    assert harness.server.calls == []


async def test_of_an_allowed_group_only_the_allowed_kinds_are_read(harness: Harness) -> None:
    harness.server.others["ec2.services.k8s.aws/v1alpha1", "Instance"] = "instances"
    assert (await harness.problem(TARGET._replace(kind="Instance"))).reason == "KindNotAllowed"
    assert harness.server.calls == [f"GET {API}"]


async def test_the_second_refusal_is_an_error(harness: Harness) -> None:
    harness.hold(VPCE)
    await harness.reader.read(TARGET)
    harness.server.answers.extend([FORBIDDEN, FORBIDDEN])
    with pytest.raises(ClusterUnavailableError, match="asked once more"):
        await harness.reader.read(TARGET._replace(name="other"))
    harness.now += RETRY_FIRST
    problem = await harness.problem(TARGET._replace(name="other"))
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
async def test_a_name_with_another_path_causes_no_call(harness: Harness, target: Target) -> None:
    assert (await harness.problem(target)).reason == "NotFound"
    assert harness.server.calls == []


async def test_a_config_map_is_always_allowed_and_needs_no_discovery(harness: Harness) -> None:
    target = Target("shop", "", "v1", "ConfigMap", "orders", ("data", "address.ip"))
    problem = await harness.problem(target)
    assert (problem.reason, "There is no ConfigMap orders" in problem.message) == ("NotFound", True)
    harness.server.objects["/api/v1/namespaces/shop/configmaps/orders"] = {"data": {"address.ip": "10.0.0.4"}}
    harness.now += RETRY_FIRST
    assert await harness.reader.read(target) == "10.0.0.4"
    assert set(harness.server.calls) == {"GET /api/v1/namespaces/shop/configmaps/orders"}
    assert (await harness.problem(target._replace(name=".."))).reason == "NotFound"
    assert (await harness.problem(target._replace(kind="Secret"))).reason == "KindNotAllowed"


@pytest.mark.parametrize("answer", [Answer(500, "?"), Answer(200, "[]"), Answer(200, "no json"), Answer(404, "<html>")])
async def test_an_unclear_answer_is_an_error(harness: Harness, answer: Answer) -> None:
    harness.server.answers.append(answer)
    with pytest.raises(ClusterUnavailableError):
        await harness.reader.read(TARGET)
