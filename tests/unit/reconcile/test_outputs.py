"""The ConfigMaps of a resource: what they hold, what is done about one that is found, and how long that may take."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from atlas_endpoints.atlas.errors import AtlasError, AtlasHeldError, EndpointAbsentError
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.cluster.api import ConfigMap
from atlas_endpoints.kinds.connection_strings import Connected, PrivateStrings
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KEYS, KIND, values_of
from atlas_endpoints.kinds.serverless_private_endpoint.resource import EndpointStatus, ServerlessPrivateEndpoint
from atlas_endpoints.reconcile.outputs import ConfigMapAction, Output, Outputs, Published, decide
from behaviour.atlas import PROJECT
from behaviour.ports import ConfigMaps
from behaviour.serverless import ENDPOINT, INSTANCE, VPCE
from support.named import NAMED
from support.virtual_time import VirtualClock, on_virtual_time

SERVICE = "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0"
LINK = "/subscriptions/x/resourceGroups/rg/providers/Microsoft.Network/privateLinkServices/pls"
NAME = "orders-atlas"
UID = "uid-db"
HELD = {"endpointId": ENDPOINT, "endpointServiceName": SERVICE}


def body(**spec: Any) -> dict[str, Any]:
    """A resource, with more fields of its spec."""
    metadata = {"namespace": "shop", "name": "db", "uid": UID, "generation": 1, "resourceVersion": "1"}
    place = {"projectId": PROJECT, "instanceName": INSTANCE, "providerName": "AWS", "endpointId": ENDPOINT}
    return {**NAMED, "metadata": metadata, "spec": {**place, **spec}, "status": {"observedGeneration": -1}}


def shown(**fields: str | None) -> EndpointStatus:
    return EndpointStatus.model_validate({"id": ENDPOINT, **fields})


VALUES: dict[str, tuple[EndpointStatus | None, str, Mapping[str, str] | None]] = {
    "nothing is known of an endpoint": (None, "AWS", None),
    "an endpoint that is being reserved has no service yet": (shown(), "AWS", None),
    "a service without a name is none": (shown(endpoint_service_name=""), "AWS", None),
    "on AWS the name of the service is enough": (shown(endpoint_service_name=SERVICE), "AWS", HELD),
    "on Azure the name alone is not": (shown(endpoint_service_name="pls"), "AZURE", None),
    "on Azure all three are there": (
        shown(endpoint_service_name="pls", private_link_service_resource_id=LINK),
        "AZURE",
        dict(zip(KEYS, (ENDPOINT, "pls", LINK), strict=True)),
    ),
}


@pytest.mark.parametrize(("endpoint", "provider", "expected"), VALUES.values(), ids=VALUES)
def test_values(endpoint: EndpointStatus | None, provider: Any, expected: Mapping[str, str] | None) -> None:
    assert values_of(endpoint, provider) == expected


def found(data: Mapping[str, str], *owners: str, deleting: bool = False) -> ConfigMap:
    return ConfigMap("uid-map", "1", frozenset(owners), deleting, data)


STEPS: dict[str, tuple[ConfigMap | None, object]] = {
    "there is none: it is created": (None, ConfigMapAction.CREATE),
    "ours holds it all: nothing is to be done": (found(HELD, UID), ConfigMapAction.NOTHING),
    "ours holds it all and a key of somebody else's": (found({**HELD, "more": "x"}, UID), ConfigMapAction.NOTHING),
    "ours lacks a key": (found({"endpointId": ENDPOINT}, UID), ConfigMapAction.UPDATE),
    "ours holds another service": (found({**HELD, "endpointServiceName": "other"}, UID), ConfigMapAction.UPDATE),
    "ours holds what Atlas tells no more": (
        found({**HELD, "privateLinkServiceResourceId": LINK}, UID),
        ConfigMapAction.UPDATE,
    ),
    "ours is empty": (found({}, UID), ConfigMapAction.UPDATE),
    "ours has another owner, too": (found({}, "uid-other", UID), ConfigMapAction.UPDATE),
    "it has no owner, and holds the very same": (found(HELD), "NotOurs"),
    "it is of another resource, or of an earlier one of this name": (found(HELD, "uid-other"), "NotOurs"),
    "it is somebody else's and is being deleted": (found({}, deleting=True), "NotOurs"),
    "ours is being deleted": (found({}, UID, deleting=True), "Pending"),
}


@pytest.mark.parametrize(("config_map", "expected"), STEPS.values(), ids=STEPS)
def test_decide(config_map: ConfigMap | None, expected: object) -> None:
    step = decide(NAME, HELD, config_map, UID, KEYS)
    assert (step if isinstance(step, ConfigMapAction) else step.reason) == expected


SRV = "mongodb+srv://orders-pe-1.abcde.mongodb.net"
OWN = PrivateStrings((Connected(VPCE.upper(), "AWS", "US_EAST_1"),), srv=SRV)
OTHER = PrivateStrings(
    (Connected("vpce-other", "AWS", "US_EAST_1"),), srv="mongodb+srv://orders-pe-0.abcde.mongodb.net"
)
STRING = {
    "clusterName": "orders",
    "connectionStringSrv": SRV,
    "endpointId": ENDPOINT,
    "providerName": "AWS",
    "region": "US_EAST_1",
}


@pytest.mark.parametrize(
    ("endpoint", "connections", "expected"),
    [
        pytest.param(None, (OWN,), None, id="nothing is known of an endpoint"),
        pytest.param(shown(), (OWN,), None, id="nothing is connected to the endpoint"),
        pytest.param(shown(cloud_provider_endpoint_id=VPCE), (), None, id="Atlas shows no string"),
        pytest.param(shown(cloud_provider_endpoint_id=VPCE), (OTHER,), None, id="Atlas shows that of another endpoint"),
        pytest.param(shown(cloud_provider_endpoint_id=VPCE), (OTHER, OWN), STRING, id="by its ID, in any letters"),
    ],
)
def test_connection_values(
    endpoint: EndpointStatus | None,
    connections: tuple[PrivateStrings, ...],
    expected: Mapping[str, str] | None,
) -> None:
    resource = ServerlessPrivateEndpoint.parse(body(connectionStringConfigMapRef={"name": NAME}))
    available = None if endpoint is None else endpoint.model_copy(update={"status": "AVAILABLE"})
    (strings,) = KIND.outputs(resource, {"endpoint": available})
    assert strings.fill(connections) == expected


class Strings:
    """An Atlas that shows a value for each of some clusters, and how long it takes to answer."""

    def __init__(self, *, takes: float = 0.0) -> None:
        self.takes = takes
        self.shown: dict[str, str] = {}
        self.error: AtlasError | None = None
        self.reads: list[str] = []

    async def read(self, scope: Scope, request: Request, *, parse: Any, max_age: float) -> Any:
        del scope, parse, max_age
        self.reads.append(request.path)
        await asyncio.sleep(self.takes)
        if self.error is not None:
            raise self.error
        return self.shown.get(request.path, "")


class Publishing:
    """The outputs of one resource with a string for each of some clusters, reconcile by reconcile."""

    def __init__(self, *clusters: str, takes: float = 0.0) -> None:
        self.clock = VirtualClock(asyncio.get_running_loop(), start=datetime(2026, 11, 25, 12, tzinfo=UTC))
        self.atlas, self.maps = Strings(takes=takes), ConfigMaps()
        self.atlas.shown = dict.fromkeys(clusters, "a string")
        self.clusters = clusters
        self.body: dict[str, Any] = body()
        self.restart()

    def restart(self) -> None:
        atlas: Any = self.atlas
        self.outputs = Outputs(self.maps, atlas, self.clock.monotonic, KIND.names)

    async def reconcile(self, *, waited: float = 0.0, max_age: float = 30.0) -> Published:
        """Publish once, by a reconcile that has waited for so many seconds before."""
        wanted = [
            Output(
                f"of-{cluster}",
                ("string",),
                request=lambda _, cluster=cluster: Request("getCluster", "GET", cluster),  # type: ignore[misc]  # mypy knows no defaults of a lambda
                fill=lambda text: {"string": text} if text else None,
            )
            for cluster in self.clusters
        ]
        began = self.clock.monotonic() - waited
        published = await self.outputs.publish(
            ServerlessPrivateEndpoint.parse(self.body),
            wanted,
            scope=Scope("credentials", "project", "kind", "name"),
            max_age=max_age,
            now=self.clock.now(),
            began=began,
        )
        if (found := published.finding) is not None:
            self.tell(found.status, found.reason, found.message)
        return published

    def tell(self, status: str, reason: str, message: str) -> None:
        """Write a condition to the status."""
        told = {"type": "OutputsWritten", "status": status, "reason": reason, "message": message}
        (before,) = self.body.get("status", {}).get("conditions", [{}])
        stays = before.get("status") == status
        time = before["lastTransitionTime"] if stays else f"{self.clock.now():%Y-%m-%dT%H:%M:%SZ}"
        self.body["status"] = {"conditions": [{**told, "lastTransitionTime": time, "observedGeneration": 1}]}

    async def all(self) -> None:
        """Reconcile until nothing is left."""
        wait: float | None = 0.0
        while wait is not None and wait < 30:
            await asyncio.sleep(wait)
            wait = (await self.reconcile()).requeue_in

    def change(self, **metadata: Any) -> None:
        self.body["metadata"] = {**self.body["metadata"], **metadata}


@on_virtual_time
async def test_nothing_is_told_of_a_new_generation_before_all_is_known() -> None:
    of = Publishing("a", "b", takes=20)
    await of.all()
    of.change(generation=2)
    assert (await of.reconcile()).finding is None
    last = await of.reconcile()
    assert last.finding is not None
    assert last.finding.status == "True"


@on_virtual_time
async def test_a_round_of_the_same_generation_keeps_what_is_told_meanwhile() -> None:
    of = Publishing("a", "b", takes=20)
    await of.all()
    await asyncio.sleep(600)
    first = await of.reconcile()
    assert first.finding is not None
    assert (first.finding.status, first.requeue_in) == ("True", 0.1)


@pytest.mark.parametrize("change", [{"generation": 2}, {"annotations": {"atlas-endpoints.dev/force-sync": "1"}}])
@on_virtual_time
async def test_an_edit_and_a_request_begin_anew(change: Mapping[str, Any]) -> None:
    of = Publishing("a", "b", takes=20)
    await of.reconcile()
    of.change(**change)
    await of.reconcile(max_age=0.0)
    assert of.atlas.reads == ["a", "a"]


@on_virtual_time
async def test_a_reconcile_that_has_waited_for_half_a_minute_begins_nothing() -> None:
    of = Publishing("a")
    assert await of.reconcile(waited=30) == Published(None, 0.1)
    assert of.atlas.reads == []
    await of.reconcile()
    assert of.atlas.reads == ["a"]


@on_virtual_time
async def test_strings_that_vanish_are_kept_and_the_condition_says_since_when() -> None:
    of = Publishing("a", "b")
    await of.all()
    await asyncio.sleep(3600)
    of.atlas.shown = {"b": "a string"}
    since = "Atlas has not shown the values for ConfigMap of-a since 2026-11-25T13:00:00Z. The ConfigMap keeps the earlier ones."
    for restarts in (False, False, True, True):
        published = await of.reconcile()
        assert published.finding is not None
        assert (published.finding.status, published.finding.message) == ("Unknown", since)
        assert of.maps.held("of-a") == {"string": "a string"}
        await asyncio.sleep(600)
        if restarts:
            of.restart()
    of.atlas.shown["a"] = "another string"
    await of.reconcile()
    assert of.maps.held("of-a") == {"string": "another string"}


@pytest.mark.parametrize("how", ["refused", "unreachable"])
@on_virtual_time
async def test_what_atlas_says_is_told_even_if_the_config_map_cannot_be_read(how: str) -> None:
    of = Publishing("a")
    of.atlas.error = EndpointAbsentError("There is no such cluster.", operation="getCluster")
    of.maps.fail(how)
    published = await of.reconcile()
    assert published.finding is not None
    assert (published.finding.reason, published.requeue_in) == ("NotFound", 30)
    assert published.finding.message == "The values for ConfigMap of-a could not be read. There is no such cluster."


@on_virtual_time
async def test_a_read_that_another_call_holds_up_follows_and_is_no_failure() -> None:
    of = Publishing("a")
    of.atlas.error = AtlasHeldError("Not now.", reason="Pending", operation="getCluster", retry_after=7)
    assert await of.reconcile() == Published(None, 7)
    of.atlas.error = None
    await of.reconcile()
    assert of.maps.held("of-a") == {"string": "a string"}


@pytest.mark.parametrize("time", ["2026-99-99T99:99:99Z", "yesterday", "2126-01-01T00:00:00Z"])
@on_virtual_time
async def test_a_time_in_the_status_that_is_none_or_in_the_future_is_now(time: str) -> None:
    of = Publishing("a")
    await of.all()
    of.atlas.shown.clear()
    of.restart()
    of.tell("Unknown", "Pending", "Atlas has not shown the values for ConfigMap of-a.")
    of.body["status"]["conditions"][0]["lastTransitionTime"] = time
    published = await of.reconcile()
    assert published.finding is not None
    assert "since 2026-11-25T12:00:00Z." in published.finding.message
