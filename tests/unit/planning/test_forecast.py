"""What the operator would do about a manifest, by what Atlas holds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import pytest

from atlas_endpoints.atlas.errors import (
    AtlasUnavailableError,
    CredentialsInvalidError,
    EndpointAbsentError,
    MissingRoleError,
    RateLimitedError,
)
from atlas_endpoints.atlas.transport import failure
from atlas_endpoints.planning.forecast import Action, Change, Forecast, exit_code, sent_along
from atlas_endpoints.planning.manifests import Other, merged, read
from atlas_endpoints.planning.process import Planner
from support.fake_atlas import FakeAtlas
from support.virtual_time import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from support.fake_atlas import Call

PROJECT, ENDPOINT = "5f" * 12, "a1" * 12
ONE, TWO = "vpce-11111111111111111", "vpce-22222222222222222"
ARM = "/subscriptions/4e133d35-e734-4385-a565-c0945567ae34/resourceGroups/rg/providers/Microsoft.Network/privateEndpoints/one"
SERVICE = {"endpointServiceName": "com.amazonaws.vpce.shop"}


class Atlas(FakeAtlas):
    """Answers LISTs with endpoints, after some failures; a GET finds nothing that no LIST holds."""

    def __init__(self, endpoints: Sequence[dict[str, Any]], failures: Sequence[Exception] = ()) -> None:
        super().__init__(self._answer)
        self._endpoints = endpoints
        self._failures: Iterator[Exception] = iter(failures)

    @property
    def read(self) -> list[str]:
        """What was read, by the end of its path."""
        return [call.path.rpartition("/")[2] for call in self.calls]

    def _answer(self, call: Call) -> object:
        assert (call.method, call.json) == ("GET", None), "a plan only reads"
        absent = EndpointAbsentError("Atlas does not know the endpoint.", operation="get", http_status=404)
        return next(self._failures, self._endpoints if call.path.endswith("/endpoint") else absent)


ACK = {"apiVersion": "ec2.services.k8s.aws/v1alpha1", "kind": "VPCEndpoint", "name": "vpc"}


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGODB_ATLAS_CLIENT_ID", "mdb_sa_id_0123")
    monkeypatch.setenv("MONGODB_ATLAS_CLIENT_SECRET", "mdb_sa_sk_0123")
    for name in ("PUBLIC_API_KEY", "PRIVATE_API_KEY", "PUBLIC_KEY", "PRIVATE_KEY"):
        monkeypatch.delenv(f"MONGODB_ATLAS_{name}", raising=False)


def manifest(name: str = "orders", **spec: Any) -> str:
    wanted = {"projectId": PROJECT, "instanceName": "shop", "providerName": "AWS", "endpointId": ENDPOINT, **spec}
    fields = {each: value for each, value in wanted.items() if value is not None}
    lines = "".join(
        f"  {field}: {str(value).lower() if isinstance(value, bool) else repr(value)}\n"
        for field, value in fields.items()
    )
    return (
        "apiVersion: atlas-endpoints.dev/v1alpha1\nkind: ServerlessPrivateEndpoint\n"
        f"metadata: {{name: {name}}}\nspec:\n{lines}---\n"
    )  # fmt: skip


def forecast(atlas: Atlas, text: str) -> list[Forecast]:
    documents = merged(read("all.yaml", text, namespace="shop"))

    async def ask() -> list[Forecast]:
        exports = [each.body for each in documents if isinstance(each, Other)]
        return await Planner(atlas, exports=exports).forecast(documents)

    return run(ask())


def endpoint(status: str = "AVAILABLE", **fields: Any) -> dict[str, Any]:
    return {"_id": ENDPOINT, "providerName": "AWS", "status": status, **SERVICE, **fields}


@pytest.mark.parametrize(
    ("spec", "shown", "action", "changes"),
    [
        pytest.param(
            {"cloudProviderEndpointId": ONE, "comment": "a"},
            endpoint(cloudProviderEndpointId=ONE, comment="a"),
            Action.NONE,
            [],
            id="nothing is sent when Atlas holds all of it",
        ),
        pytest.param({}, endpoint(comment="a"), Action.NONE, [], id="what the manifest does not name is not managed"),
        pytest.param(
            {"comment": "b"},
            endpoint(comment="a"),
            Action.UPDATE,
            [Change("comment", "a", "b")],
            id="a comment that differs is sent",
        ),
        pytest.param(
            {"comment": ""},
            endpoint(comment="a"),
            Action.UPDATE,
            [Change("comment", "a", "")],
            id="an empty comment clears",
        ),
        pytest.param(
            {"cloudProviderEndpointId": ONE},
            endpoint("RESERVED"),
            Action.UPDATE,
            [Change("cloudProviderEndpointId", None, ONE)],
            id="a reserved endpoint is connected",
        ),
        pytest.param({}, endpoint("RESERVED"), Action.NONE, [], id="a reservation without another end waits"),
        *(
            pytest.param(
                {"cloudProviderEndpointRef": ACK},
                endpoint(status),
                Action.UNKNOWN,
                [],
                id=f"what only the cluster knows: {status}",
            )
            for status in ("RESERVED", "AVAILABLE")
        ),
        pytest.param(
            {"cloudProviderEndpointRef": ACK, "comment": "b"},
            endpoint("RESERVED"),
            Action.UPDATE,
            [Change("comment", None, "b")],
            id="what does not depend on it is told",
        ),
        pytest.param(
            {"cloudProviderEndpointId": TWO},
            endpoint("INITIATING", cloudProviderEndpointId=ONE),
            Action.WAIT,
            [Change("cloudProviderEndpointId", ONE, TWO)],
            id="while Atlas connects an endpoint, another connection waits",
        ),
        pytest.param(
            {"comment": "b"},
            endpoint("RESERVATION_REQUESTED"),
            Action.WAIT,
            [Change("comment", None, "b")],
            id="while Atlas reserves an endpoint, everything waits",
        ),
        pytest.param(
            {"cloudProviderEndpointId": ONE},
            endpoint("INITIATING", cloudProviderEndpointId=ONE),
            Action.NONE,
            [],
            id="nothing is sent while Atlas connects what is wanted",
        ),
        pytest.param(
            {"comment": "b"},
            endpoint("FAILED", comment="a", errorMessage="broken"),
            Action.UPDATE,
            [Change("comment", "a", "b")],
            id="a failed endpoint takes changes",
        ),
        pytest.param(
            {"comment": "b"},
            endpoint("FAILED", endpointServiceName=None, comment="a"),
            Action.NONE,
            [Change("comment", "a", "b")],
            id="an endpoint that was never reserved takes none",
        ),
        pytest.param(
            {"comment": "b"},
            endpoint("DELETING", comment="a"),
            Action.NONE,
            [Change("comment", "a", "b")],
            id="an endpoint that is being deleted takes none",
        ),
        pytest.param(
            {"comment": "b", "driftPolicy": "Report"},
            endpoint(comment="a"),
            Action.UPDATE,
            [Change("comment", "a", "b")],
            id="a manifest that only reports drift is applied once",
        ),
        pytest.param(
            {"comment": "b", "managementPolicy": "Observe"},
            endpoint(comment="a"),
            Action.REPORT,
            [Change("comment", "a", "b")],
            id="a manifest that observes sends nothing",
        ),
        pytest.param(
            {"comment": "b", "managementPolicy": "Plan"},
            endpoint(comment="a"),
            Action.REPORT,
            [Change("comment", "a", "b")],
            id="a manifest that plans sends nothing",
        ),
        pytest.param(
            {"comment": "a", "managementPolicy": "Observe"},
            endpoint(comment="a"),
            Action.NONE,
            [],
            id="a manifest that observes and agrees has nothing to report",
        ),
    ],
)
def test_what_would_be_sent(spec: dict[str, Any], shown: dict[str, Any], action: Action, changes: list[Change]) -> None:
    (found,) = forecast(Atlas([shown]), manifest(**spec))

    assert (found.action, list(found.changes)) == (action, changes)
    assert (found.body is not None) == (action is Action.UPDATE)


def project(status: str = f"{{id: {PROJECT}}}", **metadata: str) -> str:
    """An AtlasProject of MongoDB's own operator, as it is exported."""
    return (
        f"apiVersion: atlas.mongodb.com/v1\nkind: AtlasProject\nmetadata: { ({'name': 'orders'} | metadata)!r}\n"
        f"status: {status}\n---\n"
    )


