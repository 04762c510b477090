"""What is read from the text of a file, and what is said of what cannot be read."""

from __future__ import annotations

import json

import pytest

from atlas_endpoints.engine.store import Key
from atlas_endpoints.planning.manifests import NO_KIND, Manifest, Misfit, Other, Place, doubles, read

ORDERS = """\
apiVersion: atlas-endpoints.dev/v1alpha1
kind: ServerlessPrivateEndpoint
metadata:
  name: orders
spec:
  projectId: "32b6e34b3d91647abb20e7b8"
  instanceName: shop
  providerName: AWS
  endpointId: "5f7cac1adf5d6c6306f4b283"
"""
NAMESPACED = ORDERS.replace("name: orders", "name: orders\n  namespace: web")


def only(text: str) -> object:
    (found,) = read("orders.yaml", text, namespace="shop")
    return found


def problems(text: str) -> tuple[str, ...]:
    found = only(text)
    assert isinstance(found, Misfit), found
    return found.problems


def test_a_manifest_without_a_namespace_gets_the_one_that_is_asked_for() -> None:
    found = only(ORDERS)

    assert isinstance(found, Manifest)
    assert found.resource.key == Key("shop", "orders")
    assert (found.resource.metadata.generation, found.resource.status.observed_generation) == (1, -1)


def test_a_manifest_with_a_namespace_keeps_it() -> None:
    found = only(NAMESPACED)

    assert isinstance(found, Manifest)
    assert found.resource.key == Key("web", "orders")


def test_json_is_read_too() -> None:
    body = {
        "apiVersion": "atlas-endpoints.dev/v1alpha1",
        "kind": "ServerlessPrivateEndpoint",
        "metadata": {"name": "orders"},
        "spec": {"projectId": "5f" * 12, "instanceName": "shop", "providerName": "AWS", "endpointId": "a1" * 12},
    }

    assert isinstance(only(json.dumps(body)), Manifest)


def test_what_an_export_holds_beside_the_wish_is_left_out() -> None:
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
    assert found.resource.metadata.generation == 1
    assert "deletionTimestamp" not in found.body["metadata"]
    assert found.resource.status.observed_generation == -1
    assert found.resource.metadata.reconcile_request is None
    assert found.resource.suspended_by == ("the annotation atlas-endpoints.dev/reconcile-policy",)


def test_several_documents_are_numbered_and_empty_ones_count() -> None:
    found = read("all.yaml", f"---\n---\n{ORDERS}---\n{ORDERS.replace('AWS', 'GCP')}", namespace="shop")

    first, second = found
    assert isinstance(first, Manifest)
    assert isinstance(second, Misfit)
    assert str(first.place) == "all.yaml, document 2, from line 3"
    assert str(second.place) == "all.yaml, document 3, from line 13"
    assert second.key == Key("shop", "orders")


@pytest.mark.parametrize("kind", ["List", "ServerlessPrivateEndpointList"])
def test_the_items_of_a_list_are_read(kind: str) -> None:
    item = ORDERS.replace("\n", "\n    ").rstrip()
    text = f"apiVersion: v1\nkind: {kind}\nitems:\n  - {item}\n  - apiVersion: v1\n    kind: Secret\n"

    first, second = read("list.yaml", text, namespace="shop")

    assert isinstance(first, Manifest)
    assert str(first.place) == "list.yaml, document 1, item 1"
    assert second == Other("Secret")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("apiVersion: v1\nkind: Secret\n", "Secret"),
        ("apiVersion: apps/v1\nkind: Deployment\n", "Deployment.apps"),
        ("apiVersion: example.com/v1\nkind: ServerlessPrivateEndpoint\n", "ServerlessPrivateEndpoint.example.com"),
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
            ORDERS.replace("v1alpha1", "v2"),
            "apiVersion: Unsupported value: must be atlas-endpoints.dev/v1alpha1",
            id="a version that the operator does not serve",
        ),
        pytest.param(
            ORDERS.replace("apiVersion: atlas-endpoints.dev/v1alpha1\n", ""),
            "apiVersion: Unsupported value: must be atlas-endpoints.dev/v1alpha1",
            id="no version",
        ),
        pytest.param(
            ORDERS.replace("metadata:\n  name: orders\n", ""),
            "metadata: Required value: add it, with a name",
            id="no metadata",
        ),
        pytest.param(
            ORDERS.replace("name: orders", "generateName: orders-"),
            "metadata.name: Required value: add it (`generateName` names no resource that could be compared)",
            id="a generated name",
        ),
        pytest.param(ORDERS.replace("name: orders", "name: Orders"), "metadata.name: Invalid value: 'Orders'", id="A name"),
        pytest.param(
            ORDERS.replace("name: orders", f"name: {'o' * 64}"), "metadata.name: Too long", id="a name that is too long"
        ),
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
        pytest.param(ORDERS + "  comments: x\n", "spec.comments: unknown field", id="a field that there is not"),
        pytest.param(ORDERS.partition("spec:")[0], "spec: Required value: add it", id="no spec"),
        pytest.param("just words\n", "is str and no Kubernetes object", id="no object"),
        pytest.param("a: {{ .Values.a }}\n", "is no YAML that can be read", id="a template"),
        pytest.param("a: [\n", "is no YAML that can be read", id="YAML that does not end"),
        pytest.param("a: !Ref b\n", "could not determine a constructor for the tag '!Ref'", id="a tag of another tool"),
        pytest.param(ORDERS + "  providerName: AZURE\n", "line 10, column 3: the key 'providerName' stands there twice", id="a key twice"),
        pytest.param("[" * 2000, "nested too deeply", id="nested without end"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_its_field(text: str, problem: str) -> None:
    (first, *more) = problems(text)

    assert problem in first
    assert more == []


def test_what_stands_before_a_broken_document_is_read() -> None:
    manifest, misfit = read("all.yaml", f"{ORDERS}---\na: [\n---\n{ORDERS}", namespace="shop")

    assert isinstance(manifest, Manifest)
    assert isinstance(misfit, Misfit)
    assert (misfit.place.document, misfit.key) == (2, None)
    assert "what follows in the file is not looked at" in misfit.problems[0]


def test_a_date_stays_the_text_that_it_is_for_kubectl() -> None:
    found = only(ORDERS.replace("name: orders", "name: orders\n  annotations:\n    when: 2026-01-01"))

    assert isinstance(found, Manifest)
    assert found.resource.metadata.annotations == {"when": "2026-01-01"}


def test_a_resource_that_stands_in_two_places_is_warned_of() -> None:
    documents = [
        *read("a.yaml", ORDERS, namespace="shop"),
        *read("b.yaml", f"kind: Secret\n---\n{ORDERS}", namespace="shop"),
        *read("c.yaml", NAMESPACED, namespace="shop"),
    ]

    (warning,) = doubles(documents)
    assert warning == (
        "shop/orders stands in several places, of which the one that is applied last counts: a.yaml, document 1;"
        " b.yaml, document 2, from line 3."
    )


@pytest.mark.parametrize(
    ("place", "told"),
    [(Place("-", 1, 1), "the standard input, document 1"), (Place("a.yaml"), "a.yaml")],
)
def test_a_place_is_told_as_people_find_it(place: Place, told: str) -> None:
    assert str(place) == told
