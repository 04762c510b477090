"""What the API server's audit log says that somebody did."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

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


class Mark(NamedTuple):
    """A moment in the audit log.

    Attributes:
        size: of the log, in bytes.
        at: as the log writes times. A request that came earlier may be logged later, even after a watch has shown what it did.
    """

    size: int = 0
    at: str = ""


def mark(control_plane: ControlPlane) -> Mark:
    """This moment, for `since`."""
    assert control_plane.audit_log is not None
    return Mark(control_plane.audit_log.stat().st_size, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"))


def deeds(control_plane: ControlPlane, user: str, *, since: Mark = Mark()) -> list[Deed]:  # noqa: B008  # immutable
    """All requests of a user that have been answered, in order."""
    assert control_plane.audit_log is not None
    found = []
    with control_plane.audit_log.open() as lines:
        lines.seek(since.size)
        for line in lines:
            if user not in line or not line.endswith("\n"):
                continue
            event = json.loads(line)
            if event["user"]["username"] != user or event["stage"] != "ResponseComplete":
                continue
            if event["requestReceivedTimestamp"] < since.at:
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


def writes(control_plane: ControlPlane, user: str, *, since: Mark = Mark()) -> list[Deed]:  # noqa: B008  # immutable
    """All requests of a user that changed something, or tried to; see `deeds`."""
    return [each for each in deeds(control_plane, user, since=since) if each.verb not in READS]
