"""What ``atlas-endpoints check`` looks at, and how it tells about it; what each finding says, unit tests tell."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING

from control_plane.process import wait_until
from support.atlas import CLIENT_SECRET, COMMAND, READ_ONLY_CLIENT_ID, Atlas
from support.documentation import DOCS

if TYPE_CHECKING:
    from control_plane import ControlPlane
    from support.atlas import Place
    from support.checking import Check, Checker
    from support.resources import Resources

"""What the simulator says of the end of the API, as Atlas does."""


def test_programs_get_one_document(check: Check, resources: Resources, place: Place) -> None:
    resources.create("orders", place.spec())
    resources.create("nowhere", place.spec(credentialsSecretRef={"name": "missing"}))

    text = check()
    checked = check("-o", "json")

    document = json.loads(checked.output)
    assert (checked.code, document["passed"], document["formatVersion"]) == (1, False, 1)
    sections = {each["title"]: each["findings"] for each in document["sections"]}
    assert [*sections] == [title for title in text.sections if not title.startswith("Result: ")]
    (problem,) = (each for each in sections["Credentials"] if each["level"] == "failed")
    assert "missing" in problem["text"]


def test_without_a_problem_each_part_is_reported_and_the_code_is_0(
    check: Check, resources: Resources, place: Place, atlas: Atlas
) -> None:
    """By a service account and by an API key."""
    resources.create("orders", place.spec())
    resources.write_status("orders", {"observedGeneration": 1})

    for kind in ("service account", "API key"):
        checked = check()

        assert checked.code == 0, checked.output
        assert checked.lines("failed") == checked.lines("warning") == checked.lines("skipped") == []
        assert len(checked.lines("ok")) == 5
        checked.contains("ok", resources.namespace, f"contains credentials ({kind}; not tried yet)")
        told = checked.sections[f"Project {place.project}, instance shop, for {resources.namespace}/orders"]
        assert len(told) == 2
        assert checked.calls.count("PATCH") == 1
        resources.secret(data=atlas.put_api_key(place))


def test_the_report_that_the_documentation_shows_is_a_real_one(
    check: Check, resources: Resources, place: Place, atlas: Atlas, control_plane: ControlPlane
) -> None:
    resources.secret(data={"clientId": READ_ONLY_CLIENT_ID, "clientSecret": CLIENT_SECRET})
    atlas.change(place.sibling(1), status="RESERVED")
    for name in ("invoices", "orders"):
        resources.create(name, place.spec())
        resources.write_status(name, {"observedGeneration": 1})

    report = check().output

    for real, shown in {
        control_plane.url: "https://10.96.0.1:443",
        atlas.url: "https://cloud.mongodb.com",
        f"no live resource in {resources.namespace} names": "no live resource names",
        place.sibling(1).endpoint: "5f7cac1adf5d6c6306f4b284",
        f"in {resources.namespace}": "in all namespaces",
        resources.namespace: "shop",
        place.project: "5f7cac1adf5d6c6300000000",
    }.items():
        report = report.replace(real, shown)
    documented = re.findall(r"```text\n(.*?)```", (DOCS / "commands.md").read_text(), re.DOTALL)[0]
    documented = re.sub(r"ok       cloud.mongodb.com has .*\n", "", documented)  # a loopback address has no name
    assert _untimed(report) == _untimed(documented).replace("(7 ok", "(6 ok")


def _untimed(report: str) -> str:
    return re.sub(r"[0-9.]+ (m?s)\b", r"… \1", report)


def test_it_ends_cleanly_when_it_is_interrupted(
    control_plane: ControlPlane, checker: Checker, resources: Resources, place: Place, atlas: Atlas
) -> None:
    resources.create("orders", place.spec())
    atlas.fail(place, delay=30)
    before = len(atlas.requests(place))
    # Whoever runs tests in the background may have them ignore SIGINT.
    command = ["/usr/bin/env", "--default-signal=INT", *COMMAND, "check", "--atlas-url", atlas.url]
    with subprocess.Popen(
        [*command, "--namespaces", resources.namespace],
        env={**os.environ, "KUBECONFIG": str(control_plane.kubeconfig_for("default", "checker"))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            wait_until(lambda: len(atlas.requests(place)) > before, "the question")
            running.send_signal(signal.SIGINT)
            output, errors = running.communicate(timeout=60)
        finally:
            running.kill()

    assert running.returncode == 1
    assert len(errors.splitlines()) == 1
    assert "Atlas answers (" in output
