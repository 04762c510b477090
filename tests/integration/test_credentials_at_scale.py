"""What many resources with the same credentials cost Atlas: when these are good, when they are refused, and in between."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

from control_plane.process import PATIENCE, wait_until
from support.atlas import CLIENT_SECRET, CLOUD_ENDPOINT, PRIVATE_KEY, Atlas, Place, connected, place, seed
from support.resources import Resources, condition, observed, ready, told
from support.stored import cache, with_spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from control_plane import ControlPlane
    from control_plane.process import ServerGroup
    from support.fixtures import RecordProperty, RunOperator
    from support.operator_process import OperatorProcess

TOKEN, REVOKE = "/api/oauth/token", "/api/oauth/revoke"

CROWD, PER_PROJECT = 1000, 100
LIMITED = 100
REFUSED, GOOD, OF_A_PROJECT = 500, 20, 10
MINUTE = 60.0


class Multitude:
    """Many resources of one namespace, which come to be at once.

    Args:
        control_plane: where.
        namespace: of all of them, and of their Secrets.
        label: the value of the label ``served-by``.
    """

    def __init__(self, control_plane: ControlPlane, namespace: str, label: str) -> None:
        self._control_plane = control_plane
        self.resources = Resources(control_plane, namespace, {"served-by": label})

    def create(self, prefix: str, places: Sequence[Place], secret: str) -> None:
        """Create a resource for each endpoint, connected as it is already.

        Args:
            prefix: of their names.
            places: the endpoints.
            secret: the name of the Secret with their credentials.
        """
        specs = {
            f"{prefix}-{number}": each.spec(
                cloudProviderEndpointId=CLOUD_ENDPOINT, credentialsSecretRef={"name": secret}
            )
            for number, each in enumerate(places)
        }
        model, *others = specs
        self.resources.create(model, specs[model])
        cache(
            self._control_plane,
            self.resources.namespace,
            model,
            others,
            lambda stored, name: with_spec(stored, name, specs[name]),
        )
        wait_until(lambda: len(self.of(prefix)) == len(specs), "the API server to show all")

    def of(self, prefix: str) -> list[dict[str, Any]]:
        """Read the resources whose names begin so."""
        return [body for body in self.resources.all() if body["metadata"]["name"].startswith(f"{prefix}-")]

    def wait_ready(self, prefix: str, *, timeout: float = PATIENCE) -> float:
        """Wait until all with a prefix are ready; give the seconds that this has taken."""
        return self.wait_reason(prefix, "Available", timeout=timeout)

    def wait_reason(self, prefix: str, reason: str, *, timeout: float = PATIENCE) -> float:
        """Wait until Ready of all with a prefix has a reason; give the seconds that this has taken."""
        began = time.monotonic()
        while True:
            bodies = self.of(prefix)
            found = Counter(ready(body)["reason"] if observed(body) else "" for body in bodies)
            if set(found) == {reason}:
                return time.monotonic() - began
            if time.monotonic() - began > timeout:
                one = next(body for body in bodies if ready(body)["reason"] != reason)
                raise AssertionError(f"{prefix} after {timeout:.0f} s: {found}, such as {told(one)}")
            time.sleep(0.5)


def tokens(atlas: Atlas, data: Mapping[str, str]) -> list[dict[str, Any]]:
    """The token requests of a service account."""
    return [each for each in atlas.signed_by(data) if each["path"] == TOKEN]


def places_of(projects: range, endpoints: int) -> list[Place]:
    return [place(project, endpoint) for project in projects for endpoint in range(endpoints)]


@pytest.fixture(scope="module")
def crowded_atlas(group: ServerGroup, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Atlas]:
    """An Atlas with an instance for each hundred of a crowd, and one more."""
    folder = tmp_path_factory.mktemp("crowded")
    atlas = Atlas.start(group, folder, connected(seed(CROWD // PER_PROJECT + 1, endpoints=PER_PROJECT)))
    yield atlas
    atlas.close()


@pytest.fixture(scope="module")
def crowd(control_plane: ControlPlane, crd: str, namespace: str) -> Iterator[Multitude]:
    """A thousand resources with one Secret, and no operator that serves them."""
    crowd = Multitude(control_plane, namespace, "crowd")
    crowd.resources.secret()
    crowd.create("crowd", places_of(range(CROWD // PER_PROJECT), PER_PROJECT), "atlas-credentials")
    yield crowd
    crowd.resources.close()


@dataclass(frozen=True, slots=True)
class Refused:
    """Resources whose credentials are refused, and a few others, as of when an operator has begun to serve them.

    Attributes:
        atlas: that refuses.
        many: the resources: ``account-…``, ``key-…`` and ``good-…``.
        right: what belongs into the Secrets ``account`` and ``key``.
        operator: that serves them.
        began: when it was started, in seconds since 1970.
    """

    atlas: Atlas
    many: Multitude
    right: Mapping[str, Mapping[str, str]]
    operator: OperatorProcess
    began: float

    def signed(self, name: str) -> list[dict[str, Any]]:
        """The requests with which the credentials of a Secret were tried."""
        return self.atlas.signed_by(self.right[name])


@pytest.fixture(scope="module")
def refused(
    control_plane: ControlPlane,
    namespace: str,
    start_operator: RunOperator,
    group: ServerGroup,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Refused]:
    """Two pairs of credentials with a wrong secret, each of five hundred resources in fifty projects."""
    projects = REFUSED // OF_A_PROJECT
    landscape = connected(seed(2 * projects + GOOD // OF_A_PROJECT, endpoints=OF_A_PROJECT))
    atlas = Atlas.start(group, tmp_path_factory.mktemp("refusing"), landscape)
    right = {"account": atlas.put_account(place(0), role="GROUP_OWNER"), "key": atlas.put_api_key(place(1))}
    account = {"clientId": right["account"]["clientId"], "clientSecret": CLIENT_SECRET, "roles": "*"}
    atlas.post("credentials", {"serviceAccounts": [account]})
    many = Multitude(control_plane, namespace, "refused")
    many.resources.secret()
    many.resources.secret("account", {**right["account"], "clientSecret": "mdb_sa_sk_mistyped"})
    many.resources.secret("key", {**right["key"], "privateApiKey": PRIVATE_KEY.replace("0", "f")})
    many.create("account", places_of(range(projects), OF_A_PROJECT), "account")
    many.create("key", places_of(range(projects, 2 * projects), OF_A_PROJECT), "key")
    many.create("good", places_of(range(2 * projects, len(landscape["projects"])), OF_A_PROJECT), "atlas-credentials")
    began = time.time()
    operator = start_operator(label="refused", atlas=atlas, namespace=namespace, concurrency=16)
    yield Refused(atlas, many, right, operator, began)
    assert operator.stop() == 0
    atlas.close()
    many.resources.close()


def test_500_resources_are_told_that_their_credentials_are_refused_and_others_are_ready_beside_them(
    refused: Refused, record_property: RecordProperty
) -> None:
    refused.many.wait_ready("good")
    record_property("seconds until the good are ready", round(time.time() - refused.began, 1))
    for name in refused.right:
        refused.many.wait_reason(name, "CredentialsInvalid")
        record_property(f"seconds until all are told: {name}", round(time.time() - refused.began, 1))
        for body in refused.many.of(name):
            credentials = condition(body, "CredentialsValid")
            assert credentials is not None
            assert (credentials["status"], credentials["reason"]) == ("False", "Unauthorized"), told(body)
            assert "Put valid credentials into Secret " in credentials["message"], told(body)


def test_1000_resources_of_one_service_account_cost_one_token_request(  # noqa: PLR0917  # fixtures come by name
    refused: Refused,
    crowd: Multitude,
    crowded_atlas: Atlas,
    start_operator: RunOperator,
    namespace: str,
    record_property: RecordProperty,
) -> None:
    """Also one for a hundred more whose account's quota is used up, and one when Atlas has said that it is not any more."""
    operator = start_operator(label="crowd", atlas=crowded_atlas, namespace=namespace)
    took = crowd.wait_ready("crowd", timeout=120)
    record_property("seconds until 1,000 are ready", round(took, 1))
    assert [each["status"] for each in crowded_atlas.requests() if each["path"] == TOKEN] == [HTTPStatus.OK]

    limited = crowded_atlas.put_account(place(CROWD // PER_PROJECT))
    crowd.resources.secret("limited", limited)
    crowded_atlas.post(
        "faults", [{"match": {"path": TOKEN}, "status": 429, "headers": {"Retry-After": "8"}, "times": 1}]
    )
    last = CROWD // PER_PROJECT
    crowd.create("limited", places_of(range(last, last + 1), LIMITED), "limited")
    crowd.wait_ready("limited")
    first, second = tokens(crowded_atlas, limited)
    assert (first["status"], second["status"]) == (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.OK)
    assert second["time"] - first["time"] >= 8
    record_property("seconds until the next token request", round(second["time"] - first["time"], 1))

    assert operator.stop() == 0
    last_words = [each for each in crowded_atlas.requests() if each["path"] == REVOKE]
    assert len(last_words) == 2
    assert {each["status"] for each in last_words} == {HTTPStatus.OK}
    assert [each["path"] for each in crowded_atlas.requests()][-2:] == [REVOKE, REVOKE]


def test_500_resources_cost_at_most_3_calls_in_a_minute_and_are_healed_by_a_changed_secret(
    refused: Refused, record_property: RecordProperty
) -> None:
    settled = {body["metadata"]["name"]: body["metadata"]["resourceVersion"] for body in refused.many.of("good")}
    time.sleep(max(0.0, refused.began + MINUTE - time.time()))

    for name in refused.right:
        tried = refused.signed(name)
        record_property(f"calls in the first minute: {name}", len(tried))
        assert 1 <= len(tried) <= 3, tried
        assert {each["status"] for each in tried} == {HTTPStatus.UNAUTHORIZED}
    handshakes = [each for each in refused.atlas.requests() if each["credentials"] is None]
    assert len(handshakes) <= len(refused.signed("key")), handshakes

    for name, data in refused.right.items():
        refused.many.resources.secret(name, data)
    changed = time.monotonic()
    for name in refused.right:
        refused.many.wait_ready(name, timeout=240)
        record_property(f"seconds until all are healed: {name}", round(time.monotonic() - changed, 1))
    assert [each["status"] for each in tokens(refused.atlas, refused.right["account"])][-1] == HTTPStatus.OK
    now = {body["metadata"]["name"]: body["metadata"]["resourceVersion"] for body in refused.many.of("good")}
    assert now == settled, "the good were written to"
