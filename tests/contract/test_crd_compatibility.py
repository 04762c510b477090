"""The CRD takes away nothing that a release has given, and refuses nothing that it took."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
import yaml

from support.crd_compatibility import incompatibilities

if TYPE_CHECKING:
    from collections.abc import Callable

Crd: TypeAlias = dict[str, Any]

ROOT = Path(__file__).parents[2]
RELEASED = Path(__file__).parent / "released"
NAMES = sorted({path.name for path in RELEASED.glob("*/*.yaml")})

MEANT: dict[str, str] = {}
"""Incompatibilities that are accepted: the problem as it is reported, and the reason."""


def read(path: Path) -> Crd:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def last_released(name: str) -> Crd:
    """Give the CRD of the last release, by its file's name."""
    releases = [path for path in RELEASED.iterdir() if (path / name).exists()]
    newest = max(releases, key=lambda path: [int(part) for part in path.name.split(".")])
    return read(newest / name)


@pytest.mark.parametrize("name", NAMES)
def test_the_crd_only_adds_to_the_last_released_one(name: str) -> None:
    found = incompatibilities(last_released(name), read(ROOT / "crds" / name))
    assert [problem for problem in found if problem not in MEANT] == []
    assert [problem for problem in MEANT if problem not in found] == []  # what is not found any more has to go


def test_every_crd_was_released_or_is_new() -> None:
    assert set(NAMES) <= {path.name for path in (ROOT / "crds").glob("*.yaml")}


BASE = last_released("atlas-endpoints.dev_serverlessprivateendpoints.yaml")


def version(crd: Crd) -> Crd:
    found: Crd = crd["spec"]["versions"][0]
    return found


def field(crd: Crd, path: str) -> Crd:
    """Give the schema of a field by its path."""
    found: Crd = version(crd)["schema"]["openAPIV3Schema"]
    for name in path.split("."):
        found = found["properties"][name.removesuffix("[]")]
        if name.endswith("[]"):
            found = found["items"]
    return found


def sets(path: str, **words: Any) -> Callable[[Crd], None]:
    """Say something else about a field; ``None`` says nothing any more."""

    def change(crd: Crd) -> None:
        schema = field(crd, path)
        for word, value in words.items():
            name = word.replace("__", "-")
            if value is None:
                del schema[name]
            else:
                schema[name] = value

    return change


def adds(path: str, **schema: Any) -> Callable[[Crd], None]:
    """Add a field."""
    parent, _, name = path.rpartition(".")

    def change(crd: Crd) -> None:
        field(crd, parent)["properties"][name] = schema

    return change


def removes(path: str) -> Callable[[Crd], None]:
    """Remove a field."""
    parent, _, name = path.rpartition(".")

    def change(crd: Crd) -> None:
        del field(crd, parent)["properties"][name]

    return change


def rule(path: str, text: str) -> Callable[[Crd], None]:
    """Add a rule of CEL."""

    def change(crd: Crd) -> None:
        field(crd, path).setdefault("x-kubernetes-validations", []).append({"rule": text, "message": "no"})

    return change


def adds_a_required_field(crd: Crd) -> None:
    adds("spec.region", type="string")(crd)
    field(crd, "spec")["required"].append("region")


def lays_out_a_rule_anew(crd: Crd) -> None:
    (first, *_) = field(crd, "spec")["x-kubernetes-validations"]
    first |= {"rule": first["rule"].replace(" == ", "\n  == "), "message": "may not be changed"}


def serves_another_version(crd: Crd) -> None:
    crd["spec"]["versions"].append({**copy.deepcopy(version(crd)), "name": "v1", "storage": False})


