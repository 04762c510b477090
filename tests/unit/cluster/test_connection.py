"""The way to the API server: where it is, and a token that stays current."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from weakref import WeakSet

import aiohttp
import pytest
import yaml
from kubernetes.aio import client
from kubernetes.aio.config import incluster_config, kube_config

from atlas_endpoints.cluster import connection as module
from atlas_endpoints.cluster import reload
from atlas_endpoints.cluster.calls import call
from atlas_endpoints.cluster.connection import CONNECTIONS, Connection
from atlas_endpoints.cluster.errors import ClusterUnreachableError, NoClusterError, NotLeaderError
from atlas_endpoints.cluster.reload import RELOAD_KUBECONFIG, RELOAD_POD, RELOAD_REFUSED, Reload
from atlas_endpoints.cluster.writer import ResourceWriter
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from unit.cluster.api_server import HANG, RESET, STALL, Answer, ApiServer, serving, status_of

REFUSED = Answer(401, status_of(401, "Unauthorized", "Unauthorized"))


@pytest.fixture(autouse=True)
def secret(server: ApiServer) -> None:
    server.secrets["shop", "mine"] = {}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Stands still until a test moves ``now``."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither a Pod nor a kubeconfig nor a proxy, whatever this machine has."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_PORT", raising=False)
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "kubeconfig"))
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))


def write_kubeconfig(path: Path, server: str, token: str, **context: str) -> None:
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "contexts": [{"name": "here", "context": {"cluster": "it", "user": "me", **context}}],
                "clusters": [{"name": "it", "cluster": {"server": server}}],
                "users": [{"name": "me", "user": {"token": token}}],
            }
        )
    )


def write_service_account(path: Path, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    (path / "token").write_text(token)
    (path / "namespace").write_text("atlas-endpoints")
    (path / "ca.crt").write_text(CERTIFICATE)


async def ask(connection: Connection) -> None:
    """Make a call of our own."""
    await client.CoreV1Api(connection.api).read_namespaced_secret("mine", "shop")


async def ask_as_kopf(connection: Connection) -> None:
    """Make a call as kopf does."""
    session = connection.kopf_session()
    async with session.aiohttp_session.get(f"{session.server}/api/v1/namespaces/shop/secrets/mine") as response:
        await response.read()


async def current_token(connection: Connection) -> str | None:
    """Give the token that the next request would carry."""
    token: str | None = await connection.api.configuration.get_api_key_with_prefix("BearerToken")
    return token


def tokens(server: ApiServer) -> list[str | None]:
    return [request.headers.get("Authorization") for request in server.requests]


class TestWhereItIs:
    async def test_outside_a_cluster_the_kubeconfig_is_used(self, server: ApiServer, tmp_path: Path) -> None:
        write_kubeconfig(tmp_path / "kubeconfig", server.url, "one")
        connection = await Connection.open()
        assert connection.server == server.url
        assert not connection.in_pod
        await ask(connection)
        await ask_as_kopf(connection)
        assert tokens(server) == ["Bearer one", "Bearer one"]
        await connection.close()

    async def test_in_a_pod_its_service_account_is_used(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_kubeconfig(tmp_path / "kubeconfig", "https://elsewhere.example", "other")
        write_service_account(tmp_path, monkeypatch, "pod's")
        connection = await Connection.open()
        assert connection.server == "https://10.0.0.1:443"
        assert connection.namespace == "atlas-endpoints"
        assert connection.in_pod
        assert await current_token(connection) == "bearer pod's"
        await connection.close()

    @pytest.mark.parametrize(("named", "namespace"), [({"namespace": "shop"}, "shop"), ({}, "default")], ids=str)
    async def test_outside_a_cluster_the_namespace_is_that_of_the_context(
        self, tmp_path: Path, named: dict[str, str], namespace: str
    ) -> None:
        write_kubeconfig(tmp_path / "kubeconfig", "https://api.example", "one", **named)
        connection = await Connection.open()
        assert connection.namespace == namespace
        await connection.close()

    async def test_a_pod_without_a_namespace_file_uses_the_default(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_service_account(tmp_path, monkeypatch, "pod's")
        (tmp_path / "namespace").unlink()
        connection = await Connection.open()
        assert connection.namespace == "default"
        await connection.close()

    @pytest.mark.parametrize(
        "text",
        [
            *(
                "canary-4711: [",
                "\tcanary-4711",
                "canary-4711",
                "- canary-4711",
                "\x00canary-4711",
                "",
                "apiVersion: v1",
            ),
            *("clusters: canary-4711", "contexts: [canary-4711]"),
        ],
    )
    async def test_an_invalid_kubeconfig_is_reported_without_its_content(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "kubeconfig").write_text(text, encoding="utf-8")
        with pytest.raises(NoClusterError, match=r"the kubeconfig .* is of no use") as raised:
            await Connection.open()
        assert "canary" not in str(raised.value)

    async def test_without_any_configuration_the_error_has_the_remedy(self) -> None:
        with pytest.raises(NoClusterError, match="KUBECONFIG"):
            await Connection.open()


class TestTokens:
    async def test_each_request_carries_the_token_that_is_current(
        self, server: ApiServer, tmp_path: Path, clock: SimpleNamespace
    ) -> None:
        write_kubeconfig(tmp_path / "kubeconfig", server.url, "one")
        connection = await Connection.open()
        session = connection.kopf_session()
        for number, token in enumerate(["one", "two", "three"]):
            write_kubeconfig(tmp_path / "kubeconfig", server.url, token)
            clock.now = 100.0 + number * RELOAD_KUBECONFIG
            await ask(connection)
            async with session.aiohttp_session.get(f"{session.server}/version") as response:
                await response.read()
        assert tokens(server) == ["Bearer one"] * 2 + ["Bearer two"] * 2 + ["Bearer three"] * 2
        await connection.close()

    async def test_a_kubeconfig_is_not_read_for_each_request(
        self, server: ApiServer, tmp_path: Path, clock: SimpleNamespace
    ) -> None:
        write_kubeconfig(tmp_path / "kubeconfig", server.url, "one")
        connection = await Connection.open()
        write_kubeconfig(tmp_path / "kubeconfig", server.url, "two")
        clock.now += RELOAD_KUBECONFIG - 0.1
        await ask(connection)
        clock.now += 0.1
        await ask(connection)
        write_kubeconfig(tmp_path / "kubeconfig", server.url, "three")
        await ask(connection)
        assert tokens(server) == ["Bearer one", "Bearer two", "Bearer two"]
        await connection.close()

    @pytest.mark.parametrize("damage", ["gone", "torn"])
    async def test_an_unreadable_kubeconfig_keeps_the_old_token(
        self,
        server: ApiServer,
        tmp_path: Path,
        clock: SimpleNamespace,
        caplog: pytest.LogCaptureFixture,
        damage: str,
    ) -> None:
        kubeconfig = tmp_path / "kubeconfig"
        write_kubeconfig(kubeconfig, server.url, "one")
        connection = await Connection.open()
        if damage == "gone":
            kubeconfig.unlink()
        else:
            kubeconfig.write_text("current-context: canary-4711")
        clock.now += RELOAD_KUBECONFIG
        with caplog.at_level(logging.DEBUG, logger="atlas_endpoints"):
            await ask(connection)
        assert "could not be read again" in caplog.text
        assert "canary" not in caplog.text
        write_kubeconfig(kubeconfig, server.url, "two")
        clock.now += RELOAD_KUBECONFIG
        await ask(connection)
        assert tokens(server) == ["Bearer one", "Bearer two"]
        await connection.close()

    async def test_a_pods_token_is_read_again_every_minute(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: SimpleNamespace
    ) -> None:
        write_service_account(tmp_path, monkeypatch, "one")
        connection = await Connection.open()
        for token in ("two", "three"):
            (tmp_path / "token").write_text(token)
            clock.now += RELOAD_POD
            assert await current_token(connection) == f"bearer {token}"
        await connection.close()

    @pytest.mark.parametrize("damage", ["gone", "empty"])
    async def test_an_unreadable_token_of_a_pod_keeps_the_old_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: SimpleNamespace, damage: str
    ) -> None:
        write_service_account(tmp_path, monkeypatch, "one")
        connection = await Connection.open()
        if damage == "gone":
            (tmp_path / "token").unlink()
        else:
            (tmp_path / "token").write_text("")
        clock.now += RELOAD_POD
        assert await current_token(connection) == "bearer one"
        (tmp_path / "token").write_text("two")
        clock.now += RELOAD_POD
        assert await current_token(connection) == "bearer two"
        await connection.close()

    @pytest.mark.parametrize("ask", [ask, ask_as_kopf], ids=["we", "kopf"])
    async def test_a_token_that_is_refused_is_read_again_at_once(
        self, server: ApiServer, tmp_path: Path, clock: SimpleNamespace, ask: Callable[[Connection], Awaitable[None]]
    ) -> None:
        write_kubeconfig(tmp_path / "kubeconfig", server.url, "one")
        connection = await Connection.open()
        write_kubeconfig(tmp_path / "kubeconfig", server.url, "two")
        clock.now += RELOAD_REFUSED
        server.answers.append(REFUSED)

        await ask(connection)

        assert tokens(server) == ["Bearer one", "Bearer two"]
        await connection.close()

    async def test_a_token_that_stays_refused_is_sent_once_for_each_call(
        self, server: ApiServer, tmp_path: Path, clock: SimpleNamespace
    ) -> None:
        write_kubeconfig(tmp_path / "kubeconfig", server.url, "one")
        connection = await Connection.open()
        for _ in range(3):
            clock.now += RELOAD_REFUSED
            server.answers.append(REFUSED)
            with pytest.raises(client.ApiException, match="401"):
                await ask(connection)
        assert tokens(server) == ["Bearer one"] * 3
        await connection.close()

    async def test_while_tokens_are_refused_the_kubeconfig_is_not_read_all_the_time(
        self, server: ApiServer, tmp_path: Path, clock: SimpleNamespace
    ) -> None:
        """It may start a program."""
        write_kubeconfig(tmp_path / "kubeconfig", server.url, "one")
        connection = await Connection.open()
        write_kubeconfig(tmp_path / "kubeconfig", server.url, "two")
        clock.now += RELOAD_REFUSED / 2
        server.answers.append(REFUSED)
        with pytest.raises(client.ApiException, match="401"):
            await ask(connection)
        assert tokens(server) == ["Bearer one"]
        await connection.close()

    async def test_without_a_token_none_is_sent(self, server: ApiServer) -> None:
        connection = Connection(client.Configuration(host=server.url))
        await ask_as_kopf(connection)
        assert tokens(server) == [None]
        await connection.close()


class TestReachability:
    @pytest.mark.parametrize("ask", [ask, ask_as_kopf], ids=["we", "kopf"])
    @pytest.mark.parametrize("answer", [RESET, Answer(503), Answer(429)], ids=["broken", "503", "429"])
    async def test_every_call_updates_the_reachability(
        self,
        server: ApiServer,
        clock: SimpleNamespace,
        caplog: pytest.LogCaptureFixture,
        answer: Answer,
        ask: Callable[[Connection], Awaitable[None]],
    ) -> None:
        connection = Connection(client.Configuration(host=server.url))
        returned: list[float] = []
        connection.reachability.returned = lambda: returned.append(clock.now)
        with caplog.at_level(logging.INFO, logger="atlas_endpoints"):
            for _ in range(4):
                server.answers.extend([answer] * 2)  # aiohttp itself sends a GET again whose connection breaks
                with suppress(client.ApiException, aiohttp.ClientError):
                    await ask(connection)
                server.answers.clear()
                clock.now += 2
            await ask(connection)
        assert caplog.text.count("has not answered") == 1
        assert caplog.text.count("answers again") == 1
        assert returned == [clock.now]
        await connection.close()

    @pytest.mark.parametrize("ask", [ask, ask_as_kopf], ids=["we", "kopf"])
    async def test_an_answer_that_never_ends_is_a_failure(
        self,
        server: ApiServer,
        clock: SimpleNamespace,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        ask: Callable[[Connection], Awaitable[None]],
    ) -> None:
        """As where the network loses large packets only: each short answer comes, and no LIST."""
        monkeypatch.setattr(module, "ANSWER_WITHIN", 0.1)
        connection = Connection(client.Configuration(host=server.url))
        async with asyncio.timeout(60):
            for _ in range(2):
                server.answers.append(STALL)
                with pytest.raises(TimeoutError):
                    await ask(connection)
                clock.now += 16
        assert "The API server has not answered for 16 s (timeout)" in caplog.text
        server.end()
        await connection.close()

    @pytest.mark.parametrize("status", [401, 403, 404])
    async def test_a_refusal_is_an_answer(
        self, server: ApiServer, clock: SimpleNamespace, caplog: pytest.LogCaptureFixture, status: int
    ) -> None:
        connection = Connection(client.Configuration(host=server.url))
        for _ in range(4):
            server.answers.append(Answer(status))
            with pytest.raises(client.ApiException):
                await ask(connection)
            clock.now += 2
        assert "has not answered" not in caplog.text
        await connection.close()


class TestRefusedTogether:
    async def test_all_calls_whose_token_was_refused_wait_for_the_one_new_token(
        self, server: ApiServer, clock: SimpleNamespace
    ) -> None:
        loads: list[None] = []

        async def load(configuration: client.Configuration) -> None:
            loads.append(None)
            await asyncio.sleep(0.2)  # as a program takes that a kubeconfig names
            configuration.api_key["BearerToken"] = "Bearer two"

        configuration = client.Configuration(host=server.url)
        configuration.api_key["BearerToken"] = "Bearer one"
        again = Reload(load, RELOAD_KUBECONFIG, lambda: clock.now)
        again.attach(configuration)
        connection = Connection(configuration, again)
        clock.now += RELOAD_REFUSED
        server.answers.extend([REFUSED] * 5)
        await asyncio.gather(*(ask(connection) for _ in range(5)))
        assert len(loads) == 1
        assert [each.headers["Authorization"] for each in server.requests] == ["Bearer one"] * 5 + ["Bearer two"] * 5
        await connection.close()

    async def test_a_program_that_never_returns_a_token_is_started_again(
        self,
        server: ApiServer,
        clock: SimpleNamespace,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr(reload, "RELOAD_WITHIN", 0.1)
        loads: list[None] = []

        async def load(configuration: client.Configuration) -> None:
            loads.append(None)
            if len(loads) == 1:
                await asyncio.Event().wait()
            configuration.api_key["BearerToken"] = "Bearer two"

        configuration = client.Configuration(host=server.url)
        configuration.api_key["BearerToken"] = "Bearer one"
        again = Reload(load, RELOAD_KUBECONFIG, lambda: clock.now)
        again.attach(configuration)
        connection = Connection(configuration, again)
        async with asyncio.timeout(60):
            for _ in range(2):
                clock.now += RELOAD_REFUSED
                server.answers.append(REFUSED)
                with suppress(client.ApiException):
                    await ask(connection)
        assert [each.headers["Authorization"] for each in server.requests] == ["Bearer one", "Bearer one", "Bearer two"]
        assert "could not be read again: TimeoutError" in caplog.text
        await connection.close()


class TestFence:
    @pytest.fixture
    async def connection(self, server: ApiServer) -> AsyncIterator[Connection]:
        connection = Connection(client.Configuration(host=server.url))
        yield connection
        await connection.close()

    async def test_a_write_is_held_back_when_the_fence_is_closed(
        self, server: ApiServer, connection: Connection
    ) -> None:
        writer = ResourceWriter(connection.fenced(lambda: False), KIND.names)
        with pytest.raises(NotLeaderError):
            await writer.write(server.put("shop", "db"), {"observedGeneration": 1})
        assert server.requests == []

    async def test_the_fence_is_asked_after_the_time_that_a_connection_takes(
        self, server: ApiServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """All are in use, so the write waits for one; meanwhile the leadership is lost."""
        monkeypatch.setattr(module, "CONNECTIONS", 1)
        connection = Connection(client.Configuration(host=server.url))
        leads = [True]
        api = connection.fenced(lambda: leads[0])
        body = server.put("shop", "db")
        server.answers.append(HANG)
        hanging = asyncio.create_task(client.CoreV1Api(api).read_namespaced_secret("mine", "shop"))
        await asyncio.sleep(0.1)
        write = asyncio.create_task(ResourceWriter(api, KIND.names).write(body, {"observedGeneration": 1}))
        await asyncio.sleep(0.1)
        assert not write.done()
        leads[0] = False
        hanging.cancel()
        with pytest.raises(NotLeaderError):
            await write
        assert [each.method for each in server.requests] == ["GET"]
        server.end()
        await connection.close()

    async def test_the_fence_is_asked_again_when_a_write_is_sent_a_second_time(
        self, server: ApiServer, connection: Connection
    ) -> None:
        """By aiohttp itself, when the connection that it has reused is dead."""
        asked: list[None] = []
        api = connection.fenced(lambda: asked.append(None) or len(asked) == 1)  # type: ignore[func-returns-value]  # counts
        await client.CoreV1Api(api).read_namespaced_secret("mine", "shop")  # so that there is a connection to be reused
        server.answers.extend([RESET, RESET])
        with pytest.raises(NotLeaderError):
            await call(api, "DELETE", ("apis", "g", "v1", "namespaces", "shop", "things", "db"))
        assert [each.method for each in server.requests] == ["GET", "DELETE"]

    async def test_reading_asks_no_fence(self, connection: Connection) -> None:
        reader = client.CoreV1Api(connection.fenced(lambda: False))
        assert (await reader.read_namespaced_secret("mine", "shop")).metadata is not None

    async def test_each_write_asks_anew(self, server: ApiServer, connection: Connection) -> None:
        leads = [True]
        writer = ResourceWriter(connection.fenced(lambda: leads[0]), KIND.names)
        body = await writer.write(server.put("shop", "db"), {"observedGeneration": 1})
        leads[0] = False
        with pytest.raises(NotLeaderError):
            await writer.write(body, {"observedGeneration": 2})
        assert server.resources["shop", "db"]["status"] == {"observedGeneration": 1}

    async def test_the_fence_is_asked_after_the_time_that_a_new_token_takes(
        self, server: ApiServer, connection: Connection
    ) -> None:
        leads = [True]

        async def load(_: client.Configuration) -> None:
            leads[0] = False

        connection.api.configuration.api_key["BearerToken"] = "Bearer one"
        Reload(load, 0.0, lambda: 0.0).attach(connection.api.configuration)
        writer = ResourceWriter(connection.fenced(lambda: leads[0]), KIND.names)
        with pytest.raises(NotLeaderError):
            await writer.write(server.put("shop", "db"), {"observedGeneration": 1})
        assert server.requests == []

    async def test_the_fence_is_asked_again_before_a_write_is_sent_with_another_token(
        self, server: ApiServer, tmp_path: Path, clock: SimpleNamespace
    ) -> None:
        write_kubeconfig(tmp_path / "kubeconfig", server.url, "one")
        connection = await Connection.open()
        write_kubeconfig(tmp_path / "kubeconfig", server.url, "two")
        clock.now += RELOAD_REFUSED
        server.answers.append(REFUSED)
        leads = iter([True, False])
        with pytest.raises(NotLeaderError):
            await ResourceWriter(connection.fenced(lambda: next(leads)), KIND.names).write(server.put("shop", "db"), {})
        assert tokens(server) == ["Bearer one"]
        await connection.close()

    async def test_the_lease_itself_is_written_without_it(self, server: ApiServer, connection: Connection) -> None:
        connection.fenced(lambda: False)
        body = server.put("shop", "db")
        await ResourceWriter(connection.api, KIND.names).write(body, {"observedGeneration": 1})
        assert server.resources["shop", "db"]["status"] == {"observedGeneration": 1}


async def ask_behind_the_fence(connection: Connection) -> None:
    """Make a call of our own that would be fenced if it wrote."""
    await client.CoreV1Api(connection.fenced(lambda: True)).read_namespaced_secret("mine", "shop")


ASK = {"our own": ask, "our own behind the fence": ask_behind_the_fence, "kopf's": ask_as_kopf}


@pytest.mark.parametrize("whose", ASK)
class TestProxies:
    """The API server is found through a proxy as other programs find it."""

    async def test_a_call_goes_through_the_proxy_of_the_environment(
        self, server: ApiServer, monkeypatch: pytest.MonkeyPatch, whose: str
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", server.url.replace("//", "//me:canary@"))
        connection = Connection(client.Configuration(host="http://kubernetes.example"))
        await ASK[whose](connection)
        (request,) = server.requests
        assert request.headers["Host"] == "kubernetes.example"
        assert request.headers["Proxy-Authorization"].startswith("Basic ")
        await connection.close()

    async def test_the_variable_no_proxy_is_respected(
        self, server: ApiServer, monkeypatch: pytest.MonkeyPatch, whose: str
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("NO_PROXY", "example.com,127.0.0.1")
        connection = Connection(client.Configuration(host=server.url))
        await ASK[whose](connection)
        assert len(server.requests) == 1
        await connection.close()

    async def test_the_proxy_of_the_kubeconfig_comes_before_that_of_the_environment(
        self, server: ApiServer, monkeypatch: pytest.MonkeyPatch, whose: str
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        connection = Connection(client.Configuration(host="http://kubernetes.example", proxy=server.url))
        await ASK[whose](connection)
        assert len(server.requests) == 1
        await connection.close()

    async def test_no_credentials_come_from_a_netrc(
        self, server: ApiServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, whose: str
    ) -> None:
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password canary\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        connection = Connection(client.Configuration(host=server.url))
        await ASK[whose](connection)
        assert tokens(server) == [None]
        await connection.close()


async def write_a_status(connection: Connection) -> None:
    """Make a write of our own."""
    body = {"metadata": {"namespace": "shop", "name": "db", "uid": "one", "resourceVersion": "1"}}
    await ResourceWriter(connection.fenced(lambda: True), KIND.names).write(body, {"observedGeneration": 1})


@pytest.mark.parametrize("whose", ASK)
async def test_the_tls_server_name_of_the_kubeconfig_is_used(whose: str) -> None:
    """As where a tunnel leads to the API server; the first bytes of TLS hold the name."""
    hello: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello.set_result(await reader.read(4096))
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        configuration = client.Configuration(host=f"https://127.0.0.1:{port}", tls_server_name="kubernetes.example")
        connection = Connection(configuration)
        with suppress(aiohttp.ClientError):
            await ASK[whose](connection)
        assert b"kubernetes.example" in await hello
        await connection.close()


class TestRedirections:
    """A redirection is not followed: our token would go wherever it leads, and what is said there would be believed."""

    @pytest.mark.parametrize("status", [302, 307])
    @pytest.mark.parametrize("whose", [*ASK, "a write"])
    async def test_a_redirection_does_not_get_the_token(self, server: ApiServer, whose: str, status: int) -> None:
        configuration = client.Configuration(host=server.url, api_key={"BearerToken": "Bearer one"})
        connection = Connection(configuration)
        async with serving() as elsewhere:
            elsewhere.secrets["shop", "mine"] = {}
            server.answers.append(Answer(status, {}, location=elsewhere.url.replace("127.0.0.1", "localhost")))
            with pytest.raises((aiohttp.ClientConnectionError, ClusterUnreachableError)):
                await {**ASK, "a write": write_a_status}[whose](connection)
            assert elsewhere.requests == []
        await connection.close()

    async def test_a_redirection_is_logged(
        self, server: ApiServer, clock: SimpleNamespace, caplog: pytest.LogCaptureFixture
    ) -> None:
        connection = Connection(client.Configuration(host=server.url))
        for _ in range(4):
            server.answers.append(Answer(302, {}, location="/login"))
            with pytest.raises(aiohttp.ClientConnectionError):
                await ask(connection)
            clock.now += 2
        assert "has not answered for 4 s (HTTP 302, a redirection, which is not followed)" in caplog.text
        await connection.close()


class TestConnections:
    async def test_a_watch_that_does_not_begin_times_out_like_an_answer(
        self, server: ApiServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "ANSWER_WITHIN", 0.05)
        server.answers.append(HANG)
        connection = Connection(client.Configuration(host=server.url))
        session = connection.kopf_session()
        async with asyncio.timeout(60):
            with pytest.raises(TimeoutError):
                await session.aiohttp_session.get(f"{session.server}/api/v1/namespaces/shop/secrets/mine")
        await connection.close()

    async def test_kopf_has_a_connection_for_each_watch(
        self, server: ApiServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A watch keeps its connection for as long as it lasts."""
        monkeypatch.setattr(module, "ANSWER_WITHIN", 600.0)  # none is given up while others are still beginning
        namespaces = CONNECTIONS + 10
        server.answers.extend([HANG] * namespaces)
        connection = Connection(client.Configuration(host=server.url))
        watches = [asyncio.create_task(ask_as_kopf(connection)) for _ in range(namespaces)]
        async with asyncio.timeout(60):
            while len(server.requests) < namespaces:  # noqa: ASYNC110  # what a stub has counted has no event
                await asyncio.sleep(0.01)
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)
        await connection.close()

    async def test_clients_of_our_own_are_bounded(self, server: ApiServer) -> None:
        connection = Connection(client.Configuration(host=server.url))
        for api in (connection.api, connection.fenced(lambda: True)):
            assert api.rest_client.maxsize == CONNECTIONS
        await connection.close()

    async def test_closing_closes_all(self, server: ApiServer) -> None:
        connection = Connection(client.Configuration(host=server.url))
        fenced = connection.fenced(lambda: True)
        for api in (connection.api, fenced):
            await client.CoreV1Api(api).read_namespaced_secret("mine", "shop")
        sessions = [connection.kopf_session().aiohttp_session for _ in range(3)]
        await connection.close()
        assert all(session.closed for session in sessions)
        for api in (connection.api, fenced):
            assert api.rest_client.pool_manager is not None
            assert api.rest_client.pool_manager.closed

    async def test_sessions_that_kopf_has_closed_are_not_kept(self, server: ApiServer) -> None:
        """A 401 that stays makes kopf ask for a session every second."""
        connection = Connection(client.Configuration(host=server.url))
        sessions = WeakSet[aiohttp.ClientSession]()
        for _ in range(10):
            sessions.add(session := connection.kopf_session().aiohttp_session)
            await session.close()
        gc.collect()
        assert len(sessions) == 1
        await connection.close()


