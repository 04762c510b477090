"""The API on a real API server: what it accepts and refuses, and how it looks through kubectl."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from atlas_endpoints.kinds.data_federation_private_endpoint import resource as data_federation
from atlas_endpoints.kinds.dedicated_private_endpoint import resource as dedicated
from atlas_endpoints.kinds.serverless_private_endpoint.resource import EndpointStatus, ServerlessStatus
from atlas_endpoints.reconcile.status import (
    Applied,
    Cause,
    Condition,
    Creation,
    DriftItem,
    HistoryEntry,
    LastError,
    Resolved,
    Status,
)
from control_plane import ControlPlane
from support.cases import (
    BACKUP,
    DATA_FEDERATION,
    DEDICATED,
    ENCRYPTION_AT_REST,
    KINDS,
    REGIONAL_MODE,
    SERVERLESS,
    STREAM,
    Case,
    UpdateCase,
    each_case,
    manifest,
    update_cases,
)
from support.crd import crds, resource_of, schema_of
from support.running import ROOT

STRICT = {"fieldValidation": "Strict"}


_CLOUD_ENDPOINT = {"cloudProviderEndpointId": "vpce-0123456789abcdef0"}
NAMED: Mapping[str, Mapping[str, str]] = {
    SERVERLESS: _CLOUD_ENDPOINT,
    DEDICATED: _CLOUD_ENDPOINT,
    DATA_FEDERATION: _CLOUD_ENDPOINT,
    ENCRYPTION_AT_REST: {},
    BACKUP: {"vpcRegion": "eu-west-2"},
    STREAM: {},
    REGIONAL_MODE: {},
}
"""What a resource of each kind has beside what it must have, so that each field is there that names the endpoint."""


@pytest.fixture(scope="module")
def apis(control_plane: ControlPlane, crd: str, namespace: str) -> Iterator[Mapping[str, httpx.Client]]:
    """Clients by kind, whose paths begin at the collection of this module's namespace."""
    with ExitStack() as stack:
        found = {kind: stack.enter_context(control_plane.client()) for kind in KINDS}
        for kind, client in found.items():
            plural = crds()[kind]["spec"]["names"]["plural"]
            client.base_url = client.base_url.join(
                f"/apis/atlas-endpoints.dev/v1alpha1/namespaces/{namespace}/{plural}/"
            )
        yield found


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind, unless a test is about one."""
    found: str = request.param
    return found


@pytest.fixture
def api(apis: Mapping[str, httpx.Client], kind: str) -> httpx.Client:
    return apis[kind]


@pytest.fixture
def created(api: httpx.Client, kind: str) -> Iterator[dict[str, Any]]:
    """A small resource that exists, as the API server answered."""
    wanted = manifest("AWS", NAMED[kind], kind=kind, name="created")
    answer = api.post("", json=wanted, params=STRICT)
    assert answer.status_code == httpx.codes.CREATED, answer.text
    yield answer.json()
    api.delete("created")


def problems(answer: httpx.Response) -> list[str]:
    """What the API server holds against an object, as `field: reason`; empty when it has taken it."""
    if answer.is_success:
        return []
    failure = answer.json()
    if answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
        # With a type, length or presence wrong, the API server adds, of no field, that it has left out the other rules.
        causes = (cause for cause in failure["details"]["causes"] if cause["field"] != "<nil>")
        return [f"{cause['field']}: {cause['message']}" for cause in causes]
    return [failure["message"]]


def assert_as_in_the_table(found: list[str], case: Case) -> None:
    assert bool(found) == bool(case.refused), found
    for field, because in case.refused.items():
        assert any(field in problem and because in problem for problem in found), found
    assert all(any(field in problem for field in case.refused) for problem in found), found


@pytest.mark.parametrize("case", each_case(), ids=str)
def test_the_api_server_accepts_or_refuses_a_new_resource_as_in_the_table(
    case: Case, apis: Mapping[str, httpx.Client]
) -> None:
    answer = apis[case.kind].post("", json=case.manifest, params=STRICT | {"dryRun": "All"})
    assert_as_in_the_table(problems(answer), case)


@pytest.mark.parametrize("case", [case for kind in KINDS for case in update_cases(kind)], ids=str)
def test_the_api_server_accepts_or_refuses_a_change_as_in_the_table(
    case: UpdateCase, apis: Mapping[str, httpx.Client]
) -> None:
    name, api = case.before["metadata"]["name"], apis[case.kind]
    old = api.post("", json=case.before, params=STRICT)
    assert old.status_code == httpx.codes.CREATED, old.text
    if case.status:
        old = api.put(f"{name}/status", json=old.json() | {"status": {"observedGeneration": 1, **case.status}})
        assert old.is_success, old.text
    try:
        answer = api.put(name, json=old.json() | {"spec": case.manifest["spec"]}, params=STRICT)
        assert_as_in_the_table(problems(answer), case)
        now = api.get(name).json()
        assert now["spec"] == (case.before if case.refused else case.manifest)["spec"]
        assert now["metadata"]["generation"] == (1 if case.refused else 2)
    finally:
        api.delete(name)


@pytest.mark.gate
def test_as_many_forwarding_rules_as_there_may_be_are_compared_by_meaning(apis: Mapping[str, httpx.Client]) -> None:
    """The API server has a budget for each rule, which the longest lists may not exceed."""

    def group(addresses: Iterable[tuple[int, str]]) -> dict[str, Any]:
        rules = [{"name": f"rule-{number:0>58}", "ipAddress": address} for number, address in addresses]
        gcp = {
            "projectId": "my-project-1",
            "portMappingEnabled": False,
            "endpointGroupName": "group",
            "endpoints": rules,
        }
        return manifest("GCP_LEGACY", {"gcp": gcp}, kind=DEDICATED, name="many-rules")

    numbers = range(100)
    api = apis[DEDICATED]
    old = api.post("", json=group((each, f"fd00:0:0:0:0:0:0:{each:04x}") for each in numbers), params=STRICT).json()

    def change(addresses: Iterable[tuple[int, str]]) -> list[str]:
        return problems(api.put("many-rules", json=old | {"spec": group(addresses)["spec"]}, params={"dryRun": "All"}))

    try:
        assert change((each, f"fd00::{each:x}") for each in reversed(numbers)) == []
        (found,) = change((each, f"fd00::{each or 255:x}") for each in reversed(numbers))
        assert found.startswith("spec.gcp.endpoints: ")
        assert "Atlas cannot change the forwarding rules" in found
    finally:
        api.delete("many-rules")


def test_who_writes_a_resource_does_not_write_its_status(
    created: Mapping[str, Any], api: httpx.Client, kind: str
) -> None:
    """What a status shows of an endpoint is a proof for those in other namespaces, so nobody may come with one."""
    forged = {"observedGeneration": 1, resource_of(kind).status_type.shown_as: {"id": "f" * 24}}
    new = manifest("AWS", {}, kind=kind, name="forged")
    tries = [
        api.post("", json={**new, "status": forged}),
        api.put("created", json={**created, "status": forged}),
        api.patch("forged", json={"status": forged}, headers={"Content-Type": "application/merge-patch+json"}),
        api.patch(
            "forged",
            json={**new, "status": forged},
            headers={"Content-Type": "application/apply-patch+yaml"},
            params={"fieldManager": "tenant", "force": "true"},
        ),
    ]
    try:
        assert all(each.is_success for each in tries), [each.text for each in tries]
        for name in ("created", "forged"):
            assert api.get(name).json()["status"] == {"observedGeneration": -1}
    finally:
        api.delete("forged")


LONG, WORD, NOW = "é" * 2000, "w" * 100, datetime.now(UTC)


def full_status(kind: str) -> Status:
    """Return a status with every field in use and every text as long as it may be."""
    model = resource_of(kind)
    resolved = schema_of(kind)["properties"]["status"]["properties"]["resolved"]["properties"]
    return model.status_type(
        observed_generation=7,
        conditions=tuple(
            Condition(
                type=f"{number}{WORD}",
                status="Unknown",
                reason=WORD,
                message=LONG,
                observed_generation=7,
                last_transition_time=NOW,
            )
            for number in range(16)
        ),
        applied=Applied.of(7, dict.fromkeys(model.fields, LONG)),
        resolved=Resolved.model_validate(dict.fromkeys(resolved, LONG)),
        drift=tuple(DriftItem(field=f"{number}{WORD}", desired=LONG, actual=LONG) for number in range(8)),
        last_error=LastError(
            since=NOW,
            operation=WORD,
            http_status=599,
            error_code=LONG,
            detail=LONG,
            retryable=False,
            fields=(WORD,) * 8,
        ),
        last_applied_time=NOW,
        last_handled_reconcile_at="r" * 256,
        history=tuple(
            HistoryEntry(time=NOW, generation=7, cause=cause, fields=(WORD,) * 8, result=LONG)
            for cause in (*Cause, Cause.EDIT, Cause.EDIT)
        ),
        **OWN_STATUS[kind],
    )


def _status_fields(kind: str, name: str) -> Iterable[str]:
    """Return the names of the fields of an object in the status."""
    fields: Iterable[str] = schema_of(kind)["properties"]["status"]["properties"][name]["properties"]
    return fields


_REGIONAL = dict.fromkeys(("id", "region", "status", "privateEndpointConnectionName", "errorMessage"), LONG)
OWN_STATUS: Mapping[str, Mapping[str, Any]] = {
    SERVERLESS: {
        "endpoint": EndpointStatus.model_validate(
            dict.fromkeys(set(EndpointStatus.model_fields) - {"status_since"}, LONG) | {"status_since": NOW}
        )
    },
    DEDICATED: {
        "service": dedicated.ServiceStatus.model_validate(
            dict.fromkeys(
                (
                    *("id", "status", "region", "errorMessage", "endpointServiceName", "privateLinkServiceName"),
                    "privateLinkServiceResourceId",
                ),
                LONG,
            )
            | {
                "statusSince": NOW,
                "origin": "Adopted",
                "serviceAttachmentNames": (LONG,) * 100,
                "portMappingEnabled": False,
                "supportedRemoteRegions": (LONG,) * 35,
            }
        ),
        "endpoint": dedicated.EndpointStatus.model_validate(
            dict.fromkeys(set(dedicated.EndpointStatus.model_fields) - {"status_since"}, LONG) | {"status_since": NOW}
        ),
    },
    DATA_FEDERATION: {
        "service_name": LONG,
        "endpoint": data_federation.EndpointStatus.model_validate(
            dict.fromkeys(data_federation.EndpointStatus.model_fields, LONG) | {"status_since": NOW}
        ),
    },
    ENCRYPTION_AT_REST: {
        "approve_command": LONG,
        "creation": Creation(requested_at=NOW, attempt=2),
        "endpoint": {**_REGIONAL, "statusSince": NOW},
    },
    BACKUP: {
        "creation": Creation(requested_at=NOW, attempt=2),
        "endpoint": {**_REGIONAL, "vpcRegion": LONG, "statusSince": NOW},
    },
    STREAM: {
        "creation": Creation(requested_at=NOW, attempt=2),
        "account": dict.fromkeys(_status_fields(STREAM, "account"), LONG),
        "connection": dict.fromkeys(_status_fields(STREAM, "connection"), LONG) | {"stateSince": NOW},
    },
    REGIONAL_MODE: {
        "mode": dict.fromkeys(_status_fields(REGIONAL_MODE, "mode"), LONG) | {"statusSince": NOW},
        "affected_clusters": (LONG,) * 16,
    },
}
"""The fields that only the status of a kind has."""


@pytest.mark.gate
def test_the_fullest_status_is_taken_and_reads_back_equal(
    created: Mapping[str, Any], api: httpx.Client, kind: str
) -> None:
    status = full_status(kind)
    answer = api.put("created/status", json={**created, "status": status.to_json()}, params=STRICT)
    assert problems(answer) == []
    assert api.get("created").json()["status"] == status.to_json()
    assert type(status).parse(api.get("created").json()["status"]) == status


@pytest.mark.parametrize(
    ("status", "because"),
    [
        pytest.param({"observedGeneration": 1, "phase": "Ready"}, "status.phase", id="a field that nobody knows"),
        pytest.param({"history": []}, "status.observedGeneration: Required value", id="no observed generation"),
        pytest.param(
            {"observedGeneration": 1, "history": [{}] * 6}, "status.history: Too many", id="six entries of history"
        ),
        pytest.param(
            {"observedGeneration": 1, "conditions": [{"type": "Ready"}]},
            "status.conditions[0].observedGeneration: Required value",
            id="a condition that does not say which generation it means",
        ),
    ],
)
def test_a_status_that_breaks_the_schema_is_refused(
    status: Mapping[str, Any], because: str, created: Mapping[str, Any], api: httpx.Client
) -> None:
    found = problems(api.put("created/status", json={**created, "status": status}, params=STRICT))
    assert any(because in problem for problem in found), found


def object_schemas(path: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every object below a schema by its path for `kubectl explain`."""
    if schema["type"] == "array":
        yield from object_schemas(path, schema["items"])
    elif "properties" in schema:
        yield path, schema
        for name, child in schema["properties"].items():
            yield from object_schemas(f"{path}.{name}", child)


