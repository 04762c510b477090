"""What is read from the text of a file, and what is said of what cannot be read."""

from __future__ import annotations

import json
from time import process_time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_endpoints.controller.cache import Key
from atlas_endpoints.planning.forecast import Action, of_conflict, of_invalid, unanswered
from atlas_endpoints.planning.manifests import (
    NO_KIND,
    Budget,
    Invalid,
    Manifest,
    Other,
    Place,
    conflicts,
    duplicates,
    merged,
    read,
)
from atlas_endpoints.planning.offline_ports import Exports
from atlas_endpoints.planning.report import as_document, serialized
from atlas_endpoints.reconcile.reasons import Reason

if TYPE_CHECKING:
    from atlas_endpoints.planning.manifests import Document

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


def bomb(layer: str = "[{}]", core: str = "x") -> str:
    """Give some hundred bytes whose aliases stand for 9 to the power of 9 values."""
    text = f"{{l0: &l0 {core if core != 'x' else '[x]'}"
    for number in range(1, 10):
        inner = ", ".join([f"*l{number - 1}"] * 9)
        content = layer.replace("{}", inner)
        text += f", l{number}: &l{number} {content if content.startswith('[') else '{' + content + '}'}"
    return text + "}"


def chain(length: int) -> str:
    """Give lists of which each holds the one before, so that what is written flat is nested."""
    return "l0: &l0 [x]\n" + "".join(f"l{number}: &l{number} [*l{number - 1}]\n" for number in range(1, length))


def only(text: str) -> object:
    (found,) = read("orders.yaml", text, namespace="shop")
    return found


def problems(text: str) -> tuple[str, ...]:
    found = only(text)
    assert isinstance(found, Invalid), found
    return found.problems


def test_a_manifest_without_a_namespace_gets_the_one_that_is_asked_for() -> None:
    found = only(ORDERS)

    assert isinstance(found, Manifest)
    assert found.resource.key == Key("ServerlessPrivateEndpoint", "shop", "orders")
    assert (found.resource.metadata.generation, found.resource.status.observed_generation) == (1, -1)


