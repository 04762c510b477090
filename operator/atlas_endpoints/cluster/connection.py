"""One way to the API server, shared by kopf and by our own calls: address, TLS and a token that stays current."""

import asyncio
import logging
import os
import time
import urllib.request
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Self, TypeAlias
from urllib.parse import urlsplit

import aiohttp
import kopf
from kubernetes.aio import client, config
from kubernetes.aio.client.rest import RESTClientObject
from kubernetes.aio.config import incluster_config, kube_config
from typing_extensions import override
from yaml import YAMLError

from atlas_endpoints.cluster.errors import NoClusterError, NotLeaderError
from atlas_endpoints.cluster.kopf_calls import KopfCalls
from atlas_endpoints.cluster.reachability import Reachability, kind_of
from atlas_endpoints.cluster.reload import RELOAD_KUBECONFIG, RELOAD_POD, Reload
from atlas_endpoints.telemetry.causes import words_of

logger = logging.getLogger(__name__)

CONNECTIONS = 30
"""For each client; without a bound, a burst of events opens a connection for every object."""

ANSWER_WITHIN = 15.0
"""Seconds in which an answer has to be here, or that of a watch to begin: kopf gives one as long for that as for all that it may
bring, over a minute, in which nothing is seen."""

REDIRECTIONS = range(300, 400)
"""Statuses that aiohttp would act upon. Each of its requests carries our token, to wherever that leads, and what is said there
would count as the API server's word."""

OnRequest: TypeAlias = Callable[[str, int | None, float], None]
"""Is told of a call to the API server: its kind, its status if there was an answer, and its seconds."""

LONGEST_LINE = 2**21
"""Bytes that a session buffers, as the client's own does."""


class Connection:
    """The API server as the process is allowed to use it. Make it with ``open``; end it with ``close``.

    Args:
        configuration: of the client.
        reload: reads it again.
        namespace: where this process is at home: the Pod's own, or the one of the kubeconfig's context.
        in_pod: whether it has the rights of a Pod's ServiceAccount; else those of whoever is in the kubeconfig.

    Attributes:
        api: for the Lease; nothing holds its writes back, and no burst of other calls gets in its way.
        namespace: as given.
        in_pod: as given.
        reachability: hears of every call.
        kopf_calls: paces and measures the calls that kopf makes.
        on_request: is told of every call.
    """

    def __init__(
        self,
        configuration: client.Configuration,
        reload: Reload | None = None,
        *,
        namespace: str = "default",
        in_pod: bool = False,
    ) -> None:
        self._configuration = configuration
        self._reload = reload
        self.reachability = Reachability(time.monotonic)
        self.kopf_calls = KopfCalls(time.monotonic)
        self.on_request: OnRequest = lambda _kind, _status, _seconds: None
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
        self.in_pod = in_pod
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
        return cls(configuration, reload, namespace=namespace, in_pod=load is _load_from_pod)

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
        """A session for kopf, whose requests carry the token that is current when they are made.

        With a token that is read for each request, rotation costs no 401 and no new login.
        """
        tls = RESTClientObject(self._configuration).ssl_context
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=tls),  # it has a watch for each namespace, and all stay
            middlewares=[self.kopf_calls, self._authorize, self._listen],
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
        if response.status != HTTPStatus.UNAUTHORIZED or self._reload is None:
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
        """Make a call, and take notice of whether it is answered.

        An answer is read to its end here, unless it is a watch: what begins and does not end is none.
        """
        watching = "watch" in request.url.query
        kind = kind_of(request.method, request.url.path, watch=watching)
        began = time.monotonic()
        request.server_hostname = self._configuration.tls_server_name  # kopf does not know of it
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                response = await handler(request)
                if not watching:
                    await response.read()
        except (aiohttp.ClientError, OSError, asyncio.CancelledError) as error:  # the last is how a caller ends it
            self.on_request(kind, None, time.monotonic() - began)
            late = isinstance(error, asyncio.CancelledError | TimeoutError)
            self.reachability.failed(kind, "timeout" if late else words_of(error))
            raise
        self.on_request(kind, response.status, time.monotonic() - began)
        if response.status in REDIRECTIONS:
            response.close()
            self.reachability.failed(kind, f"HTTP {response.status}, a redirection, which is not followed")
            raise aiohttp.ClientConnectionError("The API server redirects.")
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR or response.status == HTTPStatus.TOO_MANY_REQUESTS:
            self.reachability.failed(kind, f"HTTP {response.status}")
        else:
            self.reachability.answered(kind)
        return response


class _FencedClient(RESTClientObject):
    """Asks the fence for each request that it sends, when a connection is there and only bytes are left to send.

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
            middlewares=self.configuration.client_session_kwargs["middlewares"],
            request_class=_fenced(self._fence),
            trust_env=False,  # as for the others
            read_bufsize=LONGEST_LINE,
        )


def _fenced(fence: Callable[[], bool]) -> type[aiohttp.ClientRequest]:
    """Make requests that ask as late as can be: they may have waited for a connection, and aiohttp sends some twice."""

    class FencedRequest(aiohttp.ClientRequest):
        @override
        async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
            if self.method != "GET" and not fence():
                raise NotLeaderError("The write was held back: this replica does not lead (any more).")
            return await super().send(conn)

    return FencedRequest


def _proxy_from_environment(server: str) -> str | None:
    """Find the proxy as other programs do: ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY``."""
    url = urlsplit(server)
    if url.hostname is not None and urllib.request.proxy_bypass(url.hostname):
        return None
    return urllib.request.getproxies().get(url.scheme)


async def _load_from_pod(configuration: client.Configuration) -> None:
    config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # untyped


async def _load_kubeconfig(configuration: client.Configuration) -> None:
    _refuse_a_missing_file(kube_config.KUBE_CONFIG_DEFAULT_LOCATION)
    try:
        await config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # untyped
    except (YAMLError, ValueError, TypeError, AttributeError) as error:
        # Its words may show a piece of the file, which holds secrets.
        raise config.ConfigException(f"it cannot be read as a kubeconfig ({type(error).__name__})") from None


def _refuse_a_missing_file(location: str) -> None:
    """Say that no kubeconfig is there; the client would complain about a key in it, and write a line to stderr before.

    Args:
        location: one path, or several as ``KUBECONFIG`` may hold them.
    """
    if not any(path and Path(path).expanduser().exists() for path in location.split(os.pathsep)):
        raise config.ConfigException(
            f"there is no file {location!r}; set KUBECONFIG to the kubeconfig of a cluster, as for kubectl"
        )


def _namespace_of_pod() -> str:
    """Read where the Pod is; the kubelet puts that beside its token."""
    try:
        return Path(incluster_config.SERVICE_TOKEN_FILENAME).with_name("namespace").read_text().strip() or "default"
    except OSError:
        return "default"


def _namespace_of_kubeconfig() -> str:
    _, context = config.list_kube_config_contexts()  # type: ignore[no-untyped-call]  # untyped
    return str(context["context"].get("namespace") or "default")
