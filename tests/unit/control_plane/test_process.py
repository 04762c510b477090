from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from control_plane.process import ServerExitedError, ServerGroup, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOON = 20.0


@pytest.fixture
def group() -> Iterator[ServerGroup]:
    group = ServerGroup(detached=False)
    yield group
    group.close()


def test_a_server_that_ends_too_early_is_named_with_its_last_words(group: ServerGroup, tmp_path: Path) -> None:
    server = group.start("teapot", ["/bin/sh", "-c", "echo no coffee >&2; exit 41"], folder=tmp_path)
    with pytest.raises(ServerExitedError, match=r"teapot ended with code 41; its last words:\nno coffee"):
        wait_until(lambda: False, "coffee", servers=[server], timeout=SOON)


def test_waiting_in_vain_ends_with_what_was_waited_for() -> None:
    with pytest.raises(TimeoutError, match="waited 0 s in vain for coffee"):
        wait_until(lambda: False, "coffee", timeout=0)


def test_a_server_gets_nothing_of_the_environment(
    group: ServerGroup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETCD_NAME", "mine")
    server = group.start("env", ["/usr/bin/env"], folder=tmp_path)
    server.process.wait(SOON)
    assert {line.split("=")[0] for line in server.log.read_text().splitlines()} == {"PATH", "HOME"}


def test_closing_a_group_ends_its_servers_and_leaves_this_process_alone(tmp_path: Path) -> None:
    group = ServerGroup(detached=False)
    server = group.start("server", ["/bin/sleep", "1000"], folder=tmp_path)
    group.close()
    assert server.process.wait(SOON) < 0


def test_a_stopped_server_may_end_by_itself(group: ServerGroup, tmp_path: Path) -> None:
    script = "trap 'exit 7' TERM; echo ready; while :; do /bin/sleep 0.01; done"
    server = group.start("server", ["/bin/sh", "-c", script], folder=tmp_path)
    wait_until(lambda: server.log.read_text() == "ready\n", "its trap", servers=[server], timeout=SOON)
    server.stop(kill=False)
    assert server.process.returncode == 7
