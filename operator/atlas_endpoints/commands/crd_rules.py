"""The rules of a CRD, as the API server evaluates them: of a new resource, or of an edit.

Types and bounds are the models', from which the CRD is made (``Resource.parse``); no rule is asked about what they refuse.
The evaluation takes the optional extra ``plan``. The operator does without, because the API server has evaluated the rules.
"""

import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from atlas_endpoints.reconcile.spec import InvalidSpecError

_OPTIONAL = re.compile(r"(\w+)[.][?](\w+)[.]orValue[(]([^()]*)[)]")
"""A field with a default, in CEL that the library cannot parse."""


def problems(
    crd: Path,
    body: Mapping[str, Any],
    before: Mapping[str, Any] | None = None,
    *,
    refusal: InvalidSpecError | None = None,
) -> Sequence[str]:
    """Return a line for each problem of an object, the field first.

    Args:
        crd: of the kind of the object.
        before: the object before an edit; None: it is new.
        refusal: what its model says, if it does not accept the object.

    Raises:
        ValueError: the optional extra is not installed.
    """
    if refusal is not None and not refusal.is_readable:
        return refusal.problems
    new, old = (
        each and {part: each[part] for part in ("spec", "status") if each.get(part) is not None}
        for each in (body, before)
    )
    return list(_broken(_schema(crd), new, None if new == old else old, ""))


@cache
def _schema(crd: Path) -> Mapping[str, Any]:
    (version,) = yaml.safe_load(crd.read_text(encoding="utf-8"))["spec"]["versions"]
    schema: Mapping[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


def _broken(schema: Mapping[str, Any], value: Any, old: Any, path: str) -> Iterator[str]:
    """Yield what is wrong in a value, and then with it; no rule is about an edit of an item of a list."""
    if isinstance(value, Mapping):
        for name, each in _known(schema, value).items():
            before = old.get(name) if isinstance(old, Mapping) else None
            yield from _broken(schema["properties"][name], each, before, f"{path}.{name}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _broken(schema["items"], each, None, f"{path}[{number}]")
        yield from _twice(schema, value, path)
    rules = schema.get("x-kubernetes-validations", ())
    known = {"self": value} if old is None else {"self": value, "oldSelf": old}
    variables = {name: _stored(schema, each) for name, each in known.items()} if rules else {}
    for rule in rules:
        if ("oldSelf" in variables or "oldSelf" not in rule["rule"]) and not _program(rule["rule"])(variables):
            field = (path + rule.get("fieldPath", "")).removeprefix(".")
            required = "Required value: " if rule.get("reason") == "FieldValueRequired" else ""
            yield f"{field}: {required}{rule['message']}"


def _twice(schema: Mapping[str, Any], items: Sequence[Any], path: str) -> Iterator[str]:
    """Yield the items that are in a list before, if they have to be told apart."""
    keys, seen = schema.get("x-kubernetes-list-map-keys", ()), list[Any]()
    for number, item in enumerate(items if schema["x-kubernetes-list-type"] != "atomic" else ()):
        named = [item[key] for key in keys] if keys else [item]
        if named in seen:
            yield f"{path.removeprefix('.')}[{number}]: Duplicate value: {json.dumps(*named)}: remove one of the two"
        seen.append(named)


def _stored(schema: Mapping[str, Any], value: Any) -> Any:
    """Return a value as the API server compares it: a set in one order, since it has none."""
    if isinstance(value, Mapping):
        return {name: _stored(schema["properties"][name], each) for name, each in _known(schema, value).items()}
    if isinstance(value, list):
        items = [_stored(schema["items"], each) for each in value]
        return sorted(items) if schema["x-kubernetes-list-type"] == "set" else items
    return value


def _known(schema: Mapping[str, Any], value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of an object that the API server stores."""
    return {name: each for name, each in value.items() if each is not None and name in schema.get("properties", ())}


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an address; None: it is none, or has a zone, or is a mapped IPv4 address."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    is_odd = isinstance(address, ipaddress.IPv6Address) and (address.scope_id or address.ipv4_mapped)
    return None if is_odd else address


_FUNCTIONS: Mapping[str, Callable[..., str | bool]] = {
    "isIP": lambda text: _ip(text) is not None,
    "ip": lambda text: str(_ip(text)),
    "lowerAscii": lambda text: text.encode().lower().decode(),
    "upperAscii": lambda text: text.encode().upper().decode(),
    "trim": lambda text: text.strip(),
    "replace": lambda text, old, new: text.replace(old, new),
}
"""What Kubernetes adds to CEL's functions, as far as the rules use it; bytes change their case in ASCII only."""


@cache
def _program(rule: str) -> Callable[[Mapping[str, Any]], bool]:
    """Return the function that says whether a rule holds for variables; as in the API server, not if it cannot be evaluated."""
    try:
        from celpy import Environment  # noqa: PLC0415  # an optional extra, which takes a moment to load
        from celpy.adapter import json_to_cel  # noqa: PLC0415
        from celpy.evaluation import CELEvalError  # noqa: PLC0415
    except ImportError:
        raise ValueError("The rules of the CRDs cannot be evaluated: install atlas-endpoints[plan]") from None

    def in_cel(function: Callable[..., str | bool]) -> Callable[..., Any]:
        return lambda *given: json_to_cel(function(*given))

    environment = Environment()
    expression = environment.compile(_OPTIONAL.sub(r"(has(\1.\2) ? \1.\2 : \3)", rule))
    program = environment.program(expression, {name: in_cel(each) for name, each in _FUNCTIONS.items()})

    def holds(variables: Mapping[str, Any]) -> bool:
        try:
            return bool(program.evaluate({name: json_to_cel(each) for name, each in variables.items()}))
        except CELEvalError:
            return False

    return holds
