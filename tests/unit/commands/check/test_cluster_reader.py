"""What a check reads from Kubernetes, with a stub of the API server."""

import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from kubernetes.aio import client

from atlas_endpoints.cluster.connection import Connection
from atlas_endpoints.commands.check.interview import Place
from atlas_endpoints.commands.check.report import Report
from atlas_endpoints.commands.check.resources import ClusterReader
from atlas_endpoints.commands.check.settings import CheckSettings
from atlas_endpoints.kinds import named
from atlas_endpoints.kinds.commands import KindWithCommands
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.reconcile.kind import Named
from unit.cluster.api_server import Answer, ApiServer, serving

ACCOUNT = {"clientId": "mdb_sa_id_0123", "clientSecret": "mdb_sa_sk_canary"}
PROJECT = "5f" * 12
SPEC = {"projectId": PROJECT, "instanceName": "shop", "providerName": "AWS", "endpointId": "a1" * 12}
FORBIDDEN = Answer(403, {"kind": "Status", "message": "forbidden"})


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with serving() as server:
        server.namespaces |= {"shop": None, "web": None}
        yield server


async def find(
    server: ApiServer, *, in_pod: bool = False, kinds: Sequence[KindWithCommands[Any]] = (KIND,), **settings: Any
) -> tuple[list[Place], list[str]]:
    lines: list[str] = []
    connection = Connection(client.Configuration(host=server.url), in_pod=in_pod)
    reader = ClusterReader(CheckSettings(**settings), kinds, connection, Report(lines.append))
    try:
        found = await reader.places()
    finally:
        await connection.close()
    assert {request.method for request in server.requests} <= {"GET"}
    assert not any("canary" in line for line in lines)
    return found, [line for line in lines if not line.endswith("Credentials")]


async def test_a_missing_crd_is_reported() -> None:
    async with serving() as server:
        server.serves_the_kind = False
        found, lines = await find(server)

    assert (found, lines) == (
        [],
        [
            "failed   The API server does not serve ServerlessPrivateEndpoint: install the CRD (kubectl apply -f crds/, or crds.install of the chart)."
        ],
    )


async def test_an_api_server_that_is_away_is_reported_with_where_to_look() -> None:
    async with serving() as server:
        pass

    found, (line,) = await find(server)

    assert found == []
    assert line.startswith("failed   The API server cannot be reached: ")
    assert line.endswith("Check the kubeconfig or, in a Pod, the network policies.")


@pytest.mark.parametrize(
    ("in_pod", "says"),
    [
        (True, "Not served, because the operator may not list serverlessprivateendpoints in shop. The API server"),
        (False, "The user of the kubeconfig may not list serverlessprivateendpoints in shop"),
    ],
)
async def test_a_namespace_that_may_not_be_listed_costs_the_others_nothing(
    server: ApiServer, *, in_pod: bool, says: str
) -> None:
    server.secrets["web", "own"] = ACCOUNT
    server.put("web", "orders", **SPEC, credentialsSecretRef={"name": "own"})
    server.lists.append(FORBIDDEN)
    (place,), lines = await find(server, in_pod=in_pod, namespaces="shop,web")

    assert place.read_in == "in web"
    refusal, *others = lines
    assert refusal.startswith(f"failed   {says}")
    assert ("Apply the Role and the RoleBinding of deploy/access there" in refusal) is in_pod
    assert others[0] == "ok       Resources in web: 1."


async def test_a_refusal_of_a_secret_is_the_users(server: ApiServer) -> None:
    server.answers.append(FORBIDDEN)
    places, lines = await find(server, secret="shop/own")

    assert places == []
    assert lines[-1].startswith("failed   The user of the kubeconfig may not get Secret own in namespace shop")
    assert "ServiceAccount" not in lines[-1], "its rights are not those that were tried"


async def test_in_the_operators_pod_a_refusal_is_the_operators(server: ApiServer) -> None:
    server.answers.append(FORBIDDEN)
    _, lines = await find(server, in_pod=True, secret="shop/own")

    assert lines[-1].startswith("failed   The operator may not read Secret own in namespace shop")


async def test_a_secret_that_is_of_no_use_is_reported_with_the_resources_that_need_it(server: ApiServer) -> None:
    for namespace in ("shop", "web"):
        server.secrets[namespace, "own"] = {"clientId": "mdb_sa_id_0123"}
        server.put(namespace, "orders", **SPEC, credentialsSecretRef={"name": "own"})

    _, lines = await find(server)

    (problem,) = (line for line in lines if line.startswith("failed"))
    assert problem.startswith("failed   Secret own")
    assert problem.endswith("(For shop/orders and web/orders.)")


