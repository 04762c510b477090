from __future__ import annotations

import os

from benchmarks.usage import Memory, cpu_seconds, cpu_seconds_in, memory, memory_in

TICKS = os.sysconf("SC_CLK_TCK")


def test_processor_time_is_that_of_the_user_and_the_system_whatever_the_program_is_called() -> None:
    stat = f"42 (a (very) odd) name) S 1 42 42 0 -1 4194304 9 8 7 6 {3 * TICKS} {TICKS} 77 66 20 0 1 0 100 200 300"
    assert cpu_seconds_in(stat) == 4.0


def test_memory_is_read_in_millions_of_bytes() -> None:
    status = "Name:\tpython\nVmPeak:\t  900000 kB\nVmHWM:\t  250000 kB\nVmRSS:\t  125000 kB\nThreads:\t4\n"
    assert memory_in(status) == Memory(resident=128.0, peak=256.0)


def test_a_running_process_has_used_something() -> None:
    assert cpu_seconds(os.getpid()) > 0
    assert 0 < memory(os.getpid()).resident <= memory(os.getpid()).peak
