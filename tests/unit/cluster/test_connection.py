"""The way to the API server: where it is, and a token that stays current."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest
import yaml
from kubernetes.aio import client
from kubernetes.aio.config import incluster_config, kube_config

from atlas_endpoints.cluster import connection as module
from atlas_endpoints.cluster.connection import CONNECTIONS, RELOAD_KUBECONFIG, RELOAD_POD, RELOAD_REFUSED, Connection
from atlas_endpoints.cluster.errors import NoClusterError, NotLeaderError
from atlas_endpoints.cluster.writer import StatusWriter
from unit.cluster.api_server import RESET, Answer, ApiServer, serving, status_of

REFUSED = Answer(401, status_of(401, "Unauthorized", "Unauthorized"))


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with serving() as server:
        server.secrets["shop", "mine"] = {}
        yield server


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
    async def test_outside_a_cluster_the_kubeconfig_tells(self, server: ApiServer, tmp_path: Path) -> None:
        write_kubeconfig(tmp_path / "kubeconfig", server.url, "one")
        connection = await Connection.open()
        assert connection.server == server.url
        await ask(connection)
        await ask_as_kopf(connection)
        assert tokens(server) == ["Bearer one", "Bearer one"]
        await connection.close()

    async def test_in_a_pod_its_service_account_tells(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_kubeconfig(tmp_path / "kubeconfig", "https://elsewhere.example", "other")
        write_service_account(tmp_path, monkeypatch, "pod's")
        connection = await Connection.open()
        assert connection.server == "https://10.0.0.1:443"
        assert connection.namespace == "atlas-endpoints"
        assert await current_token(connection) == "bearer pod's"
        await connection.close()

    @pytest.mark.parametrize(("named", "namespace"), [({"namespace": "shop"}, "shop"), ({}, "default")], ids=str)
    async def test_outside_a_cluster_the_context_tells_the_namespace(
        self, tmp_path: Path, named: dict[str, str], namespace: str
    ) -> None:
        write_kubeconfig(tmp_path / "kubeconfig", "https://api.example", "one", **named)
        connection = await Connection.open()
        assert connection.namespace == namespace
        await connection.close()

    async def test_a_pod_that_is_not_told_its_namespace_takes_the_default(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_service_account(tmp_path, monkeypatch, "pod's")
        (tmp_path / "namespace").unlink()
        connection = await Connection.open()
        assert connection.namespace == "default"
        await connection.close()

    async def test_where_there_is_neither_the_remedy_is_told(self) -> None:
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
    async def test_a_kubeconfig_that_cannot_be_read_for_a_while_ends_nothing(
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
    async def test_a_pods_token_that_cannot_be_read_for_a_moment_ends_nothing(
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
    async def test_every_call_tells_whether_the_server_answers(
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


class TestFence:
    @pytest.fixture
    async def connection(self, server: ApiServer) -> AsyncIterator[Connection]:
        connection = Connection(client.Configuration(host=server.url))
        yield connection
        await connection.close()

    async def test_a_write_is_held_back_when_the_fence_says_no(self, server: ApiServer, connection: Connection) -> None:
        writer = StatusWriter(connection.fenced(lambda: False))
        with pytest.raises(NotLeaderError):
            await writer.write(server.put("shop", "db"), {"observedGeneration": 1})
        assert server.requests == []

    async def test_reading_asks_no_fence(self, connection: Connection) -> None:
        reader = client.CoreV1Api(connection.fenced(lambda: False))
        assert (await reader.read_namespaced_secret("mine", "shop")).metadata is not None

    async def test_each_write_asks_anew(self, server: ApiServer, connection: Connection) -> None:
        leads = [True]
        writer = StatusWriter(connection.fenced(lambda: leads[0]))
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
        module.Reload(load, 0.0, lambda: 0.0).attach(connection.api.configuration)
        writer = StatusWriter(connection.fenced(lambda: leads[0]))
        with pytest.raises(NotLeaderError):
            await writer.write(server.put("shop", "db"), {"observedGeneration": 1})
        assert server.requests == []

    async def test_a_trial_that_changes_nothing_is_not_held_back(
        self, server: ApiServer, connection: Connection
    ) -> None:
        """A standby, too, has to find out whether the cluster went back."""
        assert await StatusWriter(connection.fenced(lambda: False)).confirms(server.put("shop", "db"))

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
            await StatusWriter(connection.fenced(lambda: next(leads))).write(server.put("shop", "db"), {})
        assert tokens(server) == ["Bearer one"]
        await connection.close()

    async def test_the_lease_itself_is_written_without_it(self, server: ApiServer, connection: Connection) -> None:
        connection.fenced(lambda: False)
        body = server.put("shop", "db")
        await StatusWriter(connection.api).write(body, {"observedGeneration": 1})
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

    async def test_a_call_goes_past_the_proxy_where_the_environment_says_so(
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


class TestConnections:
    async def test_all_clients_are_bounded(self, server: ApiServer) -> None:
        connection = Connection(client.Configuration(host=server.url))
        connector = connection.kopf_session().aiohttp_session.connector
        assert connector is not None
        assert connector.limit == CONNECTIONS
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
        for _ in range(10):
            await connection.kopf_session().aiohttp_session.close()
        assert len(connection._sessions) == 1
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
