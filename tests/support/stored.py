"""Many resources at once, put straight into etcd.

By the API server each would take a request, and many of them most of a minute. What watches finds them as it would any
others, though not one by one: what is stored in one transaction has one version.
"""

from __future__ import annotations

import json
import uuid
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from control_plane import ControlPlane

FOLDER = "/registry/atlas-endpoints.dev/serverlessprivateendpoints/{}/{}"
"""Where etcd has a resource, by namespace and name."""

AT_ONCE = 100
"""How many of them are stored at a time; etcd takes 128, and 1.5 MiB."""


def cache(
    control_plane: ControlPlane, namespace: str, model: str, names: Sequence[str], alter: Callable[[str, str], str]
) -> None:
    """Store resources beside one that there is.

    Args:
        control_plane: where.
        namespace: of all of them.
        model: the name of the resource that there is.
        names: of those to be stored.
        alter: makes of the model as it is stored, in JSON, the resource of a name; only the uid needs no care.
    """
    with control_plane.etcd_client() as etcd:
        found = etcd.post("/v3/kv/range", json={"key": _encoded(FOLDER.format(namespace, model))})
        stored = b64decode(found.raise_for_status().json()["kvs"][0]["value"]).decode()
        for begin in range(0, len(names), AT_ONCE):
            puts = [
                {
                    "requestPut": {
                        "key": _encoded(FOLDER.format(namespace, name)),
                        "value": _encoded(_with_an_own_uid(alter(stored, name))),
                    }
                }
                for name in names[begin : begin + AT_ONCE]
            ]
            etcd.post("/v3/kv/txn", json={"success": puts}).raise_for_status()


def with_spec(stored: str, name: str, spec: dict[str, Any]) -> str:
    """Return a resource as it is stored another name and spec."""
    body = json.loads(stored)
    body["metadata"]["name"] = name
    body["spec"] = spec
    return json.dumps(body)


def _with_an_own_uid(stored: str) -> str:
    body = json.loads(stored)
    body["metadata"]["uid"] = str(uuid.uuid4())
    return json.dumps(body)


def _encoded(text: str) -> str:
    return b64encode(text.encode()).decode()
