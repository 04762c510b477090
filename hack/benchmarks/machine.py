"""On what a run was made: versions and the class of hardware, and nothing that names the machine."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

from benchmarks.contenders import ENVIRONMENT, MODULE, controller_runtime_version
from control_plane.programs import MODULE as CONTROL_PLANE
from control_plane.programs import kubernetes_version


def processor_in(cpuinfo: str) -> str:
    found = re.search(r"^model name\s*: (.+)$", cpuinfo, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def memory_in(meminfo: str) -> str:
    """Read the size of the memory from /proc/meminfo."""
    found = re.search(r"^MemTotal:\s*(\d+) kB$", meminfo, re.MULTILINE)
    return f"{int(found[1]) * 1024 / 1e9:.0f} GB" if found else "unknown"


def describe() -> dict[str, str]:
    return {
        "processor": f"{processor_in(Path('/proc/cpuinfo').read_text(encoding='utf-8'))}, {os.cpu_count()} cores",
        "memory": memory_in(Path("/proc/meminfo").read_text(encoding="utf-8")),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "Kubernetes": kubernetes_version((CONTROL_PLANE / "go.mod").read_text(encoding="utf-8")),
        "ours": f"atlas-endpoints {version('atlas-endpoints')}, {_interpreter()}, kopf {version('kopf')}",
        "peer": f"controller-runtime {controller_runtime_version((MODULE / 'go.mod').read_text(encoding='utf-8'))}",
    }


def _interpreter() -> str:
    """Return the interpreter that ours runs on; a distribution's is optimised by profiles of its own runs."""
    tell = "import sys; print(sys.version.partition(' ')[0], sys.base_prefix)"
    asked = subprocess.run([ENVIRONMENT / "bin" / "python", "-c", tell], capture_output=True, text=True, check=True)
    version_, prefix = asked.stdout.split()
    return f"Python {version_} {'of the distribution' if prefix == '/usr' else 'from elsewhere'}"
