"""The API on a real API server: what it accepts and refuses, and how it looks through kubectl."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import yaml

from atlas_endpoints.controller.conditions import Condition
from atlas_endpoints.kinds.serverless_private_endpoint.resource import EndpointStatus
from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessStatus as Status
from atlas_endpoints.reconcile.status import Applied, Cause, DriftItem, HistoryEntry, LastError, Resolved
from control_plane import ControlPlane
from support.cases import Case, UpdateCase, cases, manifest, update_cases
from support.running import CRD, ROOT

pytestmark = pytest.mark.gate

STRICT = {"fieldValidation": "Strict"}


@pytest.fixture(scope="module")
def api(control_plane: ControlPlane, crd: str, namespace: str) -> Iterator[httpx.Client]:
    """A client whose paths begin at the collection of this module's namespace."""
    with control_plane.client() as client:
        client.base_url = client.base_url.join(
            f"/apis/atlas-endpoints.dev/v1alpha1/namespaces/{namespace}/serverlessprivateendpoints/"
        )
        yield client


@pytest.fixture
def created(api: httpx.Client) -> Iterator[dict[str, Any]]:
    """A minimal resource that exists, as the API server answered."""
    answer = api.post("", json=manifest("AWS", {"comment": "orders"}, name="created"), params=STRICT)
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


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_the_api_server_accepts_or_refuses_a_new_resource_as_in_the_table(case: Case, api: httpx.Client) -> None:
    answer = api.post("", json=case.manifest, params=STRICT | {"dryRun": "All"})
    assert_as_in_the_table(problems(answer), case)


@pytest.mark.parametrize("case", update_cases(), ids=lambda case: case.name)
def test_the_api_server_accepts_or_refuses_a_change_as_in_the_table(case: UpdateCase, api: httpx.Client) -> None:
    name = case.before["metadata"]["name"]
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


