"""The calls about a place, and what the answers mean."""

import asyncio
import re
from dataclasses import replace
from typing import Any

import pytest

from atlas_endpoints.atlas.credentials import ApiKey
from atlas_endpoints.atlas.errors import (
    AccountSuspendedError,
    APIGoneError,
    AtlasError,
    AtlasUnavailableError,
    CredentialsInvalidError,
    CredentialsRateLimitedError,
    EndpointAbsentError,
    Explanation,
    InstanceNotFoundError,
    IPNotAllowedError,
    MissingRoleError,
    NotServerlessError,
    ProjectNotFoundError,
    RateLimitedError,
    UpdateRejectedError,
)
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.commands.check.interview import Place, Result, interview, reached
from atlas_endpoints.commands.check.report import Level
from atlas_endpoints.commands.clusterless import PatientClient
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.reconcile.kind import Named
from support.fake_atlas import FakeAtlas
from support.virtual_time import on_virtual_time
from toy.notice import NOTICES

PLACE = Place(KIND, Scope("f", "5f" * 12, KIND.names.kind, "shop"), "Secret s of namespace shop")
LIST = KIND.list_request(PLACE.scope)
ALONE = replace(PLACE, scope=Scope("f", "", KIND.names.kind, ""))

FAILED = "failed   Atlas refuses; do this."
ACCEPTED = "ok       Atlas accepts the credentials (LIST, … ms)."
READABLE = "ok       Atlas accepts the credentials, and they may read the project (LIST, … ms)."
WRITABLE = (
    "ok       The credentials may write to the project (PATCH without a change, to an ID that cannot exist, … ms)."
)


def refused(kind: type[AtlasError], http_status: int | None = 400) -> AtlasError:
    return kind("Atlas refuses; do this.", operation="list", http_status=http_status)


def listing(*providers: str | None) -> list[dict[str, Any]]:
    return [{"_id": f"{number:024x}", "providerName": each} for number, each in enumerate(providers)]


def hold(place: Place, *answers: Any, writes: bool = True) -> tuple[list[str], list[str], Result]:
    """Hold an interview with these answers; return the calls, the findings without durations, and the result."""
    given = iter(answers)
    atlas = FakeAtlas(lambda _: next(given))
    result = asyncio.run(interview(place, atlas, ApiKey("public", "private"), writes=writes))
    assert not list(given), "not all answers were asked for"
    calls = [f"{each.method} {each.path.rpartition('/')[2]} {each.json or ''}".strip() for each in atlas.calls]
    return calls, [re.sub(r"\d+ ms", "… ms", str(each)) for each in result.findings], result


@pytest.mark.parametrize(
    ("kind", "status", "proved", "hopeless"),
    [
        pytest.param(CredentialsInvalidError, 401, None, True, id="invalid credentials"),
        pytest.param(IPNotAllowedError, 403, None, True, id="an address that is not on the access list"),
        pytest.param(AccountSuspendedError, 402, None, True, id="a suspended organization"),
        pytest.param(AtlasUnavailableError, None, None, True, id="no answer"),
        pytest.param(AtlasUnavailableError, 503, None, False, id="an error of the server"),
        pytest.param(APIGoneError, 410, None, False, id="the end of the API"),
        pytest.param(RateLimitedError, 429, None, False, id="a rate limit of the project"),
        pytest.param(MissingRoleError, 403, ACCEPTED, False, id="a missing role"),
        pytest.param(ProjectNotFoundError, 401, ACCEPTED, False, id="an invisible project"),
        pytest.param(InstanceNotFoundError, 404, ACCEPTED, False, id="a missing instance"),
        pytest.param(NotServerlessError, 400, ACCEPTED, False, id="a Flex cluster"),
    ],
)
def test_a_refusal_fails_and_proves_what_atlas_checked_before(
    kind: type[AtlasError], status: int | None, proved: str | None, hopeless: bool
) -> None:
    calls, findings, result = hold(PLACE, refused(kind, status))

    assert calls == ["GET endpoint"]
    assert findings == [*filter(None, [proved]), FAILED]
    assert result.hopeless == hopeless


def test_a_token_limit_passes_by_itself_and_concerns_all_places() -> None:
    _, findings, result = hold(PLACE, refused(CredentialsRateLimitedError, 429))

    assert (findings, result.hopeless) == (["warning  Atlas refuses; do this."], True)


@on_virtual_time
async def test_a_rate_limit_is_waited_for() -> None:
    said, answers = list[str](), iter([refused(RateLimitedError, 429), listing("AWS")])
    client = PatientClient(FakeAtlas(lambda _: next(answers)), said.append, RateLimitedError)

    await interview(PLACE, client, ApiKey("public", "private"), writes=False)

    assert said == [f"GET {LIST.path}: Atlas limits the rate of calls. Waiting 10 s before the next call."]