@pytest.mark.gate
def test_kubectl_explain_describes_every_field(control_plane: ControlPlane, crd: str, kind: str) -> None:
    """It reads them out of what the API server publishes; of each kind it is asked once."""
    with control_plane.client() as http:
        document = http.get("/openapi/v3/apis/atlas-endpoints.dev/v1alpha1").raise_for_status().json()
    (published,) = [each for name, each in document["components"]["schemas"].items() if name.endswith(f".{kind}")]
    explained = 0
    for name in ("spec", "status"):
        ours, theirs = (each["properties"][name] for each in (schema_of(kind), published))
        shown = dict(object_schemas(name, theirs))
        for path, schema in object_schemas(name, ours):
            for field, child in schema["properties"].items():
                assert shown[path]["properties"][field]["description"] == child["description"], path
                explained += 1
    assert explained > 40
    (short,) = crds()[kind]["spec"]["names"]["shortNames"]
    assert schema_of(kind)["description"].split()[0] in control_plane.kubectl("explain", short).stdout


_REGIONAL_ROW = {
    "id": "a" * 24,
    "status": "FAILED",
    "privateEndpointConnectionName": "vpce-1",
    "errorMessage": "no-such-key",
}
LISTED: Mapping[str, tuple[Status, Mapping[str, str], Mapping[str, str]]] = {
    SERVERLESS: (
        ServerlessStatus(
            endpoint=EndpointStatus(
                id="a" * 24, status="FAILED", cloud_provider_endpoint_id="vpce-1", error_message="no-such-endpoint"
            )
        ),
        {"PROVIDER": "AWS", "INSTANCE": "ServerlessInstance0"},
        {"ENDPOINT-ID": "a" * 24, "CLOUD-ENDPOINT": "vpce-1", "ERROR": "no-such-endpoint"},
    ),
    DEDICATED: (
        dedicated.DedicatedStatus(
            service=dedicated.ServiceStatus(id="a" * 24, status="AVAILABLE"),
            endpoint=dedicated.EndpointStatus(id="vpce-1", status="FAILED", error_message="no-such-endpoint"),
        ),
        {"PROVIDER": "AWS", "REGION": "eu-west-1"},
        {"SERVICE": "AVAILABLE", "SERVICE-ID": "a" * 24, "CLOUD-ENDPOINT": "vpce-1", "ERROR": "no-such-endpoint"},
    ),
    DATA_FEDERATION: (
        data_federation.DataFederationStatus(
            service_name="com.example.service",
            endpoint=data_federation.EndpointStatus(id="vpce-1", status="FAILED", error_message="no-such-endpoint"),
        ),
        {"PROVIDER": "AWS", "REGION": "eu-west-1"},
        {"SERVICE": "com.example.service", "CLOUD-ENDPOINT": "vpce-1", "ERROR": "no-such-endpoint"},
    ),
    ENCRYPTION_AT_REST: (
        resource_of(ENCRYPTION_AT_REST).status_type.model_validate({"endpoint": _REGIONAL_ROW}),
        {"PROVIDER": "AWS", "REGION": "eu-west-1"},
        {"ENDPOINT-ID": "a" * 24, "CONNECTION": "vpce-1", "ERROR": "no-such-key"},
    ),
    BACKUP: (
        resource_of(BACKUP).status_type.model_validate({"endpoint": _REGIONAL_ROW}),
        {"PROVIDER": "AWS", "REGION": "eu-west-1", "VPC-REGION": "eu-west-2"},
        {"ENDPOINT-ID": "a" * 24, "CONNECTION": "vpce-1", "ERROR": "no-such-key"},
    ),
    STREAM: (
        resource_of(STREAM).status_type.model_validate(
            {
                "connection": {
                    "id": "a" * 24,
                    "state": "FAILED",
                    "interfaceEndpointId": "vpce-1",
                    "errorMessage": "no-such-topic",
                }
            }
        ),
        {"PROVIDER": "AWS", "VENDOR": "S3", "REGION": "eu-west-1"},
        {"CONNECTION-ID": "a" * 24, "INTERFACE-ENDPOINT": "vpce-1", "ERROR": "no-such-topic"},
    ),
    REGIONAL_MODE: (
        resource_of(REGIONAL_MODE).status_type.model_validate(
            {"mode": {"id": "regionalMode", "status": "FAILED", "errorMessage": "no-such-project"}}
        ),
        {},
        {"ERROR": "no-such-project"},
    ),
}
"""A status of each kind, and its columns without and with ``--output=wide``."""


