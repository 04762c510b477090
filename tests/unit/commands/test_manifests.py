"""The documents in the text of a file, and the problems of what cannot be read."""

from __future__ import annotations

import json
from time import process_time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from atlas_endpoints.commands.manifests import NO_KIND, Invalid, Manifest, Other, Place
from atlas_endpoints.commands.plan.forecast import unanswered
from atlas_endpoints.commands.plan.offline_ports import Exports
from atlas_endpoints.commands.plan.overlaps import duplicates
from atlas_endpoints.commands.plan.report import as_document
from atlas_endpoints.controller.cache import Key
from support.manifests import NAMESPACED, ORDERS, read


def only(text: str) -> object:
    (found,) = read("orders.yaml", text)
    return found


def problems(text: str) -> tuple[str, ...]:
    found = only(text)
    assert isinstance(found, Invalid), found
    return found.problems


@pytest.mark.parametrize(("text", "namespace"), [(ORDERS, "shop"), (NAMESPACED, "web")])
def test_a_manifest_without_a_namespace_gets_the_default(text: str, namespace: str) -> None:
    found = only(text)

    assert isinstance(found, Manifest)
    assert found.key == Key("ServerlessPrivateEndpoint", namespace, "orders")
    assert (found.resource.metadata.generation, found.resource.status.observed_generation) == (1, -1)


def test_json_is_read_too() -> None:
    assert isinstance(only(json.dumps(yaml.safe_load(ORDERS))), Manifest)


def test_the_server_fields_of_an_export_are_removed() -> None:
    exported = (
        ORDERS.replace(
            "  name: orders",
            "  name: orders\n  uid: u\n  generation: 7\n  deletionTimestamp: 2026-01-01T00:00:00Z\n  annotations:\n"
            '    atlas-endpoints.dev/force-sync: "1"\n    atlas-endpoints.dev/reconcile-policy: skip',
        )
        + "status:\n  observedGeneration: 7\n"
    )
    found = only(exported)

    assert isinstance(found, Manifest)
    metadata = found.resource.metadata
    assert (metadata.generation, metadata.deletion_timestamp, metadata.reconcile_request) == (1, None, None)
    assert found.resource.status.observed_generation == -1
    assert found.resource.suspended_by == ("the annotation atlas-endpoints.dev/reconcile-policy",)


def test_several_documents_are_numbered_and_empty_ones_count() -> None:
    found = read("all.yaml", f"---\n---\n{ORDERS}---\n{ORDERS.replace('AWS', 'GCP')}")

    first, second = found
    assert isinstance(first, Manifest)
    assert isinstance(second, Invalid)
    assert str(first.place) == "all.yaml, document 2, from line 3"
    assert str(second.place) == "all.yaml, document 3, from line 13"
    assert second.key == Key("ServerlessPrivateEndpoint", "shop", "orders")