@pytest.mark.parametrize(
    ("shown", "providers"),
    [
        pytest.param(("AZURE",), ["AZURE"], id="the provider that Atlas shows"),
        pytest.param((None, "AZURE"), ["AZURE"], id="an endpoint without a provider is ignored"),
        pytest.param(("GCP",), ["AWS", "AZURE"], id="an unknown provider"),
        pytest.param((), ["AWS", "AZURE"], id="no endpoint"),
    ],
)
def test_the_patch_names_the_provider_and_the_other_one_if_atlas_rejects_it(
    shown: tuple[str | None, ...], providers: list[str]
) -> None:
    rejections = [refused(UpdateRejectedError)] * (len(providers) - 1)
    calls, findings, _ = hold(PLACE, listing(*shown), *rejections, refused(EndpointAbsentError, 404))

    assert calls[1:] == [f"PATCH {'0' * 24} { ({'providerName': each}) }" for each in providers]
    assert findings == [f"{READABLE} Listed: {len(shown)}.", WRITABLE]


@pytest.mark.parametrize(
    ("answers", "finding"),
    [
        pytest.param([{"_id": "0" * 24, "status": "AVAILABLE"}], WRITABLE, id="an endpoint of this ID exists"),
        pytest.param([refused(MissingRoleError)], FAILED, id="a missing role"),
        pytest.param(
            [refused(UpdateRejectedError)] * 2,
            "warning  The right to write is unknown, because Atlas rejects the test. Atlas refuses; do this.",
            id="Atlas accepts no PATCH without a change",
        ),
        pytest.param(
            [refused(AtlasUnavailableError, 405)],
            "failed   The right to write is unknown. Atlas refuses; do this.",
            id="Atlas accepts no writes",
        ),
    ],
)
def test_the_answer_to_a_patch_without_a_change_shows_the_right_to_write(answers: list[Any], finding: str) -> None:
    assert hold(PLACE, listing(), *answers)[1][-1] == finding


def test_with_writes_off_no_patch_is_sent() -> None:
    calls, findings, _ = hold(PLACE, listing("AWS"), writes=False)

    assert calls == ["GET endpoint"]
    assert findings[-1] == "skipped  The right to write is not checked, because WRITES is off."


def test_a_kind_without_a_harmless_write_is_skipped() -> None:
    _, findings, _ = hold(replace(PLACE, kind=NOTICES), [])

    assert findings == [
        f"{READABLE} Listed: 0.",
        "skipped  The right to write is not checked, because this kind has no write without an effect.",
    ]


@pytest.mark.parametrize(
    ("named", "where", "expected"),
    [
        pytest.param(["0" * 24, None, f"{1:024X}"], "", [], id="all are named, in any letter case"),
        pytest.param(
            [], "in shop", [f"Endpoints that no live resource in shop names: 2 ({0:024x} and {1:024x})."], id="none"
        ),
        pytest.param([f"{0:024x}", "f" * 24], "", [f"Endpoints that no live resource names: 1 ({1:024x})."], id="one"),
    ],
)
def test_endpoints_that_no_resource_names_are_listed(named: list[str | None], where: str, expected: list[str]) -> None:
    place = replace(PLACE, names=frozenset(map(Named, named)), read_in=where)

    _, findings, result = hold(place, listing("AWS", "AWS"), writes=False)

    assert [each.removeprefix("ok       ") for each in findings if "that no live resource" in each] == expected
    assert {each.level for each in result.findings} <= {Level.OK, Level.SKIPPED}


def test_of_many_endpoints_that_no_resource_names_the_first_are_listed_and_all_are_counted() -> None:
    _, findings, _ = hold(replace(PLACE, names=frozenset()), listing(*["AWS"] * 30), writes=False)

    (line,) = (each for each in findings if "that no live resource" in each)
    assert line.startswith(f"ok       Endpoints that no live resource names: 30 ({0:024x}, {1:024x}, ")
    assert line.endswith(f", {19:024x} and 10 more).")


@pytest.mark.parametrize(
    "answer", [refused(ProjectNotFoundError), refused(InstanceNotFoundError), refused(MissingRoleError, 403), listing()]
)
def test_credentials_alone_are_accepted_when_atlas_knows_them(answer: Any) -> None:
    calls, findings, _ = hold(ALONE, answer)

    assert (calls, findings[0]) == (["GET endpoint"], ACCEPTED)
    assert "--project" in findings[1]


def test_credentials_alone_fail_when_atlas_refuses_them() -> None:
    _, findings, result = hold(ALONE, refused(CredentialsInvalidError))

    assert (findings, result.hopeless) == ([FAILED], True)


@pytest.mark.parametrize(
    ("error", "finding"),
    [
        pytest.param(None, "ok       Atlas answers (50 ms).", id="the refusal of a call without credentials"),
        pytest.param(refused(AtlasUnavailableError, None), FAILED, id="no answer"),
        pytest.param(refused(RateLimitedError), "warning  Atlas answers (50 ms). Atlas refuses; do this.", id="another refusal"),
        pytest.param(AtlasUnavailableError(Explanation("The address {address}. {retry}"), operation="o"), "failed   The address of this machine or Pod. Run the check again later.", id="a failure that heals"),
    ],
)  # fmt: skip
def test_a_call_without_credentials_shows_whether_atlas_answers(error: AtlasError | None, finding: str) -> None:
    assert str(reached(error, "50 ms")) == finding
