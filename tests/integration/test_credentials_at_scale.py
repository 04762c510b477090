"""What many resources with the same credentials cost Atlas: when these are good, when they are refused, and in between."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

from control_plane.process import PATIENCE, wait_until
from support.atlas import CLIENT_SECRET, CLOUD_ENDPOINT, PRIVATE_KEY, connected, place, seed
from support.resources import Resources, condition, observed, ready, told
from support.stored import cache, with_spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from control_plane import ControlPlane
    from support.atlas import Atlas
    from support.fixtures import RecordProperty, RunOperator, StartAtlas

TOKEN = "/api/oauth/token"

CROWD, PER_PROJECT = 1000, 100
REFUSED, GOOD, OF_A_PROJECT = 500, 20, 10
MINUTE = 60.0


class Multitude:
    """Many resources of one namespace, which come to be at once."""

    def __init__(self, control_plane: ControlPlane, namespace: str, label: str) -> None:
        self._control_plane = control_plane
        self.resources = Resources(control_plane, namespace, {"served-by": label})
        self.resources.secret()

    def create(self, prefix: str, projects: range, endpoints: int, secret: str = "atlas-credentials") -> None:
        """Create a resource for each endpoint of some projects, connected as it is already."""
        wanted = {"cloudProviderEndpointId": CLOUD_ENDPOINT, "credentialsSecretRef": {"name": secret}}
        places = [place(project, endpoint) for project in projects for endpoint in range(endpoints)]
        specs = {f"{prefix}-{number}": each.spec(**wanted) for number, each in enumerate(places)}
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

    def versions(self, prefix: str) -> dict[str, str]:
        return {body["metadata"]["name"]: body["metadata"]["resourceVersion"] for body in self.of(prefix)}

    def wait(self, prefix: str, reason: str = "Available", *, timeout: float = PATIENCE) -> None:
        """Wait until Ready of all with a prefix has a reason."""
        deadline = time.monotonic() + timeout
        while True:
            bodies = self.of(prefix)
            found = Counter(ready(body)["reason"] if observed(body) else "" for body in bodies)
            if set(found) == {reason}:
                return
            if time.monotonic() > deadline:
                one = next(body for body in bodies if ready(body)["reason"] != reason)
                raise AssertionError(f"{prefix} after {timeout:.0f} s: {found}, such as {told(one)}")
            time.sleep(0.5)


@dataclass(frozen=True, slots=True)
class Refused:
    """Resources whose credentials are refused, and a few others, as of when an operator has begun to serve them.

    Attributes:
        atlas: that refuses.
        many: the resources: ``account-…``, ``key-…`` and ``good-…``.
        right: what belongs into the Secrets ``account`` and ``key``.
        began: when the operator was started, in seconds since 1970.
    """

    atlas: Atlas
    many: Multitude
    right: Mapping[str, Mapping[str, str]]
    began: float

    def signed(self, name: str) -> list[dict[str, Any]]:
        """The requests with which the credentials of a Secret were tried."""
        return self.atlas.signed_by(self.right[name])


@pytest.fixture(scope="module")
def refused(
    control_plane: ControlPlane, namespace: str, start_operator: RunOperator, start_atlas: StartAtlas
) -> Iterator[Refused]:
    """Two pairs of credentials with a wrong secret, each of five hundred resources in fifty projects."""
    projects = REFUSED // OF_A_PROJECT
    in_all = 2 * projects + GOOD // OF_A_PROJECT
    atlas = start_atlas(connected(seed(in_all, endpoints=OF_A_PROJECT)))
    right = {"account": atlas.put_account(place(0), role="GROUP_OWNER"), "key": atlas.put_api_key(place(1))}
    account = {"clientId": right["account"]["clientId"], "clientSecret": CLIENT_SECRET, "roles": "*"}
    atlas.post("credentials", {"serviceAccounts": [account]})
    many = Multitude(control_plane, namespace, "refused")
    many.resources.secret("account", {**right["account"], "clientSecret": "mdb_sa_sk_mistyped"})
    many.resources.secret("key", {**right["key"], "privateApiKey": PRIVATE_KEY.replace("0", "f")})
    many.create("account", range(projects), OF_A_PROJECT, "account")
    many.create("key", range(projects, 2 * projects), OF_A_PROJECT, "key")
    many.create("good", range(2 * projects, in_all), OF_A_PROJECT)
    began = time.time()
    operator = start_operator(label="refused", atlas=atlas, namespace=namespace, concurrency=16)
    yield Refused(atlas, many, right, began)
    assert operator.stop() == 0
    many.resources.close()


def test_500_resources_report_refused_credentials_and_others_beside_them_are_ready(
    refused: Refused, record_property: RecordProperty
) -> None:
    refused.many.wait("good")
    record_property("seconds until the good are ready", round(time.time() - refused.began, 1))
    for name in refused.right:
        refused.many.wait(name, "CredentialsInvalid")
        record_property(f"seconds until all are told: {name}", round(time.time() - refused.began, 1))
        for body in refused.many.of(name):
            credentials = condition(body, "CredentialsValid") or {}
            assert (credentials["status"], credentials["reason"]) == ("False", "Unauthorized"), told(body)


def test_500_resources_cost_at_most_3_calls_in_a_minute_and_are_healed_by_a_changed_secret(
    refused: Refused, record_property: RecordProperty
) -> None:
    settled = refused.many.versions("good")
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
        refused.many.wait(name, timeout=240)
        record_property(f"seconds until all are healed: {name}", round(time.monotonic() - changed, 1))
    tokens = [each["status"] for each in refused.signed("account") if each["path"] == TOKEN]
    assert tokens[-1] == HTTPStatus.OK
    assert refused.many.versions("good") == settled, "the good were written to"
