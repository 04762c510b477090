"""The control API: the state, the log, and hands behind the scenes."""

import httpx

from unit.simulator.harness import (
    ACCEPT,
    PROJECT,
    Atlas,
    collection,
)

AWS = {"projectId": PROJECT, "instanceName": "aws"}


async def test_neither_state_nor_log_ever_shows_a_secret(atlas: Atlas) -> None:
    form = {"grant_type": "client_credentials", "client_secret": "owner-secret"}
    await atlas.http.post("/api/oauth/token", auth=("owner", "owner-secret"), data=form)
    token = await atlas.token()
    await atlas.call("GET", collection())
    await atlas.http.get(collection(), auth=httpx.DigestAuth("ownerkey", "owner-private"), headers={"Accept": ACCEPT})

    shown = str(await atlas.control("state")) + str(await atlas.control("requests"))

    assert "owner-secret" not in shown
    assert "owner-private" not in shown
    assert token not in shown
    assert "ownerkey" in shown
