"""The command line: arguments, errors and exit codes."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from atlas_endpoints import __version__
from atlas_endpoints.cli import main, new_event_loop
from atlas_endpoints.commands.check.settings import CheckSettings
from atlas_endpoints.settings import unknown_variables
from support.checking import LOCATION

COMMAND = Path(sys.executable).with_name("atlas-endpoints")
OPERATOR = Path(__file__).parents[2] / "operator"
"""This tree's own, wherever the command was installed from."""


def _run(
    *arguments: str, stdout: int = subprocess.PIPE, stderr: int = subprocess.PIPE, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments],
        env={
            "PATH": os.defpath,
            "PYTHONPATH": str(OPERATOR),
            "KUBECONFIG": "/nonexistent",
            "HOME": "/nonexistent",
            **environment,
        },
        stdout=stdout,
        stderr=stderr,
        text=True,
        timeout=60,
        check=False,
    )


def _code(*arguments: str) -> object:
    """Run in this process and return the exit code, also when the parser exits."""
    try:
        return main(arguments)
    except SystemExit as stop:
        return stop.code


def test_without_arguments_it_prints_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert _code() == 0
    help_ = capsys.readouterr().out
    for command in ("run", "check", "status", "plan", "import", "simulate"):
        assert re.search(rf"^    {command} +[A-Z]", help_, re.MULTILINE), command


@pytest.mark.parametrize("command", ["run", "check", "status", "plan", "import", "simulate"])
def test_the_help_of_a_command_has_its_own_flags_first_and_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _code(command, "--help") == 0
    help_ = capsys.readouterr().out
    assert f"atlas-endpoints {command} " in help_.partition("Example")[2].partition("options:")[0]
    own, _, inherited = help_.partition("options:")[2].partition("\nthe way to Atlas:")
    assert "--atlas-url" not in own
    assert ("--atlas-url URL" in inherited) == (command not in {"status", "simulate"})
    assert not [
        name for name in ("tuple", "timedelta", "bool", "Path", " str") if f"{name}\n" in help_ or f"{name} " in own
    ]


