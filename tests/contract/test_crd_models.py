"""What the generated CRDs must hold beside what their models say: what the operator puts into a status, and certain habits."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import pytest
from pydantic.alias_generators import to_camel

from atlas_endpoints.kinds.backup_private_endpoint import KIND as BACKUP_KIND
from atlas_endpoints.kinds.data_federation_private_endpoint.resource import Spec as DataFederationSpec
from atlas_endpoints.kinds.dedicated_private_endpoint.remote_regions import body_of as body_of_regions
from atlas_endpoints.kinds.dedicated_private_endpoint.resource import Spec as DedicatedSpec
from atlas_endpoints.kinds.encryption_at_rest_private_endpoint.kind import KIND as ENCRYPTION_AT_REST_KIND
from atlas_endpoints.kinds.lives.regional import Regional
from support.cases import DEDICATED, REGIONAL_MODE, STREAM, cases, manifest, update_cases
from support.crd import crds, path_of, resource_of, schema_of

KINDS = tuple(crds())
GCP = {"gcp": {"projectId": "my-project-1"}}
REGISTRATIONS = [
    DedicatedSpec.parse(manifest(base, spec, kind=DEDICATED)["spec"]).registration("id")
    for base, spec in [("AWS", {}), ("AZURE_CONNECTED", {}), ("GCP", GCP)]
]
SERVICE = {"providerName": "GCP", "region": "r", "portMappingEnabled": True}


def body_of(kind: Regional[Any], **fields: str) -> Mapping[str, str]:
    """Return the body of the POST of an endpoint that Atlas makes for a region."""
    return kind.body(kind.resource.spec_type.parse(manifest("AWS", fields, kind=kind.names.kind)["spec"]))


def sent_by(kind: str) -> set[str]:
    """The names in Atlas of what a kind puts into `status.plan.body`."""
    match kind:
        case "ServerlessPrivateEndpoint":
            return {*resource_of(kind).fields, "providerName"}
        case "DedicatedPrivateEndpoint":
            return {name for body in [SERVICE, body_of_regions(()), *REGISTRATIONS] for name in body}
        case "DataFederationPrivateEndpoint":
            return {
                "provider",
                "type",
                *(each.name or to_camel(field) for field, each in DataFederationSpec.sent.items()),
            }
        case "EncryptionAtRestPrivateEndpoint":
            return {*body_of(ENCRYPTION_AT_REST_KIND)}
        case "BackupPrivateEndpoint":
            return {*body_of(BACKUP_KIND, vpcRegion="EU_WEST_2")}
        case "PrivateEndpointRegionalMode":
            return {"enabled"}
        case _:
            return {"provider", *resource_of(kind).fields}


def resolved_by(kind: str) -> set[str]:
    """What a kind puts into `status.resolved`."""
    return {*resource_of(kind).fields} - {"comment"} if kind not in {STREAM, REGIONAL_MODE} else set()


SIZE_LIMIT = 80_000
"""Bytes. `kubectl apply` without --server-side copies the CRD into an annotation, which has room for 262144."""


class Node(NamedTuple):
    """A schema at its path, as `spec.comment` or `status.history[].fields[]`."""

    path: str
    schema: Mapping[str, Any]


def walk(path: str, schema: Mapping[str, Any]) -> Iterator[Node]:
    yield Node(path, schema)
    for name, child in schema.get("properties", {}).items():
        yield from walk(f"{path}.{name}", child)
    if "items" in schema:
        yield from walk(f"{path}[]", schema["items"])


@cache
def crd_nodes(kind: str) -> dict[str, Mapping[str, Any]]:
    properties = schema_of(kind)["properties"]
    return {path: schema for root in ("spec", "status") for path, schema in walk(root, properties[root])}


def each_path(prefix: str = "") -> list[Any]:
    """Return the kind and the path of each field, as parameters of a test."""
    return [
        pytest.param(kind, path, id=f"{kind} {path}")
        for kind in KINDS
        for path in sorted(crd_nodes(kind))
        if path.startswith(prefix)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_the_crd_has_what_a_request_and_the_values_in_use_contain(kind: str) -> None:
    """The models take any field there; the API server drops one that the CRD does not have."""
    parts = schema_of(kind)["properties"]["status"]["properties"]
    assert set(parts["plan"]["properties"]["body"]["properties"]) == sent_by(kind)
    assert set(parts["resolved"]["properties"]) == {"projectId", "credentialsSource"} | resolved_by(kind)


@pytest.mark.parametrize(("kind", "path"), each_path())
def test_a_field_is_bounded_and_described_and_has_no_default(kind: str, path: str) -> None:
    schema = crd_nodes(kind)[path]
    match schema["type"]:
        case "string":
            assert "maxLength" in schema or "enum" in schema or schema.get("format") == "date-time"
        case "array":
            assert "maxItems" in schema
            assert "x-kubernetes-list-type" in schema
        case "object":
            assert schema["properties"]
            assert "additionalProperties" not in schema
            assert "x-kubernetes-preserve-unknown-fields" not in schema
        case other:
            assert other in {"integer", "boolean"}
    assert schema["description"].endswith(".")
    assert ("default" in schema) == (path == "status")


def rules() -> list[Any]:
    """Return the kind and each rule of its CRD, as parameters of a test."""
    return [
        pytest.param(kind, rule, id=f"{kind} {rule['rule']}")
        for kind in KINDS
        for _, schema in walk("", schema_of(kind))
        for rule in schema.get("x-kubernetes-validations", ())
    ]


@pytest.mark.parametrize(("kind", "rule"), rules())
def test_a_rule_has_a_message_and_a_case_that_breaks_it(kind: str, rule: Mapping[str, Any]) -> None:
    message = rule["message"]
    assert message.startswith(("must ", "may "))
    table = update_cases(kind) if "oldSelf" in rule["rule"] else cases(kind)
    assert any(because and because in message for case in table for because in case.refused.values())


@pytest.mark.parametrize(("kind", "path"), each_path(prefix="spec."))
def test_a_field_of_the_spec_has_a_case_that_is_accepted_and_one_that_is_refused(kind: str, path: str) -> None:
    assert any(path in set_in(case.manifest) for case in cases(kind) if not case.refused)
    assert any(path == re.sub(r"\[\d+\]", "[]", field) for case in cases(kind) for field in case.refused)


def set_in(value: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of what a manifest sets."""
    if value is None:
        return
    yield path.removeprefix(".")
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from set_in(each, f"{path}.{name}")
    if isinstance(value, list):
        for each in value:
            yield from set_in(each, f"{path}[]")


@pytest.mark.parametrize("kind", KINDS)
def test_the_cases_are_many_and_named_apart(kind: str) -> None:
    names = [case.name for case in (*cases(kind), *update_cases(kind))]
    assert len(names) == len(set(names))
    assert len(cases(kind)) >= 60


@pytest.mark.parametrize("kind", KINDS)
def test_the_crd_stays_small(kind: str) -> None:
    assert len(path_of(kind).read_bytes()) < SIZE_LIMIT