async def test_the_operators_own_secret_that_is_missing_is_reported_once(server: ApiServer) -> None:
    server.put("shop", "orders", **SPEC)
    server.put("web", "orders", **SPEC)
    logged: list[str] = []
    logger, handler = logging.getLogger("atlas_endpoints"), Report(logged.append)
    logger.addHandler(handler)
    try:
        found, lines = await find(server, credentials_secret="system/atlas")
    finally:
        logger.removeHandler(handler)

    assert found == []
    (line,) = (line for line in [*lines, *logged] if "system" in line)
    assert line.startswith("failed   There is no Secret atlas in namespace system.")
    assert line.endswith("(For shop/orders and web/orders.)")


async def test_the_operators_own_secret_may_name_its_atlas_and_no_other_may(server: ApiServer) -> None:
    server.secrets["system", "atlas"] = {**ACCOUNT, "baseUrl": "https://canary.example.com"}

    (own,), _ = await find(server, credentials_secret="system/atlas")
    (same,), _ = await find(server, credentials_secret="system/atlas", secret="system/atlas")
    other, lines = await find(server, secret="system/atlas")

    assert own == same
    assert other == []
    assert "Only the operator's own Secret may do that" in lines[-1]


async def test_a_named_place_is_asked_about_with_the_named_secret(server: ApiServer) -> None:
    server.secrets["shop", "own"] = ACCOUNT
    server.put("shop", "orders", **SPEC)

    (place,), _ = await find(server, secret="shop/own", project=PROJECT, instance="store")

    assert (place.scope[1:], place.resources) == ((PROJECT, "ServerlessPrivateEndpoint", "store"), ())
    assert [each for each in server.calls if "/secrets/" in each] == ["GET /api/v1/namespaces/shop/secrets/own"]


async def test_what_resources_name_counts_in_a_project_that_is_named(server: ApiServer) -> None:
    server.secrets["shop", "own"] = ACCOUNT
    server.put("web", "orders", **SPEC)

    (place,), lines = await find(server, secret="shop/own", project=PROJECT, instance="shop")

    assert (place.resources, place.names) == ((), frozenset({Named("a1" * 12)}))
    assert not any("Resources" in each for each in lines)


@pytest.mark.parametrize("lacks", ["the right", "the CRD"])
async def test_a_project_that_is_named_needs_no_resources(server: ApiServer, lacks: str) -> None:
    server.secrets["shop", "own"] = ACCOUNT
    if lacks == "the right":
        server.lists.append(FORBIDDEN)
    else:
        server.serves_the_kind = False

    (place,), lines = await find(server, secret="shop/own", project=PROJECT, instance="shop")

    assert place.names is None
    assert [each.partition(" ")[0] for each in lines] == ["skipped", "ok"]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        pytest.param({}, [("", "")], id="the credentials alone"),
        pytest.param(
            {"project": PROJECT},
            [
                *((PROJECT, provider) for provider in ("AWS", "AZURE", "GCP")),
                (PROJECT, "Data Federation"),
                *((PROJECT, provider) for provider in ("AWS", "AZURE", "AWS", "regional mode")),
                (PROJECT, "Stream Processing"),
            ],
            id="what a project has",
        ),
        pytest.param(
            {"project": PROJECT, "provider": "AWS"},
            [
                (PROJECT, name)
                for name in ("AWS", "Data Federation", "AWS", "AWS", "regional mode", "Stream Processing")
            ],
            id="what it has in a cloud, or as a whole",
        ),
        pytest.param(
            {"project": PROJECT, "provider": "GCP"},
            [(PROJECT, each) for each in ("GCP", "Data Federation", "regional mode", "Stream Processing")],
            id="a part that not every kind has",
        ),
        pytest.param(
            {"project": PROJECT, "kinds": "ServerlessPrivateEndpoint"}, [("", "")], id="nothing without an instance"
        ),
    ],
)
async def test_what_is_checked_in_a_project_that_is_named(
    server: ApiServer, flags: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    server.secrets["shop", "own"] = ACCOUNT
    found, _ = await find(server, secret="shop/own", kinds=named(flags.pop("kinds", "").split()), **flags)

    assert [(place.scope.project_id, place.scope.name) for place in found] == expected
