"""Forecasts as text, as Markdown, and as a document for programs. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from atlas_endpoints.atlas.errors import one_line
from atlas_endpoints.commands.plan.forecast import CHANGING, FAILED, TITLES, Action, Forecast, exit_code

FORMAT_VERSION = 1
"""Grows when a program that reads the output would have to change; fields are only added within a version."""

LONGEST_LINE = 2000
"""Characters of a line."""

LONGEST_BLOCK = 26_000
"""Characters of a code block: two of them, with fences of a line each, fit into a comment on GitHub, which takes 65,536."""


def as_text(forecasts: Sequence[Forecast], others: Mapping[str, int], warnings: Sequence[str]) -> str:
    """Return the text for users.

    Args:
        others: the number of skipped objects of each other kind.
    """
    return _joined([[f"Warning: {each}" for each in warnings], *map(_block, forecasts), _summary(forecasts, others)])


def as_markdown(forecasts: Sequence[Forecast], others: Mapping[str, int], warnings: Sequence[str]) -> str:
    """Return the text for a comment on a pull request, folded where Atlas was read and nothing differs.

    What manifests and Atlas say is in code blocks, where it is no link, no mention and no HTML.
    """
    folded = [each for each in forecasts if each.action is Action.NONE and not each.differences]
    shown = [each for each in forecasts if each not in folded]
    parts = [
        "## Plan for MongoDB Atlas",
        _fenced([_summary(forecasts, others), [f"Warning: {each}" for each in warnings], *map(_block, shown)]),
    ]
    if folded:
        parts += [
            f"<details><summary>Nothing would be sent: {len(folded)}</summary>",
            _fenced(map(_block, folded)),
            "</details>",
        ]
    return "\n\n".join(parts)


def _fenced(blocks: Iterable[Iterable[str]]) -> str:
    text = _joined(blocks)
    if len(text) > LONGEST_BLOCK:
        text = f"{text[:LONGEST_BLOCK]}\n... The rest does not fit into a comment. `-o text` shows it."
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    return f"{fence}text\n{text}\n{fence}"


def _joined(blocks: Iterable[Iterable[str]]) -> str:
    return "\n\n".join(filter(None, ("\n".join(map(_printable, block)) for block in blocks)))


def as_document(forecasts: Sequence[Forecast], others: Mapping[str, int], warnings: Sequence[str]) -> dict[str, Any]:
    """Return the document for programs; docs/commands.md describes its fields, and ``as_text`` the arguments."""
    actions = Counter(each.action for each in forecasts)
    return {
        "formatVersion": FORMAT_VERSION,
        "exitCode": exit_code(forecasts),
        "summary": {str(action): actions[action] for action in Action if action in actions},
        "resources": [_entry(each) for each in forecasts],
        "skipped": dict(sorted(others.items())),
        "warnings": list(warnings),
    }


def _block(forecast: Forecast) -> Iterator[str]:
    name = (
        f"{forecast.document.key} ({forecast.document.place})"
        if forecast.document.key
        else f"{forecast.document.place}"
    )
    yield f"{name}: {TITLES[forecast.action]}"
    if (manifest := forecast.manifest) is not None:
        endpoint = f"endpoint {forecast.endpoint_id}" if forecast.endpoint_id else "no endpoint yet"
        scope = manifest.kind.shown_scope(manifest.resource.scope_name)
        project, reference = forecast.project_id, manifest.resource.spec.project_ref
        if project is None and reference is not None:
            project = f"of {reference.object_kind} {reference.name}"
        status = f": {forecast.status}" if forecast.status else ""
        yield f"  {endpoint}, {scope}, project {project}{status}"
    if forecast.action is not Action.UPDATE or not forecast.differences:
        yield from (f"  {line}" for line in forecast.message.splitlines())
    for each in forecast.differences:
        yield f"  ~ {each.field}: {_shown(each.actual)} -> {_shown(each.desired)}"


def _summary(forecasts: Sequence[Forecast], others: Mapping[str, int]) -> Iterator[str]:
    changing = sum(each.action in CHANGING for each in forecasts)
    failed = sum(each.action in FAILED for each in forecasts)
    unknown = f", {failed} unknown or invalid" if failed else ""
    yield f"Plan: {changing} would change, {len(forecasts) - changing - failed} would not{unknown}. Nothing was sent."
    if others:
        yield f"Skipped objects of other kinds: {', '.join(f'{number} {kind}' for kind, number in sorted(others.items()))}."


def _entry(forecast: Forecast) -> dict[str, Any]:
    key, manifest, request = forecast.document.key, forecast.manifest, forecast.request
    return {
        "kind": key.kind if key else None,
        "namespace": key.namespace if key else None,
        "name": key.name if key else None,
        "source": {"file": forecast.document.place.file}
        | {name: getattr(forecast.document.place, name) or None for name in ("document", "line", "item")},
        "action": str(forecast.action),
        "reason": str(forecast.reason) if forecast.reason else None,
        "message": forecast.message,
        "projectId": forecast.project_id,
        "instanceName": (manifest.body.get("spec") or {}).get("instanceName") if manifest else None,
        "endpointId": forecast.endpoint_id,
        "scopeName": manifest.resource.scope_name if manifest else None,
        "status": forecast.status,
        "changes": [
            {"field": each.field, "before": each.actual, "after": each.desired} for each in forecast.differences
        ],
        "request": {"method": request.method, "path": request.path, "body": request.body} if request else None,
    }


def _shown(value: str | None) -> str:
    return f"'{value}'" if value else "nothing"


def _printable(line: str) -> str:
    # A manifest, or Atlas, may hold control characters.
    indent = line[: len(line) - len(line.lstrip(" "))]
    return indent + one_line(line, limit=LONGEST_LINE)