# Made for this test and expired; nobody asks before a connection is made.
CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBdDCCARmgAwIBAgIUaU2ZnpwKzXOMZ2aQi0raBds9VWIwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAeFw0yNjExMjUwNDM5NTdaFw0yNjExMjYwNDM5NTda
MA8xDTALBgNVBAMMBHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATn+RZr
FNx/0yvxR6hyuq59CFmFaZaTV+6e+K5/iETZDlxPaCBwShGM/0Ys9aSX5YeXovHn
GgF46afDjkTLm8Sjo1MwUTAdBgNVHQ4EFgQUqrvN2pvjZ11eHfDZtY9skQiQAkcw
HwYDVR0jBBgwFoAUqrvN2pvjZ11eHfDZtY9skQiQAkcwDwYDVR0TAQH/BAUwAwEB
/zAKBggqhkjOPQQDAgNJADBGAiEA55rKu5KUoqKf4op5xNKPnxhtf6x1KZeDAtIX
SKrKxZ4CIQC2iWmIPRMTs0pPmdC6XR3TAL6Q+NDerKfWJw2NIZMcYw==
-----END CERTIFICATE-----
"""


async def test_every_call_is_reported_with_its_kind_and_its_end(server: ApiServer, tmp_path: Path) -> None:
    write_kubeconfig(tmp_path / "kubeconfig", server.url, "one")
    connection = await Connection.open()
    told: list[tuple[str, int | None, bool]] = []
    connection.on_request = lambda kind, status, seconds: told.append((kind, status, seconds >= 0))
    await ask(connection)
    await ask_as_kopf(connection)
    server.answers.extend([Answer(403, status_of(403, "Forbidden", "no")), RESET])
    for _ in range(2):
        with suppress(client.ApiException, ClusterUnreachableError):
            await call(connection.api, "GET", ("api", "v1", "namespaces", "shop", "secrets", "mine"))
    assert told == [("GET secrets", status, True) for status in (200, 200, 403, None, 200)]
    await connection.close()