def test_a_manifest_with_a_namespace_keeps_it() -> None:
    found = only(NAMESPACED)

    assert isinstance(found, Manifest)
    assert found.resource.key == Key("ServerlessPrivateEndpoint", "web", "orders")


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
    assert isinstance(second, Invalid)
    assert str(first.place) == "all.yaml, document 2, from line 3"
    assert str(second.place) == "all.yaml, document 3, from line 13"
    assert second.key == Key("ServerlessPrivateEndpoint", "shop", "orders")


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
        pytest.param("just words\n", "is plain text and no Kubernetes object: remove or correct it", id="no object"),
        pytest.param("- a\n", "is a list and no Kubernetes object", id="a list"),
        pytest.param("7\n", "is a number and no Kubernetes object", id="a number"),
        pytest.param("0.5\n", "is a number and no Kubernetes object", id="a fraction"),
        pytest.param("true\n", "is true or false and no Kubernetes object", id="a boolean"),
        pytest.param("!!set {a}\n", "is a value and no Kubernetes object", id="a set"),
        pytest.param("a: {{ .Values.a }}\n", "Render it first: helm template … (or kubectl kustomize …), and give the result to plan -f -", id="a template"),
        pytest.param("a: {{ .Values.a }}\n", "is no YAML that can be read", id="a template is no YAML"),
        pytest.param("a: [\n", "is no YAML that can be read", id="YAML that does not end"),
        pytest.param("a: !Ref b\n", "could not determine a constructor for the tag '!Ref'", id="a tag of another tool"),
        pytest.param(ORDERS + "  providerName: AZURE\n", "line 10, column 3: the key 'providerName' stands there twice", id="a key twice"),
        pytest.param("[" * 2000, "line 1, column 101: it is nested more than 100 levels deep", id="nested without end"),
        pytest.param("- " * 2000, "line 1, column 201: it is nested more than 100 levels deep", id="a list in a list, without end"),
        pytest.param(chain(300), "it is nested more than 100 levels deep", id="nested without end by aliases"),
        pytest.param(ORDERS + f"  comment: {bomb()}\n", "it holds more than 100000 values, aliases resolved: split it", id="a bomb of aliases"),
        pytest.param(ORDERS + f"  comment: {bomb('<<: [{}]', '{k: v}')}\n", "more than 100000 values", id="a bomb of merge keys"),
        pytest.param(f"a: &a {'x' * 99_000}\nb: [{'*a, ' * 400}]\n", "more than 100000 values", id="a long text, many times"),
        pytest.param("a: &a [*a]\n", "line 1, column 8: the alias *a is within what it stands for", id="a list in itself"),
        pytest.param("&a {<<: *a}\n", "the alias *a is within what it stands for", id="an object merged into itself"),
        pytest.param("a: *b\n", "found undefined alias 'b'", id="an alias of nothing"),
        pytest.param("a: !!int ''\n", "line 1, column 4: '' is no value of the tag !!int", id="a number without digits"),
        pytest.param("a: !!bool perhaps\n", "'perhaps' is no value of the tag !!bool", id="neither true nor false"),
        pytest.param("a: !!timestamp now\n", "'now' is no value of the tag !!timestamp", id="no date"),
        pytest.param(f"a: {'9' * 5000}\n", "line 1, column 4: a number of 5000 characters: put it in quotes", id="a long number"),
        pytest.param(f"a: 0x{'f' * 5000}\n", "a number of 5002 characters", id="a long number in base 16"),
        pytest.param(f"a: 1{':1' * 5000}\n", "a number of 10001 characters", id="a long number in base 60"),
        pytest.param(f"%YAML 1.{'9' * 5000}\n--- a\n", "is no YAML that can be read", id="a long version of YAML"),
        pytest.param('a: "\\UFFFFFFFF"\n', "line 1, column 7: ", id="an escape of no character"),
        pytest.param('a: "\\ud800"\n', "line 1, column 4: ", id="half of a character"),
        pytest.param("a: \x00\n", "special characters are not allowed", id="a control character"),
        pytest.param(f"? [{ORDERS!r}]\n: a\n", "found unhashable key", id="a list as a key"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_its_field(text: str, problem: str) -> None:
    (first, *more) = problems(text)

    assert problem in first
    assert more == []


def test_an_honest_alias_and_a_merge_key_are_resolved() -> None:
    found = read("all.yaml", f"a: &a {{projectId: '{'5f' * 12}'}}\n---\n{ORDERS}  <<: *a\n", namespace="shop")
    assert isinstance(found[1], Invalid), "an anchor is of its own document"

    (merged,) = read(
        "all.yaml", ORDERS.replace("spec:\n", "x: &x {comment: orders}\nspec:\n  <<: *x\n"), namespace="shop"
    )
    assert isinstance(merged, Manifest)
    assert merged.resource.spec.comment == "orders"


def test_keys_are_texts_as_in_json() -> None:
    """Numbers as keys could be chosen such that a dictionary takes the square of their number to build."""
    assert problems(ORDERS + "  1: a\n") == problems(ORDERS + "  '1': a\n")
    colliding = "".join(f"  {number * (2**61 - 1)}: a\n" for number in range(1, 45_000))
    began = process_time()
    assert only(f"kind: Secret\ndata:\n{colliding}") == Other("Secret")
    assert process_time() - began < 5


def test_a_character_that_json_writes_as_two_escapes_is_one() -> None:
    found = only(ORDERS + f"  comment: {json.dumps('orders 🎉')}\n")

    assert isinstance(found, Manifest)
    assert found.resource.spec.comment == "orders 🎉"


def test_a_run_has_an_end_also_where_each_document_is_within_bounds() -> None:
    budget = Budget(nodes=3 * 20)
    first, *_, last = [
        each for name in "abcde" for each in read(f"{name}.yaml", ORDERS, namespace="shop", budget=budget)
    ]

    assert isinstance(first, Manifest)
    assert isinstance(last, Invalid)
    assert "the files before it hold so much already" in last.problems[0]


BITS = st.sampled_from(
    [*"[]{}:,-?&*!|>'\"%#\n\t \x85\u2028\ufeff", "---\n", "\n  ", ": ", "- ", "&a ", "*a", "<<: ", "!!int ", "!!set ", "!!omap ", "!!pairs ",
     "!!binary ", "!!null ", "!!float ", "!!map ", "!!seq ", "!!str ", "=", ".nan", "1e3", "0o7", "null", "kind: List\n", "items: ", ORDERS,
     "metadata: ", "apiVersion: ", "kind: ", "spec: ", "status: ", "annotations: ", "'\\ud800'", '"\\x', "%TAG ! a\n", "\x00"]
)  # fmt: skip


@given(st.lists(BITS, max_size=40).map("".join))
def test_no_text_ends_a_run(text: str) -> None:
    documents = read("a.yaml", text, namespace="shop")
    Exports(each.body for each in documents if isinstance(each, Other))
    shown = [of_invalid(each) for each in documents if isinstance(each, Invalid)]
    report = as_document(shown, {each.kind: 1 for each in documents if isinstance(each, Other)}, duplicates(documents))
    assert serialized(report, "json").encode()
    assert serialized(report, "yaml").encode()


def test_what_stands_before_a_broken_document_is_read() -> None:
    manifest, misfit = read("all.yaml", f"{ORDERS}---\na: [\n---\n{ORDERS}", namespace="shop")

    assert isinstance(manifest, Manifest)
    assert isinstance(misfit, Invalid)
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

    (warning,) = duplicates(documents)
    assert warning == (
        "shop/orders stands in several places, of which the one that is applied last counts: a.yaml, document 1;"
        " b.yaml, document 2, from line 3."
    )


def in_files(*texts: str) -> list[Document]:
    """Read texts as 0.yaml, 1.yaml and so on, as a plan goes on with them."""
    return merged(each for number, text in enumerate(texts) for each in read(f"{number}.yaml", text, namespace="shop"))


def uid(text: str, annotations: str = "") -> str:
    """Give a resource as an API server has it."""
    return text.replace("metadata:\n", f"metadata:\n  uid: u\n{annotations}")


ANOTHER = ORDERS.replace("name: orders", "name: copy")
CONDITION = """
    - {type: Contended, status: "True", reason: Conflict, message: m, observedGeneration: 1, lastTransitionTime: "2026-11-27T00:00:00Z"}
"""
EXPORTED = "status:\n  observedGeneration: 1\n  endpoint: {id: 5f7cac1adf5d6c6306f4b283}\n"


@pytest.mark.parametrize(
    ("texts", "owner"),
    [
        pytest.param((ORDERS, ANOTHER), "first", id="new ones"),
        pytest.param((ORDERS, ANOTHER + EXPORTED), "copy", id="one owns it"),
        pytest.param((ORDERS + EXPORTED, f"{ANOTHER}{EXPORTED}  conditions:{CONDITION}"), "orders", id="one does not"),
        pytest.param((ORDERS, f"{ANOTHER}  managementPolicy: Observe\n"), None, id="one observes"),
        pytest.param((ORDERS, f"{ANOTHER}  suspend: true\n"), None, id="one is suspended"),
        pytest.param((ORDERS, ORDERS), None, id="it is one resource"),
        pytest.param((ORDERS, ANOTHER.replace("6f4b283", "6f4b284")), None, id="two endpoints"),
        pytest.param((ORDERS, ANOTHER.replace("shop", "other")), None, id="two instances"),
    ],
)
def test_two_resources_that_name_one_endpoint_are_a_conflict(texts: tuple[str, ...], owner: str | None) -> None:
    documents = in_files(*texts)
    ours = [each for each in documents if isinstance(each, Manifest)]
    assert len(ours) == len(documents), documents

    found = conflicts(documents)

    told = [of_conflict(unanswered(each, "as planned"), found) for each in ours]
    if owner is None:
        assert found == []
        assert [each.message for each in told] == ["as planned"] * 2
        return
    (conflict,) = found
    assert "name the same endpoint 5f7cac1adf5d6c6306f4b283" in conflict.warning
    if owner == "first":
        assert [each.action for each in told] == [Action.UNKNOWN] * 2
        assert "The one that is created first will own it" in conflict.warning
        return
    assert f"shop/{owner} owns it" in conflict.warning
    for each in told:
        is_owner = each.key == Key("ServerlessPrivateEndpoint", "shop", owner)
        assert (each.action is Action.REPORT, each.reason is Reason.CONFLICT) == (not is_owner, not is_owner)


CONTENDED = f"{EXPORTED}  conditions:{CONDITION}"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["the manifests first", "the export first"])
def test_an_export_and_its_manifest_are_one_resource_whose_status_names_the_owner(
    order: tuple[int, int],
) -> None:
    texts = (f"{ORDERS}---\n{ANOTHER}", f"{ORDERS}{CONTENDED}---\n{ANOTHER}{EXPORTED}")
    documents = in_files(*(texts[each] for each in order))

    assert [each.place.file for each in documents if isinstance(each, Manifest)] == [f"{order.index(0)}.yaml"] * 2
    assert duplicates(documents) == []
    (conflict,) = conflicts(documents)
    assert "shop/copy owns it" in conflict.warning
    told = [of_conflict(unanswered(each, "as planned"), [conflict]) for each in documents if isinstance(each, Manifest)]
    assert [(each.action, each.reason) for each in told] == [
        (Action.REPORT, Reason.CONFLICT),
        (Action.UNKNOWN, None),
    ]
    assert "shop/copy owns the endpoint, so nothing would be sent for this one" in told[0].message


