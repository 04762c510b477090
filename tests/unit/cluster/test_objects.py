"""Objects as they are kept."""

import json
import sys
import tracemalloc
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


def test_it_is_equal_except_for_managed_fields() -> None:
    assert lean(received()) == OBJECT


def test_its_argument_is_not_changed() -> None:
    body = received()
    lean(body)
    assert body == received()


def test_two_objects_share_their_texts() -> None:
    one, other = lean(received()), lean(received())
    assert one["status"]["conditions"][0]["message"] is other["status"]["conditions"][0]["message"]
    assert one["metadata"]["labels"]["team"] is other["metadata"]["labels"]["team"]


def test_nothing_is_interned() -> None:
    """Early releases of CPython 3.12 never free what was interned: whoever writes ever new texts could fill the memory."""
    body = lean({"metadata": {"annotations": {f"note-{number}": f"note {number}" for number in range(10)}}})
    for name, text in body["metadata"]["annotations"].items():
        for each in (name, text):
            copy = "".join([*each])
            assert sys.intern(copy) is copy


def test_unique_texts_are_released_with_their_objects() -> None:
    tracemalloc.start()
    for first in range(0, 100_000, 1000):
        lean(
            {
                "metadata": {
                    "annotations": {f"{number:0>200}": f"{number:1>200}" for number in range(first, first + 1000)}
                }
            }
        )
    kept, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 10_000_000  # of 50 MB
