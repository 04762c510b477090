"""Print forecasts as text, JSON or YAML. Pure."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

import yaml

from atlas_endpoints.atlas.errors import one_line
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import get_of, list_of
from atlas_endpoints.planning.forecast import CHANGING, FAILED, Action, Forecast, count, exit_code, sent_along

FORMAT_VERSION = 1
"""Grows when a program that reads the output would have to change; fields are only added within a version."""

LONGEST = 2000
"""Characters of a line."""

TITLES: Mapping[Action, str] = {
    Action.RESERVE: "an endpoint would be reserved in Atlas",
    Action.UPDATE: "would be changed in Atlas",
    Action.WAIT: "would be changed in Atlas, as soon as Atlas takes a change",
    Action.REPORT: "differs, and nothing would be sent",
    Action.NONE: "nothing would be sent",
    Action.SUSPENDED: "left alone, Atlas was not asked",
    Action.UNKNOWN: "cannot be told",
    Action.INVALID: "is not valid",
}


def as_text(forecasts: Sequence[Forecast], others: Mapping[str, int], warnings: Sequence[str]) -> str:
    """Return the text for users.

    Args:
        others: the number of skipped objects of each other kind.
    """
    blocks = [[f"Warning: {each}" for each in warnings]] if warnings else []
    blocks += [list(_block(each)) for each in forecasts]
    blocks.append(list(_summary(forecasts, others)))
    return "\n\n".join("\n".join(_printable(line) for line in block) for block in blocks)


def as_document(forecasts: Sequence[Forecast], others: Mapping[str, int], warnings: Sequence[str]) -> dict[str, Any]:
    """Return the document for programs; docs/commands.md describes its fields.

    Args:
        others: the number of skipped objects of each other kind.
    """
    return {
        "formatVersion": FORMAT_VERSION,
        "exitCode": exit_code(forecasts),
        "summary": {str(action): number for action, number in count(forecasts).items()},
        "resources": [_entry(each) for each in forecasts],
        "skipped": dict(sorted(others.items())),
        "warnings": list(warnings),
    }


def serialized(document: Mapping[str, Any], output: Literal["json", "yaml"]) -> str:
    """Return a document as JSON or YAML."""
    if output == "json":
        return json.dumps(document, indent=2, ensure_ascii=False)
    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=LONGEST)).rstrip("\n")


def _block(forecast: Forecast) -> Iterator[str]:
    name = f"{forecast.key} ({forecast.place})" if forecast.key else f"{forecast.place}"
    yield f"{name}: {TITLES[forecast.action]}"
    if forecast.spec is not None:
        status = f": {forecast.endpoint.status}" if forecast.endpoint is not None else ""
        endpoint = f"endpoint {_endpoint_id(forecast)}" if _endpoint_id(forecast) else "no endpoint yet"
        yield f"  {endpoint}, instance {forecast.spec.instance_name}, project {_project(forecast)}{status}"
    if forecast.action is not Action.UPDATE:
        yield from (f"  {line}" for line in forecast.message.splitlines())
    for each in forecast.changes:
        yield f"  ~ {each.field}: {_shown(each.before)} -> {_shown(each.after)}"
    for each in sent_along(forecast):
        yield f"    {each.field}: {_shown(each.after)}, sent along"


def _summary(forecasts: Sequence[Forecast], others: Mapping[str, int]) -> Iterator[str]:
    actions = Counter(each.action for each in forecasts)
    changing = sum(actions[each] for each in CHANGING)
    failed = sum(actions[each] for each in FAILED)
    counts = [f"{changing} would change", f"{len(forecasts) - changing - failed} would not"]
    if failed:
        counts.append(f"of {failed} it cannot be told")
    yield f"Plan: {', '.join(counts)}. Nothing was sent."
    if others:
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(others.items()))
        yield f"Skipped, since they are no ServerlessPrivateEndpoint: {kinds}."


def _entry(forecast: Forecast) -> dict[str, Any]:
    key, spec, endpoint = forecast.key, forecast.spec, forecast.endpoint
    return {
        "namespace": key.namespace if key else None,
        "name": key.name if key else None,
        "source": {
            "file": forecast.place.file,
            "document": forecast.place.document or None,
            "line": forecast.place.line or None,
            "item": forecast.place.item or None,
        },
        "action": str(forecast.action),
        "reason": str(forecast.reason) if forecast.reason else None,
        "message": forecast.message,
        "projectId": forecast.project_id,
        "instanceName": spec.instance_name if spec else None,
        "endpointId": _endpoint_id(forecast),
        "status": endpoint.status if endpoint else None,
        "changes": [asdict(each) for each in forecast.changes],
        "request": _request(forecast),
    }


def _request(forecast: Forecast) -> dict[str, Any] | None:
    spec, project_id = forecast.spec, forecast.project_id
    if forecast.body is None or spec is None or project_id is None:
        return None
    return {
        "method": "POST" if forecast.action is Action.RESERVE else "PATCH",
        "path": _path(project_id, spec.instance_name, _endpoint_id(forecast)),
        "body": forecast.body,
    }


def _project(forecast: Forecast) -> str:
    reference = forecast.spec.project_ref if forecast.spec is not None else None
    if forecast.project_id is None and reference is not None:
        return f"of {reference.object_kind} {reference.name}"
    return str(forecast.project_id)


def _endpoint_id(forecast: Forecast) -> str | None:
    if forecast.spec is not None and forecast.spec.endpoint_id is not None:
        return forecast.spec.endpoint_id
    return forecast.endpoint.id if forecast.endpoint is not None else None


def _shown(value: str | None) -> str:
    return f"'{value}'" if value else "nothing"


def _printable(line: str) -> str:
    # A manifest, or Atlas, may hold control characters.
    indent = line[: len(line) - len(line.lstrip(" "))]
    return indent + one_line(line, limit=LONGEST)


def _path(project_id: str, instance_name: str, endpoint_id: str | None) -> str:
    request = (
        list_of(project_id, instance_name) if endpoint_id is None else get_of(project_id, instance_name, endpoint_id)
    )
    return request.path