@pytest.mark.parametrize("kind", ["List", "ServerlessPrivateEndpointList"])
def test_the_items_of_a_list_are_read(kind: str) -> None:
    item = ORDERS.replace("\n", "\n    ").rstrip()
    text = f"apiVersion: v1\nkind: {kind}\nitems:\n  - {item}\n  - apiVersion: v1\n    kind: Secret\n"

    first, second = read("list.yaml", text)

    assert isinstance(first, Manifest)
    assert str(first.place) == "list.yaml, document 1, item 1"
    assert second == Other("Secret")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("apiVersion: v1\nkind: Secret\n", "Secret"),
        ("apiVersion: apps/v1\nkind: Deployment\n", "Deployment.apps"),
        ("resources:\n  - orders.yaml\n", NO_KIND),
        ("kind: 7\n", NO_KIND),
    ],
)
def test_another_kind_is_named_with_its_group(text: str, kind: str) -> None:
    assert only(text) == Other(kind)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(
            ORDERS.replace("Endpoint\n", "Endpont\n", 1),
            "kind: Unsupported value: 'ServerlessPrivateEndpont': must be ServerlessPrivateEndpoint",
            id="a kind that is misspelt",
        ),
        pytest.param(
            ORDERS.replace("atlas-endpoints.dev", "atlas-endpoint.dev"),
            "apiVersion: Unsupported value: 'atlas-endpoint.dev/v1alpha1': must be atlas-endpoints.dev/v1alpha1",
            id="a group that is misspelt",
        ),
        pytest.param(
            ORDERS.replace("v1alpha1", "v2"),
            "apiVersion: Unsupported value: 'atlas-endpoints.dev/v2': must be atlas-endpoints.dev/v1alpha1",
            id="a version that the operator does not serve",
        ),
        pytest.param(
            ORDERS.replace("apiVersion: atlas-endpoints.dev/v1alpha1\n", ""),
            "apiVersion: Unsupported value: 'nothing': must be atlas-endpoints.dev/v1alpha1",
            id="no version",
        ),
        pytest.param(ORDERS.replace("metadata:\n  name: orders\n", ""), "metadata: Required value: add it, with a name", id="no metadata"),
        pytest.param(
            ORDERS.replace("name: orders", "generateName: orders-"),
            "metadata.name: Required value: add it (generateName is not supported, because it names no resource)",
            id="a generated name",
        ),
        pytest.param(ORDERS.replace("name: orders", "name: Orders"), "metadata.name: Invalid value: 'Orders'", id="A name"),
        pytest.param(ORDERS.replace("name: orders", f"name: {'o' * 64}"), "metadata.name: Too long", id="a name that is too long"),
        pytest.param(
            ORDERS.replace("name: orders", "name: orders\n  namespace: Web"),
            "metadata.namespace: Invalid value: must be the name of a namespace",
            id="a bad namespace",
        ),
        pytest.param(
            ORDERS.replace('"5f7cac1adf5d6c6306f4b283"', "123456789012345678901234"),
            "spec.endpointId: Invalid value: 123456789012345678901234: must be of type string: put the value in quotes",
            id="an id that YAML takes for a number",
        ),
        pytest.param(
            ORDERS + "  comments: x\n",
            "spec.comments: unknown field: did you mean comment? Otherwise remove it; or, when the CRD has it",
            id="a field that there is not",
        ),
        pytest.param(
            ORDERS + "  credentialsSecretRef: {name: x, nmae: x}\n",
            "spec.credentialsSecretRef.nmae: unknown field: did you mean name? Otherwise",
            id="a field of an object that there is not",
        ),
        pytest.param(ORDERS + "  name: x\n", "spec.name: unknown field: remove it;", id="a field that is like no other"),
        pytest.param(ORDERS.partition("spec:")[0], "spec: Required value: add it", id="no spec"),
        pytest.param("just words\n", "is no Kubernetes object: remove or correct it", id="no object"),
        pytest.param("- a\n", "is no Kubernetes object", id="a list"),
        pytest.param("7\n", "is no Kubernetes object", id="a number"),
        pytest.param("0.5\n", "is no Kubernetes object", id="a fraction"),
        pytest.param("true\n", "is no Kubernetes object", id="a boolean"),
        pytest.param("a: {{ .Values.a }}\n", "Render them with helm template or kubectl kustomize, and pass the output with -f -", id="a template"),
        pytest.param("a: {{ .Values.a }}\n", "is not valid YAML", id="a template is no YAML"),
        pytest.param("a: [\n", "is not valid YAML", id="YAML that does not end"),
        pytest.param("a: !Ref b\n", "line 1, column 4: a tag is not read: remove it", id="a tag of another tool"),
        pytest.param("a: !!int ''\n", "line 1, column 4: a tag is not read: remove it", id="a tag of YAML"),
        pytest.param(ORDERS + "  providerName: AZURE\n", "line 10, column 3: the key 'providerName' occurs twice", id="a key twice"),
        pytest.param("[" * 2000, "column 1001: exceeded maximum nesting depth", id="nested without end"),
        pytest.param("- " * 2000, "line 1, column 201: it has more than 100 nested levels", id="a list in a list, without end"),
        pytest.param(f"[{'a, ' * 300_000}]", "it has more than 300000 values: split it", id="values without end"),
        pytest.param("a: &a [x]\nb: *a\n", "line 2, column 4: an alias is not read: write the value in its place", id="an alias"),
        pytest.param(ORDERS + "  <<: {comment: x}\n", "spec.<<: unknown field: remove it", id="a merge key"),
        pytest.param("a: 0x_\n", "is not valid YAML: invalid literal", id="a number without digits"),
        pytest.param(f"%YAML 1.{'9' * 5000}\n--- a\n", "is not valid YAML", id="a long version of YAML"),
        pytest.param('a: "\\UFFFFFFFF"\n', "line 1, column 7: ", id="an escape of no character"),
        pytest.param('a: "\\ud800"\n', "line 1, column 7: ", id="half of a character"),
        pytest.param("a: \x00\n", "control characters are not allowed", id="a control character"),
        pytest.param(f"? [{ORDERS!r}]\n: a\n", "found unhashable key", id="a list as a key"),
    ],
)  # fmt: skip
def test_a_problem_names_its_field(text: str, problem: str) -> None:
    (first, *more) = problems(text)

    assert problem in first
    assert more == []


