"""What the API server's audit log says that somebody did."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from control_plane import ControlPlane

READS = frozenset({"get", "list", "watch"})


@dataclass(frozen=True, slots=True)
class Deed:
    """One request: verb, resource (with subresource), namespace, name, and the answer's HTTP status."""

    verb: str
    resource: str
    namespace: str
    name: str
    code: int


def length(control_plane: ControlPlane) -> int:
    """The length of the audit log in bytes, for `since`."""
    assert control_plane.audit_log is not None
    return control_plane.audit_log.stat().st_size


def deeds(control_plane: ControlPlane, user: str, *, since: int = 0) -> list[Deed]:
    """All requests of a user that have been answered, in order."""
    assert control_plane.audit_log is not None
    found = []
    with control_plane.audit_log.open() as lines:
        lines.seek(since)
        for line in lines:
            if user not in line or not line.endswith("\n"):
                continue
            event = json.loads(line)
            if event["user"]["username"] != user or event["stage"] != "ResponseComplete":
                continue
            reference = event.get("objectRef", {})
            resource = "/".join(part for part in (reference.get("resource"), reference.get("subresource")) if part)
            found.append(
                Deed(
                    event["verb"],
                    resource,
                    reference.get("namespace", ""),
                    reference.get("name", ""),
                    event["responseStatus"]["code"],
                )
            )
    return found


def writes(control_plane: ControlPlane, user: str, *, since: int = 0) -> list[Deed]:
    """All requests of a user that changed something, or tried to; see `deeds`."""
    return [each for each in deeds(control_plane, user, since=since) if each.verb not in READS]
