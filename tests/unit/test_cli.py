"""The command line: what it takes, what it refuses, and its exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_without_arguments_it_tells_what_it_can_do() -> None:
    done = _run()

    assert done.returncode == 0
    assert "run" in done.stdout
    assert "simulate" in done.stdout


def test_each_flag_of_run_is_explained() -> None:
    done = _run("run", "--help")

    assert done.returncode == 0
    assert "--credentials-secret" in done.stdout
    assert "ATLAS_ENDPOINTS_" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fly"], "invalid choice: 'fly'"),
        (["run", "--bogus"], "--bogus"),
        (["run", "--concurrency", "many"], "--concurrency: "),
        (["run", "--sync-interval", "10"], "--sync-interval: '10' is no duration"),
        (["run", "--atlas-url", "http://atlas.example.com"], "--atlas-url: ATLAS_URL is plain http"),
        (["simulate", "--port", "70000"], "--port: "),
    ],
)
def test_a_wrong_argument_is_named_and_gives_2(arguments: list[str], message: str) -> None:
    done = _run(*arguments)

    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_flag_wins_over_the_environment() -> None:
    done = _run("run", "--concurrency", "0", ATLAS_ENDPOINTS_CONCURRENCY="8")

    assert done.returncode == 2
    assert "--concurrency" in done.stderr


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