REFERRING = manifest(projectId=None, projectRef={"name": "orders"}, comment="b")


def test_a_project_that_is_referred_to_is_taken_from_its_export() -> None:
    atlas = Atlas([endpoint(comment="a")])

    (found,) = forecast(atlas, REFERRING + project())

    assert (found.action, found.project_id) == (Action.UPDATE, PROJECT)
    assert atlas.read == ["endpoint"]


@pytest.mark.parametrize(
    "beside",
    [
        pytest.param("", id="nothing"),
        pytest.param(project("{}"), id="one that has no status, as in Git"),
        pytest.param(project(namespace="other"), id="one of another namespace"),
        pytest.param(project(name="other"), id="one of another name"),
        pytest.param(project(deletionTimestamp="2026-11-25T12:00:00Z"), id="one that is being deleted"),
        pytest.param("[]\n---\n", id="what is no object"),
        pytest.param("apiVersion: atlas.mongodb.com/v1\nkind: AtlasProject\n---\n", id="one without metadata"),
    ],
)
def test_without_its_export_the_project_is_unknown(beside: str) -> None:
    atlas = Atlas([endpoint(comment="a")])

    found = forecast(atlas, REFERRING + manifest("named", comment="b") + beside)

    assert [each.action for each in found[:2]] == [Action.UNKNOWN, Action.UPDATE]
    assert (found[0].reason, found[0].project_id) == ("ReferenceNotReady", None)
    assert "alone knows .status.id of AtlasProject orders" in found[0].message
    assert "Put an export of that object beside the manifests" in found[0].message
    assert exit_code(found) == 1


