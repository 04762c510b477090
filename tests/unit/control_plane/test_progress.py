from __future__ import annotations

import io

import pytest

from control_plane.progress import BuildState, Progress


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([], "reading the packages", id="at the start"),
        pytest.param(["go: downloading a v1", "go: downloading b v1"], "fetched 2 modules", id="while it fetches"),
        pytest.param(["go: downloading a v1", "fmt", "go.etcd.io/etcd"], "compiled 2 packages", id="while it compiles"),
    ],
)
def test_a_build_shows_how_far_it_is(lines: list[str], expected: str) -> None:
    state = BuildState()
    for line in lines:
        state.see(line)

    assert (state.describe(), state.messages) == (expected, [])


@pytest.mark.parametrize(
    "line",
    [
        "# control-plane",
        "./main.go:60:6: assignment mismatch",
        "go: k8s.io/api@v0.37.2: verifying module: checksum mismatch",
    ],
)
def test_a_message_of_go_is_kept(line: str) -> None:
    state = BuildState()
    state.see(line)

    assert state.messages == [line]


@pytest.mark.parametrize(
    ("is_terminal", "expected"),
    [
        pytest.param(
            False,
            "    0:00 state 0\n    0:05 state 5\n    0:10 state 10\ndone\n",
            id="a log gets a line every five seconds",
        ),
        pytest.param(
            True,
            "".join(f"\r\033[K    0:{second:02} state {second}" for second in range(11)) + "\r\033[Kdone\n",
            id="a terminal gets one line that is written over",
        ),
    ],
)
def test_progress_is_shown(is_terminal: bool, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream, now = io.StringIO(), [100.0]
    monkeypatch.setattr(stream, "isatty", lambda: is_terminal)
    progress = Progress(stream, lambda: now[0])
    for second in range(11):
        now[0] = 100.0 + second
        progress.show(f"state {second}")
    progress.say("done")

    assert stream.getvalue() == expected
