"""Names that documentation uses are names that exist: fields of the resource, variables, annotations."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from atlas_endpoints.cluster import events
from atlas_endpoints.commands.check.settings import CheckSettings
from atlas_endpoints.commands.clusterless import ImportSettings, PlanSettings
from atlas_endpoints.commands.status.settings import StatusSettings
from atlas_endpoints.reconcile import credentials, resource
from atlas_endpoints.settings import OperatorSettings, SimulatorSettings
from support.crd import crds, schema_of
from support.deploy import POLICIES, manifests
from support.documentation import DOCS, PAGES, section

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic_settings import BaseSettings

OF_OTHERS = {
    "spec.serviceName": "of ACK's VPCEndpoint",
    "spec.privateEndpoints": "of MongoDB's AtlasProject",
    "status.observedState": "of Config Connector's ComputeAddress",
    "status.id": "of ASO's PrivateEndpoint",
    "status.vpcEndpointID": "of ACK's VPCEndpoint",
}
"""Fields that pages name and that are not our resource's."""


def fields() -> set[str]:
    """Give all fields of spec and status of all kinds, as dotted paths."""
    found = set[str]()

    def walk(schema: Mapping[str, Any], path: str) -> None:
        for name, each in schema.get("properties", {}).items():
            found.add(f"{path}{name}")
            walk(each.get("items", each), f"{path}{name}.")

    for kind in crds():
        walk(schema_of(kind), "")
    return found


def named(pattern: str) -> set[str]:
    return {name for page in PAGES for name in re.findall(pattern, page.read_text(encoding="utf-8"))}


def test_each_field_that_is_named_is_one_of_the_resource_or_of_somebody_else_s() -> None:
    known = fields()
    unknown = {
        name
        for name in named(r"(?:(?<![\w.])|(?<=[{@:]\.))(?:status|spec)\.[a-zA-Z]+(?:\.[a-zA-Z]+)*")
        if name not in known
    }
    assert {".".join(name.split(".")[:2]) for name in unknown} == OF_OTHERS.keys()


def test_each_variable_that_is_named_is_one_that_is_read() -> None:
    settings = (OperatorSettings, CheckSettings, PlanSettings, ImportSettings)
    known = {f"ATLAS_ENDPOINTS_{name.upper()}" for each in settings for name in each.model_fields}
    others: dict[str, type[BaseSettings]] = {
        "SIMULATE": SimulatorSettings,
        "STATUS": StatusSettings,
    }
    known |= {f"ATLAS_ENDPOINTS_{of}_{name.upper()}" for of, each in others.items() for name in each.model_fields}
    assert named(r"\bATLAS_ENDPOINTS_[A-Z_]+\b") <= known


def test_what_lists_most_kinds_lists_all() -> None:
    of_crds = [each["spec"]["names"] for each in crds().values()]
    lists = [{each["plural"] for each in of_crds}, {each["shortNames"][0] for each in of_crds}]
    texts = (text for page in PAGES for text in page.read_text(encoding="utf-8").split("\n\n"))
    found = [(text, all_ & {*re.findall(r"\w+", text)}, all_) for text in texts for all_ in lists]
    assert any(named == all_ for _, named, all_ in found), "no page lists all kinds: docs/which-endpoint.md should"
    assert [(text, all_ - named) for text, named, all_ in found if len(all_) / 2 < len(named) < len(all_)] == []


def test_each_annotation_finalizer_label_and_controller_of_ours_that_is_named_is_one_that_counts() -> None:
    ours = (
        *resource.POLICY_ANNOTATIONS,
        *resource.REQUEST_ANNOTATIONS,
        *resource.DELETION_ANNOTATIONS,
        resource.ENDPOINT_ANNOTATION,
        resource.FORCE_FINALIZE,
        resource.FORCE_DELETE,
        resource.FINALIZER,
        credentials.ANNOTATION,
        events.REPORTING_CONTROLLER,
    )
    known = {name.rpartition("/")[2] for name in ours} | {name.rpartition("/")[2] for name in _of_policies()}
    used = named(r"(?<!\.)\batlas-endpoints\.dev/([a-z-]*[a-z])(?![\w/])")
    assert "force-sync" in used
    assert used - known == set()


def _of_policies() -> Iterator[str]:
    """Return the labels by which the policies select namespaces, and the annotations of namespaces that they read."""
    for each in manifests(POLICIES):
        yield from each["spec"].get("matchResources", {}).get("namespaceSelector", {}).get("matchLabels", ())
        for variable in each["spec"].get("variables", ()):
            yield from re.findall(r'namespaceObject\.metadata\.\?annotations\[\?"([^"]+)"\]', variable["expression"])


def test_the_annotation_of_a_namespace_is_documented() -> None:
    text = section(DOCS / "settings.md", "Annotations of a resource")
    (told,) = re.findall(r"A Namespace may have one annotation: (.*)$", text, re.MULTILINE)
    assert re.findall(r"`([a-z./-]+)`", told) == [credentials.ANNOTATION]
