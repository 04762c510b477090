"""The LIST of the endpoints of an instance, as a call of its own."""

from atlas_endpoints.atlas.answers import Listing, Requester, send_list
from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.kinds.serverless_private_endpoint.resource import EndpointStatus


async def list_endpoints(
    client: Requester, credentials: Credentials, project: str, instance: str
) -> Listing[EndpointStatus]:
    """Return the endpoints of an instance; raises ``AtlasError``."""
    return await send_list(client, credentials, KIND.list_request(Scope("", project, "", instance)), KIND.listed)
