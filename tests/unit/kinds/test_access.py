"""Where credentials come from, and what is said when they cannot be had."""

import logging
from collections.abc import Mapping

import pytest

from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.cluster.errors import ClusterUnavailableError, SecretProblemError
from atlas_endpoints.kinds.access import RETRY_UNUSABLE, Access, AccessResolver, NoCredentialsError

CANARY = "mdb_sa_sk_canary-4711"
GOOD = {"clientId": "mdb_sa_id_0123", "clientSecret": CANARY}
OTHER = {"publicApiKey": "abcdefgh", "privateApiKey": "key-canary-4711"}
OPERATORS = ("atlas-system", "atlas-credentials")


class Cluster:
    """Secrets by namespace and name: their values, or what reading them ends in."""

    def __init__(self) -> None:
        self.secrets: dict[tuple[str, str], Mapping[str, str] | Exception] = {}
        self.read_fresh: dict[tuple[str, str], bool] = {}
        """What was read, and whether it had to be fresh."""

    async def read(self, namespace: str, name: str, *, fresh: bool) -> Mapping[str, str]:
        self.read_fresh[namespace, name] = fresh
        found = self.secrets.get((namespace, name))
        if found is None:
            found = SecretProblemError(
                "SecretNotFound", f"There is no Secret {name} in namespace {namespace}.", retry_in=7.0
            )
        if isinstance(found, Exception):
            raise found
        return found


class World:
    def __init__(self, *, default: tuple[str, str] | None = OPERATORS) -> None:
        self.cluster = Cluster()
        self.introduced: list[Credentials] = []
        self.resolver = AccessResolver(self.cluster, default=default, introduce=self._introduce)

    def _introduce(self, credentials: Credentials) -> str:
        self.introduced.append(credentials)
        return f"fingerprint of {type(credentials).__name__}"


@pytest.fixture
def world() -> World:
    return World()


async def refusal(world: World, secret_name: str | None = "mine") -> NoCredentialsError:
    with pytest.raises(NoCredentialsError) as caught:
        await world.resolver.resolve("shop", secret_name)
    return caught.value


class TestSources:
    async def test_the_secret_that_the_resource_names_wins(self, world: World) -> None:
        world.cluster.secrets["shop", "mine"] = OTHER
        world.cluster.secrets[OPERATORS] = GOOD
        assert await world.resolver.resolve("shop", "mine") == Access("fingerprint of ApiKey", "Secret/mine")

    async def test_without_a_name_the_operators_own_is_used(self, world: World) -> None:
        world.cluster.secrets[OPERATORS] = GOOD
        assert await world.resolver.resolve("shop", None) == Access("fingerprint of ServiceAccount", "operator")

    async def test_the_operators_own_never_stands_in_for_one_that_is_named_and_missing(self, world: World) -> None:
        """It may see more than the resource's owner may."""
        world.cluster.secrets[OPERATORS] = GOOD
        assert (await refusal(world)).reason == "SecretNotFound"
        assert list(world.cluster.read_fresh) == [("shop", "mine")]
        assert not world.introduced

    async def test_a_secret_of_that_name_in_another_namespace_is_never_read(self, world: World) -> None:
        world.cluster.secrets["warehouse", "mine"] = GOOD
        await refusal(world)
        assert {namespace for namespace, _ in world.cluster.read_fresh} == {"shop"}

    async def test_without_any_the_resource_is_told_what_to_set(self) -> None:
        error = await refusal(World(default=None), None)
        assert error.reason == "SecretNotFound"
        assert "spec.credentialsSecretRef.name" in error.message
        assert error.source is None

    @pytest.mark.parametrize("fresh", [True, False])
    async def test_who_wants_a_fresh_reading_gets_one(self, world: World, *, fresh: bool) -> None:
        world.cluster.secrets["shop", "mine"] = GOOD
        await world.resolver.resolve("shop", "mine", fresh=fresh)
        assert world.cluster.read_fresh == {("shop", "mine"): fresh}


