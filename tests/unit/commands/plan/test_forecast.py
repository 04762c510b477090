"""The forecasts for manifests, by what Atlas shows."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import pytest

from atlas_endpoints.atlas.errors import (
    AtlasError,
    AtlasUnavailableError,
    CredentialsInvalidError,
    EndpointAbsentError,
    Explanation,
    InvalidRequestError,
    MissingRoleError,
    RateLimitedError,
)
from atlas_endpoints.atlas.transport import failure
from atlas_endpoints.commands.manifests import ManifestReader
from atlas_endpoints.commands.plan.command import plan
from atlas_endpoints.commands.plan.forecast import Action, Forecast, exit_code
from atlas_endpoints.commands.plan.overlaps import merged
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from support.fake_atlas import FakeAtlas
from support.virtual_time import run
from toy.notice import NOTICES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from atlas_endpoints.kinds.commands import KindWithCommands
    from support.fake_atlas import Call

PROJECT, ENDPOINT = "5f" * 12, "a1" * 12
ONE, TWO = "vpce-11111111111111111", "vpce-22222222222222222"
ARM = "/subscriptions/4e133d35-e734-4385-a565-c0945567ae34/resourceGroups/rg/providers/Microsoft.Network/privateEndpoints/one"
SERVICE = {"endpointServiceName": "com.amazonaws.vpce.shop"}


class Atlas(FakeAtlas):
    """Answers LISTs with endpoints, after some failures; a GET finds nothing that no LIST holds."""

    def __init__(self, endpoints: Sequence[dict[str, Any]], failures: Sequence[object] = ()) -> None:
        super().__init__(self._answer)
        self._endpoints = endpoints
        self._failures: Iterator[object] = iter(failures)

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


def forecast(
    atlas: FakeAtlas, text: str, *, use_statuses: bool = True, say: Callable[[str], object] = str
) -> list[Forecast]:
    kinds: list[KindWithCommands[Any]] = [KIND, NOTICES]
    documents = merged(ManifestReader(kinds, namespace="shop", use_statuses=use_statuses).read("all.yaml", text))
    return run(plan(atlas, kinds, documents, say))


def endpoint(status: str = "AVAILABLE", **fields: Any) -> dict[str, Any]:
    return {"_id": ENDPOINT, "providerName": "AWS", "status": status, **SERVICE, **fields}


def summary(found: Forecast) -> str:
    """Return the action and the changes of a forecast."""
    return " ".join([found.action, *(f"{each.field}: {each.actual} -> {each.desired}" for each in found.differences)])


def body_of(found: Forecast) -> object:
    return None if found.request is None else found.request.body


def project(status: str = f"{{id: {PROJECT}}}", **metadata: str) -> str:
    """Return an AtlasProject of MongoDB's own operator, as it is exported."""
    return (
        f"apiVersion: atlas.mongodb.com/v1\nkind: AtlasProject\nmetadata: { ({'name': 'orders'} | metadata)!r}\n"
        f"status: {status}\n---\n"
    )


def exported(status: str, **spec: Any) -> str:
    """Return a resource with a status, as the cluster has it."""
    return manifest(**spec).replace("metadata: {", "metadata: {uid: u, ").replace("---\n", f"status: {status}\n---\n")


REFERRING = manifest(projectId=None, projectRef={"name": "orders"}, comment="b")
VPC = f"apiVersion: ec2.services.k8s.aws/v1alpha1\nkind: VPCEndpoint\nmetadata: {{name: vpc}}\nstatus: {{vpcEndpointID: {ONE}}}\n"
APPLIED = exported("{observedGeneration: 1, applied: {generation: 1, comment: b}}")
RESERVED = f"{{reservation: {{requestedAt: '2026-11-27T00:00:00Z', endpointId: {ENDPOINT}}}}}"
COPY = manifest(endpointId=None, comment="b").replace(
    "{name: orders}", f"{{name: orders, annotations: {{atlas-endpoints.dev/endpoint-id: {ENDPOINT}/u}}}}"
)
CONNECTED = endpoint("INITIATING", cloudProviderEndpointId=ONE)
A_TO_B = "comment: a -> b"

