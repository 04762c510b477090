from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from control_plane.detached import Record, command_of, down

if TYPE_CHECKING:
    from pathlib import Path


def test_the_command_of_a_process_that_is_gone_is_empty() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    assert command_of(process.pid) == ""


def test_a_stranger_with_a_remembered_process_id_is_left_alone(tmp_path: Path) -> None:
    # The test's own process stands for the stranger: it would not live to see the end.
    record = Record(url="https://127.0.0.1:1", directory="/tmp/control-plane-of-old", pids={"etcd": os.getpid()})  # noqa: S108  need not exist
    record.write(tmp_path)
    assert record.running() == {}

    assert down(tmp_path) == record
    assert down(tmp_path) is None