def test_kubectl_lists_what_people_look_for(
    control_plane: ControlPlane, namespace: str, created: Mapping[str, Any], api: httpx.Client, kind: str
) -> None:
    own, narrow, wide = LISTED[kind]
    ready = Condition(
        type="Ready",
        status="False",
        reason="EndpointFailed",
        message="it failed",
        observed_generation=1,
        last_transition_time=NOW,
    )
    status = own.model_copy(
        update={
            "observed_generation": 1,
            "conditions": (ready,),
            "resolved": Resolved(project_id="c" * 24),
            "last_applied_time": NOW,
        }
    )
    api.put("created/status", json={**created, "status": status.to_json()}, params=STRICT)

    def rows(*args: str) -> list[list[str]]:
        return [
            line.split() for line in control_plane.kubectl("get", *args, f"--namespace={namespace}").stdout.splitlines()
        ]

    names = crds()[kind]["spec"]["names"]
    columns = {"NAME": "created", "READY": "False", "STATUS": "FAILED", "REASON": "EndpointFailed", **narrow}
    header, row = rows(*names["shortNames"])
    assert header == [*columns, "AGE"]
    assert row[:-1] == [*columns.values()]
    header, row = rows(names["singular"], "--output=wide")
    columns = {"PROJECT": "c" * 24, **wide, "GENERATION": "1", "OBSERVED": "1"}
    assert header[len(narrow) + 5 :] == [*columns, "LAST-APPLIED"]
    assert row[len(narrow) + 5 : -1] == [*columns.values()]
    assert any("created" in line[0] for line in rows("atlas"))


def test_resources_can_be_selected_by_what_names_the_endpoint(
    created: Mapping[str, Any], api: httpx.Client, kind: str
) -> None:
    def names(path: str, value: str) -> list[str]:
        answer = api.get("", params={"fieldSelector": f"{path}={value}"})
        return [item["metadata"]["name"] for item in answer.json()["items"]]

    (version,) = crds()[kind]["spec"]["versions"]
    for path in (each["jsonPath"].removeprefix(".") for each in version["selectableFields"]):
        assert names(path, created["spec"].get(path.removeprefix("spec."), "")) == ["created"]
        assert names(path, "other") == []


def test_the_folder_of_samples_can_be_applied_as_it_is(control_plane: ControlPlane, crd: str, namespace: str) -> None:
    """Where two samples are about one resource, the second is an edit that the rules allow."""
    for how in (["--server-side", "--dry-run=server"], []):
        applied = control_plane.kubectl(
            "apply", *how, "--validate=strict", f"--namespace={namespace}", f"--filename={ROOT / 'deploy' / 'samples'}"
        )
        assert not applied.stderr, applied.stderr
