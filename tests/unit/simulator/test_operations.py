"""The operations: statuses, bodies, header fields."""

import pytest

from unit.simulator.harness import (
    ABSENT_ENDPOINT,
    ACCEPT,
    AWS_ENDPOINT,
    PROJECT,
    VPCE,
    Atlas,
    collection,
    endpoint,
)

VERSIONED = "application/vnd.atlas.2023-01-01+json;charset=utf-8"


async def test_an_endpoint_shows_the_fields_of_its_cloud_and_nulls_for_what_is_unknown(atlas: Atlas) -> None:
    aws, azure = await atlas.show(endpoint()), await atlas.show(endpoint("azure"))

    service = aws.pop("endpointServiceName")
    assert service.startswith("com.amazonaws.vpce.us-east-1.vpce-svc-")
    assert aws == {
        "_id": AWS_ENDPOINT,
        "cloudProviderEndpointId": None,
        "comment": None,
        "errorMessage": None,
        "providerName": "AWS",
        "status": "RESERVED",
    }
    assert azure["privateEndpointIpAddress"] is None
    assert azure["privateLinkServiceResourceId"].endswith("/" + azure["endpointServiceName"])
    assert azure["endpointServiceName"].startswith("pls_")


async def test_delete_answers_204_without_a_body_but_with_a_content_type(atlas: Atlas) -> None:
    answer = await atlas.call("DELETE", endpoint())

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Content-Type"] == VERSIONED
    assert (await atlas.show(endpoint()))["status"] == "DELETING"


async def test_bodies_as_mongodbs_own_client_sends_them_are_understood(atlas: Atlas) -> None:
    content = b'{"comment":"a \\u003c b","cloudProviderEndpointId":null,"providerName":"AWS"}\n'

    answer = await atlas.call("PATCH", endpoint(), content=content, headers={"Content-Type": ACCEPT})

    assert answer.status_code == 200
    assert answer.json()["comment"] == "a < b"
    assert answer.json()["cloudProviderEndpointId"] is None


async def test_every_answer_carries_the_header_fields_of_atlas(atlas: Atlas) -> None:
    found = await atlas.call("GET", collection())
    missing = await atlas.call("GET", endpoint(endpoint_id=ABSENT_ENDPOINT))

    for answer in (found, missing):
        assert answer.headers["Server"] == "mdbws"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "::" in answer.headers["X-Java-Method"]
        assert answer.headers["Deprecation"] == "Wed, 10 Dec 2025 00:00:00 GMT"
        assert answer.headers["Sunset"] == "Thu, 22 Jan 2026 00:00:00 GMT"
        assert "Date" in answer.headers
        assert "RateLimit-Limit" not in answer.headers
    assert "X-Error-Code" not in found.headers
    assert missing.headers["X-Error-Code"] == "TENANT_PRIVATE_ENDPOINT_NOT_FOUND"


async def test_an_error_has_the_fields_of_an_api_error_in_the_order_of_atlas(atlas: Atlas) -> None:
    answer = await atlas.call("GET", endpoint(endpoint_id=ABSENT_ENDPOINT))

    assert answer.headers["Content-Type"] == "application/json"
    assert list(answer.json()) == ["detail", "error", "errorCode", "parameters", "reason"]
    assert answer.json() | {"detail": ""} == {
        "detail": "",
        "error": 404,
        "errorCode": "TENANT_PRIVATE_ENDPOINT_NOT_FOUND",
        "parameters": [ABSENT_ENDPOINT],
        "reason": "Not Found",
    }


async def test_the_instance_shows_a_connection_string_for_each_available_endpoint(atlas: Atlas) -> None:
    path = f"/api/atlas/v2/groups/{PROJECT}/serverless/aws"
    before = await atlas.show(path)

    await atlas.patch(endpoint(), cloudProviderEndpointId=VPCE)
    atlas.clock.advance(2)

    assert before["connectionStrings"]["privateEndpoint"] == []
    assert before["providerSettings"] == {
        "backingProviderName": "AWS",
        "providerName": "SERVERLESS",
        "regionName": "US_EAST_1",
    }
    (string,) = (await atlas.show(path))["connectionStrings"]["privateEndpoint"]
    assert string["srvConnectionString"].startswith("mongodb+srv://aws-pe-0.")
    assert string["endpoints"] == [{"endpointId": VPCE, "providerName": "AWS", "region": "US_EAST_1"}]


