"""How forecasts are told, to people and to programs."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from atlas_endpoints.controller.cache import Key
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import Endpoint
from atlas_endpoints.kinds.serverless_private_endpoint.resource import Spec
from atlas_endpoints.planning.forecast import Action, Change, Forecast, of_invalid
from atlas_endpoints.planning.manifests import Invalid, Place
from atlas_endpoints.planning.report import TITLES, as_document, as_text, serialized
from atlas_endpoints.reconcile.reasons import Reason

SPEC = Spec.parse({"projectId": "5f" * 12, "instanceName": "shop", "providerName": "AWS", "endpointId": "a1" * 12})
ENDPOINT = Endpoint(id="a1" * 12, status="AVAILABLE", cloud_provider_endpoint_id="vpce-1", comment="a")
UPDATE = Forecast(
    Place("orders.yaml", 2, 12),
    Key("ServerlessPrivateEndpoint", "shop", "orders"),
    Action.UPDATE,
    Reason.PLANNED,
    "This would be sent to Atlas.",
    spec=SPEC,
    project_id=SPEC.project_id,
    endpoint=ENDPOINT,
    changes=(Change("comment", "a", "b"),),
    body={"providerName": "AWS", "cloudProviderEndpointId": "vpce-1", "comment": "b"},
)
NOTHING = Forecast(
    Place("-", 1, 1),
    Key("ServerlessPrivateEndpoint", "shop", "billing"),
    Action.NONE,
    Reason.AVAILABLE,
    "The endpoint is available and matches the spec.",
    spec=SPEC,
    project_id=SPEC.project_id,
    endpoint=ENDPOINT,
)
INVALID = of_invalid(
    Invalid(
        Place("web.yaml", 1, 1),
        ("spec.a: unknown field", "spec.b: unknown field"),
        Key("ServerlessPrivateEndpoint", "web", "web"),
    )
)
UNREADABLE = of_invalid(Invalid(Place("gone.yaml"), ("cannot be read",)))


def test_people_see_each_resource_what_differs_and_a_sum() -> None:
    assert as_text([UPDATE, NOTHING], {"Secret": 2, "Deployment.apps": 1}, []) == (
        "shop/orders (orders.yaml, document 2, from line 12): would be changed in Atlas\n"
        "  endpoint a1a1a1a1a1a1a1a1a1a1a1a1, instance shop, project 5f5f5f5f5f5f5f5f5f5f5f5f: AVAILABLE\n"
        "  ~ comment: 'a' -> 'b'\n"
        "    cloudProviderEndpointId: 'vpce-1', sent along\n"
        "\n"
        "shop/billing (the standard input, document 1): nothing would be sent\n"
        "  endpoint a1a1a1a1a1a1a1a1a1a1a1a1, instance shop, project 5f5f5f5f5f5f5f5f5f5f5f5f: AVAILABLE\n"
        "  The endpoint is available and matches the spec.\n"
        "\n"
        "Plan: 1 would change, 1 would not. Nothing was sent.\n"
        "Skipped, since they are no ServerlessPrivateEndpoint: 1 Deployment.apps, 2 Secret."
    )


def test_people_see_each_problem_on_a_line_of_its_own_and_warnings_first() -> None:
    assert as_text([INVALID, UNREADABLE], {}, ["Look out."]) == (
        "Warning: Look out.\n"
        "\n"
        "web/web (web.yaml, document 1): is not valid\n"
        "  spec.a: unknown field\n"
        "  spec.b: unknown field\n"
        "\n"
        "gone.yaml: is not valid\n"
        "  cannot be read\n"
        "\n"
        "Plan: 0 would change, 0 would not, of 2 it cannot be told. Nothing was sent."
    )


def test_each_action_has_a_title() -> None:
    assert set(TITLES) == set(Action)


def test_a_terminal_gets_nothing_that_it_would_obey() -> None:
    told = as_text(
        [Forecast(Place("a\x1b[2J.yaml"), None, Action.UNKNOWN, None, "bad \x1b]0;x\x07 words\u202e")], {}, ["\x1b[31m"]
    )

    assert told.replace("\n", "").isprintable()


def test_an_unknown_project_is_named_by_its_reference() -> None:
    spec = Spec.parse({"projectRef": {"name": "shop"}, "instanceName": "shop", "providerName": "AWS"})
    unknown = Forecast(
        Place("-", 1, 1),
        Key("ServerlessPrivateEndpoint", "shop", "a"),
        Action.UNKNOWN,
        Reason.REFERENCE_NOT_READY,
        "No.",
        spec=spec,
    )
    assert "no endpoint yet, instance shop, project of AtlasProject shop\n" in as_text([unknown], {}, [])
    (entry,) = as_document([unknown], {}, [])["resources"]
    assert entry["projectId"] is None


def test_programs_get_all_of_it() -> None:
    document = as_document([UPDATE, UNREADABLE], {"Secret": 2}, ["Look out."])

    assert document == {
        "formatVersion": 1,
        "exitCode": 1,
        "summary": {"Update": 1, "Invalid": 1},
        "resources": [
            {
                "namespace": "shop",
                "name": "orders",
                "source": {"file": "orders.yaml", "document": 2, "line": 12, "item": None},
                "action": "Update",
                "reason": "Planned",
                "message": "This would be sent to Atlas.",
                "projectId": "5f" * 12,
                "instanceName": "shop",
                "endpointId": "a1" * 12,
                "status": "AVAILABLE",
                "changes": [{"field": "comment", "before": "a", "after": "b"}],
                "request": {
                    "method": "PATCH",
                    "path": f"/api/atlas/v2/groups/{'5f' * 12}/privateEndpoint/serverless/instance/shop/endpoint/{'a1' * 12}",
                    "body": {"providerName": "AWS", "cloudProviderEndpointId": "vpce-1", "comment": "b"},
                },
            },
            {
                "namespace": None,
                "name": None,
                "source": {"file": "gone.yaml", "document": None, "line": None, "item": None},
                "action": "Invalid",
                "reason": "InvalidSpec",
                "message": "cannot be read",
                "projectId": None,
                "instanceName": None,
                "endpointId": None,
                "status": None,
                "changes": [],
                "request": None,
            },
        ],
        "skipped": {"Secret": 2},
        "warnings": ["Look out."],
    }


@pytest.mark.parametrize("forecasts", [[], [UPDATE, NOTHING, INVALID, UNREADABLE]])
def test_json_and_yaml_hold_the_same(forecasts: list[Forecast]) -> None:
    document: dict[str, Any] = as_document(forecasts, {"Secret": 1}, ["é"])

    assert json.loads(serialized(document, "json")) == document
    assert yaml.safe_load(serialized(document, "yaml")) == document