def test_the_connection_of_an_export_is_used() -> None:
    exported = "apiVersion: ec2.services.k8s.aws/v1alpha1\nkind: VPCEndpoint\nmetadata: {name: vpc}\n"
    text = manifest(cloudProviderEndpointRef=ACK) + f"{exported}status: {{vpcEndpointID: {ONE}}}\n"

    (found,) = forecast(Atlas([endpoint("RESERVED")]), text)

    assert (found.action, list(found.changes)) == (Action.UPDATE, [Change("cloudProviderEndpointId", None, ONE)])


def test_the_body_is_the_one_that_would_be_sent_and_a_connection_goes_as_a_whole() -> None:
    shown = endpoint("FAILED", providerName="AZURE", cloudProviderEndpointId=ARM, privateEndpointIpAddress="10.0.0.1")
    spec = {"providerName": "AZURE", "cloudProviderEndpointId": ARM, "privateEndpointIpAddress": "10.0.0.2"}

    (found,) = forecast(Atlas([shown]), manifest(**spec))

    assert found.body == spec
    assert found.changes == (Change("privateEndpointIpAddress", "10.0.0.1", "10.0.0.2"),)
    assert sent_along(found) == (Change("cloudProviderEndpointId", ARM, ARM),)


def test_a_suspended_manifest_asks_nothing_of_atlas() -> None:
    atlas = Atlas([endpoint()])

    (found,) = forecast(atlas, manifest(comment="b", suspend=True))

    assert (found.action, atlas.read) == (Action.SUSPENDED, [])


def test_the_manifests_of_an_instance_share_one_list() -> None:
    atlas = Atlas([{**endpoint(), "_id": f"{number:024x}"} for number in range(50)])

    found = forecast(atlas, "".join(manifest(f"orders-{number}", endpointId=f"{number:024x}") for number in range(50)))

    assert {each.action for each in found} == {Action.NONE}
    assert atlas.read == ["endpoint"]


def test_an_absent_endpoint_is_proved_absent_and_reported() -> None:
    atlas = Atlas([])

    (found,) = forecast(atlas, manifest())

    assert (found.action, found.reason) == (Action.UNKNOWN, "EndpointNotFound")
    assert atlas.read == ["endpoint", ENDPOINT, "endpoint"]


def test_forecasts_are_in_the_order_of_the_manifests() -> None:
    names = [f"instance-{number}" for number in (3, 1, 2, 1, 3)]

    found = forecast(
        Atlas([endpoint()]), "".join(manifest(f"m-{i}", instanceName=name) for i, name in enumerate(names))
    )

    assert [each.spec.instance_name for each in found if each.spec] == names


