"""Ask Atlas: its address, a call without credentials, and the questions of an interview."""

import asyncio
import socket
import time
from random import Random

import httpx

from atlas_endpoints import __version__
from atlas_endpoints.atlas.answers import Listing
from atlas_endpoints.atlas.client import AtlasClient
from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.transport import proxy_from_environment
from atlas_endpoints.check.findings import Finding, named, ok, took
from atlas_endpoints.check.interview import NO_ENDPOINT, Answer, ChangeNothing, ListEndpoints, Question, answered
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import Endpoint, list_endpoints, update_of
from atlas_endpoints.settings import OperatorSettings

STEP = 15.0
"""Seconds for each call, as long as the operator gives one by default."""


class Atlas:
    """One Atlas, reached as the operator would. Close it with ``close``.

    Args:
        base_url: of the operator's own Secret; None for ``ATLAS_URL``.

    Raises:
        ValueError: the CA file or the proxy is not usable.
    """

    def __init__(self, settings: OperatorSettings, base_url: str | None) -> None:
        self._ca_file = settings.ca_file
        self._from_secret = base_url is not None
        self._url = base_url or settings.atlas_url
        self._client = AtlasClient(
            self._url,
            user_agent=f"atlas-endpoints/{__version__}",
            writes=settings.writes,
            timeout=STEP,
            ca_file=settings.ca_file,
            random=Random(),  # noqa: S311  # jitter
        )

    @property
    def name(self) -> str:
        """Return its name for users, which shows nothing of a Secret."""
        return "the Atlas that the operator's own Secret names (baseUrl)" if self._from_secret else self._url

    async def close(self) -> None:
        """Revoke tokens and close connections."""
        await self._client.aclose()

    async def route(self) -> list[Finding]:
        """Return the proxy, the addresses, and the trusted certificates."""
        proxy = proxy_from_environment(httpx.URL(self._url))
        url = httpx.URL(proxy or self._url)
        found = []
        if proxy is not None:
            # Its URL may hold a password.
            found.append(ok(f"Calls go through the proxy {url.scheme}://{url.netloc.decode()}."))
        if self._ca_file is not None:
            found.append(ok(f"The certificates of {self._ca_file} are trusted, and no others."))
        began = time.monotonic()
        addresses = await _addresses(url.host)
        if addresses and addresses != [url.host] and not (self._from_secret and proxy is None):
            found.append(ok(f"{url.host} is {named(addresses)} ({took(time.monotonic() - began)})."))
        return found

    async def reach(self) -> Finding:
        """Return whether Atlas answers."""
        began = time.monotonic()
        error = None
        try:
            await self._client.check_reachable()
        except AtlasError as caught:
            error = caught
        return answered(error, time.monotonic() - began)

    async def ask(self, credentials: Credentials, question: Question) -> Answer:
        """Return the answer to a question."""
        began = time.monotonic()
        listing: Listing[Endpoint] = Listing({})
        refusal = None
        try:
            match question:
                case ListEndpoints(instance):
                    listing = await list_endpoints(self._client, credentials, instance.project_id, instance.name)
                case ChangeNothing(instance, provider):
                    nothing = update_of(instance.project_id, instance.name, NO_ENDPOINT, provider, {})
                    await self._client.request(credentials, nothing)
        except AtlasError as error:
            refusal = error
        return Answer(time.monotonic() - began, refusal, listing)


async def _addresses(host: str) -> list[str]:
    """Return the addresses of a host; none when the lookup fails, which a call explains better."""
    try:
        async with asyncio.timeout(STEP):
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError):
        return []
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
