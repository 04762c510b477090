"""What a state is: whether two moments are the same for all that can come, and how to return to one.

``same`` forms of everything that is remembered: times count from now, versions count by their order, and what can make
no difference is left out. A state is a hash of that: of the environment, of what each replica remembers, and of where each of
its reconciles stands (the frames of its coroutines).

``freeze`` and ``thaw`` bring a whole run back, as long as no reconcile is open in it.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import io
import itertools
import marshal
import pickle
import re
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from random import Random
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

import httpx
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable

ORIGIN = 1e6
"""Monotonic seconds at which all runs begin: no duration is as large, so that a number tells whether it is a time."""

START = datetime(2026, 11, 25, 12, tzinfo=UTC)
"""The wall-clock time that belongs to it."""

OLD = 900.0
"""Seconds after which a time is only old. The operator's longest memory that a small environment can meet is ten minutes."""

_IRRELEVANT_LOCALS = frozenset({("wait", "loop"), ("_wait", "loop"), ("Core._run", "started")})
"""Variables of functions that make no difference: asyncio's own, and when what is only measured began."""
_BOOKKEEPING = frozenset(
    {
        "ObservationCache._last_moment",
        "_NotBefore.turns",
        "_NotBefore.last",
        "_NotBefore.used",
        "_Breaker.reached",
        "Recent._kept",
        "Queue._times",
        "Queue._sequence",
        "Queue._urgent_in_a_row",
        "Queue._sleeper",
        "Sweep._due",
    }
)
"""Attributes on which no decision about a single object depends: an index, a counter for fairness, or a time of last use, which follows
from other state or changes only the order."""
_SCALES = {"resourceVersion": "version", "version": "version"}
"""Numbers that only grow: their order counts, and what they are compared with."""
_JSON_RANK = re.compile(r"'(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)'|'resourceVersion': '(\d+)'")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def rfc3339(seconds: float) -> str:
    """Give the wall-clock time that belongs to monotonic seconds, as the API server writes it."""
    return f"{START + timedelta(seconds=seconds - ORIGIN):%Y-%m-%dT%H:%M:%SZ}"


class _Rank:
    """A number of which only the order counts; filled in when all are known."""

    __slots__ = ("scale", "value")

    def __init__(self, scale: str, value: float) -> None:
        self.scale = scale
        self.value = value


