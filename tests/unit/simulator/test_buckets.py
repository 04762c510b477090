"""Rate limits."""

import pytest

from unit.simulator.harness import OTHER_PROJECT, PROJECT, SEED, Atlas, collection, endpoint, services, start

LIMIT = {"capacity": 3, "refillRate": 2, "refillDurationSeconds": 60}
NEWER = "application/vnd.atlas.2025-03-12+json"


@pytest.fixture
async def limited(atlas: Atlas) -> Atlas:
    await atlas.control("switches", {"rateLimit": LIMIT})
    return atlas


async def test_an_empty_bucket_answers_429_with_the_figures(limited: Atlas) -> None:
    await _empty(limited)
    limited.clock.advance(4.5)

    answer = await limited.call("GET", collection())

    assert answer.status_code == 429
    path = collection().lstrip("/")
    assert answer.json() == {
        "detail": f"Rate limit exceeded for {path}. Please retry after 56 seconds. "
        "Request capacity: 3. Refill rate: 2 per 60 seconds.",
        "error": 429,
        "errorCode": "RATE_LIMITED_TOKEN_BUCKET",
        "parameters": [path, 56, 3, 2, 60],
        "reason": "Too Many Requests",
    }
    assert answer.headers["Retry-After"] == "56"
    assert answer.headers["RateLimit-Remaining"] == "0"


@pytest.mark.parametrize(
    ("waited", "remaining"),
    [
        pytest.param(0, ["2", "1", "0", "0"], id="a full bucket"),
        pytest.param(60, ["1", "0", "0"], id="after the wait that an empty one asks for"),
        pytest.param(3000, ["2", "1", "0", "0"], id="never more than its capacity"),
    ],
)
async def test_answers_say_what_is_left_in_the_bucket(limited: Atlas, waited: int, remaining: list[str]) -> None:
    if waited:
        await _empty(limited)
        assert (await limited.call("GET", collection())).headers["Retry-After"] == "60"
        limited.clock.advance(waited)

    answers = [await limited.call("GET", collection()) for _ in remaining]

    assert [answer.headers["RateLimit-Remaining"] for answer in answers] == remaining
    assert {answer.headers["RateLimit-Limit"] for answer in answers} == {"3"}
    assert [answer.status_code for answer in answers] == [*[200] * (len(remaining) - 1), 429]


async def test_a_limited_write_is_not_applied_and_other_projects_are_not_limited(limited: Atlas) -> None:
    await _empty(limited)

    answer = await limited.patch(endpoint(), comment="new")
    other = await limited.call("GET", collection(project=OTHER_PROJECT), who="everywhere")
    limited.clock.advance(60)

    assert (answer.status_code, other.status_code) == (429, 200)
    assert (await limited.show(endpoint()))["comment"] is None


async def test_atlas_may_leave_the_header_fields_out(limited: Atlas) -> None:
    await limited.control("switches", {"rateLimitHeaders": False})
    await _empty(limited)

    answer = await limited.call("GET", collection())

    assert answer.status_code == 429
    assert not {"Retry-After", "RateLimit-Limit", "RateLimit-Remaining"} & {name.title() for name in answer.headers}


async def test_services_have_a_bucket_of_their_own_and_a_limit_by_default(limited: Atlas) -> None:
    await _empty(limited)
    mine = await limited.call("GET", services())
    await limited.control("switches", {"rateLimit": None})
    default = await limited.call("GET", services())

    assert (mine.status_code, mine.headers["RateLimit-Remaining"]) == (200, "2")
    assert (default.headers["RateLimit-Limit"], default.headers["RateLimit-Remaining"]) == ("4000", "3999")


async def test_the_limits_can_be_read(limited: Atlas) -> None:
    listed = (await limited.call("GET", "/api/atlas/v2/rateLimits", accept=NEWER)).json()

    (found,) = listed["results"]
    assert listed["totalCount"] == 1
    assert found["capacity"] == {"value": 3}
    assert found["refillRate"] == {"value": 2}
    assert {"method": "PATCH", "path": found["endpoints"][-2]["path"]} in found["endpoints"]
    one = await limited.call("GET", f"/api/atlas/v2/rateLimits/{found['endpointSetId']}", accept=NEWER)
    assert one.json() == found


async def test_without_a_limit_there_is_nothing_to_read(atlas: Atlas) -> None:
    listed = await atlas.call("GET", "/api/atlas/v2/rateLimits", accept=NEWER)
    one = await atlas.call("GET", "/api/atlas/v2/rateLimits/none", accept=NEWER)

    assert listed.json() == {"links": [], "results": [], "totalCount": 0}
    assert one.status_code == 404


async def test_a_project_may_have_a_limit_of_its_own() -> None:
    project = SEED["projects"][0] | {"rateLimit": LIMIT | {"capacity": 1}}
    async with start(SEED | {"projects": [project, SEED["projects"][1]]}) as atlas:
        answers = [await atlas.call("GET", collection()) for _ in range(2)]
        other = await atlas.call("GET", collection(project=OTHER_PROJECT), who="everywhere")
        read = await atlas.call("GET", f"/api/atlas/v2/rateLimits?groupId={PROJECT}", accept=NEWER)

    assert [answer.status_code for answer in answers] == [200, 429]
    assert "RateLimit-Limit" not in other.headers
    assert read.json()["results"][0]["capacity"] == {"value": 1}


async def _empty(atlas: Atlas) -> None:
    for _ in range(LIMIT["capacity"]):
        assert (await atlas.call("GET", collection())).status_code == 200
