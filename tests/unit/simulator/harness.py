"""A running simulator with a clock that the test turns, and a client to talk to it."""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from atlas_endpoints.simulator import Simulator, read, running

PROJECT, OTHER_PROJECT, ABSENT_PROJECT = "5f" * 12, "60" * 12, "61" * 12
AWS_ENDPOINT, AZURE_ENDPOINT, ABSENT_ENDPOINT = "a1" * 12, "b2" * 12, "cc" * 12
VPCE, OTHER_VPCE = "vpce-0123456789abcdef0", "vpce-0fedcba9876543210"
ARM_ID = (
    "/subscriptions/0f0e0d0c-0b0a-0908-0706-050403020100/resourceGroups/My-Group"
    "/providers/Microsoft.Network/privateEndpoints/my.endpoint_(1)"
)
AWS_SERVICE, AZURE_SERVICE, GCP_SERVICE, MAPPED_SERVICE = "d1" * 12, "d2" * 12, "d3" * 12, "d4" * 12
KEYS_ENDPOINT, BACKUP_ENDPOINT = "e1" * 12, "e2" * 12
STREAM_ENDPOINT, CONFLUENT_ENDPOINT = "f1" * 12, "f2" * 12
ACCEPT = "application/vnd.atlas.2023-01-01+json"
CLUSTERS_ACCEPT = "application/vnd.atlas.2024-08-05+json"
BUCKETS_ACCEPT = "application/vnd.atlas.2024-05-30+json"
BACKUP_ACCEPT = "application/vnd.atlas.2024-11-13+json"
STREAMS_ACCEPT = "application/vnd.atlas.2023-02-01+json"
DOMAIN_ACCEPT = "application/vnd.atlas.2025-03-12+json"
SEED: dict[str, Any] = {
    "projects": [
        {
            "id": PROJECT,
            "instances": [
                {"name": "aws", "providerName": "AWS", "endpoints": [{"_id": AWS_ENDPOINT}]},
                {"name": "azure", "providerName": "AZURE", "endpoints": [{"_id": AZURE_ENDPOINT}]},
            ],
            "endpointServices": [
                {"id": AWS_SERVICE, "regionName": "eu-west-1", "endpoints": [{"id": VPCE}]},
                {"id": AZURE_SERVICE, "cloudProvider": "AZURE", "regionName": "US_EAST_2"},
                {"id": GCP_SERVICE, "cloudProvider": "GCP", "regionName": "WESTERN_EUROPE"},
                {
                    "id": MAPPED_SERVICE,
                    "cloudProvider": "GCP",
                    "regionName": "WESTERN_EUROPE",
                    "portMappingEnabled": True,
                },
            ],
            "dataFederationEndpoints": [{"endpointId": VPCE}],
            "federatedDatabases": ["lake"],
            "clusters": [
                {"name": "orders", "regions": [{"regionName": "EU_WEST_1"}]},
                {"name": "flexible", "clusterType": "FLEX"},
                {"name": "vault", "encryptionAtRestProvider": "AWS"},
            ],
            "encryptionAtRest": {
                "awsKms": {"enabled": True, "requirePrivateNetworking": True},
                "azureKeyVault": {"enabled": True, "keyVaultName": "vault"},
            },
            "encryptionAtRestEndpoints": [{"id": KEYS_ENDPOINT}],
            "backupEndpoints": [{"id": BACKUP_ENDPOINT, "regionName": "EU_WEST_1"}],
            "exportBuckets": [{"bucketName": "near", "region": "us-east-1"}, {"bucketName": "old"}],
            "streamEndpoints": [
                {
                    "_id": STREAM_ENDPOINT,
                    "vendor": "S3",
                    "region": "us-east-1",
                    "serviceEndpointId": "com.amazonaws.us-east-1.s3",
                },
                {
                    "_id": CONFLUENT_ENDPOINT,
                    "vendor": "CONFLUENT",
                    "region": "us-east-1",
                    "serviceEndpointId": "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0",
                    "dnsSubDomain": [],
                    "state": "WORKING",
                },
            ],
            "streamConnections": [
                {"workspaceName": "sales", "name": "lake", "type": "S3", "connectionId": STREAM_ENDPOINT},
                {"workspaceName": "sales", "name": "public"},
            ],
        },
        {"id": OTHER_PROJECT, "instances": [{"name": "aws", "providerName": "AWS"}]},
    ],
    "serviceAccounts": [
        {"clientId": "owner", "clientSecret": "owner-secret", "roles": {PROJECT: "GROUP_OWNER"}},
        {"clientId": "reader", "clientSecret": "reader-secret", "roles": {PROJECT: "GROUP_READ_ONLY"}},
        {
            "clientId": "streams",
            "clientSecret": "streams-secret",
            "roles": {PROJECT: "GROUP_STREAM_PROCESSING_OWNER"},
        },
        {"clientId": "everywhere", "clientSecret": "everywhere-secret", "roles": "*"},
        {
            "clientId": "elsewhere",
            "clientSecret": "s",
            "roles": {PROJECT: "GROUP_OWNER"},
            "accessList": ["192.0.2.0/24"],
        },
        {"clientId": "here", "clientSecret": "s", "roles": {PROJECT: "GROUP_OWNER"}, "accessList": ["127.0.0.0/8"]},
    ],
    "apiKeys": [
        {"publicKey": "ownerkey", "privateKey": "owner-private", "roles": {PROJECT: "GROUP_OWNER"}},
        {"publicKey": "readerkey", "privateKey": "reader-private", "roles": {PROJECT: "GROUP_READ_ONLY"}},
    ],
}


