"""The calls of a reconcile to Atlas, over shared observations.

Each answer updates the observations; an unknown outcome invalidates them.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from typing_extensions import override

from atlas_endpoints.atlas.answers import Answer
from atlas_endpoints.atlas.classification import unreadable
from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.atlas.credentials_in_use import CredentialsInUse
from atlas_endpoints.atlas.errors import AtlasError, EndpointAbsentError
from atlas_endpoints.atlas.listings import Listing
from atlas_endpoints.atlas.observations import FAILURE_LAST, ObservationCache, Seen, View
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.atlas.throttled_client import ThrottledClient
from atlas_endpoints.controller.log_lines import LogFields

logger = logging.getLogger(__name__)


class EntryReader(Protocol):
    """How the entries of a kind are read."""

    def list_request(self, scope: Scope) -> Request:
        """Return the LIST of a scope."""

    def listed(self, item: object) -> tuple[str, Any] | None:
        """Return the id and the value of an item of a LIST, or None without a usable id."""

    def get_request(self, scope: Scope, entry: str) -> Request:
        """Return the GET of one entry."""

    def got(self, entry: str, answer: object) -> Any | None:
        """Return the entry in the answer to a GET or a write, or None when it is not readable as this entry."""

    def label(self, value: Any) -> str | None:
        """Return the second key by which an entry is found, beside its id, or None."""


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
        readings: by kind.
        dropped: called with credentials that no resource uses any more.
    """

    def __init__(
        self,
        client: ThrottledClient,
        monotonic: Callable[[], float],
        *,
        readers: Mapping[str, EntryReader],
        dropped: Callable[[Credentials], None],
    ) -> None:
        super().__init__(
            self._fetch_listing, monotonic, labels={name: reader.label for name, reader in readers.items()}
        )
        self._client = client
        self._readers = readers
        self._reads: dict[tuple[Scope, str], _Read] = {}
        self._dropped = dropped
        self._credentials = CredentialsInUse(self._drop)

    def introduce(self, credentials: Credentials) -> str:
        """Add credentials and return their fingerprint, for a ``Scope``."""
        fingerprint = self._client.fingerprint(credentials)
        self._credentials.introduce(fingerprint, credentials)
        return fingerprint

    def use(self, resource: Hashable, fingerprint: str) -> None:
        """Keep credentials as long as a resource uses them; it uses one pair at a time."""
        self._credentials.use(resource, fingerprint)

    def release(self, resource: Hashable) -> None:
        """Release the credentials of a resource."""
        self._credentials.release(resource)

    def work(self) -> AbstractContextManager[None]:
        """Keep all credentials during this context, and drop the unused ones afterwards."""
        return self._credentials.work()

    def let_through(self, scope: Scope) -> None:
        """Admit the next call to a scope before the time that Atlas named, once in each such wait."""
        self._client.let_through(self._credentials_of(scope), scope)

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
        name = scope, request.path
        read = self._reads.get(name)
        age = min(max_age, FAILURE_LAST) if read is not None and read.failed else max_age
        if read is None or (read.task.done() and read.began <= self._monotonic() - age):

            def parsed(answer: Answer) -> Any:
                if (value := parse(answer.json)) is None:
                    raise unreadable(answer.status, operation=request.operation, writes=False)
                return value

            call = self._client.call(self._credentials_of(scope), scope, request, parsed)
            read = self._reads[name] = _Read(self._monotonic(), asyncio.ensure_future(call))
        return await asyncio.shield(read.task)

    async def get(self, scope: Scope, entry: str) -> View[Any]:
        """Read one entry from Atlas, and return the observations of its scope afterwards; raises ``AtlasError``.

        Only an error code for it proves that the entry is absent.
        """
        reader = self._readers[scope.kind]
        request, began = reader.get_request(scope, entry), self.moment()

        def read(answer: Answer) -> Any:
            if (value := reader.got(entry, answer.json)) is None:
                raise unreadable(answer.status, operation=request.operation, writes=False)
            return value

        try:
            value = await self._client.call(self._credentials_of(scope), scope, request, read)
            seen = Seen(value, began)
        except EndpointAbsentError as error:
            error.__cause__ = error.__context__ = None  # they keep the frames of the call in memory
            seen = Seen(None, began, error.with_traceback(None))
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

        def read(answer: Answer) -> tuple[str, Any] | None:
            if request.method == "DELETE":
                return None
            if (found := parse(answer.json)) is None:
                raise unreadable(answer.status, operation=request.operation, writes=True)
            return found

        try:
            found = await self._client.call(self._credentials_of(scope), scope, request, read)
        except BaseException as error:
            # A cancelled write may have been applied, too.
            if not isinstance(error, AtlasError) or error.unknown_outcome:
                for entry in touches:
                    self.outcome_unknown(scope, entry)
            raise
        if found is not None:
            self.remember_write(scope, *found)
            return found
        for entry in touches:
            self.remember_gone(scope, entry)
        return touches[0], None

    @override
    def forget(self, scope: Scope) -> None:
        super().forget(scope)
        self._reads = {name: read for name, read in self._reads.items() if name[0] != scope}

    async def _fetch_listing(self, scope: Scope) -> Listing[Any]:
        reader = self._readers[scope.kind]
        listing = await self._client.list(self._credentials_of(scope), scope, reader.list_request(scope), reader.listed)
        if listing.skipped:
            logger.warning(
                "A LIST held %d items without a usable id; they are ignored",
                listing.skipped,
                extra=LogFields(project=scope.project_id, instance=scope.name),
            )
        return listing

    def _credentials_of(self, scope: Scope) -> Credentials:
        return self._credentials[scope.credentials]

    def _drop(self, fingerprint: str, credentials: Credentials) -> None:
        self.forget_credentials(fingerprint)
        self._reads = {name: read for name, read in self._reads.items() if name[0].credentials != fingerprint}
        self._client.forget(fingerprint)
        self._dropped(credentials)
