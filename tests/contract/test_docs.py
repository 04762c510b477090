"""What the documentation says and what the code does are the same."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from atlas_endpoints.atlas.credentials import CredentialsProblem
from atlas_endpoints.cluster.errors import ReferenceProblem, SecretProblem
from atlas_endpoints.commands.check.report import Level
from atlas_endpoints.commands.clusterless import (
    VARIABLES,
    EnvironmentCredentials,
)
from atlas_endpoints.commands.manifests import Invalid, Place
from atlas_endpoints.commands.plan.forecast import CHANGING, FAILED, Action, Forecast
from atlas_endpoints.commands.plan.report import FORMAT_VERSION, as_document
from atlas_endpoints.controller.log_lines import LogFields
from atlas_endpoints.kinds import KINDS
from atlas_endpoints.kinds.dedicated_private_endpoint.service import ServiceReason
from atlas_endpoints.reconcile import events as resource_events
from atlas_endpoints.reconcile import resource
from atlas_endpoints.reconcile.credentials import SelectionProblem
from atlas_endpoints.reconcile.reasons import (
    CredentialsReason,
    DeprecatedReason,
    EventReason,
    OutputsReason,
    Progress,
    ReadyReason,
    ReferencesReason,
    SyncedReason,
)
from atlas_endpoints.telemetry import logs
from atlas_endpoints.telemetry.metrics import PREFIX
from delivery.recorded import recorded
from support import kstatus
from support.crd import crds
from support.documentation import (
    DOCS,
    PAGES,
    ROOT,
    Block,
    anchors,
    blocks_of,
    exported_metrics,
    prose,
    section,
)
from support.resources import ready

if TYPE_CHECKING:
    from pathlib import Path


def each_page() -> list[Any]:
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES]


def blocks(*languages: str) -> list[Any]:
    found = [block for page in PAGES for block in blocks_of(page) if block.language in languages]
    return [pytest.param(block, id=f"{block.page.relative_to(ROOT)}:{block.line}") for block in found]


def rows(text: str) -> list[list[str]]:
    """Give the cells of a page's tables, heads and rules left out."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    rules = {number for number, row in enumerate(cells) if all(re.fullmatch(r"-+", cell) for cell in row)}
    return [row for number, row in enumerate(cells) if number not in rules and number + 1 not in rules]


def tables(text: str) -> list[list[list[str]]]:
    """Give each table of a page by itself."""
    found = [rows(part) for part in text.split("\n\n")]
    return [table for table in found if table]


@dataclass(frozen=True, slots=True)
class Rule:
    """What a page promises, and its tests: a file below `tests/`, and how the name of a case in it begins."""

    text: str
    tests: tuple[tuple[str, str], ...]


def rules() -> list[Any]:
    """Give the rows of all tables whose last column names tests."""
    found = list[Any]()
    for page in PAGES:
        for table in re.findall(r"(?:^\|.*\n)+", prose(page), re.MULTILINE):
            head, _, *lines = ([cell.strip() for cell in line.strip("| \n").split("|")] for line in table.splitlines())
            if head[-1] == "tests" and page.name in RULED:
                found += [pytest.param(rule_of(cells), id=f"{page.name} {cells[0][:60]}") for cells in lines]
    return found


def rule_of(cells: list[str]) -> Rule:
    path, tests = "", list[tuple[str, str]]()
    for file, name in re.findall(r"`([^`]+)`|\*([^*]+)\*", cells[-1]):
        path = file or path
        if name:
            tests.append((path, name))
    return Rule(" | ".join(cells[:-1]), tuple(tests))


RULED = ("architecture.md",)
"""The pages on which each promise names its tests; the threat model names whole files."""


