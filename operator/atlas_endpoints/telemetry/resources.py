"""The metrics of single resources, and counts over all, created from the cache at a scrape.

The series of a resource end with it. They are written as text: as samples of the library, those of 20,000 resources
would block the event loop for a second.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

from atlas_endpoints.controller.cache import Body, Cache, Key
from atlas_endpoints.telemetry.metrics import PREFIX, Labels

Detail: TypeAlias = Literal["counts", "names", "ids"]
"""Whether each resource has its own series; and whether they contain Atlas's ids."""

BREATH = 0.002
"""Seconds after which other tasks may run."""

Facts: TypeAlias = Callable[[Body], Mapping[str, str]]
"""Labels of a resource beside its conditions; always the same names, values may be empty."""

CONDITION = ("kind", "resource_namespace", "resource_name", "type", "status", "reason")
"""Not ``namespace``: a scrape sets that to the operator's own namespace."""


class ResourceMetrics:
    """The metrics of single resources.

    Args:
        caches: one for each kind.
        is_shown: whether this replica exports them: only one of several should.
        fact_names: the labels of ``facts``.
        scope: returns which of a few words names the source of a resource's credentials; empty: unknown.
    """

    def __init__(
        self,
        caches: Sequence[Cache],
        *,
        is_shown: Callable[[], bool],
        detail: Detail,
        facts: Facts,
        fact_names: Labels,
        scope: Callable[[Body], str],
    ) -> None:
        self._caches = caches
        self._is_shown = is_shown
        self._detail = detail
        self._facts = facts
        self._scope = scope
        self.described: dict[str, tuple[str, Labels]] = {
            f"{PREFIX}_resources_by_condition": ("gauge", ("kind", "type", "status", "reason")),
            f"{PREFIX}_resources_by_credentials": ("gauge", ("kind", "scope", "status")),
        }
        if detail != "counts":
            self.described[f"{PREFIX}_resource_condition"] = "gauge", CONDITION
            self.described[f"{PREFIX}_resource_info"] = "gauge", (*CONDITION[:3], *fact_names)

    async def exposition(self) -> bytes:
        """Return the metrics in Prometheus's text format; other tasks run meanwhile."""
        conditions: Counter[Labels] = Counter()
        credentials: Counter[Labels] = Counter()
        statuses, infos = _Text(), _Text()
        loop = asyncio.get_running_loop()
        yielded = loop.time()
        keys = [(cache, key) for cache in self._caches for key in cache] if self._is_shown() else ()
        for cache, key in keys:
            body = cache.get(key)
            if body is None:
                continue  # it was deleted meanwhile
            found = tuple(_conditions(body))
            conditions.update((key.kind, *each) for each in found)
            credentials[key.kind, self._scope(body), _status_of("CredentialsValid", found)] += 1
            if self._detail != "counts":
                for each in found:
                    statuses.add(_line("resource_condition", CONDITION, (*key, *each), 1))
                infos.add(self._info(key, body))
            if loop.time() >= yielded + BREATH:
                statuses.settle()
                infos.settle()
                await asyncio.sleep(0)
                yielded = loop.time()
        counts = [
            *self._counts("resources_by_condition", "Resources by condition.", conditions),
            *self._counts(
                "resources_by_credentials",
                "Resources by the source of their credentials and whether they are valid.",
                credentials,
            ),
        ]
        if self._detail == "counts":
            return _encoded(counts)
        status_head = _head("resource_condition", "Conditions of a resource: always 1.")
        info_head = _head("resource_info", "Information about a resource: always 1.")
        return b"".join([_encoded([*counts, *status_head]), *statuses.pieces(), _encoded(info_head), *infos.pieces()])

    def _counts(self, name: str, documentation: str, counts: Counter[Labels]) -> Iterator[str]:
        yield from _head(name, documentation)
        _, labels = self.described[f"{PREFIX}_{name}"]
        for values, count in sorted(counts.items()):
            yield _line(name, labels, values, count)

    def _info(self, key: Key, body: Body) -> str:
        facts = self._facts(body)
        return _line("resource_info", (*CONDITION[:3], *facts), (*key, *facts.values()), 1)


class _Text:
    """Lines that are encoded in portions, since encoding all at once would block the event loop."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._written: list[bytes] = []

    def add(self, line: str) -> None:
        self._lines.append(line)

    def settle(self) -> None:
        """Encode the lines that were added."""
        self._written.append(_encoded(self._lines))
        self._lines.clear()

    def pieces(self) -> list[bytes]:
        self.settle()
        return self._written


def _encoded(lines: Iterable[str]) -> bytes:
    return "".join([f"{line}\n" for line in lines]).encode()


def _conditions(body: Body) -> Iterator[Labels]:
    """Yield type, status and reason of each condition."""
    for each in (body.get("status") or {}).get("conditions") or ():
        yield each["type"], each["status"], each["reason"]


def _status_of(type_: str, conditions: tuple[Labels, ...]) -> str:
    return next((status for each, status, _ in conditions if each == type_), "Unknown")


def _head(name: str, documentation: str) -> tuple[str, str]:
    return f"# HELP {PREFIX}_{name} {documentation}", f"# TYPE {PREFIX}_{name} gauge"


def _line(name: str, labels: Labels, values: Labels, number: int) -> str:
    pairs = ",".join([f'{label}="{_quotable(value)}"' for label, value in zip(labels, values, strict=True)])
    return f"{PREFIX}_{name}{{{pairs}}} {number}"


def _quotable(value: str) -> str:
    """Return a value escaped for the text format; few values from the API server need that."""
    if value.isalnum():
        return value
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