_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # spares every test the reading of all root certificates


@dataclass
class FakeClock:
    """Seconds since 1970, moved by the test alone."""

    now: float = 1_790_000_000.0  # 2026-09-21

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Atlas:
    """The simulator over HTTP, asked by the owner of the project unless a test says otherwise."""

    simulator: Simulator
    clock: FakeClock
    http: httpx.AsyncClient
    tokens: dict[str, str] = field(default_factory=dict)

    async def token(self, client_id: str = "owner") -> str:
        if client_id not in self.tokens:
            account = self.simulator.credentials.service_accounts[client_id]
            answer = await self.http.post(
                "/api/oauth/token",
                auth=(client_id, account.client_secret or ""),
                data={"grant_type": "client_credentials"},
            )
            self.tokens[client_id] = answer.json()["access_token"]
        return self.tokens[client_id]

    async def call(
        self,
        method: str,
        path: str,
        *,
        who: str = "owner",
        accept: str | None = ACCEPT,
        headers: dict[str, str] | None = None,
        **rest: Any,
    ) -> httpx.Response:
        sent = {"Authorization": f"Bearer {await self.token(who)}"} | (headers or {})
        if accept is not None:
            sent["Accept"] = accept
        return await self.http.request(method, path, headers=sent, **rest)

    async def show(self, path: str) -> dict[str, Any]:
        answer = await self.call("GET", path)
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    async def patch(self, path: str, **fields: Any) -> httpx.Response:
        provider = "AZURE" if "/azure/" in path else "AWS"
        return await self.call("PATCH", path, json={"providerName": provider} | fields)

    async def control(self, name: str, body: Any = None, method: str | None = None) -> Any:
        method = method or ("GET" if body is None else "POST")
        answer = await self.http.request(method, f"/_simulator/{name}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def put(self, instance: str = "aws", **fields: Any) -> None:
        """Change the seeded endpoint of an instance by the control API."""
        document = {"_id": AWS_ENDPOINT if instance == "aws" else AZURE_ENDPOINT, **fields}
        await self.control("endpoints", {"projectId": PROJECT, "instanceName": instance, "endpoint": document})

    async def refused(self, name: str, body: Any) -> str:
        answer = await self.http.post(f"/_simulator/{name}", json=body)
        assert answer.status_code == 400, answer.text
        error: str = answer.json()["error"]
        return error


def filled(value: Any, texts: Mapping[str, Any]) -> Any:
    """Replace the names of texts in a step of a table, also behind a ``~``."""
    if isinstance(value, dict):
        return {key: filled(each, texts) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, texts) for each in value]
    if isinstance(value, str):
        return "~" + texts[value[1:]] if value[1:] in texts else texts.get(value, value)
    return value


def check(shown: dict[str, Any], expected: dict[str, Any]) -> None:
    """Compare fields: ``~x`` is a text that contains x, a number that of the items of a list."""
    for name, value in expected.items():
        found = len(shown[name]) if isinstance(value, int) and isinstance(shown[name], list) else shown[name]
        same = value[1:] in str(found) if isinstance(value, str) and value.startswith("~") else found == value
        assert same, f"{name} is {found}, not {value}"


def check_answer(answer: httpx.Response, expected: dict[str, Any] | str) -> None:
    """Compare an answer with a status and a code of Atlas, or with fields."""
    if isinstance(expected, str):
        assert f"{answer.status_code} {answer.json()['errorCode']}" == expected
    else:
        assert answer.is_success, answer.text
        check(answer.json(), expected)


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = 60) -> None:
    """Look again and again until a condition holds; fail after a deadline."""
    async with asyncio.timeout(seconds):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.005)


def collection(instance: str = "aws", project: str = PROJECT) -> str:
    return f"/api/atlas/v2/groups/{project}/privateEndpoint/serverless/instance/{instance}/endpoint"


def endpoint(instance: str = "aws", endpoint_id: str | None = None) -> str:
    known = AWS_ENDPOINT if instance == "aws" else AZURE_ENDPOINT
    return f"{collection(instance)}/{endpoint_id or known}"


def services(cloud: str = "AWS", service_id: str = "", project: str = PROJECT) -> str:
    """Return the path of the services of a cloud, or of one of them."""
    path = f"/api/atlas/v2/groups/{project}/privateEndpoint/{cloud}/endpointService"
    return f"{path}/{service_id}" if service_id else path


@asynccontextmanager
async def start(seed: dict[str, Any] | None = None, **switches: Any) -> AsyncIterator[Atlas]:
    clock = FakeClock()
    planted = read(SEED if seed is None else seed)
    simulator = Simulator(planted, clock=clock, rng=random.Random(7))  # noqa: S311  repeatable, not secret
    simulator.world.turn(simulator.world.switches.changed(switches))
    async with running(simulator) as server, httpx.AsyncClient(base_url=server.url, verify=_NO_TLS) as http:
        yield Atlas(simulator, clock, http)
