"""The connection to the API server, shared by kopf and by our own calls: address, TLS and a current token."""

import asyncio
import copy
import logging
import os
import time
import urllib.request
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self, TypeAlias
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
from atlas_endpoints.telemetry.causes import words_of

logger = logging.getLogger(__name__)

CONNECTIONS = 30
"""For each client; without a bound, a burst of events opens a connection for every object."""

ANSWER_WITHIN = 15.0
"""Seconds for an answer, or for the beginning of a watch; kopf's own limit is that of a whole watch."""

REDIRECTIONS = range(300, 400)
"""Statuses that aiohttp would follow, with our token, to a server whose answers would count as the API server's."""

RELOAD = 60.0
"""Seconds after which the ServiceAccount's token, or a kubeconfig, is read again; the latter may start a program."""

RELOAD_WITHIN = 30.0
"""Seconds for a reload."""

OnRequest: TypeAlias = Callable[[str, int | None, float], None]
"""Receives the kind of a call, its status (None without an answer), and its seconds."""

Load: TypeAlias = Callable[[client.Configuration], Awaitable[None]]
"""Reads a configuration from its source."""


class Reload:
    """The client's hook before each call: reads the configuration again when it is due.

    Tokens expire, in a Pod's files as well as in a kubeconfig.
    """

    def __init__(self, load: Load, monotonic: Callable[[], float]) -> None:
        self._load = load
        self._monotonic = monotonic
        self._loaded = monotonic()
        self._loading: asyncio.Task[None] | None = None

    async def __call__(self, configuration: client.Configuration) -> None:
        """Begin a reload if it is due; the old token is used meanwhile, and after a failure."""
        if self._monotonic() >= self._loaded + RELOAD:
            self._loaded = self._monotonic()
            self._loading = asyncio.create_task(self._reload(configuration), name="read the configuration again")

    async def _reload(self, configuration: client.Configuration) -> None:
        try:
            async with asyncio.timeout(RELOAD_WITHIN):
                await self._load(configuration)
        except Exception as error:  # noqa: BLE001  # files, YAML and programs fail in many ways, and none may end the call
            # Only the class: a parser's message quotes its input, which may hold a token.
            logger.warning("The configuration of the cluster could not be read again: %s", type(error).__name__)