class Same:
    """Brings what is remembered into a form that is equal for states that are the same.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, now: float) -> None:
        self._now = now
        self._numbers: dict[int, int] = {}
        self._slices: dict[int, tuple[int, int, int, int]] = {}
        self._kept: list[Any] = []  # an id is unique among living objects only
        self._tokens: list[Any] = []
        self._ranked: list[int] = []  # where in them a rank is

    def state(self) -> bytes:
        """Give a digest of all that was added: Python's own hash takes -1 and -2 for the same."""
        tokens = self._tokens
        ranks: dict[str, set[float]] = {}
        for place in self._ranked:
            ranks.setdefault(tokens[place].scale, set()).add(tokens[place].value)
        forms = {scale: self._forms(scale, values) for scale, values in ranks.items()}
        for place in self._ranked:
            tokens[place] = forms[tokens[place].scale][tokens[place].value]
        # This version of the format knows no references: what is equal is written equally.
        return hashlib.blake2b(marshal.dumps(tokens, 2), digest_size=16).digest()

    def _forms(self, scale: str, values: Iterable[float]) -> dict[float, Any]:
        ordered = sorted(values)
        if scale != "time":
            return {value: number for number, value in enumerate(ordered)}
        forms: dict[float, Any] = {}
        times: dict[float, int] = {}
        for value in ordered:
            age = max(round(value - self._now, 2) + 0.0, -OLD)
            rank = 0 if age == -OLD else times.get(age, -1) + 1
            times[age] = rank
            forms[value] = (age, rank)
        return forms

    def leave_out(self, *things: Any) -> None:
        """Have things counted as known, in this order: they only lead elsewhere."""
        for thing in things:
            self._numbers[id(thing)] = len(self._numbers)

    def add(self, value: Any) -> None:
        """Add something that is remembered.

        Raises:
            TypeError: nobody has said yet what counts of this type.
        """
        class_: type[object] = type(value)
        adder = _ADDER_OF.get(class_)
        if adder is None:
            adder = _ADDER_OF[class_] = _adder(class_)
        adder(self, value)

    def frames(self, coroutine: Any) -> None:
        """Add where a coroutine stands: each frame from the outside in, with its variables."""
        while (frame := getattr(coroutine, "cr_frame", None)) is not None:
            self._tokens.append(frame.f_code.co_qualname)
            self._tokens.append(frame.f_lasti)
            for name, value in frame.f_locals.items():
                if (frame.f_code.co_qualname, name) not in _IRRELEVANT_LOCALS:
                    self._attribute(name, value)
            coroutine = coroutine.cr_await

    def _rank(self, rank: _Rank) -> None:
        self._ranked.append(len(self._tokens))
        self._tokens.append(rank)

    def add_atom(self, value: Any) -> None:
        self._tokens.append(value)

    def add_name(self, value: Any) -> None:
        self._tokens.append(value.name if isinstance(value, Enum) else getattr(value, "__qualname__", "module"))

    def add_nothing(self, value: Any) -> None:
        """Leave out what makes no difference."""

    def add_float(self, value: float) -> None:
        is_time = ORIGIN / 2 < value < float("inf")
        if is_time:
            self._rank(_Rank("time", value))
        else:
            self._tokens.append(round(value, 3) + 0.0)  # there is no minus 0

    def add_str(self, value: str) -> None:
        is_time = len(value) == len("2026-11-25T12:00:00Z") and _RFC3339.fullmatch(value)
        if is_time:
            self._rank(_rfc3339(value))
        else:
            self._tokens.append(value)

    def add_datetime(self, value: datetime) -> None:
        self._rank(_Rank("time", ORIGIN + (value - START).total_seconds()))

    def add_timedelta(self, value: timedelta) -> None:
        self._tokens.append(value.total_seconds())

    def add_mapping(self, value: Mapping[Any, Any]) -> None:
        if not value:
            self._tokens.append(0)
            return
        if self._again(value):
            return
        began = len(self._tokens), len(self._ranked)
        if "metadata" in value or "observedGeneration" in value:
            self._json(value)
            self._remember(value, began)
            return
        self._tokens.append(len(value))
        # Of all mappings in the operator, only those that are ordered by name are asked for their order.
        for key in value if type(value) is OrderedDict else sorted(value, key=str):
            self._attribute(key, value[key])
        self._remember(value, began)

    def _json(self, value: Mapping[str, Any]) -> None:
        """Add a resource or a status, of which there are many: what is in the text, and the times and versions in it."""
        text = repr(value)
        self._tokens.append(_JSON_RANK.sub("", text))
        for time, version in _JSON_RANK.findall(text):
            self._rank(_rfc3339(time) if time else _Rank("version", float(version)))

    def add_sequence(self, value: Sequence[Any]) -> None:
        if self._again(value):
            return
        began = len(self._tokens), len(self._ranked)
        self._tokens.append(len(value))
        for each in value:
            self.add(each)
        self._remember(value, began)

    def add_set(self, value: Iterable[Any]) -> None:
        self.add_sequence(sorted(value, key=str))

    def add_error(self, value: BaseException) -> None:
        self._tokens.append(type(value).__name__)
        self.add({**vars(value), "args": value.args})

    def add_event(self, value: asyncio.Event) -> None:
        self._tokens.append(value.is_set())

    def add_future(self, value: asyncio.Future[Any]) -> None:
        self._tokens.append("done" if value.done() else "pending")

    def add_iterator(self, value: Any) -> None:
        self.add(value.__reduce__()[1:])

    def add_value(self, value: Any) -> None:
        """Add an object that is the same as any other with the same attributes."""
        if self._again(value):
            return
        began = len(self._tokens), len(self._ranked)
        self._tokens.append(_named(type(value)))
        self._parts(value)
        self._remember(value, began)

    def add_thing(self, value: Any) -> None:
        """Add an object that is itself and no other."""
        self._tokens.append(_named(type(value)))
        number = self._numbers.get(id(value))
        self._tokens.append(number)
        if number is None:
            self._numbers[id(value)] = len(self._numbers)
            self._kept.append(value)
            self._parts(value)

    def _parts(self, value: Any) -> None:
        attributes = getattr(value, "__dict__", None) or {}
        for name, is_serial in _relevant(type(value), tuple(attributes)):  # type: ignore[arg-type]  # as above
            part = getattr(value, name)
            self._serial(name, part) if is_serial else self.add(part)

    def _attribute(self, name: Any, value: Any) -> None:
        self.add(name)
        self._serial(name, value) if name in _SCALES else self.add(value)

    def _serial(self, name: str, value: Any) -> None:
        if value is None or not str(value).isdigit():  # that of an API is a date
            self._tokens.append(value)
        else:
            self._rank(_Rank(_SCALES[name], float(value)))

    def _again(self, value: Any) -> bool:
        """Add what was added before, if it was."""
        known = self._slices.get(id(value))
        if known is None:
            return False
        began, ended, first, last = known
        if first < last:
            ahead = len(self._tokens) - began
            self._ranked.extend([place + ahead for place in self._ranked[first:last]])
        self._tokens.extend(self._tokens[began:ended])
        return True

    def _remember(self, value: Any, began: tuple[int, int]) -> None:
        self._slices[id(value)] = began[0], len(self._tokens), began[1], len(self._ranked)
        self._kept.append(value)


