"""What ``plan`` and ``check`` say of private connections of Stream Processing, against the simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from atlas_endpoints.kinds.stream_private_endpoint.kind import KIND
from behaviour.atlas import PROJECT
from behaviour.streams import CONSTANTS, ONE, TWO
from support.cases import STREAM, manifest
from unit.kinds.read_atlas import asked, place_of, planned, resource, stored

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from unit.kinds.read_atlas import Run

S3: Mapping[str, Any] = CONSTANTS["S3"]
DEDICATED: Mapping[str, Any] = CONSTANTS["DEDICATED"]
HERE: Mapping[str, Any] = CONSTANTS["HERE"]
OTHER = {**CONSTANTS["ELSEWHERE"], "_id": TWO}
CONFLUENT = {"vendor": "CONFLUENT", "region": "EU_WEST_1", "serviceEndpointId": DEDICATED["serviceEndpointId"]}
NAMESPACE: Mapping[str, Any] = manifest("EVENTHUB", {}, kind=STREAM)["spec"]
CONTRADICTIONS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "a service of another region": (
        {**S3, "region": "US_EAST_1"},
        "serviceEndpointId names a service in eu-west-1, and region is US_EAST_1",
    ),
    "Confluent's service of another region": (
        {**DEDICATED, "serviceEndpointId": "com.amazonaws.vpce.us-west-2.vpce-svc-0123456789abcdef0"},
        f"serviceEndpointId names a service in us-west-2, and region is {DEDICATED['region']}",
    ),
    "a service of another vendor": (
        {**S3, "vendor": "LAMBDA"},
        "serviceEndpointId com.amazonaws.eu-west-1.s3 does not look like a service of LAMBDA",
    ),
    "the domain of another namespace": (
        {**NAMESPACE, "dnsDomain": "x.servicebus.windows.net"},
        "dnsDomain x.servicebus.windows.net does not begin with orders, which serviceEndpointId names",
    ),
}


def in_atlas(**fields: Any) -> Mapping[str, Any]:
    """Return a project with a connection."""
    return {"streams": [{"_id": ONE, **fields}]}


@pytest.mark.parametrize(
    ("case", "spec", "expected"),
    [
        pytest.param({}, S3, (3, "Create", "EndpointNotFound", "POST"), id="none"),
        pytest.param({}, {**S3, "managementPolicy": "Observe"}, (0, "Report", "EndpointNotFound", None), id="observed"),
        pytest.param({"role": "GROUP_READ_ONLY"}, S3, (3, "Create", "EndpointNotFound", "POST"), id="read only"),
        pytest.param(in_atlas(**HERE), S3, (0, "None", "Available", None), id="done"),
        pytest.param(in_atlas(**HERE, state="WORKING"), S3, (0, "None", "Initiating", None), id="on its way"),
        pytest.param(in_atlas(**HERE, state="FAILED"), S3, (0, "None", "EndpointFailed", None), id="failed"),
        pytest.param(in_atlas(**HERE, state="DELETING"), S3, (3, "Wait", "Deleting", None), id="going"),
        pytest.param(in_atlas(**HERE, state="DELETED"), S3, (3, "Create", "EndpointNotFound", "POST"), id="gone"),
        pytest.param(
            {"streams": [{"_id": ONE, **HERE}, {"_id": TWO, **HERE}]}, S3, (1, "Unknown", "Conflict", None), id="several"
        ),
        pytest.param(in_atlas(**CONFLUENT), DEDICATED, (3, "Update", "Drifted", "PATCH"), id="the domain is missing"),
        pytest.param(
            in_atlas(**CONFLUENT, dnsDomain="x.example"), DEDICATED, (0, "None", "Drifted", None), id="another domain"
        ),
    ],
)  # fmt: skip
def test_what_would_be_done_about_a_connection(
    run: Run,
    tmp_path: Path,
    case: Mapping[str, Any],
    spec: Mapping[str, Any],
    expected: tuple[int, str, str, str | None],
) -> None:
    code, document = planned(run, tmp_path, case, resource(KIND, "one", **spec))

    (found,) = document["resources"]
    method = found["request"] and found["request"]["method"]
    assert (code, found["action"], found["reason"], method) == expected, found


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_fields_that_contradict_each_other_are_doubted(name: str) -> None:
    spec, said = CONTRADICTIONS[name]

    assert KIND.doubt_about(KIND.resource.parse(stored(KIND, **spec)).spec) == f" {said}: is one of them wrong?"


def test_two_resources_with_one_target_are_in_conflict(run: Run, tmp_path: Path) -> None:
    found = (resource(KIND, name, **CONSTANTS[spec]) for name, spec in (("one", "S3"), ("two", "S3_AGAIN")))

    code, document = planned(run, tmp_path, {}, *found)

    assert (code, [each["reason"] for each in document["resources"]]) == (1, ["Conflict", "Conflict"])
    assert f"name the same endpoint {CONSTANTS['TARGET']}." in document["warnings"][0]


@pytest.mark.parametrize(
    ("case", "spec", "expected"),
    [
        pytest.param(
            {"streams": [{"_id": ONE, **HERE}, OTHER]},
            S3,
            [
                f"ok       Connections that no live resource names: 1 ({TWO} for AWS S3 EU_WEST_2 com.amazonaws.eu-west-2.s3).",
                "ok       The credentials may write to the project (DELETE without a change",
            ],
            id="what nobody names",
        ),
        pytest.param(
            {"role": "GROUP_READ_ONLY"},
            S3,
            [
                "failed   The credentials may not do this: they need a role such as Project Owner",
            ],
            id="who may only read",
        ),
    ],
)  # fmt: skip
def test_what_a_check_says_of_a_project(case: Mapping[str, Any], spec: Mapping[str, Any], expected: list[str]) -> None:
    place = place_of(KIND, **spec)

    found = asked(case, place)

    assert place.title == f"Project {PROJECT}, Stream Processing, for shop/one"
    assert len(found) == len(expected) + 1, found
    assert [each for each, begin in zip(found[1:], expected, strict=True) if not each.startswith(begin)] == []