class Connection:
    """The connection to the API server. Make it with ``open``, end it with ``close``.

    Args:
        reload: keeps the configuration current.
        namespace: the Pod's own, or that of the kubeconfig's context.
        in_pod: whether the rights are those of a Pod's ServiceAccount; else those of the kubeconfig's user.

    Attributes:
        api: for the Lease: no fence holds its writes back.
        reachability: observes every call.
        kopf_calls: paces and measures kopf's calls.
        on_request: callback for every call.
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
        self.reachability = Reachability(time.monotonic)
        self.kopf_calls = KopfCalls(time.monotonic)
        self.on_request: OnRequest = lambda _kind, _status, _seconds: None
        if reload is not None:
            configuration.refresh_api_key_hook = reload  # type: ignore[assignment]  # typed as None, documented as a function
        configuration.connection_pool_maxsize = CONNECTIONS
        configuration.proxy = configuration.proxy or _proxy_from_environment(configuration.host)
        self._session_options: dict[str, Any] = {
            "middlewares": [self._authorize, self._observe],
            # Else aiohttp looks for the proxy in a thread, and reads ~/.netrc, for each call, which takes longer than the
            # call. The API server must not get the password of a .netrc either.
            "trust_env": False,
        }
        configuration.client_session_kwargs = self._session_options
        self.api = client.ApiClient(configuration)
        self.namespace = namespace
        self.in_pod = in_pod
        self._apis = [self.api]
        self._sessions: list[aiohttp.ClientSession] = []

    @classmethod
    async def open(cls) -> Self:
        """Return a connection as the Pod's ServiceAccount, or else by kubeconfig; raise ``NoClusterError`` without both."""
        configuration = client.Configuration()
        try:
            await _load_from_pod(configuration)
            reload = Reload(_load_from_pod, time.monotonic)
            return cls(configuration, reload, namespace=_namespace_of_pod(), in_pod=True)
        except config.ConfigException:
            pass  # this is no Pod
        try:
            await _load_kubeconfig(configuration)
            reload = Reload(_load_kubeconfig, time.monotonic)
            return cls(configuration, reload, namespace=_namespace_of_kubeconfig())
        except (config.ConfigException, OSError) as error:
            raise NoClusterError(
                "The address of the Kubernetes API is unknown: this is no Pod with a ServiceAccount, and the kubeconfig (the variable"
                f" KUBECONFIG, else ~/.kube/config) cannot be used: {error}"
            ) from error

    @property
    def server(self) -> str:
        return str(self._configuration.host)

    def fenced(self, fence: Callable[[], bool]) -> client.ApiClient:
        """Return a client that raises ``NotLeaderError`` if ``fence`` is false right before a write."""
        sessions = copy.copy(self._configuration)
        sessions.client_session_kwargs = {**self._session_options, "request_class": _fenced(fence)}
        api = client.ApiClient(self._configuration)
        api.rest_client = RESTClientObject(sessions)
        self._apis.append(api)
        return api

    def kopf_session(self) -> kopf.AiohttpSession:
        """Return a session for kopf. It reads the token for each request, so a rotation causes no 401."""
        tls = RESTClientObject(self._configuration).ssl_context
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=tls),  # a watch for each namespace keeps its connection
            middlewares=[self.kopf_calls, self._authorize, self._observe],
            proxy=self._configuration.proxy,
            trust_env=False,  # as for our own
        )
        # kopf closes a session after a 401, and then logs in again.
        self._sessions = [*(each for each in self._sessions if not each.closed), session]
        return kopf.AiohttpSession(server=self.server, aiohttp_session=session)

    async def close(self) -> None:
        for api in self._apis:
            await api.close()  # type: ignore[no-untyped-call]  # untyped
        for session in self._sessions:
            await session.close()

    async def _authorize(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Make a call with the current token."""
        token: str | None = await self._configuration.get_api_key_with_prefix("BearerToken")
        if token:
            request.headers["Authorization"] = token
        if request.session.closed:
            # By kopf, for the 401 of a concurrent call. kopf handles this message of aiohttp by a new login.
            raise RuntimeError("Session is closed")
        return await handler(request)

    async def _observe(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Make a call, and observe whether it is answered. It reads an answer to its end, unless it is a watch."""
        watching = "watch" in request.url.query
        kind = kind_of(request.method, request.url.path, watch=watching)
        began = time.monotonic()
        request.server_hostname = self._configuration.tls_server_name  # kopf does not set it
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                response = await handler(request)
                if not watching:
                    await response.read()
        except (aiohttp.ClientError, OSError, asyncio.CancelledError) as error:  # a caller may cancel it
            self.on_request(kind, None, time.monotonic() - began)
            late = isinstance(error, asyncio.CancelledError | TimeoutError)
            self.reachability.failed("timeout" if late else words_of(error))
            raise
        self.on_request(kind, response.status, time.monotonic() - began)
        if response.status in REDIRECTIONS:
            response.close()
            self.reachability.failed(f"HTTP {response.status}, a redirection, which is not followed")
            raise aiohttp.ClientConnectionError("The API server redirects.")
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR or response.status == HTTPStatus.TOO_MANY_REQUESTS:
            self.reachability.failed(f"HTTP {response.status}")
        else:
            self.reachability.answered()
        return response


def _fenced(fence: Callable[[], bool]) -> type[aiohttp.ClientRequest]:
    """Return a class of requests that call the fence in ``send``: after the wait for a connection, and before a resend."""

    class FencedRequest(aiohttp.ClientRequest):
        @override
        async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
            if self.method != "GET" and not fence():
                raise NotLeaderError("The write is not sent, since this replica does not lead.")
            return await super().send(conn)

    return FencedRequest


def _proxy_from_environment(server: str) -> str | None:
    """Return the proxy that ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY`` set, or None."""
    url = urlsplit(server)
    if url.hostname is not None and urllib.request.proxy_bypass(url.hostname):
        return None
    return urllib.request.getproxies().get(url.scheme)


async def _load_from_pod(configuration: client.Configuration) -> None:
    config.load_incluster_config(client_configuration=configuration, try_refresh_token=False)  # type: ignore[no-untyped-call]  # untyped


async def _load_kubeconfig(configuration: client.Configuration) -> None:
    location = kube_config.KUBE_CONFIG_DEFAULT_LOCATION
    if not any(map(_exists, location.split(os.pathsep))):
        # The client itself would report a missing key, and write to stderr.
        raise config.ConfigException(
            f"there is no file {location!r}; set KUBECONFIG to the kubeconfig of a cluster, as for kubectl"
        )
    try:
        await config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # untyped
        for text in (configuration.host, configuration.proxy, configuration.tls_server_name):
            urlsplit(text)  # the client takes whatever YAML has there
    except (YAMLError, ValueError, TypeError, AttributeError, RecursionError) as error:
        # The parser's message may quote the file, which holds secrets.
        raise config.ConfigException(f"it cannot be read as a kubeconfig ({type(error).__name__})") from None


def _exists(path: str) -> bool:
    return bool(path) and Path(path).expanduser().exists()


def _namespace_of_pod() -> str:
    """Return the Pod's namespace, which the kubelet writes beside its token."""
    try:
        return Path(incluster_config.SERVICE_TOKEN_FILENAME).with_name("namespace").read_text().strip() or "default"
    except OSError:
        return "default"


def _namespace_of_kubeconfig() -> str:
    _, context = config.list_kube_config_contexts()  # type: ignore[no-untyped-call]  # untyped
    return str(context["context"].get("namespace") or "default")
