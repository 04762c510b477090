"""Objects as they are kept."""

import json
from typing import Any

from atlas_endpoints.cluster.objects import lean

OBJECT: dict[str, Any] = {
    "metadata": {"namespace": "shop", "name": "db", "labels": {"team": "blue"}},
    "spec": {"instanceName": "orders", "suspend": False},
    "status": {"observedGeneration": 1, "conditions": [{"type": "Ready", "message": "The endpoint is available."}]},
}


def received() -> dict[str, object]:
    """The object as it arrives: with its history, and with texts of its own."""
    metadata = {**OBJECT["metadata"], "managedFields": [{"manager": "kubectl"}]}
    copy: dict[str, object] = json.loads(json.dumps({**OBJECT, "metadata": metadata}))
    return copy


def test_it_means_the_same_and_does_not_tell_who_has_written_what() -> None:
    assert lean(received()) == OBJECT


def test_what_has_arrived_stays_as_it_is() -> None:
    body = received()
    lean(body)
    assert body == received()


def test_two_share_their_texts() -> None:
    one, other = lean(received()), lean(received())
    assert one["status"]["conditions"][0]["message"] is other["status"]["conditions"][0]["message"]
    assert one["metadata"]["labels"]["team"] is other["metadata"]["labels"]["team"]