_ADDERS: Sequence[tuple[tuple[type, ...], Callable[[Same, Any], None]]] = (
    ((Enum, MethodType, FunctionType, BuiltinFunctionType, type, ModuleType), Same.add_name),
    ((bool, int, bytes, type(None)), Same.add_atom),
    ((float,), Same.add_float),
    ((str,), Same.add_str),
    ((datetime,), Same.add_datetime),
    ((timedelta,), Same.add_timedelta),
    ((Mapping,), Same.add_mapping),
    ((list, tuple, deque), Same.add_sequence),
    ((set, frozenset), Same.add_set),
    ((BaseException,), Same.add_error),
    ((asyncio.Event,), Same.add_event),
    ((asyncio.Future,), Same.add_future),
    ((asyncio.TimerHandle, Random, itertools.count, asyncio.AbstractEventLoop, httpx.Request), Same.add_nothing),
    ((Iterator,), Same.add_iterator),
)


_ADDER_OF: dict[type, Callable[[Same, Any], None]] = {}
"""What is known of the above by now."""


def _adder(class_: type) -> Callable[[Same, Any], None]:
    for classes, adder in _ADDERS:
        if issubclass(class_, classes):
            return adder
    if not class_.__dictoffset__ and "__slots__" not in vars(class_):
        raise TypeError(f"what counts of a {class_.__qualname__} has to be said")
    return Same.add_value if any("__eq__" in vars(each) for each in class_.__mro__[:-1]) else Same.add_thing


def _named(class_: type) -> str:
    return f"{class_.__module__}.{class_.__qualname__}"


@functools.cache
def _rfc3339(text: str) -> _Rank:
    moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return _Rank("time", ORIGIN + (moment - START).total_seconds())


@functools.cache
def _relevant(class_: type, attributes: tuple[str, ...]) -> tuple[tuple[str, bool], ...]:
    """Give the attributes that count, each with whether only the order of its values does."""
    names = (*attributes, *_slots(class_))
    owners = [each.__name__ for each in class_.__mro__]
    return tuple(
        (name, name in _SCALES) for name in names if not any(f"{each}.{name}" in _BOOKKEEPING for each in owners)
    )


@functools.cache
def _slots(class_: type) -> tuple[str, ...]:
    slots = [name for each in class_.__mro__ for name in vars(each).get("__slots__", ())]
    return tuple(name for name in slots if not name.startswith("__"))


class _Pickler(pickle.Pickler):
    """Pickles a run whose passes are all at an end; what belongs to the event loop is left behind."""

    @override
    def reducer_override(self, obj: Any) -> Any:
        match obj:
            case asyncio.TimerHandle() | asyncio.AbstractEventLoop():
                return type(None), ()
            case itertools.count():
                return itertools.count, (int(repr(obj).partition("(")[2][:-1]),)
            case BaseException():
                return _exception, (type(obj), obj.args, vars(obj))
            case _:
                return NotImplemented


def _exception(class_: type[BaseException], args: tuple[Any, ...], state: Mapping[str, Any]) -> BaseException:
    error = class_.__new__(class_, *args)
    error.__dict__.update(state)
    return error


def freeze(run: Any) -> bytes:
    buffer = io.BytesIO()
    _Pickler(buffer, protocol=pickle.HIGHEST_PROTOCOL).dump(run)
    return buffer.getvalue()


thaw: Callable[[bytes], Any] = pickle.loads