def test_as_a_plugin_it_is_a_command_of_kubectl(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/kubectl-atlas_endpoints"])

    assert _code("status", "--help") == 0
    assert capsys.readouterr().out.startswith("usage: kubectl atlas-endpoints status [NAMESPACE/NAME] [flags]")


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert _code("--version") == 0
    assert capsys.readouterr().out == f"atlas-endpoints {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fly"], "invalid choice: 'fly'"),
        (
            ["plann"],
            "invalid choice: 'plann' (choose from 'run', 'check', 'status', 'plan', 'import', 'simulate'). Did you mean plan?",
        ),
        (["plan", "shop.yaml"], "unrecognized arguments: shop.yaml. Did you mean -f shop.yaml?"),
        (["run", "--bogus"], "run: error: unrecognized arguments: --bogus. See atlas-endpoints run --help."),
        (["plan", "--filname=x"], "plan: error: unrecognized arguments: --filname=x. Did you mean --filename?"),
        (
            ["run", "--concurrency", "many"],
            "--concurrency (ATLAS_ENDPOINTS_CONCURRENCY): 'many' must be a valid integer\n",
        ),
        (["run", "--writes", "maybe"], "--writes (ATLAS_ENDPOINTS_WRITES): 'maybe' must be on or off\n"),
        (["run", "--log-format", "xml"], "--log-format (ATLAS_ENDPOINTS_LOG_FORMAT): 'xml' must be 'json' or 'text'\n"),
        (
            ["run", "--atlas-url", "http://atlas.example.com"],
            "--atlas-url (ATLAS_ENDPOINTS_ATLAS_URL): ATLAS_URL is plain http",
        ),
        (
            ["check", "--project", "shop", "--instance", "shop"],
            "--project (ATLAS_ENDPOINTS_PROJECT): must be an Atlas ID of 24 lower-case hexadecimal characters",
        ),
        (["check", "--project", "5f" * 12, "--instance", "my shop"], "--instance (ATLAS_ENDPOINTS_INSTANCE): "),
        (
            ["check", "--instance", "shop"],
            "--provider (ATLAS_ENDPOINTS_PROVIDER): --instance and --provider go together with --project: give it, too",
        ),
        (["check", "--provider", "AWS"], "--instance and --provider go together with --project"),
        (["check", "--project", "5f" * 12, "--provider", "aws"], "--provider"),
        (["check", "--secret", "credentials"], "--secret (ATLAS_ENDPOINTS_SECRET): must be namespace/name of a Secret"),
        (["run", "--kinds", "Other"], "--kinds (ATLAS_ENDPOINTS_KINDS): Other: no such kind; the kinds are Dedicated"),
        (["check", "--kinds", "Other"], "--kinds (ATLAS_ENDPOINTS_KINDS): Other: no such kind"),
        (
            ["status", "orders"],
            "NAMESPACE/NAME: 'orders' must be namespace/name, such as shop/orders, or a name with -n",
        ),
        (["status", "-n", "shop", "db/orders"], "NAMESPACE/NAME: 'db/orders' must be namespace/name, such as shop/"),
        (["status", "--bundle", "-o", "json"], "--output (ATLAS_ENDPOINTS_STATUS_OUTPUT): a bundle is Markdown"),
        (["plan"], "--filename (ATLAS_ENDPOINTS_FILENAME): specify a file or a folder with manifests, or -"),
        (["plan", "-f", "a.yaml", "--output", "xml"], "--output"),
        (["plan", "-f", "a.yaml", "--namespace", "My_Shop"], "--namespace (ATLAS_ENDPOINTS_NAMESPACE): 'My_Shop'"),
        (["import"], "--project (ATLAS_ENDPOINTS_PROJECT): specify the project to read from Atlas; or"),
        (
            ["import", "-f", "a.yaml", "--terraform", "-"],
            "--project (ATLAS_ENDPOINTS_PROJECT): specify the project to read",
        ),
        (["import", "--project", "shop"], "--project (ATLAS_ENDPOINTS_PROJECT): must be an Atlas ID of 24 lower-case"),
        (
            ["import", "-f", "a.yaml", "--as", "serverless-private-endpoint"],
            "--filename (ATLAS_ENDPOINTS_FILENAME): is only for --as dedicated-private-endpoint",
        ),
        (
            ["import", "--project", "5f" * 12, "--as", "another"],
            "--target (ATLAS_ENDPOINTS_TARGET): another: no such kind of manifest; there are dedicated-private-endpoint,",
        ),
        (
            ["import", "--project", "5f" * 12, "--as", "dedicated-private-endpoint", "--instance", "shop"],
            "--instance (ATLAS_ENDPOINTS_INSTANCE): is only for --as serverless-private-endpoint\n",
        ),
        (
            ["import", "--project", "5f" * 12, "--instance", "shop", "--region", "US_EAST_1"],
            "--region (ATLAS_ENDPOINTS_REGION): is only for --as dedicated-private-endpoint",
        ),
        (["import", "--project", "5f" * 12, "--instance", "my shop"], "--instance (ATLAS_ENDPOINTS_INSTANCE): "),
        (
            ["import", "--project", "5f" * 12, "--credentials-secret-name", "shop/atlas-credentials"],
            "--credentials-secret-name (ATLAS_ENDPOINTS_CREDENTIALS_SECRET_NAME): must be the name of a Secret",
        ),
        (["simulate", "--port", "70000"], "--port (ATLAS_ENDPOINTS_SIMULATE_PORT): "),
    ],
)
def test_a_wrong_argument_is_named_and_exits_with_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _code(*arguments) == 2
    assert message in capsys.readouterr().err


def test_a_flag_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ATLAS_ENDPOINTS_CONCURRENCY", "8")

    assert _code("run", "--concurrency", "0") == 2
    assert "--concurrency" in capsys.readouterr().err


NO_FILE = "there is no file '/nonexistent'; set KUBECONFIG to the kubeconfig of a cluster, as for kubectl"


def test_without_a_cluster_run_names_the_missing_kubeconfig_and_exits_with_1() -> None:
    done = _run("run", "--http-address", "127.0.0.1:0")

    assert done.returncode == 1
    record = json.loads(done.stderr.splitlines()[-1])
    assert record["level"] == "ERROR"
    assert NO_FILE in record["message"]
    assert "Config not found" not in done.stderr


