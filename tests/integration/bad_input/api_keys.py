"""Stories about API keys, which sign each call (HTTP digest), at servers that are particular in all the ways there are."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from support.atlas import CLOUD_ENDPOINT
from support.scenes import Stories

if TYPE_CHECKING:
    from typing import Any

    from support.scenes import Scene

stories = Stories()

WAYS: dict[str, dict[str, Any]] = {
    "a nonce of its own for each challenge": {},
    "strictly rising counts": {"nonceCount": "rising"},
    "each count once": {"nonceCount": "unused"},
    "one nonce for all within ten seconds": {"nonces": "timeBucket", "nonceBucket": 10, "nonceCount": "unused"},
    "SHA-256": {"algorithm": "SHA-256"},
    "auth-int beside auth": {"qop": "auth,auth-int"},
    "auth-int alone": {"qop": "auth-int"},
    "quotes around everything": {"quoting": "all"},
    "quotes around nothing": {"quoting": "none"},
    "a refused count that is not called stale": {"nonceCount": "rising", "staleOnReplay": False},
}
"""How a server does it, and the simulator's switches for that."""


def _signs(scene: Scene, *, switches: dict[str, Any]) -> None:
    """Read, write and read again, all on one challenge."""
    key = scene.atlas.put_api_key(scene.place)
    scene.resources.secret(data=key)
    scene.atlas.connect(scene.place)
    with scene.stage.turn:
        before = scene.atlas.switches()["digest"]
        scene.atlas.post("switches", {"digest": switches})
        try:
            scene.create(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one")
            scene.becomes_ready()
            scene.edit(comment="two")
            scene.becomes_ready()
        finally:
            scene.atlas.post("switches", {"digest": before})

    challenge, *signed = scene.calls()
    assert (challenge["status"], challenge["credentials"]) == (401, None)
    assert {each["credentials"] for each in signed} == {key["publicApiKey"]}
    # The counts of a nonce that all share may have been used by another story's key: that costs one more challenge.
    refused = [each["status"] for each in signed if each["status"] != 200]
    assert refused in ([], [401]) if "nonces" in switches else refused == []
    assert scene.patches() == [{"comment": "one"}, {"comment": "two"}]


for _way, _switches in WAYS.items():
    stories.add(f"an API key works with {_way}", partial(_signs, switches=_switches))


@stories
def an_api_key_works_where_nonces_live_for_a_second(scene: Scene) -> None:
    """A stale nonce costs a second request and nothing more."""
    scene.resources.secret(data=scene.atlas.put_api_key(scene.place))
    with scene.stage.turn:
        before = scene.atlas.switches()["digest"]
        scene.atlas.post("switches", {"digest": {"nonceLifetime": 1}})
        try:
            scene.create(connected=True)
            scene.becomes_ready()
            refused = scene.calls_within(5)
            scene.edit(comment="signed anew")
            scene.becomes_ready()
        finally:
            scene.atlas.post("switches", {"digest": before})

    assert [each["status"] for each in refused] == [401, 200] * (len(refused) // 2)
    assert scene.atlas.endpoint(scene.place)["comment"] == "signed anew"


@stories
def many_resources_with_one_api_key_share_one_challenge(scene: Scene) -> None:
    """Also when all of them come at once."""
    scene.resources.secret(data=scene.atlas.put_api_key(scene.place))
    crowd = [scene.place.sibling(number) for number in range(1, 9)]
    with scene.stage.turn:
        for number, place in enumerate(crowd):
            scene.atlas.connect(place)
            spec = place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="signed")
            scene.resources.create(f"crowd-{number}", spec)
        for number in range(len(crowd)):
            scene.becomes_ready(f"crowd-{number}")

    statuses = [each["status"] for each in scene.calls()]
    assert statuses.count(401) == 1, statuses
