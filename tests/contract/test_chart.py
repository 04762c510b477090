"""What the chart's files promise each other, the operator and the rest of the checkout; what Helm makes of them, tests/delivery looks at."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from pydantic import TypeAdapter

import atlas_endpoints
from atlas_endpoints.settings import OperatorSettings
from delivery.helm import CHART
from delivery.values import Value, schema_leaves, values_of
from support.crd import crds
from support.documentation import DOCS, anchors, exported_metrics, section
from support.running import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VALUES = values_of((CHART / "values.yaml").read_text(encoding="utf-8"))
METADATA = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
ALERTS = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text(encoding="utf-8"))
FOR_PARENTS = {("global",), ("enabled",)}
"""What Helm and a parent chart's `condition` put among the values of a chart that is part of another."""

NAMED_OTHERWISE = {
    "namespaces": "watchNamespaces",
    "credentials_secret": "credentials.existingSecret",
    "credentials_namespaces": "credentials.namespaces",
    "reference_kinds": "references.kinds",
    "outputs": "outputs.enabled",
    "ca_file": "caBundle.configMap",
    "leader_elect": "leaderElection.enabled",
    "lease_name": "leaderElection.leaseName",
    "lease_namespace": "leaderElection.leaseNamespace",
    "lease_duration": "leaderElection.leaseDuration",
    "http_address": "http.port",
}
"""The values behind settings that more depends on than the operator's environment."""


def setting_of(value: Value) -> str:
    return re.sub(r"(?=[A-Z])", "_", value.path[1]).lower()


def test_every_setting_has_its_value_and_no_other_is_among_the_settings() -> None:
    block = {setting_of(value) for value in VALUES if value.path[0] == "settings"}
    assert block | NAMED_OTHERWISE.keys() == OperatorSettings.model_fields.keys()
    assert not block & NAMED_OTHERWISE.keys()
    assert set(NAMED_OTHERWISE.values()) <= {value.name for value in VALUES}


@pytest.mark.parametrize(
    "value", [value for value in VALUES if value.path[0] == "settings"], ids=lambda value: value.path[1]
)
def test_a_setting_that_is_not_given_keeps_the_operator_s_default_and_the_comment_tells_it(value: Value) -> None:
    field = OperatorSettings.model_fields[setting_of(value)]
    assert value.value is None
    told = (value.default or "").strip("`")
    if field.default in ("", ()):
        assert told == "all"
    else:
        adapter: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
        assert adapter.validate_python(told) == field.default


def test_the_schema_describes_every_value_and_no_other() -> None:
    assert {*schema_leaves(SCHEMA)} - FOR_PARENTS == {value.path for value in VALUES}


def test_the_schema_says_about_each_object_whether_it_may_hold_more_and_what_is_known_may_not() -> None:
    found = list(objects_of(SCHEMA))
    assert all("additionalProperties" in each for each in found)
    assert all(each["additionalProperties"] is False for each in found if "properties" in each)


def objects_of(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        schema = list(schema.values())
    for child in schema if isinstance(schema, list) else ():
        yield from objects_of(child)


def test_the_schema_is_of_the_draft_that_both_majors_of_helm_read_alike() -> None:
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"


TEMPLATES = "\n".join(
    path.read_text(encoding="utf-8") for path in sorted((CHART / "templates").rglob("*")) if path.is_file()
)


def test_templates_use_no_value_that_there_is_not() -> None:
    known = {".".join(value.path[:length]) for value in VALUES for length in range(1, len(value.path) + 1)}
    assert set(re.findall(r"\.Values\.([\w.]+)", TEMPLATES)) <= known


def test_templates_give_the_same_whenever_they_are_rendered() -> None:
    """Argo CD and Flux render anew all the time: what depends on the cluster, the clock or chance would never be in sync."""
    assert not re.findall(
        r"\b(lookup|rand\w+|gen[A-Z]\w+|now|uuidv4|htpasswd|derivePassword|IsUpgrade|IsInstall|Revision)\b", TEMPLATES
    )


def test_the_chart_has_the_version_of_the_operator() -> None:
    assert METADATA["version"] == METADATA["appVersion"] == atlas_endpoints.__version__


def annotation(name: str) -> Any:
    """Give an annotation of the chart for Artifact Hub; all of them are texts, some of which are YAML."""
    text = METADATA["annotations"][f"artifacthub.io/{name}"]
    assert isinstance(text, str)
    return yaml.safe_load(text)


def test_the_chart_tells_its_image_its_crds_and_an_example_of_each() -> None:
    repository = next(value.value for value in VALUES if value.name == "image.repository")
    assert [each["image"] for each in annotation("images")] == [f"{repository}:{METADATA['appVersion']}"]
    told = {each["kind"]: (each["name"], each["version"]) for each in annotation("crds")}
    assert told == {
        kind: (crd["metadata"]["name"], version["name"])
        for kind, crd in crds().items()
        for version in crd["spec"]["versions"]
    }
    names = (
        "backup",
        "data-federation-aws",
        "dedicated-aws",
        "encryption-at-rest-aws",
        "regional-mode",
        "aws",
        "stream-msk",
    )
    samples = [ROOT / "deploy" / "samples" / f"{name}.yaml" for name in names]
    assert annotation("crdsExamples") == [yaml.safe_load(path.read_text(encoding="utf-8")) for path in samples]


def test_addresses_are_examples_and_all_of_one_home() -> None:
    home = METADATA["home"]
    addresses = {METADATA["home"], *METADATA["sources"], *(link["url"] for link in annotation("links"))}
    addresses |= {maintainer["url"] for maintainer in METADATA["maintainers"]}
    assert all(address.startswith(home) for address in addresses)
    assert home.startswith("https://example.com/")


def rules() -> list[dict[str, Any]]:
    return [rule for group in ALERTS["groups"] for rule in group["rules"]]


def test_every_alert_has_its_paragraph_and_no_other_has() -> None:
    headings = re.findall(r"^### (\w+)$", section(DOCS / "operations.md", "Alerts"), re.MULTILINE)
    assert headings == [rule["alert"] for rule in rules()]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_what_it_means_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert anchor == rule["alert"].lower()
    assert anchor in anchors(DOCS / page)


def test_alerts_are_about_metrics_and_labels_that_exist() -> None:
    for rule in rules():
        for name, selector in re.findall(r"\b(atlas_endpoints_\w+)(?:\{(.*?)\})?", rule["expr"]):
            assert set(re.findall(r"(\w+)[=!]", selector)) <= exported_metrics()[name][1], name


@pytest.mark.parametrize("path", sorted((CHART / "ci").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_values_file_says_what_it_is_for(path: Path) -> None:
    assert path.name.endswith("-values.yaml")  # as `ct` finds them
    assert path.read_text(encoding="utf-8").startswith("# ")
