"""The CRD and the operator's models are two readings of one thing, and a CRD must keep certain habits."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from pydantic import BaseModel

from atlas_endpoints.kinds.serverless_private_endpoint.atlas import CHANGEABLE, Endpoint
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.kinds.serverless_private_endpoint.resource import EndpointStatus, ManagedField, Spec
from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessStatus as Status
from atlas_endpoints.reconcile.status import ConditionEntry
from support.cases import cases, update_cases

CRD = Path(__file__).parents[2] / "crds" / "atlas-endpoints.dev_serverlessprivateendpoints.yaml"
TEXT = {"type": "string", "maxLength": 1024}
BY_FIELD: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "status.applied": dict.fromkeys(KIND.resource.fields, TEXT),
    "status.plan.body": {
        **dict.fromkeys(KIND.resource.fields, TEXT),
        "providerName": {"type": "string", "maxLength": 64},
    },
    "status.resolved": dict.fromkeys(
        (ManagedField.CLOUD_PROVIDER_ENDPOINT_ID, ManagedField.PRIVATE_ENDPOINT_IP_ADDRESS), TEXT
    ),
}
"""Objects whose models take any field, by path, and the fields that this kind puts into them."""

SIZE_LIMIT = 60_000
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
def crd_schema() -> Mapping[str, Any]:
    (version,) = yaml.safe_load(CRD.read_text(encoding="utf-8"))["spec"]["versions"]
    schema: Mapping[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


@cache
def crd_nodes() -> dict[str, Mapping[str, Any]]:
    properties = crd_schema()["properties"]
    return {path: schema for root in ("spec", "status") for path, schema in walk(root, properties[root])}


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
def model_nodes() -> dict[str, Mapping[str, Any]]:
    nodes = dict(walk("spec", model_schema(Spec))) | dict(walk("status", model_schema(Status)))
    # Conditions have a wire form of their own, since the controller's conditions know no JSON.
    without = {path: schema for path, schema in nodes.items() if not path.startswith("status.conditions[]")}
    fields = {f"{path}.{name}": schema for path, fields in BY_FIELD.items() for name, schema in fields.items()}
    return without | fields | dict(walk("status.conditions[]", model_schema(ConditionEntry)))


def constraints(schema: Mapping[str, Any]) -> dict[str, Any]:
    same = ("type", "maxLength", "minLength", "maxItems", "minimum")
    found = {name: schema[name] for name in same if name in schema}
    if "enum" in schema:
        found["enum"] = set(schema["enum"])
    if schema.get("format") == "date-time":
        found["format"] = "date-time"
    return found


def test_crd_and_models_have_the_same_fields() -> None:
    assert set(crd_nodes()) == set(model_nodes())


def test_the_status_shows_each_field_of_an_endpoint_that_is_read() -> None:
    forgotten = set(Endpoint.model_fields) - set(EndpointStatus.model_fields)
    assert not forgotten


def test_each_field_that_is_sent_may_be_in_a_patch() -> None:
    forgotten = set(ManagedField) - CHANGEABLE
    assert not forgotten


@pytest.mark.parametrize("path", sorted(crd_nodes()))
def test_crd_and_models_bound_a_field_alike(path: str) -> None:
    assert constraints(crd_nodes()[path]) == constraints(model_nodes()[path])


@pytest.mark.parametrize("path", sorted(path for path, schema in crd_nodes().items() if schema["type"] == "object"))
def test_crd_and_models_require_the_same_fields(path: str) -> None:
    required = set(crd_nodes()[path].get("required", ()))
    if path == "status":
        # The model has a default, which is the CRD's.
        assert required == {"observedGeneration"}
        assert crd_nodes()[path]["default"] == Status().to_json()
    else:
        assert required == set(model_nodes()[path].get("required", ()))


@pytest.mark.parametrize("path", sorted(crd_nodes()))
def test_a_field_is_bounded_and_described_and_has_no_default(path: str) -> None:
    schema = crd_nodes()[path]
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


def rules() -> list[Mapping[str, Any]]:
    return [rule for _, schema in walk("", crd_schema()) for rule in schema.get("x-kubernetes-validations", ())]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["rule"])
def test_a_rule_has_a_message_and_a_case_that_breaks_it(rule: Mapping[str, Any]) -> None:
    message = rule["message"]
    assert message.startswith(("must ", "may "))
    table = update_cases() if "oldSelf" in rule["rule"] else cases()
    assert any(because and because in message for case in table for because in case.refused.values())


@pytest.mark.parametrize("path", sorted(path for path in crd_nodes() if path.startswith("spec.")))
def test_a_field_of_the_spec_has_a_case_that_is_accepted_and_one_that_is_refused(path: str) -> None:
    def sets(manifest: Mapping[str, Any]) -> bool:
        value: Any = manifest
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        return value is not None

    assert any(sets(case.manifest) for case in cases() if not case.refused)
    assert any(path in case.refused for case in cases())


def test_the_cases_are_many_and_named_apart() -> None:
    names = [case.name for case in (*cases(), *update_cases())]
    assert len(names) == len(set(names))
    assert len(cases()) >= 60


def test_the_crd_stays_small() -> None:
    assert len(CRD.read_bytes()) < SIZE_LIMIT
