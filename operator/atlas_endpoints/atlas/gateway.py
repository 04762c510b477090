"""The one way from a kind to Atlas: the operations on endpoints over shared observations.

It ties a write to what is remembered: an answer replaces the memory, an unknown fate destroys it.
"""

from collections.abc import Callable, Mapping

from atlas_endpoints.atlas.answers import Deprecation
from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.serverless_private_endpoints import (
    Endpoint,
    Listing,
    get_endpoint,
    list_endpoints,
    update_body,
    update_endpoint,
)
from atlas_endpoints.atlas.snapshots import Instance, Snapshots
from atlas_endpoints.atlas.throttled_client import ThrottledClient


class Gateway(Snapshots):
    """Endpoints as seen with any of the credentials that were introduced, and the writes to them.

    Args:
        client: makes the calls, as the throttle allows.
        monotonic: seconds that only grow.
    """

    def __init__(self, client: ThrottledClient, monotonic: Callable[[], float]) -> None:
        super().__init__(self._fetch_listing, monotonic)
        self._client = client
        self._credentials: dict[str, Credentials] = {}
        self._deprecations: dict[Instance, Deprecation] = {}

    def introduce(self, credentials: Credentials) -> str:
        """Make credentials known and return their fingerprint, by which ``Instance`` names them."""
        fingerprint = self._client.fingerprint(credentials)
        self._credentials[fingerprint] = credentials
        return fingerprint

    def deprecation(self, instance: Instance) -> Deprecation | None:
        """Tell what Atlas last announced about the end of these operations."""
        return self._deprecations.get(instance)

    async def get(self, instance: Instance, endpoint_id: str) -> Endpoint:
        """Read one endpoint past all memory, and remember it.

        Raises:
            AtlasError: ``EndpointAbsentError`` when Atlas says so with a code made for it.
        """
        endpoint = await self._client.call(
            get_endpoint, self._credentials[instance.credentials], instance.project_id, instance.name, endpoint_id
        )
        self.remember(instance, endpoint)
        return endpoint

    async def update(
        self, instance: Instance, endpoint_id: str, *, provider_name: str, fields: Mapping[str, str]
    ) -> Endpoint:
        """Change an endpoint, and remember the answer as the newest truth.

        Raises:
            AtlasError: with ``unknown_outcome``, what was remembered is forgotten and a later LIST has to tell.
        """
        try:
            endpoint = await self._client.call(
                update_endpoint,
                self._credentials[instance.credentials],
                instance.project_id,
                instance.name,
                endpoint_id,
                update_body(provider_name, fields),
            )
        except AtlasError as error:
            if error.unknown_outcome:
                self.doubt(instance, endpoint_id)
            raise
        except BaseException:
            # Cancelled on the way: nobody knows how far it came.
            self.doubt(instance, endpoint_id)
            raise
        self.remember(instance, endpoint)
        return endpoint

    async def _fetch_listing(self, instance: Instance) -> Listing:
        listing = await self._client.call(
            list_endpoints, self._credentials[instance.credentials], instance.project_id, instance.name
        )
        if listing.deprecation is not None:
            self._deprecations[instance] = listing.deprecation
        return listing