def exported(status: str, **spec: Any) -> str:
    """A resource with this status, as the cluster has it."""
    return manifest(**spec).replace("metadata: {", "metadata: {uid: u, ").replace("---\n", f"status: {status}\n---\n")


@pytest.mark.parametrize(
    ("spec", "action"),
    [
        pytest.param({"comment": "b", "driftPolicy": "Report"}, Action.NONE, id="drift is only reported"),
        pytest.param({"comment": "b"}, Action.UPDATE, id="drift is corrected"),
        pytest.param({"comment": "c", "driftPolicy": "Report"}, Action.UPDATE, id="an edit is sent"),
    ],
)
def test_a_manifest_is_compared_with_the_applied_values_of_its_export(spec: dict[str, Any], action: Action) -> None:
    text = manifest(**spec) + exported("{observedGeneration: 7, applied: {generation: 7, comment: b}}")

    (found,) = forecast(Atlas([endpoint(comment="a")]), text)

    assert (found.action, list(found.changes)) == (action, [Change("comment", "a", spec["comment"])])


def test_no_endpoint_would_be_reserved_for_a_manifest_whose_resource_has_one() -> None:
    status = f"{{reservation: {{requestedAt: '2026-11-27T00:00:00Z', endpointId: {ENDPOINT}}}}}"
    text = manifest(endpointId=None, comment="b") + exported(status, endpointId=None)

    (found,) = forecast(Atlas([endpoint(comment="a")]), text)

    assert (found.action, found.body) == (Action.UPDATE, {"providerName": "AWS", "comment": "b"})


AZURE = endpoint(providerName="AZURE")


@pytest.mark.parametrize(
    ("shown", "warned"),
    [
        pytest.param([AZURE], True, id="all are of another cloud"),
        pytest.param([AZURE, {**endpoint(), "_id": "b2" * 12}], False, id="one is of this cloud"),
        pytest.param([endpoint(providerName=None)], False, id="the cloud is not shown"),
        pytest.param([], False, id="there is none"),
    ],
)
@pytest.mark.parametrize("policy", ["Manage", "Plan"])
def test_a_reservation_in_an_instance_of_another_cloud_is_warned_of(
    policy: str, shown: list[dict[str, Any]], warned: bool
) -> None:
    (found,) = forecast(Atlas(shown), manifest(endpointId=None, managementPolicy=policy))

    assert found.action is (Action.RESERVE if policy == "Manage" else Action.REPORT)
    warning = (
        " All endpoints of instance shop are of AZURE; an instance is in one cloud, so the one that would be reserved will be,"
        " too: correct providerName."
    )
    assert found.message.endswith(warning) == warned
    assert ("AZURE" in found.message) == warned


def test_a_provider_that_is_wrong_is_corrected_in_the_manifest() -> None:
    (found,) = forecast(Atlas([AZURE]), manifest())

    assert found.action is Action.INVALID
    assert found.message == (
        "spec.providerName is AWS, but the provider of the endpoint in Atlas is AZURE, so the operator sends nothing. Correct providerName to"
        " AZURE; if the resource is in the cluster already, delete it there first, since providerName cannot change."
    )


def test_an_unknown_host_names_the_dns_of_this_machine() -> None:
    unknown = aiohttp.ClientConnectorDNSError(
        cast("Any", SimpleNamespace(host="h", port=1, ssl=True)), OSError(-2, "No")
    )

    (found,) = forecast(Atlas([], [failure(unknown, operation="list", unknown_outcome=False)] * 3), manifest())

    assert found.message == "The host of Atlas cannot be found; check --atlas-url and the DNS of this machine. (No)"


UNAVAILABLE = AtlasUnavailableError("Atlas does not answer.", operation="list")
LIMITED = RateLimitedError("Atlas asks to slow down.", operation="list", http_status=429, retry_after=30.0)