ALLOWED: dict[str, Callable[[Crd], None]] = {
    "nothing": lambda _: None,
    "an optional field is added to the spec": adds("spec.region", type="string", enum=["EU"], maxLength=2),
    "an optional field is added to the status": adds("status.token", type="object", properties={}),
    "a field becomes optional": sets("spec", required=["instanceName"]),
    "a text may be longer": sets("spec.comment", maxLength=200),
    "a list may be longer": sets("status.history", maxItems=50),
    "a text has no bound any more": sets("spec.comment", maxLength=None),
    "a number may be less": sets("status.observedGeneration", minimum=-2),
    "a value is added to an enumeration": sets("spec.driftPolicy", enum=["Correct", "Report", "Ask"]),
    "an enumeration takes any value": sets("spec.driftPolicy", enum=None),
    "a format is not asked for any more": sets("status.lastAppliedTime", format=None),
    "a rule is left out": sets("spec.comment", **{"x-kubernetes-validations": None}),
    "a rule is laid out anew and says another message": lays_out_a_rule_anew,
    "a description is written anew": sets("spec.comment", description="A text."),
    "a field may be null": sets("spec.comment", nullable=True),
    "a short name is added": lambda crd: crd["spec"]["names"]["shortNames"].append("spes"),
    "a category is added": lambda crd: crd["spec"]["names"]["categories"].append("all"),
    "a printer column is added": lambda crd: version(crd)["additionalPrinterColumns"].append(
        {"name": "Suspended", "type": "boolean", "jsonPath": ".spec.suspend"}
    ),
    "a printer column is shown always": lambda crd: version(crd)["additionalPrinterColumns"][-1].pop("priority"),
    "printer columns change places": lambda crd: version(crd)["additionalPrinterColumns"].reverse(),
    "a version is added": serves_another_version,
    "a version is deprecated": lambda crd: version(crd).update(deprecated=True),
}

REFUSED: dict[str, Callable[[Crd], None]] = {
    "v1alpha1 spec.comment: the field is removed": removes("spec.comment"),
    "v1alpha1 status.history[].fields: the field is removed": lambda crd: field(crd, "status.history[]")[
        "properties"
    ].pop("fields"),
    "v1alpha1 spec.comment: the field is required and was not": sets(
        "spec", required=["instanceName", "providerName", "comment"]
    ),
    "v1alpha1 spec.region: the field is required and was not": adds_a_required_field,
    "v1alpha1 spec.suspend: type is string and was boolean": sets("spec.suspend", type="string"),
    "v1alpha1 spec.comment: maxLength is 79 and was 80": sets("spec.comment", maxLength=79),
    "v1alpha1 spec.comment: minLength is 1 and was absent": sets("spec.comment", minLength=1),
    "v1alpha1 status.observedGeneration: minimum is 0 and was -1": sets("status.observedGeneration", minimum=0),
    "v1alpha1 status.observedGeneration: exclusiveMinimum is set and was not": sets(
        "status.observedGeneration", exclusiveMinimum=True
    ),
    "v1alpha1 status.history: maxItems is 4 and was 5": sets("status.history", maxItems=4),
    "v1alpha1 spec.instanceName: pattern is ^[a-z]+$ and was absent": sets("spec.instanceName", pattern="^[a-z]+$"),
    "v1alpha1 status.observedGeneration: format is int32 and was int64": sets(
        "status.observedGeneration", format="int32"
    ),
    "v1alpha1 spec.providerName: the value AZURE is removed from enum": sets("spec.providerName", enum=["AWS"]),
    "v1alpha1 spec.syncInterval: enum is ['10m'] and was absent": sets("spec.syncInterval", enum=["10m"]),
    "v1alpha1 spec.comment: the rule is new, and may refuse what was accepted: self != ''": rule(
        "spec.comment", "self != ''"
    ),
    "v1alpha1 spec.comment: the rule is new, and may refuse what was accepted: self.matches('^a')": lambda crd: field(
        crd, "spec.comment"
    )["x-kubernetes-validations"][0].update(rule="self.matches('^a')"),
    "v1alpha1 spec.suspend: default is False and was absent": sets("spec.suspend", default=False),
    "v1alpha1 status: default is absent and was {'observedGeneration': -1}": sets("status", default=None),
    "v1alpha1 spec.comment: what contentEncoding means to compatibility is not known; say so in support/crd_compatibility.py": sets(
        "spec.comment", contentEncoding="base64"
    ),
    "v1alpha1 status.conditions: x-kubernetes-list-type is atomic and was map": sets(
        "status.conditions", **{"x-kubernetes-list-type": "atomic"}
    ),
    "v1alpha1 spec.credentialsSecretRef: x-kubernetes-map-type is absent and was atomic": sets(
        "spec.credentialsSecretRef", **{"x-kubernetes-map-type": None}
    ),
    "names.shortNames: the short name spe is removed": lambda crd: crd["spec"]["names"].pop("shortNames"),
    "names.categories: the category atlas is removed": lambda crd: crd["spec"]["names"].update(categories=["all"]),
    "names.kind is ServerlessEndpoint and was ServerlessPrivateEndpoint": lambda crd: crd["spec"]["names"].update(
        kind="ServerlessEndpoint"
    ),
    "scope is Cluster and was Namespaced": lambda crd: crd["spec"].update(scope="Cluster"),
    "v1alpha1: the printer column Ready is removed": lambda crd: version(crd)["additionalPrinterColumns"].pop(0),
    "v1alpha1: jsonPath of the printer column Status is .status.phase and was .status.endpoint.status": lambda crd: (
        version(crd)["additionalPrinterColumns"][1].update(jsonPath=".status.phase")
    ),
    "v1alpha1: the printer column Ready is shown with --output=wide only": lambda crd: version(crd)[
        "additionalPrinterColumns"
    ][0].update(priority=1),
    "v1alpha1 spec.projectId: the field can not be selected by any more": lambda crd: version(crd)[
        "selectableFields"
    ].pop(0),
    "v1alpha1: the subresource status is removed": lambda crd: version(crd)["subresources"].pop("status"),
    "v1alpha1: the version is not served any more": lambda crd: version(crd).update(served=False),
    "v1alpha1: the version is removed": lambda crd: version(crd).update(name="v1"),
}
"""Changes, by what is told of them."""