CASES: dict[str, tuple[str, dict[str, Any], str]] = {
    "no difference": (manifest(cloudProviderEndpointId=ONE, comment="a"), endpoint(cloudProviderEndpointId=ONE, comment="a"), "None"),
    "an unmanaged field": (manifest(), endpoint(comment="a"), "None"),
    "a different comment": (manifest(comment="b"), endpoint(comment="a"), f"Update {A_TO_B}"),
    "an empty comment": (manifest(comment=""), endpoint(comment="a"), "Update comment: a -> "),
    "a connection of a reserved endpoint": (manifest(cloudProviderEndpointId=ONE), endpoint("RESERVED"), f"Update cloudProviderEndpointId: None -> {ONE}"),
    "a reserved endpoint without a connection": (manifest(), endpoint("RESERVED"), "None"),
    "an unknown reference, reserved": (manifest(cloudProviderEndpointRef=ACK), endpoint("RESERVED"), "Unknown"),
    "an unknown reference, available": (manifest(cloudProviderEndpointRef=ACK), endpoint(), "Unknown"),
    "another change beside an unknown reference": (manifest(cloudProviderEndpointRef=ACK, comment="b"), endpoint("RESERVED"), "Update comment: None -> b"),
    "a reference to an exported connection": (manifest(cloudProviderEndpointRef=ACK) + VPC, endpoint("RESERVED"), f"Update cloudProviderEndpointId: None -> {ONE}"),
    "a reference to an exported project": (REFERRING + project(), endpoint(comment="a"), f"Update {A_TO_B}"),
    "another connection while Atlas connects": (manifest(cloudProviderEndpointId=TWO), CONNECTED, f"Wait cloudProviderEndpointId: {ONE} -> {TWO}"),
    "a change while Atlas reserves": (manifest(comment="b"), endpoint("RESERVATION_REQUESTED"), "Wait comment: None -> b"),
    "the same connection while Atlas connects": (manifest(cloudProviderEndpointId=ONE), CONNECTED, "None"),
    "a change of a failed endpoint": (manifest(comment="b"), endpoint("FAILED", comment="a", errorMessage="broken"), f"Update {A_TO_B}"),
    "a change after a failed reservation": (manifest(comment="b"), endpoint("FAILED", endpointServiceName=None, comment="a"), f"None {A_TO_B}"),
    "a change during the deletion": (manifest(comment="b"), endpoint("DELETING", comment="a"), f"None {A_TO_B}"),
    "the first apply with driftPolicy Report": (manifest(comment="b", driftPolicy="Report"), endpoint(comment="a"), f"Update {A_TO_B}"),
    "drift that is reported": (manifest(comment="b", driftPolicy="Report") + APPLIED, endpoint(comment="a"), f"None {A_TO_B}"),
    "drift that is corrected": (manifest(comment="b") + APPLIED, endpoint(comment="a"), f"Update {A_TO_B}"),
    "an edit with driftPolicy Report": (manifest(comment="c", driftPolicy="Report") + APPLIED, endpoint(comment="a"), "Update comment: a -> c"),
    "a difference with Observe": (manifest(comment="b", managementPolicy="Observe"), endpoint(comment="a"), f"Report {A_TO_B}"),
    "no difference with Observe": (manifest(comment="a", managementPolicy="Observe"), endpoint(comment="a"), "None"),
    "a resource with a reserved endpoint": (manifest(endpointId=None, comment="b") + exported(RESERVED, endpointId=None), endpoint(comment="a"), f"Update {A_TO_B}"),
    "a copy of a resource": (COPY, endpoint(comment="a"), f"Update {A_TO_B}"),
    "another provider": (manifest(), endpoint(providerName="AZURE"), "Invalid"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "shown", "expected"), CASES.values(), ids=CASES)
def test_what_would_be_sent(text: str, shown: dict[str, Any], expected: str) -> None:
    (found,) = forecast(Atlas([shown]), text)

    assert summary(found) == expected
    changed = {each.field: each.desired for each in found.differences}
    assert body_of(found) == ({"providerName": "AWS", **changed} if found.action is Action.UPDATE else None)
    assert found.action is Action.UNKNOWN or (found.endpoint_id, found.project_id) == (ENDPOINT, PROJECT)