@pytest.mark.parametrize("number", ["9" * 5000, f"1{':1' * 5000}"], ids=["decimal", "in base 60"])
def test_a_number_without_end_is_a_text(number: str) -> None:
    assert "must be" in problems(ORDERS.replace("AWS", number))[0]
    assert problems(ORDERS.replace("AWS", number)) == problems(ORDERS.replace("AWS", f"'{number}'"))


def test_keys_are_texts_as_in_json() -> None:
    """Numbers as keys could be chosen such that a dictionary takes the square of their number to build."""
    assert problems(ORDERS + "  1: a\n") == problems(ORDERS + "  '1': a\n")
    colliding = "".join(f"  {number * (2**61 - 1)}: a\n" for number in range(1, 45_000))
    began = process_time()
    assert only(f"kind: Secret\ndata:\n{colliding}") == Other("Secret")
    assert process_time() - began < 5


BITS = st.sampled_from(
    [*"[]{}:,-?&*!|>'\"%#\n\t \x85\u2028\ufeff", "---\n", "\n  ", ": ", "- ", "&a ", "*a", "<<: ", "!!int ", "!!set ", "!!omap ", "!!pairs ",
     "!!binary ", "!!null ", "!!float ", "!!map ", "!!seq ", "!!str ", "=", ".nan", "1e3", "0o7", "null", "kind: List\n", "items: ", ORDERS,
     "metadata: ", "apiVersion: ", "kind: ", "spec: ", "status: ", "annotations: ", "'\\ud800'", '"\\x', "%TAG ! a\n", "\x00"]
)  # fmt: skip


@given(st.lists(BITS, max_size=40).map("".join))
def test_no_text_raises_an_error(text: str) -> None:
    documents = read("a.yaml", text)
    Exports(each.body for each in documents if isinstance(each, Other))
    shown = [unanswered(each, "") for each in documents if isinstance(each, Invalid)]
    report = as_document(shown, {each.kind: 1 for each in documents if isinstance(each, Other)}, duplicates(documents))
    assert json.dumps(report, ensure_ascii=False).encode()


def test_of_a_file_with_invalid_yaml_nothing_is_read() -> None:
    assert "line 12, column 1" in problems(f"{ORDERS}---\na: [\n---\n{ORDERS}")[0]


def test_a_date_is_a_text_as_in_kubectl() -> None:
    found = only(ORDERS.replace("name: orders", "name: orders\n  annotations:\n    when: 2026-01-01"))

    assert isinstance(found, Manifest)
    assert found.resource.metadata.annotations == {"when": "2026-01-01"}


@pytest.mark.parametrize(
    ("place", "text"),
    [(Place("-", 1, 1), "the standard input, document 1"), (Place("a.yaml"), "a.yaml")],
)
def test_the_text_of_a_place(place: Place, text: str) -> None:
    assert str(place) == text
