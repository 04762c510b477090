from __future__ import annotations

import platform
import socket

from benchmarks.machine import describe, memory_in, processor_in
from benchmarks.programs import controller_runtime_version


def test_the_processor_is_named_by_its_model() -> None:
    assert processor_in("processor\t: 0\nmodel name\t: Fast CPU 9000\nflags\t: fpu\n") == "Fast CPU 9000"
    assert processor_in("processor\t: 0\n") == platform.machine()


def test_memory_is_told_in_gigabytes() -> None:
    assert memory_in("MemTotal:       16384000 kB\nMemFree: 5 kB\n") == "17 GB"
    assert memory_in("") == "unknown"


def test_the_peers_library_is_read_from_its_go_mod() -> None:
    assert controller_runtime_version("require (\n\tsigs.k8s.io/controller-runtime v0.25.2\n)\n") == "v0.25.2"
    assert controller_runtime_version("module m\n") == "unknown"


def test_versions_are_told_and_the_host_is_not() -> None:
    facts = describe()
    assert facts["Kubernetes"].startswith("v1.")
    assert facts["peer"].startswith("controller-runtime v0.")
    assert socket.gethostname() not in " ".join(facts.values())
