"""What the documentation says and what the code does are the same."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import durationpy
import pytest
import yaml
from pydantic import TypeAdapter

from atlas_endpoints.kinds.serverless_private_endpoint import model
from atlas_endpoints.kinds.serverless_private_endpoint.reasons import Reason
from atlas_endpoints.settings import OperatorSettings
from atlas_endpoints.telemetry.metrics import PREFIX, Metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "operator" / "atlas_endpoints"
KIND = PACKAGE / "kinds" / "serverless_private_endpoint"
DOCS = ROOT / "docs"
PAGES = sorted(
    [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), ROOT / "changelog.d" / "README.md", ROOT / "operator" / "README.md"]
)


class Block(NamedTuple):
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str


def each_page() -> list[Any]:
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES]


def blocks(*languages: str) -> list[Any]:
    found = [block for page in PAGES for block in blocks_of(page) if block.language in languages]
    return [pytest.param(block, id=f"{block.page.relative_to(ROOT)}:{block.line}") for block in found]


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield Block(page, text.count("\n", 0, match.start()) + 1, match.group(1), match.group(2))


def prose(page: Path) -> str:
    """Give a page without its blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def section(page: Path, title: str) -> str:
    """Give the text between a heading of the second level and the next."""
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return str(found)


def rows(text: str) -> list[list[str]]:
    """Give the cells of a page's tables, heads and rules left out."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    rules = {number for number, row in enumerate(cells) if all(re.fullmatch(r"-+", cell) for cell in row)}
    return [row for number, row in enumerate(cells) if number not in rules and number + 1 not in rules]


def words(cell: str) -> list[str]:
    """Give what stands in code quotes."""
    return re.findall(r"`([^`]+)`", cell)


def strings_in(node: ast.AST) -> Iterator[str]:
    """Give the text constants within a piece of code, and the values of the reasons that it names."""
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value
        elif isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id == "Reason":
            yield Reason[each.attr].value


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def findings(node: ast.AST) -> set[str]:
    """Give the constant reasons of all the `Finding(status, reason, message)` within a piece of code."""
    calls = [
        each
        for each in ast.walk(node)
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id == "Finding"
    ]
    return {text for call in calls for text in strings_in(call.args[1])}


def function(path: Path, name: str) -> ast.FunctionDef:
    (found,) = [each for each in parsed(path).body if isinstance(each, ast.FunctionDef) and each.name == name]
    return found


def credentials_reasons() -> set[str]:
    """Give the reasons of CredentialsValid: what failures finds, and what reading a Secret can end with."""
    modules = (
        PACKAGE / "cluster" / "secrets_reader.py",
        PACKAGE / "atlas" / "credentials.py",
        PACKAGE / "kinds" / "access.py",
    )
    read = {text for path in modules for text in strings_in(parsed(path)) if re.fullmatch(r"([A-Z][a-z]+){2,}", text)}
    return findings(parsed(KIND / "failures.py")) | read


CONDITIONS = {
    "Synced": findings(function(KIND / "status.py", "_synced")),
    "CredentialsValid": credentials_reasons(),
    "Deprecated": findings(function(KIND / "status.py", "_deprecated")),
}


def test_every_reason_of_ready_has_its_paragraph_and_no_other_has() -> None:
    headings = re.findall(r"^### (\w+)$", section(DOCS / "reasons.md", "Ready"), re.MULTILINE)
    assert sorted(headings) == sorted(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_a_paragraph_tells_what_the_operator_does_and_what_is_left_to_do(reason: Reason) -> None:
    paragraphs = section(DOCS / "reasons.md", "Ready").split(f"### {reason}\n")[1].split("\n### ")[0]
    assert "**Operator:**" in paragraphs
    assert "**You:**" in paragraphs


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_reason_of_another_condition_has_its_row_and_no_other_has(condition: str) -> None:
    documented = {word for row in rows(section(DOCS / "reasons.md", condition)) for word in words(row[0])}
    if condition == "Synced":
        documented -= {"Ready"}  # "a reason of `Ready`"
    assert documented == CONDITIONS[condition]


def test_the_readme_names_each_condition() -> None:
    documented = {word for row in rows(section(ROOT / "README.md", "What the status tells")) for word in words(row[0])}
    assert {"Ready", "Reconciling", "Stalled", *CONDITIONS} <= documented


def settings_rows() -> list[list[str]]:
    return rows((DOCS / "settings.md").read_text(encoding="utf-8").split("## Credentials", maxsplit=1)[0])


def test_every_setting_has_its_row_and_no_other_has() -> None:
    documented = {(words(row[0])[0], words(row[1])[0]) for row in settings_rows()}
    assert documented == {
        (f"--{name.replace('_', '-')}", f"ATLAS_ENDPOINTS_{name.upper()}") for name in OperatorSettings.model_fields
    }


@pytest.mark.parametrize("row", settings_rows(), ids=lambda row: row[0].strip("`"))
def test_the_documented_default_is_the_real_one(row: list[str]) -> None:
    default = OperatorSettings.model_fields[words(row[0])[0].removeprefix("--").replace("-", "_")].default
    documented = words(row[2])
    if not default and default is not False:
        assert row[2] in {"none", "all"}
    elif isinstance(default, bool):
        assert TypeAdapter(bool).validate_python(documented[0]) is default
    elif hasattr(default, "total_seconds"):
        assert durationpy.from_str(documented[0]) == default
    else:
        assert documented == [str(default)]


def exported_metrics() -> dict[str, tuple[str, frozenset[str]]]:
    """Give type and labels of each metric that the operator exports."""
    metrics = Metrics("0")
    watched = [
        call.args[0].value
        for call in ast.walk(parsed(PACKAGE / "app.py"))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "watch"
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    ]
    found = {f"{PREFIX}_{name}": ("gauge", frozenset[str]()) for name in watched}
    for collector in vars(metrics).values():
        if hasattr(collector, "_labelnames"):
            found |= described(collector)
    (build_info,) = [family for family in metrics.registry.collect() if family.name.endswith("_build_info")]
    return found | {build_info.name: (build_info.type, frozenset(build_info.samples[0].labels))}


def described(collector: Any) -> dict[str, tuple[str, frozenset[str]]]:
    (family,) = collector.describe()
    suffix = "_total" if family.type == "counter" else ""
    return {family.name + suffix: (family.type, frozenset(collector._labelnames))}


def test_every_metric_has_its_row_with_type_and_labels_and_no_other_has() -> None:
    text = (DOCS / "metrics.md").read_text(encoding="utf-8").split("Questions that they answer", maxsplit=1)[0]
    documented = {words(row[0])[0]: (row[1], frozenset(words(row[2]))) for row in rows(text)}
    assert documented == exported_metrics()


def test_the_metrics_in_queries_exist() -> None:
    used = set(re.findall(rf"\b{PREFIX}_\w+", (DOCS / "metrics.md").read_text(encoding="utf-8")))
    assert used <= exported_metrics().keys()


def test_every_annotation_that_works_is_documented_and_no_other_is() -> None:
    documented = {
        words(row[0])[0].partition(":")[0] for row in rows(section(DOCS / "settings.md", "Annotations of a resource"))
    }
    assert documented == {*model.POLICY_ANNOTATIONS, *model.REQUEST_ANNOTATIONS}


def anchors(page: Path) -> set[str]:
    """Give the anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


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
    for document in yaml.safe_load_all(block.text):
        if isinstance(document, dict) and document.get("kind") == "ServerlessPrivateEndpoint":
            model.Spec.parse(document["spec"])
            assert document["apiVersion"] == "atlas-endpoints.dev/v1alpha1"
            assert re.fullmatch(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?", document["metadata"]["name"])


def test_some_yaml_block_shows_a_resource() -> None:
    assert any("kind: ServerlessPrivateEndpoint" in block.values[0].text for block in blocks("yaml"))


@pytest.mark.parametrize("block", blocks("bash"))
def test_a_block_of_commands_is_correct_shell(block: Block) -> None:
    checked = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("page", each_page())
def test_every_target_of_make_that_is_named_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"(?:`|^|&& )make ([a-z-]+)", text, re.MULTILINE)) <= targets


@pytest.mark.parametrize("page", each_page())
def test_every_file_that_is_named_by_its_path_exists(page: Path) -> None:
    named = {
        word
        for word in words(prose(page))
        if re.fullmatch(r"(crds|deploy|docs|tests|operator|charts)/[\w./-]*", word) and not word.endswith("-full.yaml")
    }
    assert [word for word in sorted(named) if not (ROOT / word).exists()] == []


def test_a_code_block_says_what_it_is_written_in() -> None:
    silent = [
        page.name
        for page in PAGES
        if any(not fence for fence in re.findall(r"^```(\w*)$", page.read_text(encoding="utf-8"), re.MULTILINE)[::2])
    ]
    assert silent == ["architecture.md"]  # its picture