FORGED: dict[str, tuple[str, str, dict[str, Any], Action, list[Action]]] = {
    "what Atlas has confirmed": (
        manifest(comment="b", driftPolicy="Report"),
        APPLIED,
        endpoint(comment="a"),
        Action.NONE,
        [Action.UPDATE, Action.NONE],
    ),
    "a status in the manifest itself": (
        exported("{observedGeneration: 1, applied: {generation: 1, comment: b}}", comment="b"),
        "",
        endpoint(comment="a"),
        Action.UPDATE,
        [Action.UPDATE],
    ),
    "what a reference gives": (
        manifest(cloudProviderEndpointRef=ACK),
        VPC,
        endpoint("AVAILABLE", cloudProviderEndpointId=ONE),
        Action.NONE,
        [Action.UNKNOWN],
    ),
}


@pytest.mark.parametrize(("text", "export", "shown", "believed", "expected"), FORGED.values(), ids=FORGED)
def test_a_status_that_a_pull_request_may_forge_counts_only_if_it_is_believed(
    text: str, export: str, shown: dict[str, Any], believed: Action, expected: list[Action]
) -> None:
    def planned(*, use_statuses: bool) -> list[Action]:
        return [each.action for each in forecast(Atlas([shown]), text + export, use_statuses=use_statuses)]

    assert planned(use_statuses=True) == [believed]
    assert planned(use_statuses=False) == expected


@pytest.mark.parametrize(
    "export",
    [
        pytest.param("", id="none"),
        pytest.param(project("{}"), id="without a status, as in Git"),
        pytest.param(project(namespace="other"), id="of another namespace"),
        pytest.param(project(name="other"), id="of another name"),
        pytest.param(project(deletionTimestamp="2026-11-25T12:00:00Z"), id="being deleted"),
        pytest.param("[]\n---\n", id="not an object"),
        pytest.param("apiVersion: atlas.mongodb.com/v1\nkind: AtlasProject\n---\n", id="without metadata"),
    ],
)
def test_without_its_export_the_project_is_unknown(export: str) -> None:
    found = forecast(Atlas([endpoint(comment="a")]), REFERRING + manifest("named", comment="b") + export)

    assert [each.action for each in found[:2]] == [Action.UNKNOWN, Action.UPDATE]
    assert (found[0].reason, found[0].project_id) == ("ReferenceNotReady", None)
    assert ".status.id of AtlasProject orders is unknown. Add an export of that object" in found[0].message


def test_an_object_whose_names_are_no_texts_is_no_export() -> None:
    odd = "apiVersion: [a]\nkind: AtlasProject\nmetadata: {name: {b: c}, namespace: [d]}\n"

    (found,) = forecast(Atlas([endpoint()]), REFERRING + odd)

    assert found.reason == "ReferenceNotReady"


def test_the_manifests_of_an_instance_share_one_list_and_keep_their_order() -> None:
    atlas = Atlas([{**endpoint(), "_id": f"{number:024x}"} for number in range(10)])
    places = [(f"instance-{number % 3}", f"{number:024x}") for number in range(10)]

    found = forecast(atlas, "".join(manifest(instanceName=name, endpointId=entry) for name, entry in places))

    assert [(each.manifest.resource.scope_name, each.endpoint_id) for each in found if each.manifest] == places
    assert {each.action for each in found} == {Action.NONE}
    assert atlas.read == ["endpoint"] * 3


def test_an_absent_endpoint_is_proved_absent_and_reported() -> None:
    atlas = Atlas([])

    (found,) = forecast(atlas, manifest())

    assert (found.action, found.reason) == (Action.UNKNOWN, "EndpointNotFound")
    assert atlas.read == ["endpoint", ENDPOINT, "endpoint"]


