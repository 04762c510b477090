"""The command line: what it takes, what it refuses, and its exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from atlas_endpoints import __version__
from atlas_endpoints.cli import main

COMMAND = Path(sys.executable).with_name("atlas-endpoints")


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments],
        env={"PATH": os.defpath, "KUBECONFIG": "/nonexistent", "HOME": "/nonexistent", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _code(*arguments: str) -> object:
    """Run in this process and give the exit code, also when the parser exits by itself."""
    try:
        return main(arguments)
    except SystemExit as stop:
        return stop.code


def test_without_arguments_it_tells_what_it_can_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert _code() == 0
    help_ = capsys.readouterr().out
    assert "run" in help_
    assert "simulate" in help_


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert _code("--version") == 0
    assert capsys.readouterr().out == f"atlas-endpoints {__version__}\n"


def test_each_flag_of_run_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert _code("run", "--help") == 0
    help_ = capsys.readouterr().out
    assert "--credentials-secret" in help_
    assert "ATLAS_ENDPOINTS_" in help_


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fly"], "invalid choice: 'fly'"),
        (["run", "--bogus"], "--bogus"),
        (["run", "--concurrency", "many"], "--concurrency (ATLAS_ENDPOINTS_CONCURRENCY): "),
        (["run", "--max-corrections", "all"], "--max-corrections (ATLAS_ENDPOINTS_MAX_CORRECTIONS): 'all' is no limit"),
        (["run", "--leader-elect=perhaps"], "--leader-elect (ATLAS_ENDPOINTS_LEADER_ELECT): "),
        (
            ["run", "--leader-elect=false", "--lease-duration", "1s"],
            "--lease-duration (ATLAS_ENDPOINTS_LEASE_DURATION): ",
        ),
        (["run", "--writes", "perhaps"], "--writes (ATLAS_ENDPOINTS_WRITES): "),
        (["run", "--sync-interval", "10"], "--sync-interval (ATLAS_ENDPOINTS_SYNC_INTERVAL): '10' is no duration"),
        (
            ["run", "--atlas-url", "http://atlas.example.com"],
            "--atlas-url (ATLAS_ENDPOINTS_ATLAS_URL): ATLAS_URL is plain http",
        ),
        (["simulate", "--port", "70000"], "--port (ATLAS_ENDPOINTS_SIMULATE_PORT): "),
    ],
)
def test_a_wrong_argument_is_named_and_gives_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _code(*arguments) == 2
    assert message in capsys.readouterr().err


def test_a_flag_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ATLAS_ENDPOINTS_CONCURRENCY", "8")

    assert _code("run", "--concurrency", "0") == 2
    assert "--concurrency" in capsys.readouterr().err


def test_without_a_cluster_it_says_where_it_looked_and_gives_1() -> None:
    done = _run("run", "--http-address", "127.0.0.1:0")

    assert done.returncode == 1
    record = json.loads(done.stderr.splitlines()[-1])
    assert record["level"] == "ERROR"
    assert "KUBECONFIG" in record["message"]


def test_a_seed_file_that_is_not_there_gives_1(tmp_path: Path) -> None:
    done = _run("simulate", "--port", "0", "--seed", str(tmp_path / "none.json"))

    assert done.returncode == 1
    assert "none.json" in done.stderr
    assert "Traceback" not in done.stderr
