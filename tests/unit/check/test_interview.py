"""What is asked about a place, and what the answers mean: tables."""

import asyncio
from datetime import UTC, datetime

import pytest

from atlas_endpoints.atlas.answers import Deprecation
from atlas_endpoints.atlas.errors import (
    AccountSuspendedError,
    APIGoneError,
    AtlasError,
    AtlasUnavailableError,
    CredentialsInvalidError,
    CredentialsRateLimitedError,
    EndpointAbsentError,
    InstanceNotFoundError,
    IPNotAllowedError,
    MissingRoleError,
    NotServerlessError,
    ProjectNotFoundError,
    RateLimitedError,
    UpdateRejectedError,
)
from atlas_endpoints.atlas.listings import Listing
from atlas_endpoints.check.findings import Finding
from atlas_endpoints.check.interview import (
    NOWHERE,
    Answer,
    ChangeNothing,
    ListEndpoints,
    Question,
    Result,
    announced,
    answered,
    interview,
)
from atlas_endpoints.check.places import Instance, Place
from atlas_endpoints.controller.cache import Key
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import Endpoint
from atlas_endpoints.reconcile.spec import Provider

INSTANCE = Instance("5f" * 12, "shop")
PLACE = Place("fingerprint", INSTANCE, ("Secret/s",))
ALONE = Place("fingerprint", None, ("Secret/s",))
NOW = datetime(2026, 11, 25, tzinfo=UTC)
PAST, TO_COME = datetime(2026, 1, 22, tzinfo=UTC), datetime(2027, 7, 1, tzinfo=UTC)


def refused(kind: type[AtlasError], *, http_status: int | None = 400) -> AtlasError:
    return kind("Atlas refuses; do this.", operation="list", http_status=http_status)


def held(
    place: Place, *said: AtlasError | Listing[Endpoint] | None, writes: bool = True
) -> tuple[list[Question], Result]:
    """Hold an interview with the given answers, each after 50 ms."""
    asked: list[Question] = []
    answers = [Answer(0.05, listing=each) if isinstance(each, Listing) else Answer(0.05, refusal=each) for each in said]

    async def ask(question: Question) -> Answer:
        asked.append(question)
        return answers.pop(0)

    result = asyncio.run(interview(place, ask, writes=writes))
    assert not answers
    return asked, result


def lines(findings: tuple[Finding, ...]) -> list[str]:
    return [str(each) for each in findings]


FAILED = "failed   Atlas refuses; do this."
ACCEPTED = "ok       Atlas accepts the credentials (LIST, 50 ms)."
READS = "ok       Atlas accepts the credentials, and they may read the project (LIST, 50 ms)."


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        pytest.param(CredentialsInvalidError, [FAILED], id="refused credentials prove nothing else"),
        pytest.param(IPNotAllowedError, [FAILED], id="an access list is looked at before anything else is known"),
        pytest.param(APIGoneError, [FAILED], id="an API that has ended tells nothing about the credentials"),
        pytest.param(RateLimitedError, [FAILED], id="a rate limit tells nothing about the credentials"),
        pytest.param(MissingRoleError, [ACCEPTED, FAILED], id="a role that is too weak belongs to good credentials"),
        pytest.param(ProjectNotFoundError, [ACCEPTED, FAILED], id="a project is hidden from good credentials"),
        pytest.param(InstanceNotFoundError, [READS, FAILED], id="an instance is missed in a project that can be read"),
        pytest.param(NotServerlessError, [READS, FAILED], id="a Flex cluster is seen in a project that can be read"),
    ],
)
def test_a_refusal_fails_and_proves_what_atlas_checked_before(kind: type[AtlasError], found: list[str]) -> None:
    asked, result = held(PLACE, refused(kind))

    assert asked == [ListEndpoints(INSTANCE)]
    assert lines(result.findings) == found
    assert not result.listed


@pytest.mark.parametrize(
    ("kind", "status", "hopeless"),
    [
        pytest.param(CredentialsInvalidError, 401, True, id="refused credentials"),
        pytest.param(IPNotAllowedError, 403, True, id="an address that is not on the access list"),
        pytest.param(CredentialsRateLimitedError, 429, True, id="no more tokens for now"),
        pytest.param(AccountSuspendedError, 402, True, id="an organization that is suspended"),
        pytest.param(AtlasUnavailableError, None, True, id="no answer at all"),
        pytest.param(AtlasUnavailableError, 503, False, id="a call that cannot be served may be this one alone"),
        pytest.param(ProjectNotFoundError, 401, False, id="a foreign project says nothing about the next"),
        pytest.param(MissingRoleError, 403, False, id="nor does a role, which is of a project"),
        pytest.param(RateLimitedError, 429, False, id="nor does a limit, which is of a project"),
    ],
)
def test_the_same_credentials_are_not_tried_elsewhere_when_they_would_fail_everywhere(
    kind: type[AtlasError], status: int | None, hopeless: bool
) -> None:
    for place in (PLACE, ALONE):
        _, result = held(place, refused(kind, http_status=status))
        assert result.hopeless is hopeless


def listing(*providers: str | None) -> Listing[Endpoint]:
    shown = [Endpoint(id=f"{number:024x}", provider_name=each) for number, each in enumerate(providers)]
    return Listing({each.id: each for each in shown})


