from __future__ import annotations

import io

import pytest

from control_plane.progress import BuildState, Kind, Progress, kind_of, packages_of


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("go: downloading k8s.io/api v0.37.2", Kind.DOWNLOAD),
        ("go.etcd.io/etcd/server/v3/etcdmain", Kind.PACKAGE),
        ("vendor/golang.org/x/net/http/httpguts", Kind.PACKAGE),
        ("unicode/utf8", Kind.PACKAGE),
        ("# control-plane", Kind.MESSAGE),
        ("./main.go:60:6: assignment mismatch", Kind.MESSAGE),
        ("go: k8s.io/api@v0.37.2: verifying module: checksum mismatch", Kind.MESSAGE),
    ],
)
def test_a_line_of_go_is(line: str, kind: Kind) -> None:
    assert kind_of(line) is kind


LISTED = "fmt 0\nos 100 fmt\nbig 900 fmt os\nmain-package 1000 fmt os big\n"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([], "reading the packages", id="at the start"),
        pytest.param(["go: downloading a v1", "go: downloading b v1"], "fetched 2 modules", id="while it fetches"),
        pytest.param(
            ["go: downloading a v1", "fmt"], "compiled 1 packages, 3 to go", id="while it is too early to tell"
        ),
        pytest.param(["fmt", "os"], "compiled 2 packages, 2 to go, about 70 s", id="while it compiles"),
        pytest.param(["big"], "compiled 1 packages, 1 to go, about 11 s", id="when Go has the rest in its cache"),
        pytest.param(["fmt", "main-package"], "linking (2 packages compiled)", id="when the main package is compiled"),
    ],
)
def test_a_build_says_how_far_it_is(lines: list[str], expected: str) -> None:
    clock = Clock()
    state = BuildState(packages_of(LISTED), clock)
    for line in lines:
        state.see(line)
    clock.now += 10
    assert state.describe() == expected


def test_a_log_gets_a_line_every_five_seconds() -> None:
    log, clock = io.StringIO(), Clock()
    progress = Progress(log, clock)
    for second in range(11):
        clock.now = 100.0 + second
        progress.show(f"state {second}")
    progress.say("done")
    assert log.getvalue().splitlines() == ["    0:00 state 0", "    0:05 state 5", "    0:10 state 10", "done"]


def test_a_terminal_gets_one_line_that_is_written_over(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, clock = io.StringIO(), Clock()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    progress = Progress(terminal, clock)
    progress.show("state 0")
    clock.now += 61
    progress.show("state 1")
    progress.say("done")
    assert terminal.getvalue() == "\r\033[K    0:00 state 0\r\033[K    1:01 state 1\r\033[Kdone\n"
