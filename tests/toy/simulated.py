"""Notices in the simulated Atlas: a family of operations beside its own, and a first notice in each project."""

import json
from typing import Any

from atlas_endpoints.simulator.exchange import ApiError, to_json
from atlas_endpoints.simulator.routes import Call, Family, Operation
from atlas_endpoints.simulator.world import World

NOTICE_ID = "ab" * 12


class _Notices:
    def __init__(self) -> None:
        self._of: dict[str, dict[str, dict[str, Any]]] = {}

    def list(self, call: Call) -> tuple[int, bytes]:
        return 200, to_json(list(self._all(call).values()))

    def get(self, call: Call) -> tuple[int, bytes]:
        return 200, to_json(self._one(call))

    def update(self, call: Call) -> tuple[int, bytes]:
        notice = self._one(call)
        notice.update(json.loads(call.request.body))
        return 200, to_json(notice)

    def delete(self, call: Call) -> tuple[int, bytes]:
        del self._all(call)[self._one(call)["_id"]]
        return 204, b""

    def _all(self, call: Call) -> dict[str, dict[str, Any]]:
        return self._of.setdefault(call.names["groupId"], {NOTICE_ID: {"_id": NOTICE_ID, "status": "SHOWN"}})

    def _one(self, call: Call) -> dict[str, Any]:
        if (notice := self._all(call).get(call.names["noticeId"])) is None:
            raise ApiError(404, "NOTICE_NOT_FOUND", "There is no such notice.", call.names["noticeId"])
        return notice


def notices(_: World) -> Family:
    """Return the operations."""
    found = _Notices()
    collection = "/api/atlas/v2/groups/{groupId}/notices"
    return {
        collection: {"GET": Operation("Notices::list", found.list)},
        f"{collection}/{{noticeId}}": {
            "GET": Operation("Notices::get", found.get),
            "PATCH": Operation("Notices::update", found.update, writes=True),
            "DELETE": Operation("Notices::delete", found.delete, writes=True),
        },
    }
