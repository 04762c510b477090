"""What the resources of a cluster use, and the report of it."""

from typing import Any

from atlas_endpoints.commands.check.report import Report, failed, ok, skipped, warning
from atlas_endpoints.commands.check.resources import Survey
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.reconcile.resource import CredentialsPlace
from support.named import NAMED

PROJECT = "5f" * 12


def resource(name: str, *, namespace: str = "shop", metadata: Any = None, status: Any = None, **spec: Any) -> Any:
    fields = {"projectId": PROJECT, "instanceName": "shop", "providerName": "AWS", "endpointId": "a1" * 12, **spec}
    return {
        **NAMED,
        "metadata": {
            "namespace": namespace,
            "name": name,
            "uid": name,
            "generation": 1,
            "resourceVersion": "1",
            **(metadata or {}),
        },
        "spec": {field: value for field, value in fields.items() if value is not None},
        "status": status or {},
    }


def survey(*bodies: Any) -> Survey:
    found = Survey()
    found.add(KIND, bodies)
    return found


def test_resources_that_are_not_checked_are_reported_with_the_reason() -> None:
    ref: Any = {"projectId": None, "projectRef": {"name": "orders"}}
    found = survey(
        resource("going", metadata={"deletionTimestamp": "2026-11-25T12:00:00Z"}),
        resource("asleep", suspend=True),
        resource("skipped", metadata={"annotations": {"atlas-endpoints.dev/reconcile-policy": "skip"}}),
        resource("newer", tomorrow="never dies"),
        {**resource("empty"), "spec": None},
        resource("unresolved", **ref),
        resource("resolved", **ref, status={"resolved": {"projectId": "6f" * 12}}),
    )

    assert [(each.key.name, each.known_project_id) for _, each, _ in found.uses] == [("resolved", "6f" * 12)]
    left_out = {why.partition(": add")[0].partition(": remove")[0]: names for (_, why), names in found.left_out.items()}
    assert left_out == {
        "the resource is being deleted": ["shop/going"],
        "the resource is suspended": ["shop/asleep", "shop/skipped"],
        "spec.projectRef is not resolved; see the message in the status": ["shop/unresolved"],
        "the spec is invalid: spec.tomorrow: unknown field": ["shop/newer"],
        "the spec is invalid: spec: Required value": ["shop/empty"],
    }


def test_a_place_is_one_instance_with_one_pair_of_credentials() -> None:
    own, copy, other = ("shop", "own"), ("web", "copy"), ("shop", "other")
    found = survey(
        resource("a", credentialsSecretRef={"name": "own"}),
        resource("b", credentialsSecretRef={"name": "own"}),
        resource("a", namespace="web", credentialsSecretRef={"name": "copy"}),
        resource("c", credentialsSecretRef={"name": "other"}),
        resource("d", credentialsSecretRef={"name": "own"}, instanceName="store"),
        resource("e", credentialsSecretRef={"name": "missing"}),
    )
    fingerprints = {
        CredentialsPlace(*own): "one",
        CredentialsPlace(*copy): "one",
        CredentialsPlace(*other): "two",
    }

    places = found.places(fingerprints)

    assert [(each.scope.credentials, each.title) for each in places] == [
        ("one", f"Project {PROJECT}, instance shop, for shop/a, shop/b and web/a"),
        ("two", f"Project {PROJECT}, instance shop, for shop/c"),
        ("one", f"Project {PROJECT}, instance store, for shop/d"),
    ]


def test_a_place_has_what_all_live_resources_of_its_instance_name() -> None:
    """Whether or not they are suspended, valid, or in a known project; by the spec, the status or the annotation."""
    reserved: Any = {"endpointId": None}
    annotation = {"atlas-endpoints.dev/endpoint-id": f"{'a4' * 12}/u"}
    found = survey(
        resource("valid", credentialsSecretRef={"name": "own"}),
        resource("asleep", endpointId="a2" * 12, suspend=True),
        resource("newer", endpointId="a3" * 12, tomorrow="never dies"),
        resource("restored", **reserved, metadata={"annotations": annotation}),
        resource("reserved", **reserved, status={"reservation": {"endpointId": "a5" * 12}}),
        resource("anywhere", projectId=None, projectRef={"name": "p"}, endpointId="a6" * 12),
        resource("elsewhere", projectId="6f" * 12, endpointId="b1" * 12),
        resource("in-another", instanceName="store", endpointId="b2" * 12),
        resource("going", endpointId="b3" * 12, metadata={"deletionTimestamp": "2026-11-25T12:00:00Z"}),
    )

    (place,) = found.places({CredentialsPlace("shop", "own"): "one"}, "in shop")

    assert place.names is not None
    assert {each.endpoint for each in place.names} - {None} == {f"a{number}" * 12 for number in range(1, 7)}
    assert place.read_in == "in shop"


def test_a_finding_is_one_printable_line() -> None:
    assert str(failed("It says:\n\x1b[31mred\u202e")) == "failed   It says: [31mred"
    assert len(str(warning("x" * 10_000))) < 1600


def test_a_report_has_sections_and_a_summary_and_fails_with_any_failure() -> None:
    lines: list[str] = []
    report = Report(lines.append)
    report.section("One", ok("a"), ok("b"))
    report.section("Two", warning("c"), skipped("d"))
    assert report.passed
    report.end(0.25)
    report.add(failed("e"))
    assert not report.passed
    report.end(12)

    assert lines[:3] == ["One", "ok       a", "ok       b"]
    assert [line for line in lines if line.startswith("\n")] == [
        "\nTwo",
        "\nResult: nothing failed (2 ok, 1 skipped, 1 warning; 0.2 s).",
        "\nResult: action is required (2 ok, 1 skipped, 1 warning, 1 failed; 12.0 s).",
    ]
