"""What request bodies may hold."""

from typing import Any

import pytest

from unit.simulator.harness import ARM_ID, VPCE, Atlas, collection, endpoint

AWS, AZURE = {"providerName": "AWS"}, {"providerName": "AZURE"}
IP = "10.0.0.4"


@pytest.mark.parametrize(
    ("instance", "body"),
    [
        pytest.param("aws", AWS, id="nothing but the provider"),
        pytest.param("aws", AWS | {"comment": "x" * 80}, id="80 characters of comment"),
        pytest.param("aws", AWS | {"comment": "ü" * 80}, id="80 characters that take more bytes"),
        pytest.param("aws", AWS | {"comment": ""}, id="an empty comment"),
        pytest.param("aws", AWS | {"cloudProviderEndpointId": VPCE}, id="an AWS id"),
        pytest.param("aws", AWS | {"cloudProviderEndpointId": None, "comment": None}, id="explicit nulls"),
        pytest.param("aws", AWS | {"privateEndpointIpAddress": None}, id="a null for a field of the other cloud"),
        pytest.param(
            "azure", AZURE | {"cloudProviderEndpointId": ARM_ID, "privateEndpointIpAddress": IP}, id="an Azure id"
        ),
        pytest.param(
            "azure",
            AZURE | {"cloudProviderEndpointId": ARM_ID.upper(), "privateEndpointIpAddress": IP},
            id="an Azure id in capitals",
        ),
        pytest.param(
            "azure",
            AZURE | {"cloudProviderEndpointId": ARM_ID, "privateEndpointIpAddress": "fd00::4"},
            id="an IPv6 address",
        ),
    ],
)
async def test_a_good_patch_is_accepted(atlas: Atlas, instance: str, body: dict[str, Any]) -> None:
    answer = await atlas.call("PATCH", endpoint(instance), json=body)

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("instance", "body", "code", "parameters"),
    [
        pytest.param("aws", {}, "MISSING_ATTRIBUTE", ["providerName"], id="no provider"),
        pytest.param("aws", {"comment": "x"}, "MISSING_ATTRIBUTE", ["providerName"], id="a comment, no provider"),
        pytest.param("aws", {"providerName": None}, "MISSING_ATTRIBUTE", ["providerName"], id="a null provider"),
        pytest.param("aws", {"providerName": "GCP"}, "INVALID_ENUM_VALUE", ["GCP"], id="an unknown provider"),
        pytest.param("aws", {"providerName": 7}, "INVALID_JSON_ATTRIBUTE", ["providerName"], id="a number as provider"),
        pytest.param("aws", AZURE, "INVALID_ATTRIBUTE", ["providerName"], id="the other cloud"),
        pytest.param("aws", AWS | {"note": "x"}, "INVALID_ATTRIBUTE", ["note"], id="an unknown field"),
        pytest.param("aws", AWS | {"status": "AVAILABLE"}, "INVALID_ATTRIBUTE", ["status"], id="a read-only field"),
        pytest.param("aws", AWS | {"comment": 1}, "INVALID_JSON_ATTRIBUTE", ["comment"], id="a number as comment"),
        pytest.param(
            "aws",
            AWS | {"comment": "x" * 81},
            "VALIDATION_ERROR",
            ["comment must be at most 80 characters."],
            id="81 characters of comment",
        ),
        *(
            pytest.param(
                "aws",
                AWS | {"cloudProviderEndpointId": value},
                "INVALID_ATTRIBUTE",
                ["cloudProviderEndpointId"],
                id=name,
            )
            for name, value in {
                "an AWS id that is too short": "vpce-0123",
                "an AWS id in capitals": VPCE.upper(),
                "an AWS id with a line feed": VPCE + "\n",
                "an Azure id for AWS": ARM_ID,
                "an empty id": "",
            }.items()
        ),
        *(
            pytest.param(
                "azure",
                AZURE | {"cloudProviderEndpointId": value, "privateEndpointIpAddress": IP},
                "INVALID_ATTRIBUTE",
                ["cloudProviderEndpointId"],
                id=name,
            )
            for name, value in {
                "an AWS id for Azure": VPCE,
                "an Azure id of another kind": ARM_ID.replace("privateEndpoints", "networkInterfaces"),
                "an Azure id without a subscription": ARM_ID.partition("/resourceGroups")[2],
            }.items()
        ),
        pytest.param(
            "aws",
            AWS | {"cloudProviderEndpointId": VPCE, "privateEndpointIpAddress": IP},
            "INVALID_ATTRIBUTE",
            ["privateEndpointIpAddress"],
            id="an address for AWS",
        ),
        pytest.param(
            "azure",
            AZURE | {"cloudProviderEndpointId": ARM_ID, "privateEndpointIpAddress": "10.0.0.256"},
            "INVALID_IP_ADDRESS_OR_CIDR_NOTATION",
            ["10.0.0.256"],
            id="no address",
        ),
        pytest.param(
            "azure",
            AZURE | {"cloudProviderEndpointId": ARM_ID},
            "MISSING_ATTRIBUTE",
            ["privateEndpointIpAddress"],
            id="an Azure id without an address",
        ),
        pytest.param(
            "azure",
            AZURE | {"privateEndpointIpAddress": IP},
            "MISSING_ATTRIBUTE",
            ["cloudProviderEndpointId"],
            id="an address without an Azure id",
        ),
    ],
)
async def test_a_bad_patch_is_refused_and_changes_nothing(
    atlas: Atlas, instance: str, body: dict[str, Any], code: str, parameters: list[str]
) -> None:
    before = await atlas.show(endpoint(instance))

    answer = await atlas.call("PATCH", endpoint(instance), json=body)

    assert (answer.status_code, answer.json()["errorCode"], answer.json()["parameters"]) == (400, code, parameters)
    assert await atlas.show(endpoint(instance)) == before


