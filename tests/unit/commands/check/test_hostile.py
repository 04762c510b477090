"""A whole check against an Atlas, an API server and a kubeconfig that answer what nobody should: one line each, and no more."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from atlas_endpoints.commands.check import command
from atlas_endpoints.commands.check.settings import CheckSettings
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from support.checking import LOCATION
from unit.cluster.api_server import Answer, ApiServer, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PROJECT = "5f" * 12
SPEC = {"projectId": PROJECT, "instanceName": "shop", "providerName": "AWS", "credentialsSecretRef": {"name": "own"}}
ACCOUNT = {"clientId": "mdb_sa_id_0123", "clientSecret": "mdb_sa_sk_canary"}
TOKEN = json.dumps({"access_token": "token-1", "expires_in": 3600})
ESCAPES = "\x1b]0;owned\x07\x1b[2J\u202e\r\nfailed   forged"
BRACKETS = "[" * 100_000
HUGE = "x" * (30 << 20)
REFUSED = {"error": 401, "errorCode": "UNAUTHORIZED", "detail": "You are not authorized for this resource."}


@pytest.fixture
async def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ApiServer]:
    async with serving() as server:
        server.secrets["shop", "own"] = ACCOUNT
        server.put("shop", "orders", **SPEC)
        kubeconfig(tmp_path, monkeypatch, server.url)
        yield server


def kubeconfig(folder: Path, monkeypatch: pytest.MonkeyPatch, server: str) -> None:
    names = {"cluster": "c", "user": "u"}
    content = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": names}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {}}],
    }
    (folder / "config").write_text(yaml.safe_dump(content))
    monkeypatch.setattr(LOCATION, str(folder / "config"))


async def checked(atlas_url: str = "http://127.0.0.1:1", **flags: Any) -> tuple[bool, list[str]]:
    """Return whether a check passes, and its lines; each is one, and printable."""
    texts: list[str] = []
    passed = await command.run(CheckSettings(atlas_url=atlas_url, **flags), [KIND], texts.append, texts.append)
    lines = [line for text in texts for line in text.removeprefix("\n").split("\n")]
    assert [line for line in lines if not line.isprintable()] == []
    assert not any("Traceback" in line or "canary" in line or len(line) > 2000 for line in lines)
    return passed, lines


async def with_atlas(body: str, status: int = 200, **headers: str) -> list[str]:
    """Return the lines of a check with an Atlas that answers a LIST so."""

    async def answer(request: web.Request) -> web.Response:
        if request.path.endswith("/oauth/token"):
            return web.Response(text=TOKEN, content_type="application/json")
        if "Authorization" not in request.headers:
            return web.json_response(REFUSED, status=401)
        return web.Response(status=status, text=body, content_type="application/json", headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        _, lines = await checked(str(server.make_url("")).rstrip("/"))
    return lines


@pytest.mark.parametrize(
    ("body", "status", "headers"),
    [
        pytest.param(HUGE, 200, {}, id="30 MiB"),
        pytest.param(HUGE, 400, {}, id="an error of 30 MiB"),
        pytest.param(BRACKETS, 200, {}, id="100,000 brackets"),
        pytest.param(BRACKETS, 400, {}, id="an error of 100,000 brackets"),
        pytest.param('{"a": 1}', 200, {}, id="no list"),
        pytest.param("", 200, {}, id="nothing"),
        pytest.param("", 302, {"Location": "http://127.0.0.1:1/elsewhere"}, id="a redirect"),
        pytest.param(json.dumps({"errorCode": ESCAPES, "detail": ESCAPES}), 400, {}, id="escapes in an error"),
    ],
)
async def test_an_atlas_that_answers_anything_is_one_failure(
    server: ApiServer, body: str, status: int, headers: dict[str, str]
) -> None:
    lines = await with_atlas(body, status, **headers)

    assert len([line for line in lines if line.startswith("failed")]) == 1, lines


async def test_escapes_in_what_atlas_lists_are_not_printed(server: ApiServer) -> None:
    lines = await with_atlas(json.dumps([{"_id": ESCAPES, "providerName": ESCAPES, "status": ESCAPES}]))

    assert not any(line.startswith("failed   forged") for line in lines), lines


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(200, HUGE), id="30 MiB"),
        pytest.param(Answer(200, BRACKETS), id="100,000 brackets"),
        pytest.param(Answer(200, {"items": 7}), id="no list"),
        pytest.param(Answer(200, {"items": [7], "metadata": {"resourceVersion": "1"}}), id="no objects"),
        pytest.param(Answer(500, ESCAPES), id="an error with escapes"),
        pytest.param(Answer(403, {"kind": "Status", "message": ESCAPES}), id="a refusal with escapes"),
        pytest.param(Answer(302, location="http://127.0.0.1:1/elsewhere"), id="a redirect"),
    ],
)
@pytest.mark.parametrize("flags", [{}, {"secret": "shop/own"}], ids=["to the LIST", "to the GET of a Secret"])
async def test_an_api_server_that_answers_anything_is_one_failure(
    server: ApiServer, answer: Answer, flags: dict[str, Any]
) -> None:
    server.answers.append(answer)

    passed, lines = await checked(**flags)

    assert not passed
    kubernetes = lines[: next(number for number, line in enumerate(lines) if line.startswith("Atlas"))]
    assert len([line for line in kubernetes if line.startswith("failed")]) == 1, lines


async def test_a_secret_of_a_megabyte_is_one_failure(server: ApiServer) -> None:
    server.secrets["shop", "own"] = {**ACCOUNT, "clientSecret": "mdb_sa_sk_" + "x" * (1 << 20)}

    _, lines = await checked()

    assert len([line for line in lines if line.startswith("failed") and "Secret own" in line]) == 1, lines


async def test_escapes_in_resources_are_not_printed(server: ApiServer) -> None:
    server.put("shop", f"evil{ESCAPES}", **SPEC, **{ESCAPES: "x"})

    _, lines = await checked()

    assert [line for line in lines if line.startswith("warning  shop/evil")]
    assert not any(line.startswith("failed   forged") for line in lines), lines


KUBECONFIGS: dict[str, bytes] = {
    "bytes": bytes(range(256)),
    "100,000 brackets": BRACKETS.encode(),
    "a list": b"[1, 2]",
    "a number": b"7",
    "nothing": b"",
    "no context": b"{}",
    "parts of wrong types": b"current-context: x\ncontexts: [7]\nclusters: 7\nusers: {}\n",
    "a context without parts": b"current-context: x\ncontexts: [{name: x}]\nclusters: []\nusers: []\n",
    "a context of a wrong type": b"current-context: x\ncontexts: [{name: x, context: 7}]\nclusters: []\nusers: []\n",
    "a server that is a number": b"current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: {server: 7}}]\nusers: [{name: u, user: {}}]\n",
    "a certificate that is none": b"current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:1', certificate-authority-data: '!!'}}]\nusers: [{name: u, user: {}}]\n",
    "a certificate that is text": b"current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:1', certificate-authority-data: aGVsbG8=}}]\nusers: [{name: u, user: {}}]\n",
    "aliases that grow": b"a: &a [x, x, x, x, x, x, x, x, x]\n" + b"".join(b"%c: &%c [%s]\n" % (c, c, b", ".join([b"*%c" % (c - 1)] * 9)) for c in range(ord("b"), ord("j"))),
    "escapes": b'current-context: "\\e]0;owned\\a"\ncontexts: []\nclusters: []\nusers: []\n',
}  # fmt: skip


@pytest.mark.parametrize("name", KUBECONFIGS)
async def test_a_kubeconfig_that_is_garbage_is_one_failure(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_bytes(KUBECONFIGS[name])
    monkeypatch.setattr(LOCATION, str(tmp_path / "config"))

    passed, lines = await checked()

    assert not passed
    assert len([line for line in lines if line.startswith("failed")]) == 2, lines  # Atlas is not there, either