@pytest.mark.parametrize(
    ("shown", "said", "first"),
    [
        pytest.param(("AZURE",), ("AWS",), "AZURE", id="what Atlas shows counts more than what a resource says"),
        pytest.param((None, "AZURE"), (), "AZURE", id="an endpoint that does not tell its cloud is no obstacle"),
        pytest.param((), ("AZURE",), "AZURE", id="a resource tells it where there is no endpoint"),
        pytest.param(("GCP",), (), "AWS", id="a cloud that we do not know cannot be asked with"),
        pytest.param((), (), "AWS", id="nobody tells it"),
    ],
)
def test_the_cloud_to_ask_with_is_the_one_that_is_known(
    shown: tuple[str | None, ...], said: tuple[Provider, ...], first: Provider
) -> None:
    place = Place(
        "fingerprint", INSTANCE, (), dict.fromkeys(said, (Key("ServerlessPrivateEndpoint", "shop", "orders"),))
    )

    asked, result = held(place, listing(*shown), refused(EndpointAbsentError, http_status=404))

    assert asked == [ListEndpoints(INSTANCE), ChangeNothing(INSTANCE, first)]
    contradicted = [line for line in lines(result.findings) if "providerName is AWS in shop/orders" in line]
    assert len(contradicted) == (shown == ("AZURE",) and said == ("AWS",))
    assert [line for line in lines(result.findings) if line not in contradicted] == [
        READS,
        f"ok       The instance is there and serverless; private endpoints in it: {len(shown)}.",
        "ok       The credentials may write, too (PATCH without a change, 50 ms).",
    ]


def test_the_other_cloud_is_tried_where_the_first_is_refused() -> None:
    asked, result = held(PLACE, listing(), refused(UpdateRejectedError), refused(EndpointAbsentError))

    assert asked[1:] == [ChangeNothing(INSTANCE, "AWS"), ChangeNothing(INSTANCE, "AZURE")]
    assert lines(result.findings)[-1] == "ok       The credentials may write, too (PATCH without a change, 50 ms)."


@pytest.mark.parametrize(
    ("said", "found"),
    [
        pytest.param(
            [None], "ok       The credentials may write, too (", id="an endpoint of that id is there after all"
        ),
        pytest.param([refused(MissingRoleError)], FAILED, id="the role is too weak"),
        pytest.param(
            [refused(UpdateRejectedError)] * 2,
            "warning  Whether the credentials may write cannot be told: Atlas refuses the question. Atlas refuses; do this.",
            id="Atlas does not take a PATCH without a change",
        ),
        pytest.param(
            [refused(AtlasUnavailableError, http_status=405)],
            "failed   Whether the credentials may write cannot be told. Atlas refuses; do this.",
            id="Atlas takes no writes for now",
        ),
    ],
)
def test_the_answer_to_an_empty_patch_shows_whether_they_may_write(said: list[AtlasError | None], found: str) -> None:
    _, result = held(PLACE, listing(), *said)

    assert lines(result.findings)[-1].startswith(found)


def test_with_writes_off_no_patch_is_sent() -> None:
    asked, result = held(PLACE, listing("AWS"), writes=False)

    assert asked == [ListEndpoints(INSTANCE)]
    assert lines(result.findings)[-1] == (
        "skipped  Whether the credentials may write is not asked, since WRITES is off."
    )


@pytest.mark.parametrize(
    "said",
    [
        refused(ProjectNotFoundError),
        refused(InstanceNotFoundError),
        refused(MissingRoleError, http_status=403),
        listing(),
    ],
)
def test_credentials_alone_are_good_when_atlas_knows_who_asks(said: AtlasError | Listing[Endpoint]) -> None:
    asked, result = held(ALONE, said)

    assert asked == [ListEndpoints(NOWHERE)]
    assert lines(result.findings)[0] == ACCEPTED
    assert "--project" in lines(result.findings)[1]


@pytest.mark.parametrize(
    ("error", "found"),
    [
        pytest.param(None, "ok       Atlas answers (50 ms).", id="the refusal of a call without credentials"),
        pytest.param(refused(AtlasUnavailableError, http_status=None), FAILED, id="no answer"),
        pytest.param(
            refused(RateLimitedError),
            "warning  Atlas answers (50 ms), and says: Atlas refuses; do this.",
            id="another refusal",
        ),
    ],
)
def test_a_call_without_credentials_shows_whether_atlas_answers(error: AtlasError | None, found: str) -> None:
    assert str(answered(error, 0.05)) == found


@pytest.mark.parametrize(
    ("deprecations", "found"),
    [
        pytest.param([], [], id="nobody was heard"),
        pytest.param([None, None], ["ok       Atlas announces no end of this API"], id="no header"),
        pytest.param(
            [Deprecation(PAST, None)] * 2,
            ["warning  Atlas has announced that this API ends (Deprecation: Thu, 22 Jan 2026 00:00:00 GMT). Plan"],
            id="the same of two instances is reported once",
        ),
        pytest.param(
            [Deprecation(None, TO_COME), None],
            ["warning  Atlas has announced that this API ends (Sunset: Thu, 01 Jul 2027 00:00:00 GMT). Plan"],
            id="an end to come, of one instance",
        ),
        pytest.param(
            [Deprecation(None, NOW)],
            [
                "warning  The end that Atlas has announced for this API is past: it may be switched off at any time (Sunset:"
            ],
            id="the end is now",
        ),
        pytest.param(
            [Deprecation(None, None)],
            ["warning  Atlas has announced that this API ends. Plan"],
            id="headers that hold no date",
        ),
    ],
)
def test_the_end_of_the_api_is_reported_from_its_headers(
    deprecations: list[Deprecation | None], found: list[str]
) -> None:
    texts = [str(each) for each in announced(deprecations, now=NOW)]

    assert len(texts) == len(found)
    assert all(line.startswith(start) for line, start in zip(texts, found, strict=True))
