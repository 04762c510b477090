"""The one way from a reconcile to Atlas: calls over shared observations.

It ties a call to what is remembered: an answer becomes the memory, an unknown outcome destroys it.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
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
from atlas_endpoints.controller.log_fields import LogFields

logger = logging.getLogger(__name__)


class Reading(Protocol):
    """How the entries of a kind are read."""

    def list_request(self, scope: Scope) -> Request:
        """Return the LIST of a scope."""
        ...

    def listed(self, item: object) -> tuple[str, Any] | None:
        """Read the id and the value of an item of a LIST; None: it has no usable id."""
        ...

    def get_request(self, scope: Scope, entry: str) -> Request:
        """Return the GET of one entry."""
        ...

    def got(self, entry: str, answer: object) -> Any | None:
        """Read the answer to a GET, or to a write that answers with the entry; None: it is not readable as this entry."""
        ...

    def label(self, value: Any) -> str | None:
        """Return what an entry is found by beside its id, if it is."""
        ...


@dataclass(frozen=True, slots=True)
class _Read:
    """A GET of something that is no entry, and when it began, in monotonic seconds."""

    began: float
    task: "asyncio.Future[Any]"

    @property
    def failed(self) -> bool:
        return self.task.done() and (self.task.cancelled() or self.task.exception() is not None)


class Gateway(ObservationCache):
    """What Atlas holds as seen with any of the credentials that were introduced, and the writes to it.

    Args:
        client: makes the calls, as the throttle allows.
        monotonic: seconds that only grow.
        readings: by their names, how the entries of each kind are read.
        dropped: is called with credentials that no resource uses any more.
    """

    def __init__(
        self,
        client: ThrottledClient,
        monotonic: Callable[[], float],
        *,
        readings: Mapping[str, Reading],
        dropped: Callable[[Credentials], None],
    ) -> None:
        super().__init__(
            self._fetch_listing, monotonic, labels={name: reading.label for name, reading in readings.items()}
        )
        self._client = client
        self._readings = readings
        self._reads: dict[tuple[Scope, str], _Read] = {}
        self._dropped = dropped
        self._credentials = CredentialsInUse(self._drop)

    def introduce(self, credentials: Credentials) -> str:
        """Make credentials known and return their fingerprint, by which ``Scope`` names them."""
        fingerprint = self._client.fingerprint(credentials)
        self._credentials.introduce(fingerprint, credentials)
        return fingerprint

    def use(self, resource: Hashable, fingerprint: str) -> None:
        """Keep credentials as long as a resource uses them; it uses one pair at a time."""
        self._credentials.use(resource, fingerprint)

    def release(self, resource: Hashable) -> None:
        """Release the credentials that a resource uses."""
        self._credentials.release(resource)

    def work(self) -> AbstractContextManager[None]:
        """Keep all credentials while something is worked on, and drop afterwards those that no resource uses."""
        return self._credentials.work()

    def let_through(self, scope: Scope) -> None:
        """Let the next call to a scope pass before the time that Atlas named, once in each such wait."""
        self._client.let_through(self._credentials_of(scope), scope)

    async def read(
        self, scope: Scope, request: Request, *, parse: Callable[[object], Any | None], max_age: float
    ) -> Any:
        """Return what a GET of something that is no entry has told; the call is shared by all who ask.

        Args:
            scope: for whose sake it is read.
            request: the GET.
            parse: reads the answer; None: it is not readable.
            max_age: seconds; an answer to a GET that began earlier is not good enough.

        Raises:
            AtlasError: what the GET failed with, also when somebody else had asked for it; it is shared for a moment.
        """
        name = scope, request.path
        read = self._reads.get(name)
        age = min(max_age, FAILURE_LAST) if read is not None and read.failed else max_age
        if read is None or (read.task.done() and read.began <= self._monotonic() - age):

            def told(answer: Answer) -> Any:
                if (value := parse(answer.json)) is None:
                    raise unreadable(answer.status, operation=request.operation, writes=False)
                return value

            call = self._client.call(self._credentials_of(scope), scope, request, told)
            read = self._reads[name] = _Read(self._monotonic(), asyncio.ensure_future(call))
        return await asyncio.shield(read.task)

    async def get(self, scope: Scope, entry: str) -> View[Any]:
        """Read one entry past all memory; return what is known of its scope afterwards.

        That it is absent is known only if Atlas says so with a code made for it.

        Raises:
            AtlasError: the GET failed.
        """
        reading = self._readings[scope.kind]
        request, began = reading.get_request(scope, entry), self.moment()

        def read(answer: Answer) -> Any:
            if (value := reading.got(entry, answer.json)) is None:
                raise unreadable(answer.status, operation=request.operation, writes=False)
            return value

        try:
            value = await self._client.call(self._credentials_of(scope), scope, request, read)
            seen = Seen(value, began)
        except EndpointAbsentError as error:
            error.__cause__ = error.__context__ = None  # they hold all that the call has used
            seen = Seen(None, began, error.with_traceback(None))
        self.remember_read(scope, entry, seen)
        view = self.view(scope)
        known = view.entries.get(entry)
        # Nobody may ask for the scope any more, and so nothing is kept; or a write has overtaken this.
        return view if known is not None and known.at >= began else view.showing(entry, seen)

    async def write(
        self,
        scope: Scope,
        request: Request,
        *,
        parse: Callable[[object], tuple[str, Any] | None],
        touches: Sequence[str],
    ) -> tuple[str, Any]:
        """Make a write, and remember the entry that it answers with as the newest truth.

        Args:
            scope: where it is made.
            request: the write; after a DELETE nothing is known of what it touches.
            parse: reads the id and the value of the entry from the answer; None: it is not readable.
            touches: the entries of which nothing is known when the outcome is not.

        Returns:
            The id and the value of the entry; after a DELETE, of what it touches, and None.

        Raises:
            AtlasError: with ``unknown_outcome``, what was remembered is forgotten and a later LIST has to tell.
        """

        def read(answer: Answer) -> tuple[str, Any] | None:
            if request.method == "DELETE":
                return None
            if (found := parse(answer.json)) is None:
                raise unreadable(answer.status, operation=request.operation, writes=True)
            return found

        with self._unknown_unless_answered(scope, touches):
            found = await self._client.call(self._credentials_of(scope), scope, request, read)
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

    @contextmanager
    def _unknown_unless_answered(self, scope: Scope, touches: Sequence[str]) -> Iterator[None]:
        """Keep in mind that nobody knows what became of a write, unless its answer says so."""
        try:
            yield
        except AtlasError as error:
            if error.unknown_outcome:
                self._outcomes_unknown(scope, touches)
            raise
        except BaseException:
            # Cancelled on the way: nobody knows how far it came.
            self._outcomes_unknown(scope, touches)
            raise

    def _outcomes_unknown(self, scope: Scope, touches: Sequence[str]) -> None:
        for entry in touches:
            self.outcome_unknown(scope, entry)

    async def _fetch_listing(self, scope: Scope) -> Listing[Any]:
        reading = self._readings[scope.kind]
        listing = await self._client.list(
            self._credentials_of(scope), scope, reading.list_request(scope), reading.listed
        )
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
