"""What ``atlas-endpoints check`` looks at, and how it tells about it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from datetime import timedelta
from typing import TYPE_CHECKING

from control_plane.process import wait_until
from support.atlas import CLIENT_SECRET, COMMAND, READ_ONLY_CLIENT_ID, Atlas
from support.checking import ACCEPTED, CANARY, Check, Checker
from support.resources import Resources
from support.running import ROOT

if TYPE_CHECKING:
    import pytest

    from control_plane import ControlPlane
    from support.atlas import Place


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


def test_where_all_is_well_each_part_is_told_and_the_code_is_0(
    check: Check, resources: Resources, place: Place, atlas: Atlas
) -> None:
    atlas.post("switches", {"deprecation": None, "sunset": None})
    resources.create("orders", place.spec())
    resources.write_status("orders", {"observedGeneration": 1})

    checked = check()

    atlas.post("switches", {"deprecation": "2025-12-10", "sunset": "2026-01-22"})
    assert checked.code == 0, checked.output
    assert checked.lines("failed") == checked.lines("warning") == checked.lines("skipped") == []
    checked.tells("ok", f"Resources in {resources.namespace}: 1.")
    checked.tells("ok", f"atlas-credentials of namespace {resources.namespace} contains credentials (service account)")
    checked.tells("ok", "Atlas answers (", " ms)")
    checked.tells("ok", "Atlas announces no end of this API")
    told = checked.sections[f"Project {place.project}, instance shop, for {resources.namespace}/orders"]
    assert [line.partition("(")[0].strip() for line in told] == [
        "ok       Atlas accepts the credentials, and they may read the project",
        "ok       The instance exists. Endpoints in it: 1.",
        "ok       The credentials may write to the project",
    ]
    assert checked.output.splitlines()[-1].startswith("Result: nothing failed (7 ok; ")
    assert checked.calls.count("PATCH") == 1


def test_an_api_key_is_told_apart(check: Check, resources: Resources, place: Place, atlas: Atlas) -> None:
    resources.secret(data=atlas.put_api_key(place))
    resources.create("orders", place.spec())

    checked = check()

    assert checked.code == 0, checked.output
    checked.tells("ok", "contains credentials (API key)")
    checked.tells("ok", "The credentials may write to the project")


def test_announced_ends_of_the_api_are_told_with_their_dates(
    check: Check, resources: Resources, place: Place, atlas: Atlas
) -> None:
    resources.create("orders", place.spec())

    past = check()
    atlas.post("switches", {"deprecation": None, "sunset": "2999-07-01"})
    to_come = check()
    atlas.post("switches", {"deprecation": "2025-12-10", "sunset": "2026-01-22"})

    assert past.code == to_come.code == 0
    past.tells(
        "warning",
        "The announced end of this API is past",
        "(Deprecation: Wed, 10 Dec 2025 00:00:00 GMT; Sunset: Thu, 22 Jan 2026 00:00:00 GMT)",
    )
    to_come.tells("warning", "has announced the end of this API (Sunset: Mon, 01 Jul 2999 00:00:00 GMT)")


def test_the_report_that_the_documentation_shows_is_a_real_one(
    check: Check, resources: Resources, place: Place, atlas: Atlas, control_plane: ControlPlane
) -> None:
    resources.secret(data={"clientId": READ_ONLY_CLIENT_ID, "clientSecret": CLIENT_SECRET})
    atlas.change(place.sibling(1), status="RESERVED")
    for name in ("invoices", "orders"):
        resources.create(name, place.spec())
        resources.write_status(name, {"observedGeneration": 1})

    checked = check()

    report = checked.output
    for real, shown in {
        control_plane.url: "https://10.96.0.1:443",
        atlas.url: "https://cloud.mongodb.com",
        f"in {resources.namespace}": "in all namespaces",
        resources.namespace: "shop",
        place.project: "5f7cac1adf5d6c6300000000",
    }.items():
        report = report.replace(real, shown)
    documented = re.findall(r"```text\n(.*?)```", (ROOT / "docs" / "commands.md").read_text(), re.DOTALL)[0]
    documented = re.sub(r"ok       cloud.mongodb.com has .*\n", "", documented)  # a loopback address has no name
    assert _untimed(report) == _untimed(documented).replace("(6 ok", "(5 ok")


def test_an_edit_that_no_operator_handles_is_a_warning(
    check: Check, resources: Resources, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atlas_endpoints.commands.check.resources.UNHANDLED", timedelta(0))
    resources.create("orders", place.spec())
    resources.create("invoices", place.sibling(1).spec())
    resources.write_status("orders", {"observedGeneration": 1})
    never_seen = check()
    resources.write_status("invoices", {"observedGeneration": 1})
    resources.edit("orders", comment="edited")
    edited = check()

    assert never_seen.code == edited.code == 0
    for checked, name in ((never_seen, "invoices"), (edited, "orders")):
        checked.tells("warning", f"No operator has handled the last edit of {resources.namespace}/{name}")


def _untimed(report: str) -> str:
    return re.sub(r"[0-9.]+ (m?s)\b", r"… \1", report)


def test_with_writes_off_no_patch_is_sent_and_that_is_told(check: Check, resources: Resources, place: Place) -> None:
    resources.create("orders", place.spec())

    checked = check("--writes", "off")

    assert checked.code == 0
    checked.tells("skipped", "The right to write is not checked, because WRITES is off")
    assert "PATCH" not in checked.calls


def test_a_place_is_checked_before_there_is_a_resource(check: Check, resources: Resources, place: Place) -> None:
    secret = f"{resources.namespace}/atlas-credentials"
    where = ["--project", place.project, "--instance", "shop"]

    by_name, by_default = check(*where, "--secret", secret), check(*where, "--credentials-secret", secret)
    without = check(*where)

    assert by_name.code == by_default.code == 0, by_name.output + by_default.output
    for checked in (by_name, by_default):
        assert f"Project {place.project}, instance shop" in checked.sections
        checked.tells("ok", "The credentials may write to the project")
    assert without.code == 1
    without.tells("failed", "There are no credentials", "Name a Secret with --secret namespace/name")
    assert without.calls == ["GET"]


def test_without_resources_the_operators_own_credentials_are_tried(
    check: Check, resources: Resources, atlas: Atlas, place: Place
) -> None:
    own = ["--credentials-secret", f"{resources.namespace}/atlas-credentials"]

    good, none = check(*own), check()
    resources.secret(data={**atlas.put_account(place), "clientSecret": CANARY})
    refused = check(*own)
    resources.delete_secret()
    missing = check(*own)

    assert (good.code, none.code, refused.code, missing.code) == (0, 0, 1, 1)
    good.tells("ok", f"Resources in {resources.namespace}: 0.")
    good.tells("ok", ACCEPTED)
    good.tells("skipped", "name a project with --project and --instance")
    none.tells("skipped", "the operator has no Secret of its own (ATLAS_ENDPOINTS_CREDENTIALS_SECRET)")
    none.tells("ok", "Atlas answers (")
    refused.tells("failed", "Atlas does not accept the credentials")
    missing.tells("failed", f"There is no Secret atlas-credentials in namespace {resources.namespace}")


def test_many_resources_of_one_instance_cost_two_calls_and_are_named_in_part(
    check: Check, resources: Resources, place: Place
) -> None:
    for number in range(5):
        resources.create(f"e{number}", place.sibling(number).spec())

    checked = check()

    assert checked.code == 0
    named = ", ".join(f"{resources.namespace}/e{number}" for number in range(3))
    assert f"Project {place.project}, instance shop, for {named} and 2 more" in checked.sections
    assert checked.calls == ["GET", "GET", "PATCH"]  # the first without credentials


def test_what_is_suspended_or_not_selected_is_not_asked_about(
    check: Check, control_plane: ControlPlane, resources: Resources, place: Place
) -> None:
    resources.create("asleep", place.spec(suspend=True))
    other = Resources(control_plane, resources.namespace, {"team": "b"})
    other.create("theirs", place.spec())

    checked, selected = check("--label-selector", "team=a"), check()

    other.close()
    checked.tells("ok", f"Resources in {resources.namespace} with the labels team=a: 0.")
    selected.tells("skipped", f"{resources.namespace}/asleep: not checked, because the resource is suspended")
    assert f"Project {place.project}, instance shop, for {resources.namespace}/theirs" in selected.sections


def test_a_check_that_takes_too_long_is_given_up(
    check: Check, resources: Resources, place: Place, atlas: Atlas, monkeypatch: pytest.MonkeyPatch
) -> None:
    resources.create("orders", place.spec())
    atlas.fail(place, delay=30)
    monkeypatch.setattr("atlas_endpoints.commands.check.command.WITHIN", 2.0)

    checked = check()

    assert checked.code == 1
    checked.tells("failed", "The check did not end within 2 s")


def test_it_ends_cleanly_when_it_is_interrupted(
    control_plane: ControlPlane, checker: Checker, resources: Resources, place: Place, atlas: Atlas
) -> None:
    resources.create("orders", place.spec())
    atlas.fail(place, delay=30)
    before = len(atlas.requests(place))
    with subprocess.Popen(  # whoever runs tests in the background may have them ignore SIGINT
        [
            "/usr/bin/env",
            "--default-signal=INT",
            *COMMAND,
            "check",
            "--atlas-url",
            atlas.url,
            "--namespaces",
            resources.namespace,
        ],
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
    assert errors == "The command was interrupted.\n"
    assert "Atlas answers (" in output