@pytest.mark.parametrize(
    ("manifest", "export"),
    [
        pytest.param(ORDERS, ORDERS + EXPORTED, id="with a status"),
        pytest.param(ORDERS, uid(ORDERS), id="with a uid, before its first status"),
        pytest.param(ORDERS, uid(ORDERS) + "  comments: x\n", id="whose spec is not valid any more"),
        pytest.param(ORDERS + "  comments: x\n", uid(ORDERS), id="whose manifest is not valid"),
    ],
)
def test_an_export_is_left_out_beside_a_manifest(manifest: str, export: str) -> None:
    (found,) = in_files(export, manifest)

    assert not isinstance(found, Other)
    assert found.place == Place("1.yaml", 1, 1)


def test_what_is_no_export_and_what_has_no_manifest_stays_as_it_is() -> None:
    documents = in_files(ORDERS, ORDERS + "status: {}\n", ORDERS + EXPORTED, ANOTHER + EXPORTED, NAMESPACED)

    found = [each.place.file for each in documents if isinstance(each, Manifest)]
    assert found == ["0.yaml", "1.yaml", "3.yaml", "4.yaml"]
    (warning,) = duplicates(documents)
    assert warning.endswith("counts: 0.yaml, document 1; 1.yaml, document 1.")


def test_each_manifest_of_one_name_is_judged_where_another_resource_owns_the_endpoint() -> None:
    documents = in_files(ORDERS, ORDERS, ANOTHER + EXPORTED)

    contended = conflicts(documents)

    told = [of_conflict(unanswered(each, "as planned"), contended) for each in documents if isinstance(each, Manifest)]
    assert [each.reason for each in told] == [Reason.CONFLICT, Reason.CONFLICT, None]


def test_an_endpoint_that_was_reserved_for_a_resource_is_its_own_as_well() -> None:
    reserved = ANOTHER.replace('  endpointId: "5f7cac1adf5d6c6306f4b283"\n', "")
    reservation = '  reservation: {requestedAt: "2026-11-27T00:00:00Z", endpointId: 5f7cac1adf5d6c6306f4b283}\n'

    (conflict,) = conflicts(in_files(ORDERS, reserved + EXPORTED + reservation))

    assert conflict.owner == Key("ServerlessPrivateEndpoint", "shop", "copy")


@pytest.mark.parametrize(
    ("place", "text"),
    [(Place("-", 1, 1), "the standard input, document 1"), (Place("a.yaml"), "a.yaml")],
)
def test_the_text_of_a_place(place: Place, text: str) -> None:
    assert str(place) == text