@functools.cache
def names_in(file: Path) -> list[str]:
    """Give the names of the cases in a file, as sentences."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".py":
        return [name.replace("_", " ") for name in re.findall(r"def (?:test_)?(\w+)\(", text)]
    cases = yaml.safe_load(text)
    if isinstance(cases, list):
        return [case["name"] for case in cases]
    nested = [name for group in cases.values() if isinstance(group, dict) for name in group]
    return [*cases, *nested]


def words(cell: str) -> list[str]:
    """Give what stands in code quotes."""
    return re.findall(r"`([^`]+)`", cell)


CONDITIONS: dict[str, set[str]] = {
    "Synced": {*SyncedReason},
    "CredentialsValid": {*CredentialsReason, *CredentialsProblem, *SecretProblem, *SelectionProblem},
    "Contended": {"Conflict"},
    "ReferencesResolved": {*ReferencesReason, *ReferenceProblem},
    "OutputsWritten": {*OutputsReason},
    "ServiceReady": {*ServiceReason},
    "Deprecated": {*DeprecatedReason},
}


REASONS = sorted({each for kind in KINDS for each in kind.reasons})
"""Those of ``Ready``, of all kinds."""


@pytest.mark.parametrize("condition", CONDITIONS)
def test_the_judge_of_all_statuses_knows_these_reasons_and_those_of_ready_alone(condition: str) -> None:
    assert CONDITIONS[condition] <= kstatus.REASONS[condition] <= CONDITIONS[condition] | {*REASONS}


def test_every_reason_of_ready_has_its_paragraph_and_no_other_has() -> None:
    headings = re.findall(r"^### (\w+)$", section(DOCS / "reasons.md", "Ready"), re.MULTILINE)
    assert sorted(headings) == sorted(REASONS)


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_has_its_three_parts_in_order(reason: ReadyReason) -> None:
    told = section(DOCS / "reasons.md", "Ready").split(f"### {reason}\n")[1].split("\n### ")[0]
    before, *parts = re.split(r"^\*\*(\w+):\*\* ", told, flags=re.MULTILINE)
    assert before.strip() == ""
    assert parts[::2] == ["Means", "Operator", "You"]
    assert [part for part in parts[1::2] if not part.strip()] == []
    assert [part for part in parts[1::2] if "as with " in part] == [], "whoever reads this reads no other paragraph"


def test_who_has_to_ask_for_another_look_is_told_so_by_the_message() -> None:
    told = re.split(r"^### (\w+)\n", section(DOCS / "reasons.md", "Ready"), flags=re.MULTILINE)
    ask = {
        reason
        for reason, text in zip(told[1::2], told[2::2], strict=True)
        if re.search("[Tt]hen set `force-sync`", text)
    }
    messages = [(ready(body)["reason"], ready(body)["message"]) for body in recorded().values()]
    assert len(ask) >= 4
    assert [(reason, message) for reason, message in messages if reason in ask and "/force-sync" not in message] == []


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_reason_of_another_condition_has_its_row_and_no_other_has(condition: str) -> None:
    documented = {word for row in rows(section(DOCS / "reasons.md", condition)) for word in words(row[0])}
    if condition == "Synced":
        documented -= {"Ready"}  # "a reason of `Ready`"
    assert documented == CONDITIONS[condition]


def test_the_reasons_of_events_are_those_of_failures() -> None:
    table = rows(section(DOCS / "reasons.md", "Events"))
    (warning,) = [words(row[2]) for row in table if (row[0], words(row[1])) == ("failure", ["Warning"])]
    assert sorted(warning) == sorted(each for each in REASONS if each.is_failure)


def test_the_other_reasons_of_events_are_those_of_the_code_with_their_types() -> None:
    documented = {
        (type_, reason)
        for what, types, reasons, *_ in rows(section(DOCS / "reasons.md", "Events"))
        if what not in {"failure", "recovery", "suspension"}
        for type_ in words(types)
        for reason in words(reasons)
    }
    told = [resource_events.new_event(reason, "why") for reason in EventReason]
    assert documented == {(each.type, each.reason) for each in told}
    assert not {*EventReason} & {*REASONS}


def test_the_reasons_without_an_event_are_all_others() -> None:
    (none,) = re.findall(
        r"^- for waiting and normal progress: (.*)$", section(DOCS / "reasons.md", "Events"), re.MULTILINE
    )
    suspended = {reason for reason in REASONS if (reason.ready, reason.progress) == ("False", Progress.NONE)}
    assert {*re.findall(r"\[(\w+)\]", none)} == {*REASONS} - {each for each in REASONS if each.is_failure} - suspended


def test_the_fields_of_lines_in_the_log_are_those_of_the_code() -> None:
    documented = {word for row in rows(section(DOCS / "operations.md", "Logs")) for word in words(row[0])}
    of_every_line = {"timestamp", "levelname", "name", "message", "exc_info"}
    assert documented == {logs.RENAMED.get(name, name) for name in of_every_line | LogFields.__annotations__.keys()}


def test_every_refusal_that_the_installation_page_explains_is_provoked_by_a_test() -> None:
    quoted = {word for row in rows(section(DOCS / "install.md", "When something is refused")) for word in words(row[0])}
    provoked = {
        text
        for path in (ROOT / "tests" / "delivery").glob("test_*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "says"
        for each in ast.walk(call)
        if isinstance(each, ast.Constant)
        for text in [each.value]
    }
    assert quoted == provoked


def test_the_concepts_name_each_condition() -> None:
    documented = {
        word for row in rows(section(DOCS / "concepts.md", "Conditions and status fields")) for word in words(row[0])
    }
    assert {"Ready", "Reconciling", "Stalled", *CONDITIONS} <= documented


def test_the_page_and_the_picture_that_tell_the_kinds_apart_show_each_of_them() -> None:
    kinds = sorted(crds())
    page = (DOCS / "which-endpoint.md").read_text(encoding="utf-8")
    chosen = [word for row in rows(page) for word in words(row[1]) if word in kinds]
    assert sorted(chosen) == kinds
    picture = ET.parse(DOCS / "pictures" / "endpoints.svg")  # noqa: S314  # ours
    shown = [each.text for each in picture.iter("{http://www.w3.org/2000/svg}text") if "kind" in each.get("class", "")]
    assert set(shown) == {each for each in kinds if each.endswith("Endpoint")}  # the regional mode connects nothing


def of_commands(heading: str) -> list[list[str]]:
    return rows(section(DOCS / "commands.md", heading))


def test_every_word_that_a_finding_begins_with_is_explained_and_no_other_is() -> None:
    text = section(DOCS / "commands.md", "check").split("### ", maxsplit=1)[0]
    assert [words(row[0])[0] for row in rows(text)] == list(Level)


def test_every_variable_with_credentials_is_documented_and_no_other_is() -> None:
    documented = {word for row in of_commands("Credentials of plan and import") for cell in row for word in words(cell)}
    aliases = [field.validation_alias for field in EnvironmentCredentials.model_fields.values()]
    known = {name for alias in aliases for name in ([alias] if isinstance(alias, str) else alias.choices)}  # type: ignore[union-attr]
    assert documented == known
    assert set(VARIABLES.values()) <= known


def test_every_field_and_action_of_a_plan_is_documented_and_no_other_is() -> None:
    own, entry, actions = tables(section(DOCS / "commands.md", "Output of plan for programs"))
    document = as_document([Forecast(Invalid(Place("a.yaml"), ()), Action.UNKNOWN, None, "")], {}, [])
    assert own[0][1] == str(FORMAT_VERSION)
    assert [word for row in own for word in words(row[0])] == list(document)
    assert [word for row in entry for word in words(row[0])] == list(document["resources"][0])
    assert [words(row[0])[0] for row in actions] == list(Action)
    assert {words(row[0])[0] for row in actions if row[2] == "yes"} == CHANGING
    assert {words(row[0])[0] for row in actions if not row[2]} == FAILED


def test_the_metrics_in_queries_exist() -> None:
    text = (DOCS / "metrics.md").read_text(encoding="utf-8")
    names = set(re.findall(rf"\b{PREFIX}_\w+[a-z]\b", text))
    used = {re.sub(r"_bucket$", "", name) for name in names}
    assert used <= exported_metrics().keys()


def test_every_annotation_that_works_is_documented_and_no_other_is() -> None:
    documented = {
        words(row[0])[0].partition(":")[0] for row in rows(section(DOCS / "settings.md", "Annotations of a resource"))
    }
    assert documented == {
        *resource.POLICY_ANNOTATIONS,
        *resource.REQUEST_ANNOTATIONS,
        *resource.DELETION_ANNOTATIONS,
        resource.ENDPOINT_ANNOTATION,
        resource.FORCE_FINALIZE,
        resource.FORCE_DELETE,
    }


@functools.cache
def files_of_tests() -> list[Path]:
    """Give the files that a rule may name."""
    return [each for each in (ROOT / "tests").rglob("*") if each.suffix in {".py", ".yaml"}]


@pytest.mark.parametrize("rule", rules())
def test_each_rule_names_tests_that_exist(rule: Rule) -> None:
    assert rule.tests, rule.text
    for path, beginning in rule.tests:
        (file,) = (each for each in files_of_tests() if str(each).endswith(f"/{path}"))
        found = [name for name in names_in(file) if name.startswith(beginning)]
        assert len(found) == 1, f"{path} {beginning}: {found}"


def test_each_page_that_states_rules_names_tests() -> None:
    assert {each.id.partition(" ")[0] for each in rules()} == {*RULED}


@pytest.mark.parametrize("page", each_page())
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    for link in links:
        path, _, anchor = link.partition("#")
        if "://" in path:
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_linked_from_another() -> None:
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in re.findall(r"\]\(([^)\s]+)\)", prose(page))
        if "://" not in link
    }
    assert {
        page for page in PAGES if page.is_relative_to(DOCS) and page not in linked and page.parent not in linked
    } == set()


@pytest.mark.parametrize("block", blocks("yaml"))
def test_a_yaml_block_parses_and_its_resources_are_valid(block: Block) -> None:
    kinds = {kind.names.kind: kind for kind in KINDS}
    for document in yaml.safe_load_all(block.text):
        if isinstance(document, dict) and (kind := kinds.get(document.get("kind", ""))):
            kind.resource.spec_type.parse(document["spec"])
            assert document["apiVersion"] == kind.names.api_version
            assert re.fullmatch(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?", document["metadata"]["name"])


@pytest.mark.parametrize("kind", [kind.names.kind for kind in KINDS])
def test_some_yaml_block_shows_a_resource(kind: str) -> None:
    shown = [block.values[0].text for block in blocks("yaml")]
    assert any(f"kind: {kind}\n" in text for text in shown), f"a page in docs/ shows a resource of kind {kind}"


@pytest.mark.parametrize("block", blocks("bash"))
def test_a_block_of_commands_is_correct_shell(block: Block) -> None:
    checked = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("page", each_page())
def test_what_a_page_names_of_the_checkout_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:`|^|&& )make ([a-z-]+)", text, re.MULTILINE)) <= targets
    paths = {
        word
        for word in words(prose(page))
        if re.fullmatch(r"(crds|deploy|docs|tests|operator|charts)/[\w./-]*", word) and not word.endswith("-full.yaml")
    }
    assert [word for word in sorted(paths) if not (ROOT / word).exists()] == []
    # And each block of code says what it is written in.
    assert "" not in re.findall(r"^```(\w*)$", text, re.MULTILINE)[::2]
