"""One way to the API server, shared by kopf and by our own calls: address, TLS and a token that stays current."""

import asyncio
import logging
import math
import time
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self, TypeAlias
from urllib.parse import urlsplit

import aiohttp
import kopf
from kubernetes.aio import client, config
from kubernetes.aio.client.rest import RESTClientObject
from kubernetes.aio.config import incluster_config
from typing_extensions import override

from atlas_endpoints.cluster.answers import Answer, Forbearance
from atlas_endpoints.cluster.errors import NoClusterError, NotLeaderError
from atlas_endpoints.cluster.reachability import Reachability

logger = logging.getLogger(__name__)

RELOAD_POD, RELOAD_KUBECONFIG = 60.0, 300.0
"""Seconds after which the ServiceAccount's token, or a kubeconfig, is read again: tokens in them (or behind them) expire.
The kubelet renews a token long before; a kubeconfig may start a program to get one."""

RELOAD_REFUSED = 1.0
"""Seconds after which it is read again when the token was refused: it may have been replaced."""

UNAUTHORIZED, TOO_MANY, UNAVAILABLE = 401, 429, 500

CONNECTIONS = 30
"""For each client; without a bound, a burst of events opens a connection for every object."""

LONGEST_LINE = 2**21
"""Bytes that a session buffers, as the client's own does."""

Load: TypeAlias = Callable[[client.Configuration], Awaitable[None]]
"""Reads a configuration from where it is kept."""


