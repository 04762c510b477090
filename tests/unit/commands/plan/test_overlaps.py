"""Exports of resources, several manifests of one resource, and conflicts over an endpoint."""

import json

import pytest

from atlas_endpoints.commands.manifests import Document, Invalid, Manifest, Other, Place
from atlas_endpoints.commands.plan.forecast import Action, Forecast, unanswered
from atlas_endpoints.commands.plan.overlaps import (
    duplicates,
    endangered,
    merged,
    with_conflicts,
)
from atlas_endpoints.reconcile.reasons import Reason
from support.cases import update_cases
from support.manifests import NAMESPACED, ORDERS, read


def test_a_resource_with_several_manifests_is_warned_of() -> None:
    documents = [
        *read("a.yaml", ORDERS),
        *read("b.yaml", f"kind: Secret\n---\n{ORDERS}"),
        *read("c.yaml", NAMESPACED),
    ]

    (warning,) = duplicates(documents)
    assert warning == (
        "shop/orders has several manifests. The one that is applied last is effective: a.yaml, document 1; b.yaml, document 2,"
        " from line 3."
    )


POLICY = "  deletionPolicy: Delete\n"


@pytest.mark.parametrize(
    ("before", "after", "warned"),
    [
        pytest.param("", POLICY, True, id="changed"),
        pytest.param(POLICY, POLICY, False, id="unchanged"),
        pytest.param(POLICY, "", False, id="taken back"),
    ],
)
def test_a_change_of_the_policy_to_delete_is_warned_of(before: str, after: str, warned: bool) -> None:
    documents = [*read("new.yaml", ORDERS + after), *read("live.yaml", uid(ORDERS + before) + EXPORTED)]

    said = "shop/orders: with deletionPolicy Delete, which the export does not have, the endpoint is deleted with this resource."
    assert endangered(documents) == ([said] if warned else [])


EDITS = {each.name: each for each in update_cases() if each.refused}


@pytest.mark.parametrize(
    "name",
    [
        "another instance is refused",
        "another project than the endpoint is in may not take the place of the reference",
    ],
)
def test_an_edit_of_an_export_is_invalid_where_the_api_server_refuses_it(name: str) -> None:
    """Those of all kinds are in the contract tests."""
    case = EDITS[name]
    export = {**case.before, "metadata": {**case.before["metadata"], "uid": "u"}, "status": case.status}

    (found,) = in_files(json.dumps(export), json.dumps(case.manifest))

    assert isinstance(found, Invalid)
    told = dict(each.split(": ", 1) for each in found.problems)
    assert {*told} == {*case.refused}
    assert all(because in told[field] for field, because in case.refused.items())


def in_files(*texts: str) -> list[Document]:
    """Read texts as 0.yaml, 1.yaml and so on, as a plan does."""
    return merged(each for number, text in enumerate(texts) for each in read(f"{number}.yaml", text))


def uid(text: str, annotations: str = "") -> str:
    """Return a resource as an API server has it."""
    return text.replace("metadata:\n", f"metadata:\n  uid: u\n{annotations}")


ANOTHER = ORDERS.replace("name: orders", "name: copy")
CONDITION = """
    - {type: Contended, status: "True", reason: Conflict, message: m, observedGeneration: 1, lastTransitionTime: "2026-11-27T00:00:00Z"}
"""
EXPORTED = "status:\n  observedGeneration: 1\n  endpoint: {id: 5f7cac1adf5d6c6306f4b283}\n"


CONTENDED = f"{EXPORTED}  conditions:{CONDITION}"
RESERVED = (
    ANOTHER.replace('  endpointId: "5f7cac1adf5d6c6306f4b283"\n', "")
    + EXPORTED
    + '  reservation: {requestedAt: "2026-11-27T00:00:00Z", endpointId: 5f7cac1adf5d6c6306f4b283}\n'
)


def forecasts(documents: list[Document]) -> tuple[list[Forecast], list[str]]:
    ours = [each for each in documents if isinstance(each, Manifest)]
    assert len(ours) == len(documents), documents
    return with_conflicts([unanswered(each, "as planned") for each in ours])


FIRST = "The resource that is created first will own the endpoint."
PLANNED, REPORTED, UNDECIDED = (
    (Action.UNKNOWN, None),
    (Action.REPORT, Reason.CONFLICT),
    (Action.UNKNOWN, Reason.CONFLICT),
)


@pytest.mark.parametrize(
    ("texts", "owner", "expected"),
    [
        pytest.param((ORDERS, ANOTHER), FIRST, [UNDECIDED, UNDECIDED], id="new ones"),
        pytest.param((ORDERS, ANOTHER + EXPORTED), "shop/copy owns the endpoint.", [REPORTED, PLANNED], id="one owns it"),
        pytest.param((ORDERS, RESERVED), "shop/copy owns the endpoint.", [REPORTED, PLANNED], id="it was reserved for one"),
        pytest.param((ORDERS, ORDERS, ANOTHER + EXPORTED), "shop/copy owns the endpoint.", [REPORTED, REPORTED, PLANNED], id="twice"),
        pytest.param((ORDERS + EXPORTED, ANOTHER + CONTENDED), "shop/orders owns the endpoint.", [PLANNED, REPORTED], id="one is contended"),
        pytest.param(
            (f"{ORDERS}---\n{ANOTHER}", f"{ORDERS}{CONTENDED}---\n{ANOTHER}{EXPORTED}"),
            "shop/copy owns the endpoint.",
            [REPORTED, PLANNED],
            id="exports after the manifests",
        ),
        pytest.param(
            (f"{ORDERS}{CONTENDED}---\n{ANOTHER}{EXPORTED}", f"{ORDERS}---\n{ANOTHER}"),
            "shop/copy owns the endpoint.",
            [REPORTED, PLANNED],
            id="exports before the manifests",
        ),
        pytest.param((ORDERS, f"{ANOTHER}  managementPolicy: Observe\n"), None, [PLANNED] * 2, id="one observes"),
        pytest.param((ORDERS, f"{ANOTHER}  suspend: true\n"), None, [PLANNED] * 2, id="one is suspended"),
        pytest.param((ORDERS, ORDERS), None, [PLANNED] * 2, id="one resource"),
        pytest.param((ORDERS, ANOTHER.replace("6f4b283", "6f4b284")), None, [PLANNED] * 2, id="two endpoints"),
        pytest.param((ORDERS, ANOTHER.replace("shop", "other")), None, [PLANNED] * 2, id="two instances"),
    ],
)  # fmt: skip
def test_two_resources_that_name_one_endpoint_are_a_conflict(
    texts: tuple[str, ...], owner: str | None, expected: list[tuple[Action, Reason | None]]
) -> None:
    planned, warnings = forecasts(in_files(*texts))

    assert [(each.action, each.reason) for each in planned] == expected
    assert len(warnings) == (owner is not None)
    assert all(f"name the same endpoint 5f7cac1adf5d6c6306f4b283. {owner} " in each for each in warnings)
    if owner is not None and owner != FIRST:
        assert owner in planned[expected.index(REPORTED)].message


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


def test_manifests_and_exports_without_a_counterpart_are_kept() -> None:
    documents = in_files(ORDERS, ORDERS + "status: {}\n", ORDERS + EXPORTED, ANOTHER + EXPORTED, NAMESPACED)

    found = [each.place.file for each in documents if isinstance(each, Manifest)]
    assert found == ["0.yaml", "1.yaml", "3.yaml", "4.yaml"]
    (warning,) = duplicates(documents)
    assert warning.endswith("effective: 0.yaml, document 1; 1.yaml, document 1.")
