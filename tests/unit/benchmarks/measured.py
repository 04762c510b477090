"""Results that were never measured, for tests of what is made of them."""

from __future__ import annotations

from benchmarks.results import OURS, PEER, Round, RowResult

FACTS = {"processor": "Fast CPU 9000, 2 cores", "ours": "atlas-endpoints 1"}


def row(name: str, ours: list[dict[str, float]], peer: list[dict[str, float]], *, against: str = PEER) -> RowResult:
    result = RowResult(name, 1.0, FACTS, "2026-01-02")
    result.rounds += [Round(OURS, figures) for figures in ours]
    result.rounds += [Round(against, figures) for figures in peer]
    return result


def edits(p99: float = 37.0) -> RowResult:
    return row(
        "edit",
        [{"p50_ms": p50, "p99_ms": p99} for p50 in (26.0, 27.0, 29.0)],
        [{"p50_ms": 54.0, "p99_ms": 49.0}] * 3,
    )
