"""A trace as a table: what happened, and what Atlas and the statuses showed afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from typing_extensions import override

from model.environment import FOREIGN
from model.moves import Move, moves, perform
from model.ports import said

if TYPE_CHECKING:
    from model.run import Run
    from support.virtual_time import VirtualTimeLoop


@dataclass(frozen=True)
class Trace:
    """Rows of: seconds, what happened, Atlas, the resources."""

    rows: list[tuple[str, str, str, str]]

    @override
    def __str__(self) -> str:
        rows = [("s", "what happens", "Atlas", "resources"), *self.rows]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        return "\n".join(
            " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
        )


def tell(run: Run, path: list[Move], loop: VirtualTimeLoop) -> Trace:
    """Have a trace happen again, and write it down."""
    run.begin(loop)
    began = run.now
    rows: list[tuple[str, str, str, str]] = [_row(run, began, "(it begins)")]
    for move in path:
        what = perform(run, moves(run)[0] if move.kind == "fair" else move)
        rows.append(_row(run, began, what))
    rows.extend(("", f"broken: {invariant}", "", "") for invariant in run.environment.violations[:1])
    run.end()
    return Trace(rows)


def _row(run: Run, began: float, what: str) -> tuple[str, str, str, str]:
    atlas = "; ".join(
        f"{endpoint['status']} {endpoint.get('comment') or '-'} {endpoint.get('cloudProviderEndpointId') or ''}".strip()
        for id_, endpoint in sorted(run.environment.endpoints.items())
        if id_ != FOREIGN
    )
    resources = "; ".join(
        f"{key.name} at {body['metadata']['generation']}: {said(body['status'])}"
        for key, body in run.environment.objects.items()
    )
    return f"{run.now - began:.0f}", what, atlas, resources
