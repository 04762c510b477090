"""The command `python -m benchmarks`, which `make bench` calls."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import aiohttp

from benchmarks import machine, report
from benchmarks.contenders import Peer, provide_go_programs
from benchmarks.results import OURS, PEER, Round, RowResult, load_all
from benchmarks.rows import ROWS
from benchmarks.stage import ROOT, staged
from control_plane import ControlPlaneError, KubectlError, ProgramsError, provide_programs
from control_plane.go_build import CACHE, BuildError
from control_plane.process import ServerExitedError
from control_plane.toolchain import ToolchainError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.contenders import Contender, GoPrograms
    from benchmarks.rows import Row
    from benchmarks.stage import Stage

RESULTS = ROOT / "docs" / "benchmark"
"""The newest run in full size of each row: what the page is made of, committed beside it."""
TRIALS = CACHE / "benchmark"
"""The newest run of each row in another size; no document speaks of it."""
PAGE = ROOT / "docs" / "benchmark.md"

FAILURES = (
    ControlPlaneError,
    KubectlError,
    ServerExitedError,
    ProgramsError,
    ToolchainError,
    BuildError,
    TimeoutError,
    RuntimeError,
    aiohttp.ClientError,
)


def main() -> int:
    """Run the rows that are asked for, and print the table.

    Returns:
        0 done, whatever the figures say; 1 it could not be measured; 130 interrupted.
    """
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that everything is cleaned up
    try:
        asyncio.run(_run(options))
    except (ExceptionGroup, *FAILURES) as error:
        failures = _leaves(error)
        if not all(isinstance(each, FAILURES) for each in failures):
            raise
        for each in failures:
            sys.stderr.write(f"FAILED: {each}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("Stopped; everything is cleaned up.\n")
        return 130
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=main.__doc__)
    parser.add_argument("--rows", type=_rows, default=list(ROWS), help=f"of {','.join(ROWS)}, or beginnings of these")
    parser.add_argument("--rounds", type=int, default=5, help="how often each contender runs each row")
    parser.add_argument("--scale", type=float, default=1.0, help="the share of the full size, for a quick look")
    parser.add_argument("--tenants", type=int, help="how many pairs of credentials share the resources of each row")
    parser.add_argument("--only", choices=(OURS, PEER), help="run one contender alone, say under a profiler")
    return parser.parse_args()


def _rows(text: str) -> list[str]:
    wanted = text.split(",") if text else list(ROWS)
    for prefix in wanted:
        if not any(name.startswith(prefix) for name in ROWS):
            raise argparse.ArgumentTypeError(f"there is no row {prefix!r}; there are {', '.join(ROWS)}")
    return [name for name in ROWS if name.startswith(tuple(wanted))]


async def _run(options: argparse.Namespace) -> None:
    if "instructions" in options.rows and not shutil.which("callgrind_control"):
        raise RuntimeError("the row instructions needs Debian's package valgrind; ROWS= names the rows without it")
    # Unlike tests, which wait for the build more often than for the programs, figures are for optimised programs.
    programs = provide_programs(controller_manager=True, optimized=True)
    go_programs = provide_go_programs()
    counts = options.scale == 1.0 and options.tenants is None and options.only is None
    folder = RESULTS if counts else TRIALS
    rows = {name: _shared_by(options.tenants, ROWS[name]) for name in options.rows}
    async with staged(programs, go_programs, [row.fleet for row in rows.values()]) as stage:
        for name, row in rows.items():
            result = RowResult(name, options.scale, machine.describe(), datetime.now(UTC).date().isoformat())
            for number in range(options.rounds):
                for contender in _contenders(stage, go_programs, row, options.only):
                    round_ = f"round {number + 1} of {options.rounds}"
                    await _measure(stage, contender, row, result, round_=round_)
            result.save(folder / f"{name}.json")
    measured = load_all(folder)
    if counts:
        PAGE.write_text(report.update(PAGE.read_text(encoding="utf-8"), measured), encoding="utf-8")
    _say(report.table({name: measured[name] for name in options.rows}))


async def _measure(stage: Stage, contender: Contender, row: Row, result: RowResult, *, round_: str) -> None:
    begun = time.monotonic()
    figures = await row.measure(stage, contender, row.fleet, result.scale)
    result.rounds.append(Round(contender.name, figures))
    told = "  ".join(f"{figure} {value:.4g}" for figure, value in figures.items())
    _say(f"{result.row}, {round_}, {contender.name} ({time.monotonic() - begun:.0f} s): {told}")


def _shared_by(tenants: int | None, row: Row) -> Row:
    return row if tenants is None else replace(row, fleet=replace(row.fleet, tenants=tenants))


def _contenders(stage: Stage, programs: GoPrograms, row: Row, only: str | None) -> Sequence[Contender]:
    peer = Peer(programs.peer)
    if row.alone:
        return [] if only == PEER else [stage.ours]
    match only:
        case None:
            return [stage.ours, peer]
        case "ours":
            return [stage.ours]
        case _:
            return [peer]


def _leaves(error: Exception) -> list[Exception]:
    if isinstance(error, ExceptionGroup):
        return [leaf for each in error.exceptions for leaf in _leaves(each)]
    return [error]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
