"""The LIST of the endpoints of an instance, as a call of its own."""

from atlas_endpoints.atlas.answers import Listing, Requester, send_list
from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import Endpoint, list_of, listed


async def list_endpoints(client: Requester, credentials: Credentials, project: str, instance: str) -> Listing[Endpoint]:
    """Return the endpoints of an instance; raises ``AtlasError``."""
    return await send_list(client, credentials, list_of(project, instance), listed)