class Connection:
    """The API server as the process is allowed to use it. Make it with ``open``; end it with ``close``.

    Args:
        configuration: of the client.
        reload: reads it again.
        namespace: where this process is at home: the Pod's own, or the one of the kubeconfig's context.

    Attributes:
        api: for the Lease; nothing holds its writes back, and no burst of other calls gets in its way.
        namespace: as given.
        reachability: hears of every call.
    """

    def __init__(
        self, configuration: client.Configuration, reload: "Reload | None" = None, *, namespace: str = "default"
    ) -> None:
        self._configuration = configuration
        self._reload = reload
        self.reachability = Reachability(time.monotonic)
        self._forbearance = Forbearance(time.monotonic)
        configuration.connection_pool_maxsize = CONNECTIONS
        configuration.proxy = configuration.proxy or _proxy_from_environment(configuration.host)
        # Read by its REST client, though it is not among the configuration's documented fields.
        configuration.client_session_kwargs = {
            "middlewares": [self._authorize, self._listen],
            # Else aiohttp asks the environment for the proxy in a thread, and reads ~/.netrc, for each call: that takes
            # longer than to send it. What a .netrc holds for the host is none of the API server's business either.
            "trust_env": False,
        }
        self.api = client.ApiClient(configuration)
        self.namespace = namespace
        self._fenced: list[client.ApiClient] = []
        self._sessions: list[aiohttp.ClientSession] = []

    @classmethod
    async def open(cls) -> Self:
        """Connect as the Pod's ServiceAccount, or outside a cluster by kubeconfig (``KUBECONFIG``, ``~/.kube/config``).

        Raises:
            NoClusterError: there is neither.
        """
        configuration = client.Configuration()
        load, seconds = _load_from_pod, RELOAD_POD
        try:
            await load(configuration)
            namespace = _namespace_of_pod()
        except config.ConfigException:
            load, seconds = _load_kubeconfig, RELOAD_KUBECONFIG
            try:
                await load(configuration)
                namespace = _namespace_of_kubeconfig()
            except (config.ConfigException, OSError) as error:
                raise NoClusterError(
                    "The Kubernetes API is not known: this is no Pod with a ServiceAccount, and the kubeconfig (the variable"
                    f" KUBECONFIG, else ~/.kube/config) is of no use: {error}"
                ) from error
        reload = Reload(load, seconds, time.monotonic)
        reload.attach(configuration)
        return cls(configuration, reload, namespace=namespace)

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return str(self._configuration.host)

    def fenced(self, fence: Callable[[], bool]) -> client.ApiClient:
        """Give a client whose every write asks first; where the fence says no, it ends in ``NotLeaderError``.

        Args:
            fence: asked right before each write is sent.
        """
        api = client.ApiClient(self._configuration)
        api.rest_client = _FencedClient(self._configuration, fence)
        self._fenced.append(api)
        return api

    def kopf_session(self) -> kopf.AiohttpSession:
        """Give kopf a session whose requests carry the token that is current when they are made.

        With a token that is read for each request, rotation costs no 401 and no new login.
        """
        tls = RESTClientObject(self._configuration).ssl_context
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=tls),
            middlewares=[self._forbearance, self._authorize, self._listen],
            response_class=Answer,
            proxy=self._configuration.proxy,
            trust_env=False,  # as for our own
        )
        # kopf closes a session that was refused, and then asks for another.
        self._sessions = [*(each for each in self._sessions if not each.closed), session]
        return kopf.AiohttpSession(server=self.server, aiohttp_session=session)

    async def close(self) -> None:
        """Close all connections."""
        for api in (self.api, *self._fenced):
            await api.close()  # type: ignore[no-untyped-call]  # untyped
        for session in self._sessions:
            await session.close()

    async def _authorize(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Make a call with the token that is current, and once more if it is refused and there is another by now."""
        token = await self._send_token(request)
        response = await handler(request)
        if response.status != UNAUTHORIZED or self._reload is None:
            return response
        self._reload.refused()
        if await self._send_token(request) == token:
            return response
        response.release()
        return await handler(request)

    async def _send_token(self, request: aiohttp.ClientRequest) -> str | None:
        token: str | None = await self._configuration.get_api_key_with_prefix("BearerToken")
        if token:
            request.headers["Authorization"] = token
        if request.session.closed:
            # By kopf, for the 401 of a call beside this one. In these words it understands, and logs in anew.
            raise RuntimeError("Session is closed")
        return token

    async def _listen(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Make a call, and take notice of whether it is answered."""
        try:
            response = await handler(request)
        except (aiohttp.ClientError, OSError, asyncio.CancelledError) as error:  # the last is how timeouts come
            self.reachability.failed("timeout" if isinstance(error, asyncio.CancelledError) else type(error).__name__)
            raise
        if response.status >= UNAVAILABLE or response.status == TOO_MANY:
            self.reachability.failed(f"HTTP {response.status}")
        else:
            self.reachability.answered()
        return response


class _FencedClient(RESTClientObject):
    """Asks the fence where the client's work is done, and only connecting and sending are left.

    Args:
        configuration: of the client.
        fence: asked right before each write is sent.
    """

    def __init__(self, configuration: client.Configuration, fence: Callable[[], bool]) -> None:
        super().__init__(configuration)
        self._fence = fence

    @override
    def _create_pool_manager(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=self._create_connector(),
            middlewares=[*self.configuration.client_session_kwargs["middlewares"], self._hold_back],
            trust_env=False,  # as for the others
            read_bufsize=LONGEST_LINE,
        )

    async def _hold_back(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        is_trial = "dryRun" in request.url.query  # it changes nothing, whoever leads
        if request.method != "GET" and not is_trial and not self._fence():
            raise NotLeaderError("The write was held back: this replica does not lead (any more).")
        return await handler(request)


class Reload:
    """Reads a configuration again from time to time, before a call that needs its token.

    Args:
        load: reads it.
        seconds: between readings.
        monotonic: seconds that only grow.
    """

    def __init__(self, load: Load, seconds: float, monotonic: Callable[[], float]) -> None:
        self._load = load
        self._seconds = seconds
        self._monotonic = monotonic
        self._read = monotonic()

    def attach(self, configuration: client.Configuration) -> None:
        """Have the client ask before each call."""
        configuration.refresh_api_key_hook = self  # type: ignore[assignment]  # typed as None, documented as a function

    def refused(self) -> None:
        """Take in that the token was refused: it is read again before the next call, unless that was done just now."""
        if self._monotonic() >= self._read + RELOAD_REFUSED:
            self._read = -math.inf

    async def __call__(self, configuration: client.Configuration) -> None:
        """Read again, if it is time; what cannot be read now is tried again later, and the old token serves meanwhile."""
        if self._monotonic() < self._read + self._seconds:
            return
        self._read = self._monotonic()
        try:
            await self._load(configuration)
        except Exception as error:  # noqa: BLE001  # files, YAML and programs fail in many ways, and none may end the call
            # Only the class: a parser's message quotes what it could not read, which may be a token.
            logger.warning("The configuration of the cluster could not be read again: %s", type(error).__name__)
        self.attach(configuration)


def _proxy_from_environment(server: str) -> str | None:
    """Find the proxy as other programs do: ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY``."""
    url = urlsplit(server)
    if url.hostname is not None and urllib.request.proxy_bypass(url.hostname):
        return None
    return urllib.request.getproxies().get(url.scheme)


async def _load_from_pod(configuration: client.Configuration) -> None:
    config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # untyped


async def _load_kubeconfig(configuration: client.Configuration) -> None:
    await config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # untyped


def _namespace_of_pod() -> str:
    """Read where the Pod is; the kubelet puts that beside its token."""
    try:
        return Path(incluster_config.SERVICE_TOKEN_FILENAME).with_name("namespace").read_text().strip() or "default"
    except OSError:
        return "default"


def _namespace_of_kubeconfig() -> str:
    _, context = config.list_kube_config_contexts()  # type: ignore[no-untyped-call]  # untyped
    return str(context["context"].get("namespace") or "default")