async def test_a_refused_connection_leaves_the_comment_of_the_same_patch_unwritten(atlas: Atlas) -> None:
    await atlas.control("endpoints", _put("AVAILABLE", comment="old"))

    answer = await atlas.patch(endpoint(), comment="new", cloudProviderEndpointId=VPCE)

    assert answer.status_code == 400
    assert (await atlas.show(endpoint()))["comment"] == "old"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"", "INVALID_JSON", id="nothing"),
        pytest.param(b"{", "MALFORMED_JSON", id="half an object"),
        pytest.param(b"\xff\xfe{}", "MALFORMED_JSON", id="another encoding"),
        pytest.param(b"<a/>", "MALFORMED_JSON", id="XML"),
        pytest.param(b"[" * 100_000, "MALFORMED_JSON", id="far too deep"),
        pytest.param(b"[]", "INVALID_JSON", id="an array"),
        pytest.param(b'"text"', "INVALID_JSON", id="a string"),
        pytest.param(b"null", "INVALID_JSON", id="null"),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("PATCH", endpoint()), ("POST", collection())])
async def test_a_body_that_is_no_json_object_is_refused(
    atlas: Atlas, method: str, path: str, content: bytes, code: str
) -> None:
    answer = await atlas.call(method, path, content=content, headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["errorCode"]) == (400, code)
    assert len((await atlas.call("GET", collection())).json()) == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param({}, 201, None, id="an empty object"),
        pytest.param({"comment": None}, 201, None, id="a null comment"),
        pytest.param({"comment": "x" * 81}, 400, "VALIDATION_ERROR", id="a comment that is too long"),
        pytest.param(
            {"providerName": "AWS"}, 400, "INVALID_ATTRIBUTE", id="a provider, which the instance already has"
        ),
        pytest.param({"cloudProviderEndpointId": VPCE}, 400, "INVALID_ATTRIBUTE", id="a cloud id, which comes later"),
    ],
)
async def test_a_post_may_hold_a_comment_and_nothing_else(
    atlas: Atlas, body: dict[str, Any], status: int, code: str | None
) -> None:
    answer = await atlas.call("POST", collection(), json=body)

    assert (answer.status_code, answer.json().get("errorCode")) == (status, code)


async def test_a_validation_error_describes_the_field(atlas: Atlas) -> None:
    answer = await atlas.patch(endpoint(), comment="x" * 81)

    (described,) = answer.json()["badRequestDetail"]["fields"]
    assert described["field"] == "comment"
    assert "80" in described["description"]


def _put(status: str, **fields: Any) -> dict[str, Any]:
    _, _, _, _, _, project, *_, instance, _, endpoint_id = endpoint().split("/")
    document = {"_id": endpoint_id, "status": status, **fields}
    return {"projectId": project, "instanceName": instance, "endpoint": document}
