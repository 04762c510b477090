"""Cases about whose credentials are used: those of the resource, of its namespace, or the operator's own."""

from __future__ import annotations

import json
import socket
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from control_plane.process import wait_until
from support.atlas import CLIENT_ID, CLOUD_ENDPOINT
from support.concurrent_cases import NAME, Cases
from support.resources import MERGE, Resources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.concurrent_cases import Env

cases = Cases()

ANNOTATION = "atlas-endpoints.dev/credentials-secret"
SETUP = "tenancy"
"""Its operator has a Secret of its own, which only the resources of one namespace may use."""

OWN = "operators-own"
"""The operator's own Secret, in namespace ``default``."""

GUEST = "tenancy-guest"
"""The namespace whose resources may use it."""

SETTINGS = {"credentials_secret": f"default/{OWN}", "credentials_namespaces": f"elsewhere,{GUEST}"}


@cases(setup=SETUP)
def of_three_scopes_the_most_specific_that_names_a_secret_is_used(env: Env) -> None:
    """And when it names none any more, the next one."""
    guest = Resources(env.control_plane, GUEST, {"served-by": SETUP})
    resources = env.atlas.put_api_key(env.place)
    guest.secret("resources", data=resources)
    namespaces = env.atlas.put_account(env.place)
    guest.secret("namespaces", data=namespaces)
    env.atlas.connect(env.place)
    guest.create(NAME, env.place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, credentialsSecretRef=None))

    def uses(source: str, credentials: str) -> None:
        time.sleep(2)  # what was read less than that ago counts as fresh
        began = time.time()
        guest.annotate(NAME, {"atlas-endpoints.dev/force-sync": source})
        guest.wait(
            NAME, lambda body: body["status"].get("resolved", {}).get("credentialsSource") == source, says=source
        )
        guest.wait_ready(NAME)
        wait_until(lambda: env.calls(since=began)[-1:] != [], "a call")
        assert env.calls(since=began)[-1]["credentials"] == credentials

    try:
        uses(f"operator/{OWN}", CLIENT_ID)
        _annotate(env, "namespaces", GUEST)
        uses("namespace/namespaces", namespaces["clientId"])
        guest.edit(NAME, credentialsSecretRef={"name": "resources"})
        uses("resource/resources", resources["publicApiKey"])
        guest.edit(NAME, credentialsSecretRef=None)
        uses("namespace/namespaces", namespaces["clientId"])
        _annotate(env, "", GUEST)
        uses(f"operator/{OWN}", CLIENT_ID)
        _annotate(env, None, GUEST)
        uses(f"operator/{OWN}", CLIENT_ID)
    finally:
        guest.delete(NAME)
        guest.close()


@cases(setup=SETUP)
def a_secret_of_a_namespace_cannot_send_the_operator_to_another_host(env: Env) -> None:
    """A Secret of a tenant that names an Atlas of its own: the key has to go before anything is sent anywhere."""
    account = env.atlas.put_account(env.place)
    with _listener() as (url, connections):
        env.resources.secret(data={**account, "baseUrl": url})
        _annotate(env, "atlas-credentials")
        env.create(connected=True, credentialsSecretRef=None)
        env.stalls(
            "CredentialsInvalid",
            says=("baseUrl",),
            error={"errorCode": "BaseURLNotAllowed", "retryable": False},
            credentials=("False", "BaseURLNotAllowed"),
        )
        assert url not in json.dumps(env.resources.states(NAME))
        time.sleep(5)
        assert connections() == 0
        assert env.atlas.signed_by(account) == env.calls() == []

        env.resources.secret(data=account)

        env.becomes_ready()
        assert connections() == 0


def _annotate(env: Env, secret: str | None, namespace: str = "") -> None:
    """Have a Namespace name a Secret, or none."""
    patch = {"metadata": {"annotations": {ANNOTATION: secret}}}
    with env.control_plane.client() as http:
        path = f"/api/v1/namespaces/{namespace or env.resources.namespace}"
        http.patch(path, content=json.dumps(patch), headers=MERGE).raise_for_status()


@contextmanager
def _listener() -> Iterator[tuple[str, Callable[[], int]]]:
    """A host that would be glad to be called: its URL, and a function that tells how many connections there were so far."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        count = 0

        def connections() -> int:
            nonlocal count
            with suppress(BlockingIOError):
                while True:
                    server.accept()[0].close()
                    count += 1
            return count

        yield f"http://127.0.0.1:{server.getsockname()[1]}", connections
