"""The calls of a reconcile to Atlas: as the throttle admits them, with any credentials, over shared observations.

Each answer updates the observations; an unknown outcome invalidates them. No call waits: when the throttle does not admit it, it
raises ``AtlasHeldError``, and is to be tried again after ``retry_after`` seconds.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol, TypeVar

from atlas_endpoints.atlas.answers import Listing, Requester, send_list, unreadable
from atlas_endpoints.atlas.credentials import Credentials, Recent
from atlas_endpoints.atlas.errors import (
    AtlasError,
    AtlasHeldError,
    AtlasUnavailableError,
    EndpointAbsentError,
    Explanation,
    MissingRoleError,
)
from atlas_endpoints.atlas.observations import FAILURE_LAST, ObservationCache, Seen, View
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.atlas.throttle import PENDING, Throttle, Wait
from atlas_endpoints.controller.bookkeeping import Sweep
from atlas_endpoints.controller.log_lines import LogFields
from atlas_endpoints.tunings import DOUBTED_FOR, LIST_WITHIN, READ_LAST

T = TypeVar("T")

logger = logging.getLogger(__name__)

_CALLER: ContextVar[tuple[Hashable, bool]] = ContextVar("caller", default=(None, False))
"""Whose work this task does, or None, and whether a person waits for it."""

REREAD = 1.0
"""Seconds until a call is tried again whose credentials were dropped."""

DOUBTED_RETRY = 20.0
"""Seconds until such a call is tried again."""

_DOUBTED = "Atlas refuses the call, perhaps by mistake. {retry} If that goes on, the credentials probably lack a role in the project."

IN_A_ROW = 3600.0
"""Seconds after which another such refusal is a first one."""


class EntryReader(Protocol):
    """How the entries of a kind are read: requests as data, answers as values; None for what is not readable.

    ``listed`` returns an entry with its id; ``label`` and ``parent_of`` are those of ``View``.
    """

    def list_request(self, scope: Scope) -> Request: ...
    def listed(self, item: object) -> tuple[str, Any] | None: ...
    def get_request(self, scope: Scope, entry: str) -> Request: ...
    def got(self, entry: str, answer: object) -> Any | None: ...
    def label(self, value: Any) -> str | None: ...
    def parent_of(self, entry: str) -> str | None: ...


def _identified(item: object) -> tuple[str, object] | None:
    """Return an item of a page with its id, which Atlas names ``id`` or ``_id``, or None without one."""
    found = (item.get("id") or item.get("_id")) if isinstance(item, dict) else None
    return (found, item) if isinstance(found, str) else None


class _Doubts:
    """The calls that Atlas refuses without a code, or with one that is doubted, each with the first and the last time in a row."""

    def __init__(self) -> None:
        self._refused: dict[tuple[str, ...], tuple[float, float]] = {}
        self._sweep = Sweep()

    def doubted(
        self, call: tuple[str, ...], error: AtlasError, now: float, codes: Collection[str]
    ) -> AtlasError | None:
        """Return as what a failure counts for now, or None: as what it is. Any other failure ends the row.

        ``codes``: those of refusals that are doubted, too.
        """
        if not isinstance(error, MissingRoleError) or (error.error_code or "") not in {"", *codes}:
            self.end(call)
            return None
        if self._sweep.is_due(now):
            self._refused = {each: times for each, times in self._refused.items() if times[1] > now - IN_A_ROW}
        first, last = self._refused.get(call, (now, now))
        if last <= now - IN_A_ROW:
            first = now
        self._refused[call] = first, now
        if now >= first + DOUBTED_FOR:
            return None
        return error.refuted(
            Explanation(_DOUBTED, error.explanation.words), retry_after=error.retry_after or DOUBTED_RETRY
        )

    def end(self, call: tuple[str, ...]) -> None:
        self._refused.pop(call, None)


@dataclass(frozen=True, slots=True)
class _Read:
    """A shared GET of something that is no entry; it began at this monotonic second."""

    began: float
    task: "asyncio.Future[Any]"

    @property
    def failed(self) -> bool:
        return self.task.done() and (self.task.cancelled() or self.task.exception() is not None)


class Gateway(ObservationCache):
    """The observations of Atlas with any introduced credentials, and the writes to it.

    Args:
        readers: by kind.
        list_within: seconds for all pages of a LIST.
    """

    def __init__(
        self,
        client: Requester,
        throttle: Throttle,
        monotonic: Callable[[], float],
        *,
        readers: Mapping[str, EntryReader],
        list_within: float = LIST_WITHIN,
    ) -> None:
        empty = {name: View(label=reader.label, parent_of=reader.parent_of) for name, reader in readers.items()}
        super().__init__(self._fetch_listing, monotonic, empty=empty)
        self._client = client
        self._throttle = throttle
        self._readers = readers
        self._list_within = list_within
        self._reads: OrderedDict[tuple[Scope, str], _Read] = OrderedDict()
        """By scope and path, the oldest first."""
        self._doubts = _Doubts()
        self._credentials: Recent[Credentials] = Recent(monotonic)

    def introduce(self, credentials: Credentials) -> str:
        """Keep credentials for the next calls, and return their fingerprint for a ``Scope``."""
        fingerprint = credentials.fingerprint(self._client.base_url)
        self._credentials.put(fingerprint, credentials)
        return fingerprint

    def begin(self, caller: Hashable, *, urgent: bool) -> None:
        """Make this task's calls from now on those of a resource or a scope: when they are held, it has one turn.

        Args:
            urgent: whether a person waits for it.
        """
        _CALLER.set((caller, urgent))

    async def read(
        self, scope: Scope, request: Request, *, parse: Callable[[object], Any | None], max_age: float
    ) -> Any:
        """Return the parsed answer to a GET of something that is no entry; concurrent callers share the call.

        Args:
            scope: the scope that needs it.
            parse: returns None when the answer is not readable.
            max_age: seconds since the GET began.

        Raises:
            AtlasError: the GET failed, perhaps one of another caller a moment ago.
        """
        key, now = (scope, request.path), self._monotonic()
        read = self._reads.get(key)
        age = min(max_age, FAILURE_LAST) if read is not None and read.failed else max_age
        if read is None or (read.task.done() and read.began <= now - age):
            read = _Read(now, asyncio.ensure_future(self._call(scope, request, parse)))
            self._reads[key] = read
            self._reads.move_to_end(key)
            # Specs may name any number of clusters, one after the other.
            while next(iter(self._reads.values())).began <= now - READ_LAST:
                self._reads.popitem(last=False)
        return await asyncio.shield(read.task)

    async def get(self, scope: Scope, entry: str) -> View[Any]:
        """Read one entry from Atlas, and return the observations of its scope afterwards; raises ``AtlasError``.

        Only an error code for it proves that the entry is absent.
        """
        reader = self._readers[scope.kind]
        request, began = reader.get_request(scope, entry), self.moment()
        try:
            read = self._read_pages if request.paged else self._call
            seen = Seen(await read(scope, request, lambda answer: reader.got(entry, answer)), began)
        except EndpointAbsentError as error:
            error.__cause__ = error.__context__ = None  # they keep the frames of the call in memory
            seen = Seen(None, began, error.with_traceback(None))
        except AtlasError as error:
            if not request.optional or isinstance(error, AtlasHeldError):
                raise
            seen = Seen(None, began)
        self.remember_read(scope, entry, seen)
        view = self.view(scope)
        known = view.entries.get(entry)
        # The cache drops this answer when the scope was forgotten, or when a write is newer.
        return view if known is not None and known.at >= began else view.showing(entry, seen)

    async def write(
        self,
        scope: Scope,
        request: Request,
        *,
        parse: Callable[[object], tuple[str, Any] | None],
        touches: Sequence[str],
    ) -> tuple[str, Any]:
        """Make a write, and return the id and the value of its entry; after a DELETE, the id and None.

        Args:
            request: a DELETE removes the observations of what it touches.
            parse: returns the id and the value in the answer, or None when it is not readable.
            touches: the entries whose observations an unknown outcome invalidates.

        Raises:
            AtlasError: with ``unknown_outcome``, only a later LIST can observe the result.
        """
        deletes = request.method == "DELETE"
        try:
            found = await self._call(scope, request, (lambda _: (touches[0], None)) if deletes else parse)
        except BaseException as error:
            # A cancelled write may have been applied, too.
            if not isinstance(error, AtlasError) or error.unknown_outcome:
                for entry in touches:
                    self.outcome_unknown(scope, entry)
            raise
        if deletes:
            for entry in touches:
                self.written_now(scope, entry)
        else:
            self.remember_write(scope, *found)
        return found

    async def _fetch_listing(self, scope: Scope) -> Listing[Any]:
        reader = self._readers[scope.kind]
        listing = await self._list_all(scope, reader.list_request(scope), reader.listed)
        if listing.skipped:
            logger.warning(
                "A LIST contains %d items without a usable id; they are ignored",
                listing.skipped,
                extra=LogFields(project=scope.project_id, instance=scope.name),
            )
        return listing

    async def _list_all(
        self, scope: Scope, request: Request, parse: Callable[[object], tuple[str, T] | None]
    ) -> Listing[T]:
        with self._admission(scope, request) as credentials:
            try:
                async with asyncio.timeout(self._list_within):
                    return await send_list(self._client, credentials, request, parse)
            except TimeoutError as error:
                why = f"Atlas does not answer with all pages of a LIST within {self._list_within:.0f} s."
                raise AtlasUnavailableError(Explanation(f"{why} {{retry}}"), operation=request.operation) from error

    async def _read_pages(self, scope: Scope, request: Request, parse: Callable[[object], T | None]) -> T:
        """Make a GET whose answer comes in pages, and return what ``parse`` returns of its items; None means not readable."""
        listing = await self._list_all(scope, request, _identified)
        found = None if listing.skipped else parse([*listing.entries.values()])
        if found is None:
            raise unreadable(HTTPStatus.OK, operation=request.operation, writes=False)
        return found

    async def _call(self, scope: Scope, request: Request, parse: Callable[[object], T | None]) -> T:
        """Make a call, and return what ``parse`` returns; None means that the answer is not readable."""
        with self._admission(scope, request) as credentials:
            answer = await self._client.request(credentials, request)
            if (found := parse(answer.json)) is None:
                raise unreadable(answer.status, operation=request.operation, writes=request.writes)
            return found

    @contextmanager
    def _admission(self, scope: Scope, request: Request) -> Iterator[Credentials]:
        """Yield the credentials for one call, and report its end to the throttle; raises ``AtlasHeldError``."""
        now, (credentials, place) = self._monotonic(), self._signer(scope, request.operation)
        call, (caller, urgent) = (*place, request.method, request.path), _CALLER.get()
        sort = request.operation if request.writes else ""
        admitted = self._throttle.admit(*place, now, sort=sort, caller=caller, urgent=urgent)
        if isinstance(admitted, Wait):
            raise AtlasHeldError(
                admitted.explanation,
                reason=admitted.reason,
                operation=request.operation,
                retry_after=admitted.until - now,
            )
        try:
            yield credentials
        except AtlasError as error:
            self._throttle.report(admitted, error, self._monotonic())
            if (doubted := self._doubts.doubted(call, error, self._monotonic(), request.refusals.doubted)) is not None:
                raise doubted from error
            raise
        except BaseException:
            self._throttle.leave(admitted)
            raise
        self._throttle.report(admitted, None, self._monotonic())
        self._doubts.end(call)

    def _signer(self, scope: Scope, operation: str) -> tuple[Credentials, tuple[str, str]]:
        """Return the credentials of a scope, and the names of these and of the project at its Atlas.

        Raises:
            AtlasHeldError: they were dropped; the next reconcile or resync reads them again.
        """
        credentials = self._credentials.get(scope.credentials)
        if credentials is None:
            raise AtlasHeldError(
                "The credentials are read again.", reason=PENDING, operation=operation, retry_after=REREAD
            )
        atlas = credentials.base_url or self._client.base_url
        return credentials, (scope.credentials, f"{atlas} {scope.project_id}")
