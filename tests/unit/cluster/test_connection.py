"""The way to the API server: where it is, and a token that stays current."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias
from weakref import WeakSet

import aiohttp
import pytest
import yaml
from kubernetes.aio import client
from kubernetes.aio.config import incluster_config, kube_config

from atlas_endpoints.cluster import connection as module
from atlas_endpoints.cluster.calls import call
from atlas_endpoints.cluster.connection import CONNECTIONS, RELOAD, Connection, Reload
from atlas_endpoints.cluster.errors import ClusterUnreachableError, NoClusterError, NotLeaderError
from atlas_endpoints.cluster.writer import ResourceWriter
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from unit.cluster.api_server import HANG, RESET, STALL, Answer, ApiServer, serving, status_of

STATUS = {"observedGeneration": 1}

Ask: TypeAlias = Callable[[Connection], Awaitable[None]]


class Harness:
    """The API server, connections to it, which end with the test, and the files that configure them.

    Neither a Pod nor a kubeconfig nor a proxy is there, whatever this machine has; the clock stands still until ``now`` moves.
    """

    def __init__(self, server: ApiServer, path: Path, monkeypatch: pytest.MonkeyPatch, certificate: Path) -> None:
        self.server = server
        self.path = path
        self.patch = monkeypatch
        self.now = 100.0
        self._certificate = certificate.read_text()
        self.made: list[Connection] = []
        server.secrets["shop", "mine"] = {}
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now))
        for name in ("kubernetes_service_host", "kubernetes_service_port", "http_proxy", "https_proxy", "no_proxy"):
            for each in (name, name.upper()):
                monkeypatch.delenv(each, raising=False)
        monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(path / "kubeconfig"))
        monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(path / "token"))
        monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(path / "ca.crt"))

    def write_kubeconfig(self, token: str, **context: str) -> None:
        kubeconfig = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "it", "user": "me", **context}}],
            "clusters": [{"name": "it", "cluster": {"server": self.server.url}}],
            "users": [{"name": "me", "user": {"token": token}}],
        }
        (self.path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))

    def write_service_account(self, token: str) -> None:
        self.patch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
        self.patch.setenv("KUBERNETES_SERVICE_PORT", "443")
        for name, text in (("token", token), ("namespace", "atlas-endpoints"), ("ca.crt", self._certificate)):
            (self.path / name).write_text(text)

    async def open(self) -> Connection:
        self.made.append(connection := await Connection.open())
        return connection

    def to(self, host: str = "", *, load: Any = None, **options: Any) -> Connection:
        """Return a connection without files, by default to the server; ``load`` reads its token again."""
        reload = None
        if load is not None:
            options["api_key"] = {"BearerToken": "Bearer one"}
            reload = Reload(load, lambda: self.now)
        configuration = client.Configuration(host=host or self.server.url, **options)
        self.made.append(connection := Connection(configuration, reload))
        return connection

    async def with_kubeconfig(self, *tokens: str) -> Connection:
        """Return a connection that was opened with the first token, while the kubeconfig now has the last."""
        self.write_kubeconfig(tokens[0])
        connection = await self.open()
        self.write_kubeconfig(tokens[-1])
        return connection

    async def reload(self, connection: Connection) -> None:
        """Let a reload be due and end; calls do not wait for it."""
        self.now += RELOAD
        before = await current_token(connection)
        assert await current_token(connection) == before
        await asyncio.wait({each for each in asyncio.all_tasks() if each.get_name() == "read the configuration again"})

    @property
    def tokens(self) -> list[str | None]:
        """Of the requests so far."""
        return [request.headers.get("Authorization") for request in self.server.requests]

    @property
    def methods(self) -> list[str]:
        return [each.method for each in self.server.requests]


@pytest.fixture
async def harness(
    server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_certificate: Path
) -> AsyncIterator[Harness]:
    harness = Harness(server, tmp_path, monkeypatch, one_certificate)
    yield harness
    server.end()
    for connection in harness.made:
        await connection.close()


async def ask(connection: Connection) -> None:
    """Make a call of our own."""
    await client.CoreV1Api(connection.api).read_namespaced_secret("mine", "shop")


async def ask_behind_the_fence(connection: Connection) -> None:
    """Make a call of our own that would be fenced if it wrote."""
    await client.CoreV1Api(connection.fenced(lambda: True)).read_namespaced_secret("mine", "shop")


async def ask_as_kopf(connection: Connection) -> None:
    """Make a call as kopf does."""
    session = connection.kopf_session()
    async with session.aiohttp_session.get(f"{session.server}/api/v1/namespaces/shop/secrets/mine") as response:
        await response.read()


async def write(connection: Connection, fence: Callable[[], bool] = lambda: True) -> None:
    """Make a write of our own."""
    body = {"metadata": {"namespace": "shop", "name": "db", "uid": "one", "resourceVersion": "1"}}
    await ResourceWriter(connection.fenced(fence), KIND.names).write(body, STATUS)


BOTH = pytest.mark.parametrize("ask", [ask, ask_as_kopf], ids=["we", "kopf"])
ALL = pytest.mark.parametrize(
    "ask", [ask, ask_behind_the_fence, ask_as_kopf], ids=["we", "we behind the fence", "kopf"]
)


async def current_token(connection: Connection) -> str | None:
    """Return the token that the next request would carry."""
    token: str | None = await connection.api.configuration.get_api_key_with_prefix("BearerToken")
    return token


class TestWhereItIs:
    async def test_outside_a_cluster_the_kubeconfig_is_used(self, harness: Harness) -> None:
        connection = await harness.with_kubeconfig("one")
        assert (connection.server, connection.namespace, connection.in_pod) == (harness.server.url, "default", False)
        await ask(connection)
        await ask_as_kopf(connection)
        assert harness.tokens == ["Bearer one", "Bearer one"]
        harness.write_kubeconfig("one", namespace="shop")
        assert (await harness.open()).namespace == "shop"

    async def test_in_a_pod_its_service_account_is_used(self, harness: Harness) -> None:
        harness.write_kubeconfig("other")
        harness.write_service_account("pod's")
        connection = await harness.open()
        assert connection.server == "https://10.0.0.1:443"
        assert (connection.namespace, connection.in_pod) == ("atlas-endpoints", True)
        assert await current_token(connection) == "bearer pod's"
        (harness.path / "namespace").unlink()
        assert (await harness.open()).namespace == "default"

    @pytest.mark.parametrize(
        "text",
        [
            *("canary-4711: [", "\tcanary-4711", "canary-4711", "- canary-4711", "\x00canary-4711", ""),
            *("apiVersion: v1", "clusters: canary-4711", "contexts: [canary-4711]"),
        ],
    )
    async def test_an_invalid_kubeconfig_is_reported_without_its_content(self, harness: Harness, text: str) -> None:
        (harness.path / "kubeconfig").write_text(text, encoding="utf-8")
        with pytest.raises(NoClusterError, match=r"the kubeconfig .* cannot be used") as raised:
            await Connection.open()
        assert "canary" not in str(raised.value)

    @pytest.mark.usefixtures("harness")
    async def test_without_any_configuration_the_error_has_the_remedy(self) -> None:
        with pytest.raises(NoClusterError, match="KUBECONFIG"):
            await Connection.open()


class TestTokens:
    async def test_each_request_carries_the_token_that_is_current(self, harness: Harness) -> None:
        connection = await harness.with_kubeconfig("one")
        session = connection.kopf_session()
        for token in ("one", "two", "three"):
            await ask(connection)
            async with session.aiohttp_session.get(f"{session.server}/version") as response:
                await response.read()
            harness.write_kubeconfig({"one": "two", "two": "three"}.get(token, "four"))
            await ask(connection)  # it is not read for each request
            await harness.reload(connection)
        assert harness.tokens == ["Bearer one"] * 3 + ["Bearer two"] * 3 + ["Bearer three"] * 3

    @pytest.mark.parametrize("damage", ["gone", "torn"])
    async def test_an_unreadable_kubeconfig_keeps_the_old_token(
        self, harness: Harness, caplog: pytest.LogCaptureFixture, damage: str
    ) -> None:
        connection = await harness.with_kubeconfig("one")
        (harness.path / "kubeconfig").unlink()
        if damage == "torn":
            (harness.path / "kubeconfig").write_text("current-context: canary-4711")
        with caplog.at_level(logging.DEBUG, logger="atlas_endpoints"):
            await harness.reload(connection)
        await ask(connection)
        assert "could not be read again" in caplog.text
        assert "canary" not in caplog.text
        harness.write_kubeconfig("two")
        await harness.reload(connection)
        await ask(connection)
        assert harness.tokens == ["Bearer one", "Bearer two"]

    async def test_a_pods_token_is_read_again_every_minute(self, harness: Harness) -> None:
        harness.write_service_account("one")
        connection = await harness.open()
        for written, used in (("two", "two"), ("", "two"), ("three", "three")):
            (harness.path / "token").write_text(written)
            await harness.reload(connection)
            assert await current_token(connection) == f"bearer {used}"

    async def test_a_program_that_never_returns_a_token_is_started_again(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        harness.patch.setattr(module, "RELOAD_WITHIN", 0.1)
        loads: list[None] = []

        async def load(configuration: client.Configuration) -> None:
            loads.append(None)
            if len(loads) == 1:
                await asyncio.Event().wait()
            configuration.api_key["BearerToken"] = "Bearer two"

        connection = harness.to(load=load)
        for _ in range(2):
            await harness.reload(connection)
            await ask(connection)
        assert harness.tokens == ["Bearer one", "Bearer two"]
        assert "could not be read again: TimeoutError" in caplog.text


class TestReachability:
    @BOTH
    @pytest.mark.parametrize("answer", [RESET, Answer(503), Answer(429)], ids=["broken", "503", "429"])
    async def test_every_call_updates_the_reachability(
        self, harness: Harness, caplog: pytest.LogCaptureFixture, answer: Answer, ask: Ask
    ) -> None:
        connection = harness.to()
        returned: list[float] = []
        connection.reachability.returned = lambda: returned.append(harness.now)
        with caplog.at_level(logging.INFO, logger="atlas_endpoints"):
            for _ in range(4):
                harness.server.answers.extend([answer] * 2)  # aiohttp itself sends a GET again whose connection breaks
                with suppress(client.ApiException, aiohttp.ClientError):
                    await ask(connection)
                harness.server.answers.clear()
                harness.now += 2
            await ask(connection)
        assert caplog.text.count("has not answered") == 1
        assert caplog.text.count("answers again") == 1
        assert returned == [harness.now]

    @BOTH
    async def test_an_answer_that_never_ends_is_a_failure(
        self, harness: Harness, caplog: pytest.LogCaptureFixture, ask: Ask
    ) -> None:
        """As where the network loses large packets only: each short answer comes, and no LIST."""
        harness.patch.setattr(module, "ANSWER_WITHIN", 0.1)
        connection = harness.to()
        async with asyncio.timeout(60):
            for answer in (STALL, HANG):
                harness.server.answers.append(answer)
                with pytest.raises(TimeoutError):
                    await ask(connection)
                harness.now += 16
        assert "The API server has not answered for 16 s (timeout)" in caplog.text

    @pytest.mark.parametrize("status", [401, 403, 404, 302])
    async def test_a_refusal_is_an_answer_and_a_redirection_is_none(
        self, harness: Harness, caplog: pytest.LogCaptureFixture, status: int
    ) -> None:
        connection = harness.to()
        for _ in range(4):
            harness.server.answers.append(Answer(status, {}, location="/login"))
            with pytest.raises((client.ApiException, aiohttp.ClientConnectionError)):
                await ask(connection)
            harness.now += 2
        text = "has not answered for 4 s (HTTP 302, a redirection, which is not followed)"
        assert ("has not answered" in caplog.text, text in caplog.text) == (status == 302, status == 302)

    async def test_every_call_is_reported_with_its_kind_and_its_end(self, harness: Harness) -> None:
        connection = harness.to()
        told: list[tuple[str, int | None, bool]] = []
        connection.on_request = lambda kind, status, seconds: told.append((kind, status, seconds >= 0))
        await ask(connection)
        await ask_as_kopf(connection)
        harness.server.answers.extend([Answer(403, status_of(403, "Forbidden", "no")), RESET])
        for _ in range(2):
            with suppress(client.ApiException):
                await ask(connection)
        assert told == [("GET secrets", status, True) for status in (200, 200, 403, None, 200)]


class TestFence:
    async def test_each_write_asks_the_fence_and_neither_reads_nor_the_lease_ask_it(self, harness: Harness) -> None:
        leads, connection = [True], harness.to()
        api = connection.fenced(lambda: leads[0])
        body = await ResourceWriter(api, KIND.names).write(harness.server.put("shop", "db"), STATUS)
        leads[0] = False
        with pytest.raises(NotLeaderError):
            await ResourceWriter(api, KIND.names).write(body, STATUS)
        await client.CoreV1Api(api).read_namespaced_secret("mine", "shop")
        assert harness.methods == ["PATCH", "GET"]
        await ResourceWriter(connection.api, KIND.names).write(body, STATUS)
        assert harness.methods == ["PATCH", "GET", "PATCH"]

    async def test_it_is_asked_after_the_time_that_a_connection_takes(self, harness: Harness) -> None:
        """All are in use, so the write waits for one; meanwhile the leadership is lost."""
        harness.patch.setattr(module, "CONNECTIONS", 1)
        leads = [True]
        api = harness.to().fenced(lambda: leads[0])
        harness.server.answers.append(HANG)
        hanging = asyncio.create_task(client.CoreV1Api(api).read_namespaced_secret("mine", "shop"))
        await asyncio.sleep(0.1)
        writer = ResourceWriter(api, KIND.names)
        write = asyncio.create_task(writer.write(harness.server.put("shop", "db"), STATUS))
        await asyncio.sleep(0.1)
        assert not write.done()
        leads[0] = False
        hanging.cancel()
        with pytest.raises(NotLeaderError):
            await write
        assert harness.methods == ["GET"]

    async def test_it_is_asked_again_when_a_write_is_sent_a_second_time(self, harness: Harness) -> None:
        """By aiohttp itself, when the connection that it has reused is dead."""
        answers = iter([True, False])
        api = harness.to().fenced(lambda: next(answers))
        await client.CoreV1Api(api).read_namespaced_secret("mine", "shop")  # so that there is a connection to be reused
        harness.server.answers.extend([RESET, RESET])
        with pytest.raises(NotLeaderError):
            await call(api, "DELETE", ("apis", "g", "v1", "namespaces", "shop", "things", "db"))
        assert harness.methods == ["GET", "DELETE"]


@ALL
class TestProxies:
    """The API server is found through a proxy as other programs find it."""

    async def test_a_call_goes_through_the_proxy_of_the_environment(self, harness: Harness, ask: Ask) -> None:
        harness.patch.setenv("HTTP_PROXY", harness.server.url.replace("//", "//me:canary@"))
        await ask(harness.to("http://kubernetes.example"))
        (request,) = harness.server.requests
        assert request.headers["Host"] == "kubernetes.example"
        assert request.headers["Proxy-Authorization"].startswith("Basic ")

    async def test_the_variable_no_proxy_is_respected(self, harness: Harness, ask: Ask) -> None:
        harness.patch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        harness.patch.setenv("NO_PROXY", "example.com,127.0.0.1")
        await ask(harness.to())
        assert len(harness.server.requests) == 1

    async def test_the_proxy_of_the_kubeconfig_comes_before_that_of_the_environment(
        self, harness: Harness, ask: Ask
    ) -> None:
        harness.patch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        await ask(harness.to("http://kubernetes.example", proxy=harness.server.url))
        assert len(harness.server.requests) == 1

    async def test_no_credentials_come_from_a_netrc(self, harness: Harness, ask: Ask) -> None:
        netrc = harness.path / "netrc"
        netrc.write_text("machine 127.0.0.1 login me password canary\n")
        harness.patch.setenv("NETRC", str(netrc))
        await ask(harness.to())
        assert harness.tokens == [None]


@ALL
async def test_the_tls_server_name_of_the_kubeconfig_is_used(harness: Harness, ask: Ask) -> None:
    """As where a tunnel leads to the API server; the first bytes of TLS hold the name."""
    hello: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello.set_result(await reader.read(4096))
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with suppress(aiohttp.ClientError):
            await ask(harness.to(f"https://127.0.0.1:{port}", tls_server_name="kubernetes.example"))
        assert b"kubernetes.example" in await hello


@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize("ask", [ask, ask_behind_the_fence, ask_as_kopf, write])
async def test_a_redirection_does_not_get_the_token(harness: Harness, ask: Ask, status: int) -> None:
    """It is not followed: our token would go wherever it leads, and what is said there would be believed."""
    connection = harness.to(api_key={"BearerToken": "Bearer one"})
    async with serving() as elsewhere:
        elsewhere.secrets["shop", "mine"] = {}
        there = elsewhere.url.replace("127.0.0.1", "localhost")
        harness.server.answers.append(Answer(status, {}, location=there))
        with pytest.raises((aiohttp.ClientConnectionError, ClusterUnreachableError)):
            await ask(connection)
        assert elsewhere.requests == []


async def test_kopf_has_a_connection_for_each_watch(harness: Harness) -> None:
    """A watch keeps its connection for as long as it lasts."""
    harness.patch.setattr(module, "ANSWER_WITHIN", 600.0)  # none is given up while others are still beginning
    namespaces = CONNECTIONS + 10
    harness.server.answers.extend([HANG] * namespaces)
    connection = harness.to()
    watches = [asyncio.create_task(ask_as_kopf(connection)) for _ in range(namespaces)]
    async with asyncio.timeout(60):
        while len(harness.server.requests) < namespaces:  # noqa: ASYNC110  # what a stub has counted has no event
            await asyncio.sleep(0.01)
    for watch in watches:
        watch.cancel()
    await asyncio.gather(*watches, return_exceptions=True)


async def test_sessions_that_kopf_has_closed_are_not_kept(harness: Harness) -> None:
    """A 401 that stays makes kopf ask for a session every second."""
    connection = harness.to()
    sessions = WeakSet[aiohttp.ClientSession]()
    for _ in range(10):
        sessions.add(session := connection.kopf_session().aiohttp_session)
        await session.close()
    gc.collect()
    assert len(sessions) == 1