INSTANCES = f"/api/atlas/v2/groups/{PROJECT}/serverless"


async def test_the_instances_of_a_project_come_as_one_page(atlas: Atlas) -> None:
    page = await atlas.show(INSTANCES)

    assert [each["name"] for each in page["results"]] == ["aws", "azure"]
    assert page["results"][0] == await atlas.show(f"{INSTANCES}/aws")
    assert page["totalCount"] == 2
    assert [each["rel"] for each in page["links"]] == ["self"]


ENDPOINT_IDS = f"/api/atlas/v2/groups/{PROJECT}/privateNetworkSettings/endpointIds"


async def test_endpoints_of_data_federation_come_in_pages_of_which_one_may_fail(atlas: Atlas) -> None:
    many = [{"projectId": PROJECT, "endpointId": f"vpce-{number:017}"} for number in range(500)]
    await atlas.control("dataFederationEndpoints", many)
    pages = [
        await atlas.show(f"{ENDPOINT_IDS}?itemsPerPage=500&pageNum={number}&includeCount=true") for number in (1, 2)
    ]
    created = await atlas.call("POST", ENDPOINT_IDS, json={"endpointId": "vpce-" + "f" * 17})
    await atlas.control("faults", {"match": {"path": "endpointIds$", "query": "pageNum=2$"}, "status": 500})

    first, second = [await atlas.call("GET", f"{ENDPOINT_IDS}?includeCount=false&pageNum={each}") for each in (1, 2)]

    assert [len(page["results"]) for page in pages] == [500, 1]
    assert len({each["endpointId"] for page in pages for each in page["results"]}) == 501
    assert [page["totalCount"] for page in pages] == [501, 501]
    assert [[each["rel"] for each in page["links"]] for page in pages] == [["self", "next"], ["previous", "self"]]
    assert pages[0]["links"][1]["href"] == (
        f"http://localhost:8080{ENDPOINT_IDS}?includeCount=true&itemsPerPage=500&pageNum=2"
    )
    assert (len(created.json()["results"]), created.json()["totalCount"]) == (100, 502)
    assert (first.status_code, second.status_code) == (200, 500)
    assert "totalCount" not in first.json()


async def test_a_validation_error_describes_the_field(atlas: Atlas) -> None:
    answer = await atlas.patch(endpoint(), comment="x" * 81)

    (described,) = answer.json()["badRequestDetail"]["fields"]
    assert described["field"] == "comment"
    assert "80" in described["description"]


async def test_the_content_type_names_the_version(atlas: Atlas) -> None:
    newer = "application/vnd.atlas.2025-03-12+json"
    endpoints = await atlas.call("GET", collection(), accept=newer)
    limits = await atlas.call("GET", "/api/atlas/v2/rateLimits", accept=newer)

    assert endpoints.headers["Content-Type"] == VERSIONED
    assert limits.headers["Content-Type"] == f"{newer};charset=utf-8"


@pytest.mark.parametrize(("mode", "names"), [("gone", []), ("flex", ["aws", "azure"])])
async def test_the_list_of_instances_is_empty_after_the_end_and_holds_flex_clusters_before(
    mode: str, names: list[str], atlas: Atlas
) -> None:
    await atlas.control("mode", {"mode": mode})

    assert [each["name"] for each in (await atlas.show(INSTANCES))["results"]] == names


async def test_answers_may_lack_fields_and_the_state_shows_what_is_kept(atlas: Atlas) -> None:
    await atlas.control("switches", {"missingFields": ["providerName", "errorMessage"], "trimComment": True})
    await atlas.patch(endpoint(), comment=" x ")

    for shown in (await atlas.show(endpoint()), (await atlas.call("GET", collection())).json()[0]):
        assert not {"providerName", "errorMessage"} & shown.keys()
        assert (shown["status"], shown["comment"]) == ("RESERVED", "x")
    kept = (await atlas.control("state"))["projects"][0]["instances"][0]["endpoints"][0]
    assert (kept["providerName"], kept["comment"]) == ("AWS", " x ")
