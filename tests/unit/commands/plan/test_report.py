"""The output of forecasts, for people and for programs."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.commands.manifests import UID, Invalid, Manifest, Place
from atlas_endpoints.commands.plan.forecast import Action, Forecast, unanswered
from atlas_endpoints.commands.plan.report import as_document, as_markdown, as_text
from atlas_endpoints.controller.cache import Key
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.reconcile.decision import Difference
from atlas_endpoints.reconcile.reasons import Reason
from support.named import NAMED

PROJECT, ENDPOINT = "5f" * 12, "a1" * 12
PATH = f"/api/atlas/v2/groups/{PROJECT}/privateEndpoint/serverless/instance/shop/endpoint/{ENDPOINT}"


def manifest(name: str, place: Place, **spec: Any) -> Manifest:
    metadata = {"namespace": "shop", "name": name, "uid": UID, "generation": 1, "resourceVersion": ""}
    body = {**NAMED, "metadata": metadata, "spec": {"instanceName": "shop", "providerName": "AWS", **spec}}
    return Manifest(place, KIND, body, KIND.resource.parse(body))


def forecast(
    name: str, place: Place, action: Action, reason: Reason, message: str, *, spec: Any = None, **more: Any
) -> Forecast:
    found = manifest(name, place, **(spec or {"projectId": PROJECT, "endpointId": ENDPOINT}))
    return Forecast(found, action, reason, message, **more)


UPDATE = forecast(
    "orders",
    Place("orders.yaml", 2, 12),
    Action.UPDATE,
    Reason.DRIFTED,
    "The operator would send this change to Atlas.",
    project_id=PROJECT,
    endpoint_id=ENDPOINT,
    status="AVAILABLE",
    differences=(Difference("comment", "b", "a"),),
    request=Request("update", "PATCH", PATH, {"providerName": "AWS", "comment": "b"}),
)
NOTHING = forecast(
    "billing",
    Place("-", 1, 1),
    Action.NONE,
    Reason.AVAILABLE,
    "The endpoint is available and matches the spec.",
    project_id=PROJECT,
    endpoint_id=ENDPOINT,
    status="AVAILABLE",
)
INVALID = unanswered(
    Invalid(
        Place("web.yaml", 1, 1),
        ("spec.a: unknown field", "spec.b: unknown field"),
        Key("ServerlessPrivateEndpoint", "web", "web"),
    ),
    "",
)
UNREADABLE = unanswered(Invalid(Place("gone.yaml"), ("cannot be read",)), "")


def test_the_text_shows_each_resource_its_changes_and_a_summary() -> None:
    assert as_text([UPDATE, NOTHING], {"Secret": 2, "Deployment.apps": 1}, []) == (
        "shop/orders (orders.yaml, document 2, from line 12): would be changed in Atlas\n"
        "  endpoint a1a1a1a1a1a1a1a1a1a1a1a1, instance shop, project 5f5f5f5f5f5f5f5f5f5f5f5f: AVAILABLE\n"
        "  ~ comment: 'a' -> 'b'\n"
        "\n"
        "shop/billing (the standard input, document 1): nothing would be sent\n"
        "  endpoint a1a1a1a1a1a1a1a1a1a1a1a1, instance shop, project 5f5f5f5f5f5f5f5f5f5f5f5f: AVAILABLE\n"
        "  The endpoint is available and matches the spec.\n"
        "\n"
        "Plan: 1 would change, 1 would not. Nothing was sent.\n"
        "Skipped objects of other kinds: 1 Deployment.apps, 2 Secret."
    )


def test_the_text_shows_warnings_and_each_problem_on_its_own_line() -> None:
    assert as_text([INVALID, UNREADABLE], {}, ["Look out."]) == (
        "Warning: Look out.\n"
        "\n"
        "web/web (web.yaml, document 1): is invalid\n"
        "  spec.a: unknown field\n"
        "  spec.b: unknown field\n"
        "\n"
        "gone.yaml: is invalid\n"
        "  cannot be read\n"
        "\n"
        "Plan: 0 would change, 0 would not, 2 unknown or invalid. Nothing was sent."
    )


def test_a_comment_folds_only_what_is_as_it_should_be() -> None:
    not_asked = [replace(NOTHING, action=action) for action in (Action.SUSPENDED, Action.REPORT)]
    assert "<details>" not in as_markdown(not_asked, {}, [])
    assert as_markdown([NOTHING, UPDATE], {}, []) == (
        "## Plan for MongoDB Atlas\n"
        "\n"
        "```text\n"
        "Plan: 1 would change, 1 would not. Nothing was sent.\n"
        "\n"
        "shop/orders (orders.yaml, document 2, from line 12): would be changed in Atlas\n"
        "  endpoint a1a1a1a1a1a1a1a1a1a1a1a1, instance shop, project 5f5f5f5f5f5f5f5f5f5f5f5f: AVAILABLE\n"
        "  ~ comment: 'a' -> 'b'\n"
        "```\n"
        "\n"
        "<details><summary>Nothing would be sent: 1</summary>\n"
        "\n"
        "```text\n"
        "shop/billing (the standard input, document 1): nothing would be sent\n"
        "  endpoint a1a1a1a1a1a1a1a1a1a1a1a1, instance shop, project 5f5f5f5f5f5f5f5f5f5f5f5f: AVAILABLE\n"
        "  The endpoint is available and matches the spec.\n"
        "```\n"
        "\n"
        "</details>"
    )


@pytest.mark.parametrize(
    "hostile",
    ["```\n# Approved", "````` @everyone", "<img src=x>", "x" * 80_000, "`" * 2000],
    ids=lambda text: text[:8],
)
def test_what_manifests_say_stays_in_its_block_of_a_comment_that_a_forge_takes(hostile: str) -> None:
    found = [Forecast(Invalid(Place("a.yaml"), ()), action, None, hostile) for action in (Action.UNKNOWN, Action.NONE)]
    comment = as_markdown(found * 40, {}, [])

    head, fence, shown, _, folded = re.split(r"^(`+)text$", comment, flags=re.MULTILINE)
    shown, folded = shown.partition("\n\n<details>")[0], folded.removesuffix("\n\n</details>")
    assert head == "## Plan for MongoDB Atlas\n\n"
    for block in (shown, folded):
        assert block.endswith(f"\n{fence}")
        assert fence not in block.removesuffix(f"\n{fence}")
    assert len(comment) < 65_536


def test_the_text_contains_no_control_characters() -> None:
    text = as_text(
        [Forecast(Invalid(Place("a\x1b[2J.yaml"), ()), Action.UNKNOWN, None, "bad \x1b]0;x\x07 words\u202e")],
        {},
        ["\x1b[31m"],
    )

    assert text.replace("\n", "").isprintable()


def test_an_unknown_project_is_named_by_its_reference() -> None:
    spec = {"projectRef": {"name": "shop"}}
    unknown = forecast("a", Place("-", 1, 1), Action.UNKNOWN, Reason.REFERENCE_NOT_READY, "No.", spec=spec)

    assert "no endpoint yet, instance shop, project of AtlasProject shop\n" in as_text([unknown], {}, [])
    (entry,) = as_document([unknown], {}, [])["resources"]
    assert entry["projectId"] is None


def test_the_document_contains_all_fields() -> None:
    document = as_document([UPDATE, UNREADABLE], {"Secret": 2}, ["Look out."])

    assert document == {
        "formatVersion": 1,
        "exitCode": 1,
        "summary": {"Update": 1, "Invalid": 1},
        "resources": [
            {
                "kind": "ServerlessPrivateEndpoint",
                "namespace": "shop",
                "name": "orders",
                "source": {"file": "orders.yaml", "document": 2, "line": 12, "item": None},
                "action": "Update",
                "reason": "Drifted",
                "message": "The operator would send this change to Atlas.",
                "projectId": "5f" * 12,
                "instanceName": "shop",
                "scopeName": "shop",
                "endpointId": "a1" * 12,
                "status": "AVAILABLE",
                "changes": [{"field": "comment", "before": "a", "after": "b"}],
                "request": {
                    "method": "PATCH",
                    "path": PATH,
                    "body": {"providerName": "AWS", "comment": "b"},
                },
            },
            {
                "kind": None,
                "namespace": None,
                "name": None,
                "source": {"file": "gone.yaml", "document": None, "line": None, "item": None},
                "action": "Invalid",
                "reason": "InvalidSpec",
                "message": "cannot be read",
                "projectId": None,
                "instanceName": None,
                "scopeName": None,
                "endpointId": None,
                "status": None,
                "changes": [],
                "request": None,
            },
        ],
        "skipped": {"Secret": 2},
        "warnings": ["Look out."],
    }
