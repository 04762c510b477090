"""What ``atlas-endpoints check`` looks at, and how it tells about it; what each finding says, unit tests tell."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING

from atlas_endpoints.kinds.dedicated_private_endpoint.kind import KIND as DEDICATED
from control_plane.process import wait_until
from support.atlas import CLIENT_SECRET, COMMAND, READ_ONLY_CLIENT_ID, Atlas
from support.checking import ACCEPTED, CANARY, Check, Checker
from support.documentation import DOCS
from support.resources import Resources

if TYPE_CHECKING:
    import pytest

    from control_plane import ControlPlane
    from support.atlas import Place

ANNOUNCED = {"deprecation": "2025-12-10", "sunset": "2026-01-22"}
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
    atlas.post("switches", dict.fromkeys(ANNOUNCED))

    for kind in ("service account", "API key"):
        checked = check()

        assert checked.code == 0, checked.output
        assert checked.lines("failed") == checked.lines("warning") == checked.lines("skipped") == []
        assert len(checked.lines("ok")) == 7
        checked.contains("ok", resources.namespace, f"contains credentials ({kind})")
        told = checked.sections[f"Project {place.project}, instance shop, for {resources.namespace}/orders"]
        assert len(told) == 3
        assert checked.calls.count("PATCH") == 1
        resources.secret(data=atlas.put_api_key(place))
    atlas.post("switches", ANNOUNCED)


def test_announced_ends_of_the_api_are_reported_with_their_dates(
    check: Check, resources: Resources, place: Place, atlas: Atlas
) -> None:
    resources.create("orders", place.spec())

    past = check()
    atlas.post("switches", {"deprecation": None, "sunset": "2999-07-01"})
    to_come = check()
    atlas.post("switches", ANNOUNCED)

    assert past.code == to_come.code == 0
    past.contains("warning", "(Deprecation: Wed, 10 Dec 2025 00:00:00 GMT; Sunset: Thu, 22 Jan 2026 00:00:00 GMT)")
    to_come.contains("warning", "(Sunset: Mon, 01 Jul 2999 00:00:00 GMT)")


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
        f"no resource in {resources.namespace} names": "no resource names",
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


def test_with_writes_off_no_patch_is_sent_and_the_report_shows_it(
    check: Check, resources: Resources, place: Place
) -> None:
    resources.create("orders", place.spec())

    checked = check("--writes", "off")

    assert checked.code == 0
    checked.contains("skipped", "WRITES")
    assert "PATCH" not in checked.calls


def test_a_place_is_checked_before_there_is_a_resource(check: Check, resources: Resources, place: Place) -> None:
    secret = f"{resources.namespace}/atlas-credentials"
    where = ["--project", place.project, "--instance", "shop"]

    for checked in (check(*where, "--secret", secret), check(*where, "--credentials-secret", secret)):
        assert checked.code == 0, checked.output
        assert len(checked.sections[f"Project {place.project}, instance shop"]) == 3
    without = check(*where)
    assert without.code == 1
    without.contains("failed", "--secret namespace/name")
    assert without.calls == ["GET"]


def test_dedicated_private_endpoints_are_checked_by_provider(
    check: Check, control_plane: ControlPlane, resources: Resources, place: Place
) -> None:
    dedicated = Resources(control_plane, resources.namespace, {}, names=DEDICATED.names)
    secret = {"credentialsSecretRef": {"name": "atlas-credentials"}}
    dedicated.create("orders", {"projectId": place.project, "providerName": "AZURE", "region": "northeuorpe", **secret})
    of_provider = (
        "--project",
        place.project,
        "--provider",
        "GCP",
        "--secret",
        f"{resources.namespace}/atlas-credentials",
    )

    owner, named = check(), check(*of_provider)
    resources.secret(data={"clientId": READ_ONLY_CLIENT_ID, "clientSecret": CLIENT_SECRET})
    reader = check()

    dedicated.close()
    title = f"Project {place.project}, provider AZURE, for {resources.namespace}/orders"
    assert (owner.code, named.code, reader.code) == (0, 0, 1), (owner.output, named.output, reader.output)
    assert len(owner.sections[title]) == 4
    owner.contains("warning", "northeuorpe is not a region of AZURE", "Did you mean northeurope?")
    assert owner.calls == named.calls == ["GET", "GET", "PATCH"]  # the first without credentials
    assert f"Project {place.project}, provider GCP" in named.sections
    reader.contains("failed", "Project Owner")


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
    good.contains("ok", ACCEPTED)
    good.contains("skipped", "--project, and --instance or --provider")
    none.contains("skipped", "ATLAS_ENDPOINTS_CREDENTIALS_SECRET")
    none.contains("ok", "Atlas answers (")
    refused.contains("failed", "credentials")
    missing.contains("failed", "Secret atlas-credentials", resources.namespace)


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
    checked.contains("ok", resources.namespace, "team=a")
    selected.contains("skipped", f"{resources.namespace}/asleep")
    assert f"Project {place.project}, instance shop, for {resources.namespace}/theirs" in selected.sections


def test_a_check_that_takes_too_long_is_given_up(
    check: Check, resources: Resources, place: Place, atlas: Atlas, monkeypatch: pytest.MonkeyPatch
) -> None:
    resources.create("orders", place.spec())
    atlas.fail(place, delay=30)
    monkeypatch.setattr("atlas_endpoints.commands.check.command.WITHIN", 2.0)

    checked = check()

    assert checked.code == 1
    checked.contains("failed", "2 s")


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
