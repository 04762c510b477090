"""What a process has used, as Linux tells in /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory in MB of 1,000,000 bytes: now, and at its highest."""

    resident: float
    peak: float


def cpu_seconds_in(stat: str) -> float:
    """Read the processor time of a process, user and system, all threads, from /proc/<pid>/stat."""
    # The name of the program stands in parentheses and may hold anything; utime and stime are fields 14 and 15.
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_in(status: str) -> Memory:
    """Read the resident memory of a process from /proc/<pid>/status."""
    kilobytes = {
        name: int(value.split()[0])
        for name, _, value in (line.partition(":") for line in status.splitlines())
        if name in {"VmRSS", "VmHWM"}
    }
    return Memory(kilobytes["VmRSS"] * 1024 / 1e6, kilobytes["VmHWM"] * 1024 / 1e6)


def cpu_seconds(pid: int) -> float:
    """Return how much processor time a process has used."""
    return cpu_seconds_in(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8"))


def memory(pid: int) -> Memory:
    return memory_in(Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
