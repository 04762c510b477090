"""Cases about API keys, which sign each call (HTTP digest), at servers that are particular in all the ways there are."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from support.atlas import CLOUD_ENDPOINT
from support.concurrent_cases import Cases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.concurrent_cases import Env

cases = Cases()

WAYS: dict[str, dict[str, Any]] = {
    "a nonce of its own for each challenge": {},
    "strictly rising counts": {"nonceCount": "rising"},
    "each count once": {"nonceCount": "unused"},
    "one nonce for all within ten seconds": {"nonces": "timeBucket", "nonceBucket": 10},
    "SHA-256": {"algorithm": "SHA-256"},
    "auth-int beside auth": {"qop": "auth,auth-int"},
    "auth-int alone": {"qop": "auth-int"},
    "quotes around everything": {"quoting": "all"},
    "quotes around nothing": {"quoting": "none"},
    "a refused count that is not called stale": {"nonceCount": "rising", "staleOnReplay": False},
}
"""How a server does it, and the simulator's switches for that."""


@contextmanager
def _digest(env: Env, **switches: Any) -> Iterator[None]:
    """Have the server do it in a way, while no other case uses an API key."""
    with env.setup.turn:
        before = env.atlas.switches()["digest"]
        env.atlas.post("switches", {"digest": switches})
        try:
            yield
        finally:
            env.atlas.post("switches", {"digest": before})


def _signs(env: Env, *, switches: dict[str, Any]) -> None:
    """Read, write and read again, all on one challenge."""
    key = env.atlas.put_api_key(env.place)
    env.resources.secret(data=key)
    env.atlas.connect(env.place)
    with _digest(env, **switches):
        env.create(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one")
        env.becomes_ready()
        env.edit(comment="two")
        env.becomes_ready()

    challenge, *signed = env.calls()
    assert (challenge["status"], challenge["credentials"]) == (401, None)
    assert {each["credentials"] for each in signed} == {key["publicApiKey"]}
    # The ten seconds may end between two calls: that costs one more challenge.
    refused = [each["status"] for each in signed if each["status"] != 200]
    assert refused in ([], [401]) if "nonces" in switches else refused == []
    assert env.patches() == [{"comment": "one"}, {"comment": "two"}]


for _way, _switches in WAYS.items():
    cases.add(f"an API key works with {_way}", partial(_signs, switches=_switches))


@cases
def an_api_key_works_where_nonces_live_for_a_second(env: Env) -> None:
    """A stale nonce costs a second request and nothing more."""
    env.resources.secret(data=env.atlas.put_api_key(env.place))
    with _digest(env, nonceLifetime=1):
        env.create(connected=True)
        env.becomes_ready()
        refused = env.next_calls()
        env.edit(comment="signed anew")
        env.becomes_ready()

    assert [each["status"] for each in refused[:2]] == [401, 200]
    assert env.atlas.endpoint(env.place)["comment"] == "signed anew"


@cases
def many_resources_with_one_api_key_share_one_challenge(env: Env) -> None:
    """Also when all of them come at once."""
    env.resources.secret(data=env.atlas.put_api_key(env.place))
    crowd = {f"crowd-{number}": env.place.sibling(number) for number in range(1, 9)}
    with env.setup.turn:
        for name, place in crowd.items():
            env.atlas.connect(place)
            env.resources.create(name, place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="signed"))
        for name in crowd:
            env.becomes_ready(name)

    statuses = [each["status"] for each in env.calls()]
    assert statuses.count(401) == 1, statuses
