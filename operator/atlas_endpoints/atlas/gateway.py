"""The one way from a kind to Atlas: the operations on endpoints over shared observations.

It ties a call to what is remembered: an answer becomes the memory, an unknown fate destroys it.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from typing_extensions import override

from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.atlas.credentials_in_use import CredentialsInUse
from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.serverless_instances import PrivateConnection, private_connections
from atlas_endpoints.atlas.serverless_private_endpoints import (
    Endpoint,
    Listing,
    create_endpoint,
    delete_endpoint,
    get_endpoint,
    list_endpoints,
    update_body,
    update_endpoint,
)
from atlas_endpoints.atlas.snapshots import FAILURE_LAST, Instance, Snapshots
from atlas_endpoints.atlas.throttled_client import ThrottledClient
from atlas_endpoints.engine.log_fields import LogFields

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Read:
    """A GET of an instance, and when it began, in monotonic seconds."""

    began: float
    task: "asyncio.Future[tuple[PrivateConnection, ...]]"

    @property
    def failed(self) -> bool:
        return self.task.done() and (self.task.cancelled() or self.task.exception() is not None)


class Gateway(Snapshots):
    """Endpoints as seen with any of the credentials that were introduced, and the writes to them.

    Args:
        client: makes the calls, as the throttle allows.
        monotonic: seconds that only grow.
        dropped: is called with credentials that no resource uses any more.
    """

    def __init__(
        self,
        client: ThrottledClient,
        monotonic: Callable[[], float],
        *,
        dropped: Callable[[Credentials], None],
    ) -> None:
        super().__init__(self._fetch_listing, monotonic)
        self._client = client
        self._reads: dict[Instance, _Read] = {}
        self._dropped = dropped
        self._credentials = CredentialsInUse(self._drop)

    def introduce(self, credentials: Credentials) -> str:
        """Make credentials known and return their fingerprint, by which ``Instance`` names them."""
        fingerprint = self._client.fingerprint(credentials)
        self._credentials.introduce(fingerprint, credentials)
        return fingerprint

    async def connections(self, instance: Instance, *, max_age: float) -> tuple[PrivateConnection, ...]:
        """Return the private connections of an instance, by a GET that is shared by all who ask.

        Args:
            instance: which.
            max_age: seconds; what a GET that began earlier has shown is not good enough.

        Raises:
            AtlasError: what the GET failed with, also when somebody else had asked for it; it is shared for a moment.
        """
        read = self._reads.get(instance)
        age = min(max_age, FAILURE_LAST) if read is not None and read.failed else max_age
        if read is None or (read.task.done() and read.began <= self._monotonic() - age):
            call = self._client.call(
                private_connections, self._credentials_of(instance), instance.project_id, instance.name
            )
            read = self._reads[instance] = _Read(self._monotonic(), asyncio.ensure_future(call))
        return await asyncio.shield(read.task)

    @override
    def forget(self, instance: Instance) -> None:
        super().forget(instance)
        self._reads.pop(instance, None)

    def use(self, resource: Hashable, fingerprint: str) -> None:
        """Keep credentials as long as a resource uses them; it uses one pair at a time."""
        self._credentials.use(resource, fingerprint)

    def release(self, resource: Hashable) -> None:
        """Release the credentials that a resource uses."""
        self._credentials.release(resource)

    def work(self) -> AbstractContextManager[None]:
        """Keep all credentials while something is worked on, and drop afterwards those that no resource uses."""
        return self._credentials.work()

    def let_through(self, instance: Instance) -> None:
        """Let the next call to an instance pass before the time that Atlas named, once in each such wait."""
        self._client.let_through(self._credentials_of(instance), instance.project_id, instance.name)

    async def get(self, instance: Instance, endpoint_id: str) -> Endpoint:
        """Read one endpoint past all memory, and remember it.

        Raises:
            AtlasError: ``EndpointAbsentError`` when Atlas says so with a code made for it.
        """
        credentials, began = self._credentials_of(instance), self.moment()
        endpoint = await self._client.call(get_endpoint, credentials, instance.project_id, instance.name, endpoint_id)
        self.remember_read(instance, endpoint, began=began)
        return endpoint

    async def update(
        self, instance: Instance, endpoint_id: str, *, provider_name: str, fields: Mapping[str, str]
    ) -> Endpoint:
        """Change an endpoint, and remember the answer as the newest truth.

        Args:
            instance: where the endpoint is.
            endpoint_id: which one.
            provider_name: AWS or AZURE.
            fields: what to change, by Atlas's names.

        Raises:
            AtlasError: with ``unknown_outcome``, what was remembered is forgotten and a later LIST has to tell.
        """
        credentials, body = self._credentials_of(instance), update_body(provider_name, fields)
        with self._in_doubt_unless_told(instance, endpoint_id):
            endpoint = await self._client.call(
                update_endpoint, credentials, instance.project_id, instance.name, endpoint_id, body
            )
        self.remember_write(instance, endpoint)
        return endpoint

    async def create(self, instance: Instance, mark: str) -> Endpoint:
        """Reserve an endpoint, and remember it.

        Args:
            instance: where.
            mark: the comment by which ``marked`` finds it again.

        Raises:
            AtlasError: with ``unknown_outcome`` there may be an endpoint now: a later LIST has to tell.
        """
        credentials = self._credentials_of(instance)
        with self._in_doubt_unless_told(instance, mark):
            endpoint = await self._client.call(create_endpoint, credentials, instance.project_id, instance.name, mark)
        self.remember_write(instance, endpoint)
        return endpoint

    async def delete(self, instance: Instance, endpoint_id: str) -> None:
        """Have an endpoint deleted; what was remembered of it is forgotten.

        Raises:
            AtlasError: ``EndpointAbsentError`` when Atlas says that there is none.
        """
        credentials = self._credentials_of(instance)
        with self._in_doubt_unless_told(instance, endpoint_id):
            await self._client.call(delete_endpoint, credentials, instance.project_id, instance.name, endpoint_id)
        self.remember_gone(instance, endpoint_id)

    @contextmanager
    def _in_doubt_unless_told(self, instance: Instance, what: str) -> Iterator[None]:
        """Keep in mind that nobody knows what became of a write, unless its answer tells."""
        try:
            yield
        except AtlasError as error:
            if error.unknown_outcome:
                self.doubt(instance, what)
            raise
        except BaseException:
            # Cancelled on the way: nobody knows how far it came.
            self.doubt(instance, what)
            raise

    async def _fetch_listing(self, instance: Instance) -> Listing:
        listing = await self._client.call(
            list_endpoints, self._credentials_of(instance), instance.project_id, instance.name
        )
        if listing.skipped:
            logger.warning(
                "A LIST held %d items without a usable id; they are ignored",
                listing.skipped,
                extra=LogFields(project=instance.project_id, instance=instance.name),
            )
        return listing

    def _credentials_of(self, instance: Instance) -> Credentials:
        return self._credentials[instance.credentials]

    def _drop(self, fingerprint: str, credentials: Credentials) -> None:
        self.forget_credentials(fingerprint)
        self._reads = {instance: read for instance, read in self._reads.items() if instance.credentials != fingerprint}
        self._client.forget(fingerprint)
        self._dropped(credentials)