def test_the_crd_is_established_and_structural(control_plane: ControlPlane, crd: str) -> None:
    status = yaml.safe_load(control_plane.kubectl("get", crd, "--output=yaml").stdout)["status"]
    conditions = {condition["type"]: condition["status"] for condition in status["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}


def test_the_status_of_a_new_resource_shows_that_nothing_has_observed_it(
    created: Mapping[str, Any], api: httpx.Client
) -> None:
    assert api.get("created").json()["status"] == {"observedGeneration": -1}


def test_who_writes_a_resource_does_not_write_its_status(created: Mapping[str, Any], api: httpx.Client) -> None:
    """What a status shows of an endpoint is a proof for those in other namespaces, so nobody may come with one."""
    forged = {"observedGeneration": 1, "endpoint": {"id": "f" * 24}}
    new = manifest("AWS", {}, name="forged")
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


def test_an_applied_manifest_reads_back_without_defaults(created: Mapping[str, Any], api: httpx.Client) -> None:
    assert api.get("created").json()["spec"] == manifest("AWS", {"comment": "orders"})["spec"]


def full_status() -> Status:
    """A status with every field in use and every text as long as it may be."""
    long, word, now = "é" * 2000, "w" * 100, datetime.now(UTC)
    return Status(
        observed_generation=7,
        conditions=tuple(
            Condition(f"{number}{word}", "Unknown", word, long, observed_generation=7, last_transition_time=now)
            for number in range(16)
        ),
        applied=Applied.of(7, {"cloudProviderEndpointId": long, "privateEndpointIpAddress": long, "comment": ""}),
        endpoint=EndpointStatus(
            **dict.fromkeys(set(EndpointStatus.model_fields) - {"status_since"}, long), status_since=now
        ),
        resolved=Resolved.model_validate(
            dict.fromkeys(
                ("projectId", "cloudProviderEndpointId", "privateEndpointIpAddress", "credentialsSource"), long
            )
        ),
        drift=tuple(DriftItem(field=f"{number}{word}", desired=long, actual=long) for number in range(8)),
        last_error=LastError(
            since=now,
            operation=word,
            http_status=599,
            error_code=long,
            detail=long,
            retryable=False,
            fields=(word,) * 8,
        ),
        last_applied_time=now,
        last_handled_reconcile_at="r" * 256,
        history=tuple(
            HistoryEntry(time=now, generation=7, cause=cause, fields=(word,) * 8, result=long)
            for cause in (*Cause, Cause.EDIT, Cause.EDIT)
        ),
    )


def test_the_fullest_status_is_taken_and_reads_back_equal(created: Mapping[str, Any], api: httpx.Client) -> None:
    status = full_status()
    answer = api.put("created/status", json={**created, "status": status.to_json()}, params=STRICT)
    assert problems(answer) == []
    assert api.get("created").json()["status"] == status.to_json()
    assert Status.parse(api.get("created").json()["status"]) == status


@pytest.mark.parametrize(
    ("status", "because"),
    [
        pytest.param({"observedGeneration": 1, "phase": "Ready"}, "status.phase", id="a field that nobody knows"),
        pytest.param({"endpoint": {}}, "status.observedGeneration: Required value", id="no observed generation"),
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


def test_a_spec_and_a_status_are_written_apart(created: Mapping[str, Any], api: httpx.Client) -> None:
    other = {**created, "spec": {**created["spec"], "comment": "other"}, "status": {"observedGeneration": 1}}
    answer = api.put("created/status", json=other, params=STRICT).json()
    assert (answer["spec"], answer["metadata"]["generation"]) == (created["spec"], 1)


def object_schemas(path: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every object below a schema by its path for `kubectl explain`."""
    if schema["type"] == "array":
        yield from object_schemas(path, schema["items"])
    elif "properties" in schema:
        yield path, schema
        for name, child in schema["properties"].items():
            yield from object_schemas(f"{path}.{name}", child)


def test_kubectl_explain_describes_every_field(control_plane: ControlPlane, crd: str) -> None:
    (version,) = yaml.safe_load(CRD.read_text())["spec"]["versions"]
    root = version["schema"]["openAPIV3Schema"]
    explained = 0
    for name in ("spec", "status"):
        for path, schema in object_schemas(f"spe.{name}", root["properties"][name]):
            shown = re.sub(r"\s+", "", control_plane.kubectl("explain", path).stdout)
            for description in (child["description"] for child in (schema, *schema["properties"].values())):
                assert re.sub(r"\s+", "", description) in shown, path
                explained += 1
    assert explained > 60


def test_kubectl_lists_what_people_look_for(
    control_plane: ControlPlane, namespace: str, created: Mapping[str, Any], api: httpx.Client
) -> None:
    now = datetime.now(UTC)
    status = Status(
        observed_generation=1,
        conditions=(
            Condition("Ready", "False", "EndpointFailed", "it failed", observed_generation=1, last_transition_time=now),
        ),
        endpoint=EndpointStatus(
            id="a" * 24, status="FAILED", cloud_provider_endpoint_id="vpce-1", error_message="no-such-endpoint"
        ),
        resolved=Resolved(project_id="c" * 24),
        last_applied_time=now,
    )
    api.put("created/status", json={**created, "status": status.to_json()}, params=STRICT)

    def rows(*args: str) -> list[list[str]]:
        return [
            line.split() for line in control_plane.kubectl("get", *args, f"--namespace={namespace}").stdout.splitlines()
        ]

    narrow = ["NAME", "READY", "STATUS", "REASON", "PROVIDER", "INSTANCE", "AGE"]
    wide = [*narrow, "PROJECT", "ENDPOINT-ID", "CLOUD-ENDPOINT", "ERROR", "GENERATION", "OBSERVED", "LAST-APPLIED"]
    header, row = rows("spe")
    assert header == narrow
    assert row[:-1] == ["created", "False", "FAILED", "EndpointFailed", "AWS", "ServerlessInstance0"]
    header, row = rows("serverlessprivateendpoint", "--output=wide")
    assert header == wide
    assert row[len(narrow) : -1] == ["c" * 24, "a" * 24, "vpce-1", "no-such-endpoint", "1", "1"]
    assert any("created" in line[0] for line in rows("atlas"))


@pytest.mark.parametrize("field", ["projectId", "instanceName", "providerName", "endpointId"])
def test_resources_can_be_selected_by_what_names_the_endpoint(
    field: str, created: Mapping[str, Any], api: httpx.Client
) -> None:
    def names(value: str) -> list[str]:
        answer = api.get("", params={"fieldSelector": f"spec.{field}={value}"})
        return [item["metadata"]["name"] for item in answer.json()["items"]]

    assert names(created["spec"][field]) == ["created"]
    assert names("other") == []


def test_the_folder_of_samples_can_be_applied_as_it_is(control_plane: ControlPlane, crd: str, namespace: str) -> None:
    """Where two samples are about one resource, the second is an edit that the rules allow."""
    for how in (["--server-side", "--dry-run=server"], []):
        applied = control_plane.kubectl(
            "apply", *how, "--validate=strict", f"--namespace={namespace}", f"--filename={ROOT / 'deploy' / 'samples'}"
        )
        assert not applied.stderr, applied.stderr
