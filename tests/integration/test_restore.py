"""What becomes of resources that a backup brings back as Velero does: without their status, and with all else as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.atlas import CLOUD_ENDPOINT
from support.resources import told

if TYPE_CHECKING:
    from support.atlas import Atlas, Place
    from support.resources import Resources

pytestmark = pytest.mark.gate


def restore(resources: Resources, backup: dict[str, Any]) -> None:
    """Create a resource as it is in a backup; the status and all that the API server sets are left out."""
    metadata = backup["metadata"]
    resources.create(metadata["name"], backup["spec"], annotations=metadata.get("annotations", {}))


def lost(resources: Resources, name: str) -> dict[str, Any]:
    """Take a backup, and lose the resource."""
    backup = resources.get(name)
    resources.delete(name)
    assert not resources.exists(name)
    return backup


def test_nothing_is_sent_for_what_atlas_still_holds(resources: Resources, atlas: Atlas, place: Place) -> None:
    resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="orders"))
    resources.wait_ready("orders")
    before = atlas.patches(place)

    restore(resources, lost(resources, "orders"))

    body = resources.wait_ready("orders")
    assert atlas.patches(place) == before
    assert "history" not in body["status"], told(body)


def test_what_was_changed_since_the_backup_gets_its_value_from_before(
    resources: Resources, atlas: Atlas, place: Place
) -> None:
    resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="orders"))
    resources.wait_ready("orders")
    backup = lost(resources, "orders")
    atlas.change(place, comment="newer")

    restore(resources, backup)

    body = resources.wait_ready("orders")
    assert atlas.patches(place)[-1] == {"comment": "orders"}
    assert body["status"]["history"][0]["cause"] == "FirstContact"


def test_with_the_policy_plan_it_is_shown_and_not_sent(resources: Resources, atlas: Atlas, place: Place) -> None:
    resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="orders"))
    resources.wait_ready("orders")
    backup = lost(resources, "orders")
    before = atlas.patches(place)
    atlas.change(place, comment="newer")
    backup["spec"]["managementPolicy"] = "Plan"

    restore(resources, backup)

    body = resources.wait_reason("orders", "Planned", pair="Stalled")
    assert body["status"]["plan"] == {
        "method": "PATCH",
        "reason": "FirstContact",
        "body": {"providerName": "AWS", "comment": "orders"},
    }
    assert atlas.patches(place) == before