@pytest.mark.parametrize(
    ("providers", "doubted"),
    [
        pytest.param(["AZURE"], True, id="all are in another cloud"),
        pytest.param(["AZURE", "AWS"], False, id="one is in this cloud"),
        pytest.param([None], False, id="the cloud is not shown"),
        pytest.param([], False, id="there is none"),
    ],
)
def test_a_reservation_is_doubted_if_the_instance_is_in_another_cloud(
    providers: list[str | None], doubted: bool
) -> None:
    shown = [{**endpoint(providerName=each), "_id": f"{number:024x}"} for number, each in enumerate(providers)]

    (found,) = forecast(Atlas(shown), manifest(endpointId=None, comment="b"))

    assert found.action is Action.RESERVE
    assert body_of(found) == {"comment": "atlas-endpoints.dev/<uid>"}
    assert (found.endpoint_id, found.status) == (None, None)
    assert ("spec.providerName is AWS, but the endpoints of instance shop are in AZURE." in found.doubt) == doubted


def unknown_host() -> Exception:
    place = cast("Any", SimpleNamespace(host="h", port=1, ssl=True))
    return failure(aiohttp.ClientConnectorDNSError(place, OSError(-2, "No")), operation="list", unknown_outcome=False)


UNAVAILABLE = AtlasUnavailableError("Atlas does not answer.", operation="list")
LIMITED = RateLimitedError("Atlas asks to slow down.", operation="list", http_status=429, retry_after=30.0)
ROLE = MissingRoleError(
    Explanation("The role is too weak. {then}", " (HTTP 401)"),
    operation="list",
    http_status=401,
    error_code="USER_UNAUTHORIZED",
)
LIMITED_FOR_SOME_TIME = RateLimitedError("Atlas asks to slow down.", operation="list", http_status=429)
REFUSED = CredentialsInvalidError(Explanation("Atlas does not accept them. {credentials}"), operation="list")


@pytest.mark.parametrize(
    ("failures", "lists", "message"),
    [
        pytest.param([UNAVAILABLE], 2, None, id="one missing answer is retried"),
        pytest.param([LIMITED], 2, None, id="a rate limit is waited for"),
        pytest.param([LIMITED_FOR_SOME_TIME], 2, None, id="a rate limit without a time is waited for"),
        pytest.param([UNAVAILABLE] * 3, 3, "Atlas does not answer.", id="three missing answers fail"),
        pytest.param(
            [unknown_host()] * 3,
            3,
            "The host of Atlas cannot be found; check --atlas-url and the DNS of this machine. (No)",
            id="an unknown host",
        ),
        pytest.param([ROLE], 1, "The role is too weak. Then try again. (HTTP 401)", id="a missing role is not retried"),
        pytest.param(
            [REFUSED],
            1,
            "Atlas does not accept them. They are from MONGODB_ATLAS_CLIENT_ID and MONGODB_ATLAS_CLIENT_SECRET in the"
            " environment. Set them to valid ones.",
            id="invalid credentials are not retried",
        ),
    ],
)
def test_a_failed_call_is_retried_if_it_may_succeed(failures: list[Exception], lists: int, message: str | None) -> None:
    atlas = Atlas([endpoint()], failures)

    (found,) = forecast(atlas, manifest())

    assert atlas.read == ["endpoint"] * lists
    assert found.action is (Action.NONE if message is None else Action.UNKNOWN)
    assert message in {None, found.message}


def test_the_remedy_for_an_id_that_atlas_cannot_parse_is_the_manifest() -> None:
    unparsable = InvalidRequestError(
        Explanation("It cannot be parsed. To correct it, {wrong_field}."), operation="list"
    )

    (found,) = forecast(Atlas([endpoint()], [unparsable]), manifest())

    assert found.action is Action.INVALID
    assert found.message.startswith("It cannot be parsed. To correct it, correct the manifest;")


def test_invalid_credentials_are_used_once() -> None:
    atlas = Atlas([endpoint()], [REFUSED] * 9)

    found = forecast(atlas, "".join(manifest(f"m-{i}", instanceName=f"i-{i}") for i in range(9)))

    assert {each.action for each in found} == {Action.UNKNOWN}
    assert atlas.read == ["endpoint"]


LISTED = f"GET /api/atlas/v2/groups/{PROJECT}/privateEndpoint/serverless/instance/i-0/endpoint: "


