"""One way to the API server, shared by kopf and by our own calls: address, TLS and a token that stays current."""

import logging
import time

import aiohttp
import kopf
from kubernetes.aio import client, config
from kubernetes.aio.client.rest import RESTClientObject

logger = logging.getLogger(__name__)

RELOAD = 300.0
"""Seconds after which a kubeconfig is read again, since tokens in it (or behind it) expire."""

CONNECTIONS = 30
"""For each of the two clients; without a bound, a burst of events opens a connection for every object."""


class Connection:
    """The API server as the process is allowed to use it. Make it with ``open``; end it with ``close``."""

    def __init__(self, configuration: client.Configuration) -> None:
        self._configuration = configuration
        configuration.connection_pool_maxsize = CONNECTIONS
        self.api = client.ApiClient(configuration)
        self._sessions: list[aiohttp.ClientSession] = []

    @classmethod
    async def open(cls) -> "Connection":
        """Connect as the Pod's ServiceAccount, or outside a cluster by kubeconfig (``KUBECONFIG``, ``~/.kube/config``).

        Raises:
            config.ConfigException: there is neither.
        """
        configuration = client.Configuration()
        try:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # untyped
        except config.ConfigException:
            await _load_kubeconfig(configuration)
            configuration.refresh_api_key_hook = _Reload()  # type: ignore[assignment]  # typed as None, documented as a function
        return cls(configuration)

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return str(self._configuration.host)

    def kopf_session(self) -> kopf.AiohttpSession:
        """Give kopf a session whose requests carry the token that is current when they are made.

        With a token that is read for each request, rotation costs no 401 and no new login.
        """
        tls = RESTClientObject(self._configuration).ssl_context
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=tls),
            middlewares=[self._authorize],
            trust_env=True,
        )
        self._sessions.append(session)
        return kopf.AiohttpSession(server=self.server, aiohttp_session=session)

    async def close(self) -> None:
        """Close all connections."""
        await self.api.close()  # type: ignore[no-untyped-call]  # untyped
        for session in self._sessions:
            await session.close()

    async def _authorize(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        token = await self._configuration.get_api_key_with_prefix("BearerToken")
        if token:
            request.headers["Authorization"] = token
        return await handler(request)


class _Reload:
    """Reads the kubeconfig again from time to time; what cannot be read now is tried again later."""

    def __init__(self) -> None:
        self._read = time.monotonic()

    async def __call__(self, configuration: client.Configuration) -> None:
        if time.monotonic() < self._read + RELOAD:
            return
        self._read = time.monotonic()
        try:
            await _load_kubeconfig(configuration)
        except (config.ConfigException, OSError):
            logger.exception("The kubeconfig could not be read again; going on with what was in it")
        configuration.refresh_api_key_hook = self  # type: ignore[assignment]  # as above


async def _load_kubeconfig(configuration: client.Configuration) -> None:
    await config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # untyped