class TestProblems:
    async def test_what_is_wrong_with_a_secret_is_passed_on_with_its_pace(self, world: World) -> None:
        problem = SecretProblemError("SecretForbidden", "The operator may not read Secret mine.", retry_in=11.0)
        world.cluster.secrets["shop", "mine"] = problem
        error = await refusal(world)
        assert (error.reason, error.message, error.source, error.retry_in) == (
            "SecretForbidden",
            "The operator may not read Secret mine.",
            "Secret/mine",
            11.0,
        )

    async def test_what_is_wrong_with_its_keys_is_told_by_the_name_of_the_secret(self, world: World) -> None:
        world.cluster.secrets["shop", "mine"] = {"clientId": "mdb_sa_id_0123"}
        error = await refusal(world)
        assert error.reason == "MissingKeys"
        assert error.message.startswith("Secret mine: clientSecret")
        assert error.retry_in == RETRY_UNUSABLE

    async def test_both_kinds_of_keys_are_ambiguous(self, world: World) -> None:
        world.cluster.secrets["shop", "mine"] = {**GOOD, **OTHER}
        assert (await refusal(world)).reason == "AmbiguousKeys"

    @pytest.mark.parametrize(
        "secret", [None, {"clientId": "x"}, {**GOOD, **OTHER}], ids=["missing", "without a key", "ambiguous"]
    )
    async def test_users_are_not_told_where_the_operator_keeps_its_own(
        self, world: World, secret: Mapping[str, str] | None
    ) -> None:
        if secret is not None:
            world.cluster.secrets[OPERATORS] = secret
        error = await refusal(world, None)
        assert error.source == "operator"
        assert "operator's own" in error.message
        assert OPERATORS[0] not in error.message
        assert OPERATORS[1] not in error.message

    async def test_an_api_server_that_is_away_is_no_problem_of_the_secret(self, world: World) -> None:
        world.cluster.secrets["shop", "mine"] = ClusterUnavailableError("The API server cannot be reached.")
        with pytest.raises(ClusterUnavailableError):
            await world.resolver.resolve("shop", "mine")


SECRETS: dict[str, Mapping[str, str]] = {
    "good": GOOD,
    "with white space": {**GOOD, "clientSecret": f" {CANARY}\n"},
    "half": {"clientSecret": CANARY},
    "ambiguous": {**GOOD, **OTHER, "privateApiKey": CANARY},
    "swapped": {"clientId": CANARY, "clientSecret": "mdb_sa_id_0123"},
    "in the wrong place": {"publicApiKey": CANARY, "privateApiKey": CANARY},
    "misspelt": {"clientid": "mdb_sa_id_0123", "clientSecret": CANARY},
    "not ASCII": {**GOOD, "clientSecret": f"{CANARY}ü"},
}


class TestSecrecy:
    @pytest.mark.parametrize("secret", SECRETS)
    @pytest.mark.parametrize("name", ["mine", None], ids=["the resource's", "the operator's"])
    async def test_no_value_of_a_secret_is_ever_told(
        self, world: World, caplog: pytest.LogCaptureFixture, secret: str, name: str | None
    ) -> None:
        world.cluster.secrets["shop", "mine"] = world.cluster.secrets[OPERATORS] = SECRETS[secret]
        with caplog.at_level(logging.DEBUG):
            try:
                told: object = await world.resolver.resolve("shop", name)
            except NoCredentialsError as error:
                told = (error.message, str(error), str(error.__cause__), error.reason)
        assert "canary" not in f"{told!r} {caplog.text}"

    async def test_what_is_odd_is_logged_once_as_long_as_it_stays_so(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        odd = {**GOOD, "clientSecret": f"{CANARY}\n"}
        with caplog.at_level(logging.WARNING):
            world.cluster.secrets["shop", "mine"] = odd
            for _ in range(3):
                await world.resolver.resolve("shop", "mine")
            (warning,) = (each.getMessage() for each in caplog.records)
            assert warning.startswith("Secret shop/mine: clientSecret has whitespace around its value")
            world.cluster.secrets["shop", "mine"] = GOOD
            await world.resolver.resolve("shop", "mine")
            world.cluster.secrets["shop", "mine"] = odd
            await world.resolver.resolve("shop", "mine")
        assert len(caplog.records) == 2

    async def test_white_space_is_trimmed(self, world: World) -> None:
        world.cluster.secrets["shop", "mine"] = {**GOOD, "clientSecret": f" {CANARY}\n"}
        await world.resolver.resolve("shop", "mine")
        assert world.introduced[0].secret == CANARY
