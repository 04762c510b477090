"""The CRD and the operator's models are two readings of one thing, and a CRD must keep certain habits."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel

from atlas_endpoints.kinds.backup_private_endpoint.kind import KIND as BACKUP_KIND
from atlas_endpoints.kinds.data_federation_private_endpoint.resource import Spec as DataFederationSpec
from atlas_endpoints.kinds.dedicated_private_endpoint import atlas as dedicated
from atlas_endpoints.kinds.encryption_at_rest_private_endpoint.kind import KIND as ENCRYPTION_AT_REST_KIND
from atlas_endpoints.kinds.lives.regional import Regional
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import Endpoint
from atlas_endpoints.kinds.serverless_private_endpoint.resource import EndpointStatus
from support.cases import (
    BACKUP,
    DATA_FEDERATION,
    DEDICATED,
    ENCRYPTION_AT_REST,
    SERVERLESS,
    STREAM,
    cases,
    manifest,
    update_cases,
)
from support.crd import crds, path_of, resource_of, schema_of

KINDS = tuple(crds())
TEXT = {"type": "string", "maxLength": 1024}
CONNECTION = ("cloudProviderEndpointId", "privateEndpointIpAddress")
BODIES = (
    dedicated.creation_of("p", "GCP", "r", port_mapping=True),
    dedicated.remote_regions_of("p", "s", ()),
    dedicated.registration_of("p", "AWS", "s", "e"),
    dedicated.registration_of("p", "AZURE", "s", "e", address="a"),
    dedicated.registration_of("p", "GCP", "s", "e", gcp_project="p"),
)


def body_of(kind: Regional[Any], **fields: str) -> Mapping[str, str]:
    """Return the body of the POST of an endpoint that Atlas makes for a region."""
    return kind.body(kind.resource.spec_type.parse(manifest("AWS", fields, kind=kind.names.kind)["spec"]))


BY_FIELD: Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
    SERVERLESS: {
        "status.applied": dict.fromkeys(resource_of(SERVERLESS).fields, TEXT),
        "status.plan.body": {
            **dict.fromkeys(resource_of(SERVERLESS).fields, TEXT),
            "providerName": {"type": "string", "maxLength": 64},
        },
        "status.resolved": dict.fromkeys(CONNECTION, TEXT),
    },
    DEDICATED: {
        "status.applied": dict.fromkeys(resource_of(DEDICATED).fields, TEXT),
        "status.plan.body": {name: TEXT for request in BODIES for name in request.body or {}},
        "status.resolved": dict.fromkeys(resource_of(DEDICATED).fields, TEXT),
    },
    DATA_FEDERATION: {
        "status.applied": dict.fromkeys(resource_of(DATA_FEDERATION).fields, TEXT),
        "status.plan.body": dict.fromkeys(
            ("provider", "type", *(each.name for each in DataFederationSpec.sent.values())), TEXT
        ),
        "status.resolved": dict.fromkeys(set(resource_of(DATA_FEDERATION).fields) - {"comment"}, TEXT),
    },
    ENCRYPTION_AT_REST: {
        "status.applied": dict.fromkeys(resource_of(ENCRYPTION_AT_REST).fields, TEXT),
        "status.plan.body": dict.fromkeys(body_of(ENCRYPTION_AT_REST_KIND), TEXT),
        "status.resolved": dict.fromkeys(resource_of(ENCRYPTION_AT_REST).fields, TEXT),
    },
    BACKUP: {
        "status.applied": dict.fromkeys(resource_of(BACKUP).fields, TEXT),
        "status.plan.body": dict.fromkeys(body_of(BACKUP_KIND, vpcRegion="EU_WEST_2"), TEXT),
        "status.resolved": dict.fromkeys(resource_of(BACKUP).fields, TEXT),
    },
    STREAM: {
        "status.applied": dict.fromkeys(resource_of(STREAM).fields, TEXT),
        "status.plan.body": dict.fromkeys(("provider", *resource_of(STREAM).fields), TEXT),
    },
}
"""Objects whose models take any field, by kind and path, and the fields that the kind puts into them."""

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


def each_path(kinds: Iterable[str] = KINDS, prefix: str = "", type_: str | None = None) -> list[Any]:
    """Return the kind and the path of each field, as parameters of a test."""
    return [
        pytest.param(kind, path, id=f"{kind} {path}")
        for kind in kinds
        for path, schema in sorted(crd_nodes(kind).items())
        if path.startswith(prefix) and type_ in {None, schema["type"]}
    ]


def model_schema(model: type[BaseModel]) -> Mapping[str, Any]:
    """The JSON schema of a model, without references and without `null` as an alternative."""
    whole = model.model_json_schema(by_alias=True)

    def plain(schema: Mapping[str, Any]) -> dict[str, Any]:
        if "$ref" in schema:
            return plain(whole["$defs"][schema["$ref"].removeprefix("#/$defs/")])
        if "anyOf" in schema:
            (only,) = [each for each in schema["anyOf"] if each != {"type": "null"}]
            return plain(only)
        resolved = dict(schema)
        if "properties" in schema:
            resolved["properties"] = {name: plain(child) for name, child in schema["properties"].items()}
        if "items" in schema:
            resolved["items"] = plain(schema["items"])
        return resolved

    return plain(whole)


@cache
def model_nodes(kind: str) -> dict[str, Mapping[str, Any]]:
    model = resource_of(kind)
    nodes = dict(walk("spec", model_schema(model.spec_type))) | dict(walk("status", model_schema(model.status_type)))
    fields = {f"{path}.{name}": schema for path, fields in BY_FIELD[kind].items() for name, schema in fields.items()}
    return nodes | fields


def constraints(schema: Mapping[str, Any]) -> dict[str, Any]:
    same = ("type", "maxLength", "minLength", "maxItems", "minimum")
    found = {name: schema[name] for name in same if name in schema}
    if "enum" in schema or "const" in schema:
        found["enum"] = set(schema.get("enum", [schema.get("const")]))
    if schema.get("format") == "date-time":
        found["format"] = "date-time"
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_crd_and_models_have_the_same_fields(kind: str) -> None:
    assert set(crd_nodes(kind)) == set(model_nodes(kind))


def test_the_status_shows_each_field_of_an_endpoint_that_is_read() -> None:
    forgotten = {each.name for each in fields(Endpoint)} - set(EndpointStatus.model_fields)
    assert not forgotten


@pytest.mark.parametrize(("kind", "path"), each_path())
def test_crd_and_models_bound_a_field_alike(kind: str, path: str) -> None:
    assert constraints(crd_nodes(kind)[path]) == constraints(model_nodes(kind)[path])


@pytest.mark.parametrize(("kind", "path"), each_path(type_="object"))
def test_crd_and_models_require_the_same_fields(kind: str, path: str) -> None:
    schema = crd_nodes(kind)[path]
    required = set(schema.get("required", ()))
    if path == "status":
        # The model has a default, which is the CRD's.
        assert required == {"observedGeneration"}
        assert schema["default"] == resource_of(kind).status_type().to_json()
    else:
        assert required == set(model_nodes(kind)[path].get("required", ()))


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