@pytest.mark.parametrize("change", ALLOWED)
def test_a_change_that_only_adds_is_allowed(change: str) -> None:
    changed = copy.deepcopy(BASE)
    ALLOWED[change](changed)
    assert changed != BASE or change == "nothing"
    assert incompatibilities(BASE, changed) == []


@pytest.mark.parametrize("told", REFUSED)
def test_a_change_that_takes_away_is_told_by_the_name_of_the_field(told: str) -> None:
    changed = copy.deepcopy(BASE)
    REFUSED[told](changed)
    assert incompatibilities(BASE, changed) == [told]


def test_what_a_map_holds_is_compared_as_well() -> None:
    before, after = copy.deepcopy(BASE), copy.deepcopy(BASE)
    for crd, length in ((before, 10), (after, 9)):
        adds("spec.tags", type="object", additionalProperties={"type": "string", "maxLength": length})(crd)
    assert incompatibilities(before, after) == ["v1alpha1 spec.tags{}: maxLength is 9 and was 10"]
    sets("spec.tags", additionalProperties=None)(after)
    assert incompatibilities(before, after) == ["v1alpha1 spec.tags: additionalProperties is removed"]


def test_what_was_left_open_stays_open() -> None:
    before = copy.deepcopy(BASE)
    adds("spec.anything", type="object", **{"x-kubernetes-preserve-unknown-fields": True})(before)
    after = copy.deepcopy(before)
    sets("spec.anything", **{"x-kubernetes-preserve-unknown-fields": None})(after)
    assert incompatibilities(before, after) == [
        "v1alpha1 spec.anything: x-kubernetes-preserve-unknown-fields was set and is not"
    ]