def _kubeconfig(cluster: Mapping[str, object], user: object = None) -> str:
    contexts = [{"name": "a", "context": {"cluster": "a", "user": "a"}}]
    clusters = [{"name": "a", "cluster": {"server": "http://127.0.0.1:1", **cluster}}]
    users = [{"name": "a", "user": user or {}}]
    return json.dumps({"current-context": "a", "contexts": contexts, "clusters": clusters, "users": users})


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "it cannot be read as a kubeconfig"),
        ("\0\x1b[2J", "it cannot be read as a kubeconfig"),
        ("[" * 100_000, "it cannot be read as a kubeconfig"),
        ("clusters: 7", "it cannot be read as a kubeconfig"),
        ("a: 1", "Expected key current-context"),
        (r'{"current-context": "\u001b[2J\u202e", "contexts": [{"name": "a"}]}', "Expected object with name"),
        (_kubeconfig({"server": "http://[::1"}), "it cannot be read as a kubeconfig"),
        (_kubeconfig({"server": "https://a\x1b[2Jb"}), "it cannot be read as a kubeconfig"),
        (_kubeconfig({"server": "ftp://shop"}), "The API server cannot be reached"),
        (_kubeconfig({"proxy-url": 7}), "it cannot be read as a kubeconfig"),
        (_kubeconfig({"server": "https://127.0.0.1:1", "tls-server-name": 7}), "it cannot be read as a kubeconfig"),
        (_kubeconfig({"server": "https://127.0.0.1:1", "certificate-authority": "/nonexistent"}), "/nonexistent"),
        (_kubeconfig({}, {"tokenFile": "/nonexistent"}), "/nonexistent"),
        (_kubeconfig({}), "The API server cannot be reached: Connection refused."),
    ],
)
def test_a_kubeconfig_that_is_garbage_is_one_line(
    content: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config").write_text(content)
    monkeypatch.setattr(LOCATION, str(tmp_path / "config"))

    assert _code("status") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable()
    assert why in line


def test_an_answer_of_the_cluster_that_is_nested_without_end_is_one_line(tmp_path: Path) -> None:
    class ApiServer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            nested = f'{{"metadata": {{"name": "a", "namespace": "a", "more": {"[" * 900}{"]" * 900}}}}}'
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f'{{"items": [{nested}], "metadata": {{"resourceVersion": "1"}}}}'.encode())

    with ThreadingHTTPServer(("127.0.0.1", 0), ApiServer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        (tmp_path / "config").write_text(_kubeconfig({"server": f"http://127.0.0.1:{server.server_port}"}))
        done = _run("status", KUBECONFIG=str(tmp_path / "config"))
        server.shutdown()
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr


def test_without_a_cluster_check_names_the_missing_kubeconfig_and_still_checks_atlas() -> None:
    done = _run("check", "--atlas-url", "http://127.0.0.1:1", ATLAS_ENDPOINTS_NAMESPACE="shop")

    assert done.returncode == 1
    settings, cluster, atlas, result = done.stdout.strip().split("\n\n")
    assert settings.endswith(
        "warning  ATLAS_ENDPOINTS_NAMESPACE is no setting of check in this version, and has no effect."
    )
    assert cluster.startswith("Kubernetes\nfailed   The address of the Kubernetes API is unknown: ")
    assert cluster.endswith(f"{NO_FILE}. Credentials come from Secrets only, so none are checked.")
    assert atlas.startswith(
        "Atlas: http://127.0.0.1:1\nfailed   Atlas cannot be reached; check ATLAS_ENDPOINTS_ATLAS_URL"
    )
    assert atlas.endswith("(Connection refused)")
    assert result.startswith("Result: action is required (1 warning, 2 failed; ")
    assert not done.stderr


def test_a_closed_pipe_ends_a_report_without_a_traceback() -> None:
    """As with `| head`."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = _run("check", "--atlas-url", "http://127.0.0.1:1", stdout=writing)
    finally:
        os.close(writing)

    assert (done.returncode, done.stderr) == (1, "")


def test_a_pipe_for_errors_that_nobody_reads_keeps_the_exit_code() -> None:
    """As with `2>&1 | head`."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = _run("check", ATLAS_ENDPOINTS_KINDS="Unknown", stderr=writing)
    finally:
        os.close(writing)

    assert done.returncode == 2


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_from_the_start_is_no_crash(closed: str) -> None:
    """As in some schedulers and containers; the first file that is opened would get its number."""
    command = ["sh", "-c", f'exec "$0" plan -f - --atlas-url http://127.0.0.1:1 {closed}', str(COMMAND)]
    environment = {"PATH": os.defpath, "PYTHONPATH": str(OPERATOR)}
    done = subprocess.run(
        command, env=environment, input="a: b\n", capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_a_variable_of_check_is_unknown_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_ENDPOINTS_PROJECT", "5f" * 12)

    assert unknown_variables() == ["ATLAS_ENDPOINTS_PROJECT"]
    assert unknown_variables(CheckSettings) == []


def test_a_missing_certificate_file_fails_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _code("check", "--ca-file", str(tmp_path / "none.pem")) == 1
    out = capsys.readouterr().out
    assert "\nfailed   The file " in out
    assert "cannot be read as certificates in PEM" in out


def test_a_missing_seed_file_exits_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _code("simulate", "--port", "0", "--seed", str(tmp_path / "none.json")) == 1
    err = capsys.readouterr().err
    assert "none.json" in err
    assert "Traceback" not in err


def test_a_port_that_is_taken_is_named_and_exits_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert _code("simulate", "--port", str(port)) == 1
    in_use = f"cannot listen at 127.0.0.1:{port} (Address already in use): set another --port or --host\n"
    assert capsys.readouterr().err == in_use


def test_the_event_loop_is_uvloop_where_it_is_available() -> None:
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        loop = runner.get_loop()
    assert type(loop).__module__.startswith("asyncio" if sys.platform == "win32" else "uvloop")
