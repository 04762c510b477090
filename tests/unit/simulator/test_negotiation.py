"""Version negotiation: the date in Accept, the media type of bodies."""

import pytest

from unit.simulator.harness import ACCEPT, Atlas, collection, endpoint

VERSIONED = "application/vnd.atlas.2023-01-01+json;charset=utf-8"


@pytest.mark.parametrize(
    "accept",
    [
        pytest.param("application/vnd.atlas.2023-01-01+json", id="the version itself"),
        pytest.param("application/vnd.atlas.2023-02-01+json", id="a version that this resource never had"),
        pytest.param("application/vnd.atlas.2025-03-12+json", id="the newest version"),
        pytest.param("application/vnd.atlas.2024-07-04+json", id="a day without a version"),
        pytest.param("application/vnd.atlas.2026-09-21+json", id="today"),
        pytest.param("Application/VND.Atlas.2023-01-01+JSON", id="another letter case"),
        pytest.param("text/html, application/vnd.atlas.2023-01-01+json;q=0.9", id="among others"),
        pytest.param(
            "application/vnd.atlas.2022-01-01+json, application/vnd.atlas.2024-01-01+json", id="after a bad one"
        ),
    ],
)
async def test_a_date_resolves_to_the_newest_version_not_after_it(atlas: Atlas, accept: str) -> None:
    answer = await atlas.call("GET", collection(), accept=accept)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == VERSIONED


@pytest.mark.parametrize(
    "accept",
    [
        pytest.param("*/*", id="anything"),
        pytest.param("", id="an empty header"),
        pytest.param("application/json", id="plain JSON"),
        pytest.param("application/vnd.atlas+json", id="no date"),
        pytest.param("application/vnd.atlas.2022-12-31+json", id="a day before the first version"),
        pytest.param("application/vnd.atlas.2026-09-22+json", id="tomorrow"),
        pytest.param("application/vnd.atlas.2024-02-30+json", id="no day of the calendar"),
        pytest.param("application/vnd.atlas.2023-1-1+json", id="a day without zeros"),
        pytest.param("application/vnd.atlas.2023-01-01+csv", id="another format"),
        pytest.param("application/vnd.atlas.preview+json", id="the preview"),
    ],
)
async def test_no_known_version_is_406(atlas: Atlas, accept: str) -> None:
    answer = await atlas.call("GET", collection(), accept=accept)

    assert answer.status_code == 406
    assert answer.json() == {
        "detail": "Invalid accept header or version date.",
        "error": 406,
        "errorCode": "INVALID_VERSION_DATE",
        "parameters": [],
        "reason": "Not Acceptable",
    }


async def test_rate_limits_have_a_younger_version(atlas: Atlas) -> None:
    old = await atlas.call("GET", "/api/atlas/v2/rateLimits", accept=ACCEPT)
    new = await atlas.call("GET", "/api/atlas/v2/rateLimits", accept="application/vnd.atlas.2025-03-12+json")

    assert old.status_code == 406
    assert new.headers["Content-Type"] == "application/vnd.atlas.2025-03-12+json;charset=utf-8"


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        pytest.param("application/json", 200, id="plain JSON"),
        pytest.param("application/json; charset=utf-8", 200, id="plain JSON with a charset"),
        pytest.param(ACCEPT, 200, id="the versioned type"),
        pytest.param("text/plain", 415, id="text"),
        pytest.param("application/x-www-form-urlencoded", 415, id="a form"),
        pytest.param("", 415, id="nothing"),
    ],
)
async def test_a_body_is_json_or_the_versioned_type(atlas: Atlas, content_type: str, status: int) -> None:
    answer = await atlas.call(
        "PATCH", endpoint(), content=b'{"providerName":"AWS","comment":"x"}', headers={"Content-Type": content_type}
    )

    assert answer.status_code == status
    assert ((await atlas.show(endpoint()))["comment"] == "x") == (status == 200)
