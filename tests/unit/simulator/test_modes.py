"""The modes: Flex, gone, read-only."""

import pytest

from unit.simulator.harness import AWS_ENDPOINT, PROJECT, Atlas, collection, endpoint

CALLS = [
    pytest.param("GET", collection(), id="list"),
    pytest.param("POST", collection(), id="create"),
    pytest.param("GET", endpoint(), id="get"),
    pytest.param("PATCH", endpoint(), id="update"),
    pytest.param("DELETE", endpoint(), id="delete"),
]


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_after_the_sunset_every_operation_is_gone(atlas: Atlas, method: str, path: str) -> None:
    await atlas.control("mode", {"mode": "gone"})

    answer = await atlas.call(method, path)

    shown = path.lstrip("/")
    assert answer.status_code == 410
    assert answer.json() == {
        "detail": f"Version 2023-01-01 of {shown} is no longer available.",
        "error": 410,
        "errorCode": "VERSION_GONE",
        "parameters": ["2023-01-01", shown],
        "reason": "Gone",
    }


@pytest.mark.parametrize(("mode", "names"), [("gone", []), ("flex", ["aws", "azure"])])
async def test_the_list_of_instances_is_empty_after_the_sunset_and_held_flex_clusters_before(
    mode: str, names: list[str], atlas: Atlas
) -> None:
    await atlas.control("mode", {"mode": mode})

    page = await atlas.show(f"/api/atlas/v2/groups/{PROJECT}/serverless")

    assert [each["name"] for each in page["results"]] == names


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_a_flex_cluster_has_no_private_endpoints(atlas: Atlas, method: str, path: str) -> None:
    await atlas.control("mode", {"mode": "flex"})

    answer = await atlas.call(method, path)

    assert (answer.status_code, answer.json()["errorCode"]) == (400, "NOT_SERVERLESS_TENANT_CLUSTER")
    assert answer.json()["parameters"] == ["aws", PROJECT]


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_while_atlas_is_upgraded_it_can_be_read_but_not_written(atlas: Atlas, method: str, path: str) -> None:
    await atlas.control("mode", {"mode": "read-only"})

    answer = await atlas.call(method, path)

    if method == "GET":
        assert answer.status_code == 200
    else:
        assert (answer.status_code, answer.json()["errorCode"]) == (405, "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES")


async def test_back_to_normal_everything_is_as_it_was(atlas: Atlas) -> None:
    await atlas.control("mode", {"mode": "gone"})
    await atlas.call("DELETE", endpoint())

    answer = await atlas.control("mode", {"mode": "normal"})

    assert answer == {"mode": "normal"} == await atlas.control("mode")
    assert [each["_id"] for each in (await atlas.call("GET", collection())).json()] == [AWS_ENDPOINT]


async def test_an_unknown_mode_is_refused_by_name(atlas: Atlas) -> None:
    assert "'normal', 'flex', 'gone' or 'read-only'" in await atlas.refused("mode", {"mode": "broken"})
