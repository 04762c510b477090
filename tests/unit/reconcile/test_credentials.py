"""Where credentials come from, and what is said when they cannot be had."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.cluster.api import Age
from atlas_endpoints.cluster.errors import ClusterUnavailableError, SecretProblem, UnreadableError
from atlas_endpoints.reconcile.credentials import ANNOTATION, Access, CredentialsResolver, NoCredentialsError
from atlas_endpoints.tunings import SECRET_AGAIN
from behaviour.cases import filled, load

CANARY = "mdb_sa_sk_canary-4711"
GOOD = {"clientId": "mdb_sa_id_0123", "clientSecret": CANARY}
OTHER = {"publicApiKey": "abcdefgh", "privateApiKey": "key-canary-4711"}
OPERATORS = ("atlas-system", "atlas-credentials")


class Cluster:
    """Secrets by namespace and name, and the annotations of Namespaces: or what reading them ends in."""

    def __init__(self) -> None:
        self.secrets: dict[tuple[str, str], Mapping[str, str] | Exception] = {}
        self.namespaces: dict[str, Mapping[str, str] | Exception] = {}
        self.namespaces_read: dict[str, Age] = {}
        self.read_at: dict[tuple[str, str], Age] = {}
        """What was read, and how old the reading was allowed to be."""

    async def read(self, namespace: str, name: str, *, age: Age) -> Mapping[str, str]:
        self.read_at[namespace, name] = age
        found = self.secrets.get((namespace, name))
        if found is None:
            found = UnreadableError(
                SecretProblem.NOT_FOUND,
                f"There is no Secret {name} in namespace {namespace}.",
                what="Secret",
                retry_in=7.0,
            )
        if isinstance(found, Exception):
            raise found
        return found

    async def annotations(self, namespace: str, *, age: Age) -> Mapping[str, str]:
        self.namespaces_read[namespace] = age
        found = self.namespaces.get(namespace, {})
        if isinstance(found, Exception):
            raise found
        return found


def _in_https(url: str) -> str:
    if not url.startswith("https://"):
        raise ValueError("baseUrl must start with https://.")
    return url


class Harness:
    def __init__(self, *, default: tuple[str, str] | None = OPERATORS, default_for: Sequence[str] = ()) -> None:
        self.cluster = Cluster()
        self.introduced: list[Credentials] = []
        self.resolver = CredentialsResolver(
            self.cluster,
            self.cluster,
            default=default,
            default_for=default_for,
            introduce=self._introduce,
            check_base_url=_in_https,
        )

    def _introduce(self, credentials: Credentials) -> str:
        self.introduced.append(credentials)
        return f"fingerprint of {type(credentials).__name__}"


@pytest.fixture
def harness() -> Harness:
    return Harness()


async def refusal(harness: Harness, secret_name: str | None = "mine") -> NoCredentialsError:
    with pytest.raises(NoCredentialsError) as caught:
        await harness.resolver.resolve("shop", secret_name)
    return caught.value


ROWS: Mapping[str, Any] = filled(load(Path(__file__).with_name("credentials.yaml")), {"LONG": "a" * 253})
NO_NAMES = (
    *("warehouse/mine", "../../warehouse/secrets/mine", "..", ".", "%2e%2e", "mine?watch=true", "Mine", "mine\nmine"),
    *("mine\0", "\ufb01ne", "\u0967", "a" * 254, "mine.", "-mine"),
)


def secret(text: str) -> tuple[str, str]:
    namespace, _, name = text.partition("/")
    return namespace, name


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
async def test_the_most_specific_of_three_scopes_wins(row: Mapping[str, Any]) -> None:
    harness = Harness(default=OPERATORS if "operator" not in row else None, default_for=row.get("for", ()))
    held = row.get("secrets", ["shop/mine", "shop/ours", "atlas-system/atlas-credentials"])
    harness.cluster.secrets = {secret(each): GOOD for each in held}
    if "namespace" in row:
        harness.cluster.namespaces["shop"] = {ANNOTATION: row["namespace"]}

    if "reason" in row:
        error = await refusal(harness, row.get("resource"))
        assert (error.reason, error.source) == (row["reason"], row.get("source"))
        assert [words for words in row.get("has", ()) if words not in error.message] == []
        assert not harness.introduced
    else:
        access = await harness.resolver.resolve("shop", row.get("resource"))
        assert access == Access("fingerprint of ServiceAccount", row["source"])
    assert list(harness.cluster.read_at) == [secret(each) for each in row.get("reads", ())]
    assert list(harness.cluster.namespaces_read) == ([] if "resource" in row else ["shop"])


@pytest.mark.parametrize("text", NO_NAMES)
async def test_an_annotation_that_is_no_name_is_reported_and_nothing_is_read(harness: Harness, text: str) -> None:
    harness.cluster.namespaces["shop"] = {ANNOTATION: text}
    error = await refusal(harness, None)
    assert error.reason == "InvalidSecretName"
    assert ANNOTATION in error.message
    assert not harness.cluster.read_at


class TestReadings:
    @pytest.mark.parametrize(
        ("age", "of_the_namespace"), [(Age.RECENT, Age.RECENT), (Age.FRESH, Age.FRESH), (Age.ANEW, Age.FRESH)]
    )
    async def test_the_age_of_the_secret_and_of_the_namespace(
        self, harness: Harness, age: Age, of_the_namespace: Age
    ) -> None:
        """Credentials that were refused make useless what is known of their Secret, and not what names it."""
        harness.cluster.namespaces["shop"] = {ANNOTATION: "mine"}
        harness.cluster.secrets["shop", "mine"] = GOOD
        await harness.resolver.resolve("shop", None, age=age)
        assert harness.cluster.read_at == {("shop", "mine"): age}
        assert harness.cluster.namespaces_read == {"shop": of_the_namespace}

    async def test_no_other_secret_is_used_if_the_namespace_is_unreadable(self, harness: Harness) -> None:
        harness.cluster.secrets[OPERATORS] = GOOD
        harness.cluster.namespaces["shop"] = UnreadableError(
            SecretProblem.NAMESPACE_FORBIDDEN, "It may not.", what="Namespace", retry_in=11.0
        )
        error = await refusal(harness, None)
        assert (error.reason, error.message, error.retry_in, error.operation) == (
            "NamespaceForbidden",
            "It may not.",
            11.0,
            "readNamespace",
        )
        assert not harness.cluster.read_at

    @pytest.mark.parametrize(
        ("named", "retry_in"), [("resource", 60.0), ("namespace", SECRET_AGAIN), ("operator", SECRET_AGAIN)]
    )
    async def test_a_missing_secret_is_read_again_soon_unless_the_resource_names_it(
        self, harness: Harness, named: str, retry_in: float
    ) -> None:
        missing = UnreadableError(SecretProblem.NOT_FOUND, "There is none.", what="Secret", retry_in=60.0)
        harness.cluster.secrets = {("shop", "mine"): missing, OPERATORS: missing}
        if named == "namespace":
            harness.cluster.namespaces["shop"] = {ANNOTATION: "mine"}
        error = await refusal(harness, "mine" if named == "resource" else None)
        assert (error.reason, error.retry_in) == ("SecretNotFound", retry_in)


async def test_the_operators_own_secret_resolves_without_a_namespace() -> None:
    harness = Harness(default_for=("warehouse",))
    harness.cluster.secrets[OPERATORS] = GOOD
    assert await harness.resolver.resolve_own() == Access("fingerprint of ServiceAccount", "operator/atlas-credentials")
    assert not harness.cluster.namespaces_read


class TestBaseURLs:
    async def test_the_operators_own_secret_may_have_a_base_url(self, harness: Harness) -> None:
        harness.cluster.secrets[OPERATORS] = {**GOOD, "baseUrl": "https://cloud.mongodbgov.com"}
        await harness.resolver.resolve("shop", None)
        assert [each.base_url for each in harness.introduced] == ["https://cloud.mongodbgov.com"]

    async def test_a_wrong_base_url_is_an_error(self, harness: Harness) -> None:
        harness.cluster.secrets[OPERATORS] = {**GOOD, "baseUrl": "canary"}
        error = await refusal(harness, None)
        assert (error.reason, error.message) == (
            "InvalidBaseURL",
            "The operator's own Secret atlas-credentials: baseUrl must start with https://.",
        )
        assert not harness.introduced

    @pytest.mark.parametrize(
        ("annotation", "subject"),
        [
            (None, "Secret mine"),
            ("mine", f"The annotation {ANNOTATION} of the namespace names a Secret that is unusable. Secret mine"),
        ],
        ids=["resource", "namespace"],
    )
    async def test_a_tenants_secret_may_not_have_a_base_url(
        self, harness: Harness, annotation: str | None, subject: str
    ) -> None:
        harness.cluster.secrets["shop", "mine"] = {**GOOD, "baseUrl": "https://canary.example"}
        harness.cluster.namespaces["shop"] = {ANNOTATION: annotation} if annotation else {}
        error = await refusal(harness, None if annotation else "mine")
        assert error.reason == "BaseURLNotAllowed"
        assert error.message.startswith(f"{subject}: baseUrl names another Atlas")
        assert not harness.introduced, "nothing can be sent with what nobody knows"


class TestProblems:
    async def test_an_unreadable_secret_is_an_error_with_the_same_retry(self, harness: Harness) -> None:
        problem = UnreadableError(
            SecretProblem.FORBIDDEN, "The operator may not read Secret mine.", what="Secret mine", retry_in=11.0
        )
        harness.cluster.secrets["shop", "mine"] = problem
        error = await refusal(harness)
        assert (error.reason, error.message, error.source, error.retry_in) == (
            "SecretForbidden",
            "The operator may not read Secret mine.",
            "resource/mine",
            11.0,
        )

    @pytest.mark.parametrize(
        "secret", [None, {"clientId": "x"}, {**GOOD, **OTHER}], ids=["missing", "without a key", "ambiguous"]
    )
    async def test_an_unusable_own_secret_is_an_error_and_the_log_names_its_namespace(
        self, harness: Harness, caplog: pytest.LogCaptureFixture, secret: Mapping[str, str] | None
    ) -> None:
        if secret is not None:
            harness.cluster.secrets[OPERATORS] = secret
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                error = await refusal(harness, None)
                assert error.source == "operator/atlas-credentials"
                assert error.message.startswith("The operator's own Secret atlas-credentials")
                assert OPERATORS[0] not in error.message
            (warning,) = (each.getMessage() for each in caplog.records)
            assert warning.startswith("The operator's own Secret atlas-system/atlas-credentials is unusable: ")
            harness.cluster.secrets[OPERATORS] = GOOD
            await harness.resolver.resolve("shop", None)
            harness.cluster.secrets[OPERATORS] = {}
            await refusal(harness, None)
        assert len(caplog.records) == 2, "it is news again after it was well"

    async def test_an_unusable_secret_of_a_tenant_is_not_logged(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING):
            await refusal(harness)
        assert not caplog.records

    async def test_a_forbidden_own_secret_is_an_error(self, harness: Harness) -> None:
        harness.cluster.secrets[OPERATORS] = UnreadableError(
            SecretProblem.FORBIDDEN, "It may not.", what="Secret", retry_in=5.0
        )
        error = await refusal(harness, None)
        assert error.message.startswith("The operator may not read its own Secret atlas-credentials. ")

    async def test_an_unreachable_api_server_is_no_credentials_error(self, harness: Harness) -> None:
        harness.cluster.secrets["shop", "mine"] = ClusterUnavailableError("The API server cannot be reached.")
        with pytest.raises(ClusterUnavailableError):
            await harness.resolver.resolve("shop", "mine")