@pytest.mark.parametrize(
    ("answers", "says", "message"),
    [
        pytest.param(
            [LIMITED_FOR_SOME_TIME] * 2,
            [
                "Atlas limits the rate of calls. Waiting 10 s before the next call.",
                "Atlas limits the rate of calls. Waiting 20 s before the next call.",
            ],
            "The endpoint is available and matches the spec.",
            id="a rate limit",
        ),
        pytest.param(
            [RateLimitedError("Slow down.", operation="list", retry_after=120.0)] * 3,
            [
                "Atlas limits the rate of calls. Waiting 120 s before the next call.",
                "Atlas limits the rate of calls. Waiting 120 s before the next call.",
            ],
            "Slow down.",
            id="a rate limit that lasts",
        ),
        pytest.param(
            [UNAVAILABLE],
            ["Atlas gives no usable answer. Waiting 3 s before the next call."],
            "The endpoint is available and matches the spec.",
            id="no answer",
        ),
    ],
)
def test_a_wait_has_its_own_cause(answers: list[Exception], says: list[str], message: str) -> None:
    atlas, said = Atlas([endpoint()], answers), list[str]()

    found = forecast(atlas, "".join(manifest(f"m-{i}", instanceName=f"i-{i}") for i in range(4)), say=said.append)

    assert (said, found[0].message) == ([f"{LISTED}{each}" for each in says], message)


@pytest.mark.parametrize("answer", [RateLimitedError, AtlasUnavailableError])
def test_a_plan_ends_in_its_time_whatever_atlas_answers(answer: type[AtlasError]) -> None:
    atlas = Atlas([endpoint()], [answer("No.", operation="list")] * 999)

    found = forecast(atlas, "".join(manifest(f"m-{i}", instanceName=f"i-{i}") for i in range(99)))

    assert {each.action for each in found} == {Action.UNKNOWN}


def test_a_slow_answer_is_bounded() -> None:
    async def late() -> list[dict[str, Any]]:
        await asyncio.sleep(400.0)
        return [endpoint()]

    found = forecast(Atlas([endpoint()], [[endpoint()], late()]), manifest("a") + manifest("b", instanceName="other"))

    assert [each.message for each in found] == [
        "The endpoint is available and matches the spec.",
        "There was no time for it within 300 s.",
    ]


def test_missing_credentials_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MONGODB_ATLAS_CLIENT_ID")
    atlas = Atlas([endpoint()])

    suspended, other = forecast(atlas, manifest("a", suspend=True) + manifest("b"))

    assert (suspended.action, other.action) == (Action.SUSPENDED, Action.UNKNOWN)
    assert (
        other.message == "MONGODB_ATLAS_CLIENT_ID is missing or empty in the environment. Add it as Atlas has shown it."
    )
    assert atlas.read == []


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        pytest.param([], 0, id="nothing"),
        pytest.param(["kind: Secret\n"], 0, id="other kinds only"),
        pytest.param([manifest(comment="a")], 0, id="no change"),
        pytest.param([manifest(comment="b", managementPolicy="Observe")], 0, id="a change that is only observed"),
        pytest.param([manifest(comment="a"), manifest(comment="b")], 3, id="a change"),
        pytest.param([manifest(endpointId=None)], 3, id="a reservation"),
        pytest.param([manifest(comment="b"), manifest(comments="b")], 1, id="an invalid manifest"),
        pytest.param([manifest(comment="b"), manifest(endpointId="b2" * 12)], 1, id="an absent endpoint"),
    ],
)
def test_the_exit_code(texts: list[str], code: int) -> None:
    assert exit_code(forecast(Atlas([endpoint(comment="a")]), "---\n".join(texts))) == code


def test_another_kind_is_planned_by_its_own_rules() -> None:
    notice = (
        "apiVersion: toy.atlas-endpoints.dev/v1alpha1\nkind: Notice\nmetadata: {name: one}\n"
        f"spec: {{projectId: {PROJECT}, noticeId: {'ab' * 12}, text: new}}\n"
    )

    (found,) = forecast(FakeAtlas(lambda _: [{"_id": "ab" * 12, "text": "old"}]), notice)

    assert summary(found) == "Update text: old -> new"
    assert found.request is not None
    assert found.request.path == f"/api/atlas/v2/groups/{PROJECT}/notices/{'ab' * 12}"
