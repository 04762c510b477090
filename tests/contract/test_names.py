"""A Secret may be called alike for all who check it: the operator's settings, the resource's model, its CRD, and the chart."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import TypeAdapter, ValidationError

from atlas_endpoints.reconcile.spec import SecretName
from atlas_endpoints.settings import OperatorSettings
from delivery.helm import CHART
from support.crd import crds, schema_of
from support.names import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

VALUES = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))


def takes(validate: Callable[[str], object]) -> Callable[[str], bool]:
    """Tell of a name whether pydantic takes it."""

    def taken(name: str) -> bool:
        try:
            validate(name)
        except ValidationError:
            return False
        return True

    return taken


def in_crd(kind: str, name: str) -> bool:
    spec = schema_of(kind)["properties"]["spec"]["properties"]
    schema = spec["credentialsSecretRef"]["properties"]["name"]
    (pattern,) = [
        found for each in schema["x-kubernetes-validations"] for found in re.findall(r'matches\("(.*)"\)', each["rule"])
    ]
    return len(name) <= schema["maxLength"] and re.search(pattern.replace("$", r"\Z"), name) is not None


def in_chart(*path: str) -> Callable[[str], bool]:
    """Tell of a name whether a value of the chart takes it; what is empty is not set."""

    def taken(name: str) -> bool:
        schema: dict[str, Any] = VALUES
        for each in path:
            schema = schema["items"] if each == "*" else schema["properties"][each]
        right = re.search(schema["pattern"].replace("$", r"\Z"), name) is not None
        return bool(name) and right and len(name) <= schema["maxLength"]

    return taken


CHECKS: dict[str, Callable[[str], bool]] = {
    "the operator's own Secret": takes(lambda name: OperatorSettings(credentials_secret=f"shop/{name}")),
    "the resource": takes(TypeAdapter(SecretName).validate_python),
    **{f"the CRD of {kind}": partial(in_crd, kind) for kind in crds()},
    "the chart: credentials": in_chart("credentials", "existingSecret"),
    "the chart: rights": in_chart("rbac", "secretNames", "*"),
    "the chart: certificates": in_chart("caBundle", "secret"),
}


@pytest.mark.parametrize("where", CHECKS)
@pytest.mark.parametrize("row", NAMES)
def test_all_take_the_same_names(row: str, where: str) -> None:
    name, right = NAMES[row]
    assert CHECKS[where](name) is right