@pytest.mark.parametrize(
    ("failures", "action", "lists"),
    [
        pytest.param([UNAVAILABLE], Action.NONE, 2, id="one answer that is missing is asked for again"),
        pytest.param([UNAVAILABLE] * 3, Action.UNKNOWN, 3, id="after three of them it is given up"),
        pytest.param([LIMITED], Action.NONE, 2, id="a rate limit is waited for"),
        pytest.param(
            [MissingRoleError("The role is too weak.", operation="list", http_status=401)],
            Action.UNKNOWN,
            1,
            id="a role that is missing is no better the next time",
        ),
    ],
)
def test_how_often_atlas_is_asked(failures: list[Exception], action: Action, lists: int) -> None:
    atlas = Atlas([endpoint()], failures)

    (found,) = forecast(atlas, manifest())

    assert (found.action, atlas.read) == (action, ["endpoint"] * lists)


def test_credentials_that_atlas_refuses_are_tried_once_and_named_by_their_variables() -> None:
    refused = CredentialsInvalidError("Atlas does not accept them. Put valid ones into the Secret.", operation="list")
    atlas = Atlas([endpoint()], [refused] * 9)

    found = forecast(atlas, "".join(manifest(f"m-{i}", instanceName=f"i-{i}") for i in range(9)))

    assert {each.action for each in found} == {Action.UNKNOWN}
    assert atlas.read == ["endpoint"]
    assert found[0].message == (
        "Atlas does not accept them. They are those of MONGODB_ATLAS_CLIENT_ID and MONGODB_ATLAS_CLIENT_SECRET in the"
        " environment. Put valid ones there."
    )


def test_what_is_mended_in_atlas_is_tried_again_by_hand() -> None:
    refused = MissingRoleError("The role is too weak. Then try again. (HTTP 401)", operation="list", http_status=401)

    (found,) = forecast(Atlas([endpoint()], [refused]), manifest())

    assert found.message == "The role is too weak. Then try again. (HTTP 401)"


def test_missing_credentials_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MONGODB_ATLAS_CLIENT_ID")
    atlas = Atlas([endpoint()])

    suspended, other = forecast(atlas, manifest("a", suspend=True) + manifest("b"))

    assert suspended.action is Action.SUSPENDED
    assert (other.action, other.message) == (
        Action.UNKNOWN,
        "MONGODB_ATLAS_CLIENT_ID must be set in the environment, too.",
    )
    assert atlas.read == []


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        pytest.param([], 0, id="nothing"),
        pytest.param([manifest(comment="a")], 0, id="nothing would change"),
        pytest.param([manifest(comment="a"), manifest(comment="b")], 3, id="something would"),
        pytest.param([manifest(comment="b", managementPolicy="Plan")], 0, id="something is only planned"),
        pytest.param([manifest(comment="b"), manifest(comments="b")], 1, id="one manifest cannot be read"),
        pytest.param([manifest(comment="b"), manifest(endpointId="b2" * 12)], 1, id="one endpoint is not there"),
        pytest.param(["kind: Secret\n"], 0, id="other kinds only"),
        pytest.param([manifest(endpointId=None)], 3, id="an endpoint would be reserved"),
        pytest.param([manifest(endpointId=None, managementPolicy="Plan")], 0, id="one would be, and is only planned"),
    ],
)
def test_the_exit_code(texts: list[str], code: int) -> None:
    assert exit_code(forecast(Atlas([endpoint(comment="a")]), "---\n".join(texts))) == code


def test_an_endpoint_would_be_reserved_for_a_manifest_that_names_none() -> None:
    (found,) = forecast(Atlas([endpoint()]), manifest(endpointId=None, comment="b", deletionPolicy="Delete"))

    assert found.action is Action.RESERVE
    assert found.body == {"comment": "atlas-endpoints.dev/<uid>"}
    assert found.endpoint is None


def test_a_copy_is_planned_for_the_endpoint_that_its_annotation_names() -> None:
    """As it would be with nobody in the cluster who stands for that endpoint."""
    annotations = f"annotations: {{atlas-endpoints.dev/endpoint-id: {ENDPOINT}/u}}"
    text = manifest(endpointId=None, comment="b").replace("{name: orders}", f"{{name: orders, {annotations}}}")

    (found,) = forecast(Atlas([endpoint(comment="a")]), text)

    assert (found.action, found.body) == (Action.UPDATE, {"providerName": "AWS", "comment": "b"})
