"""Cases about whose credentials are used: those of the resource, of its namespace, or the operator's own."""

from __future__ import annotations

import json
import socket
import time
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from control_plane.process import wait_until
from support.atlas import CLIENT_ID, CLOUD_ENDPOINT
from support.audit import deeds
from support.concurrent_cases import NAME, Cases
from support.resources import MERGE, Resources, ready

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.audit import Deed
    from support.concurrent_cases import Env

cases = Cases()

ANNOTATION = "atlas-endpoints.dev/credentials-secret"
SETUP = "tenancy"
"""Its operator has a Secret of its own, which only the resources of one namespace may use."""

OPERATOR = f"system:serviceaccount:default:operator-{SETUP}"
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
def an_annotation_that_changes_while_it_is_in_use_moves_a_settled_resource(env: Env) -> None:
    """Nobody touches the resource, and it stays ready."""
    first = env.atlas.put_account(env.place)
    env.resources.secret("first", data=first)
    second = env.atlas.put_api_key(env.place)
    env.resources.secret("second", data=second)
    _annotate(env, "first")
    began = time.monotonic()
    env.create(connected=True, credentialsSecretRef=None)
    env.becomes_ready()
    assert {each["credentials"] for each in env.calls()} == {first["clientId"]}

    _annotate(env, "second")

    wait_until(lambda: env.calls()[-1]["credentials"] == second["publicApiKey"], "the second")
    env.resources.wait(NAME, lambda body: body["status"]["resolved"]["credentialsSource"] == "namespace/second")
    env.becomes_ready()
    assert {ready(body)["status"] for body in env.resources.states(NAME)} == {"", "True"}
    assert first["clientId"] not in {each["credentials"] for each in env.calls_within(6)}
    # One in half a minute, however often Atlas is looked at.
    assert _reads(env).count("namespaces") <= 3 + (time.monotonic() - began) / 30


@cases(setup=SETUP)
def an_annotation_that_goes_while_it_is_in_use_takes_its_credentials_with_it(env: Env) -> None:
    """No other Secret stands in for them where the operator's own may not be used."""
    env.resources.secret(data=env.atlas.put_account(env.place))
    _annotate(env, "atlas-credentials")
    env.create(connected=True, credentialsSecretRef=None)
    env.becomes_ready()

    _annotate(env, None)

    _is_refused_the_operators_own(env)
    assert env.calls_within(6) == []


def _heals(env: Env, *, scope: str) -> None:
    """Where the operator's own is refused, the resource or its namespace may name one instead."""
    env.create(connected=True, credentialsSecretRef=None)
    _is_refused_the_operators_own(env)
    assert env.calls() == []
    assert "secrets" not in _reads(env)

    if scope == "namespace":
        _annotate(env, "atlas-credentials")
    else:
        env.edit(credentialsSecretRef={"name": "atlas-credentials"})

    assert env.becomes_ready()["status"]["resolved"]["credentialsSource"] == f"{scope}/atlas-credentials"


cases.add(
    "a namespace that may not use the operators own is told the ways out",
    partial(_heals, scope="namespace"),
    setup=SETUP,
)
cases.add(
    "a resource that names its secret heals at once where the operators own is refused",
    partial(_heals, scope="resource"),
    setup=SETUP,
)


@cases(setup=SETUP)
def an_annotation_that_is_no_name_of_a_secret_is_reported_and_never_a_path(env: Env) -> None:
    """Such as one that would lead to the operator's own."""
    _annotate(env, f"../../default/secrets/{OWN}")
    env.create(connected=True, credentialsSecretRef=None)
    env.stalls(
        "CredentialsInvalid",
        says=(ANNOTATION, env.resources.namespace),
        error={"errorCode": "InvalidSecretName", "retryable": False},
        credentials=("False", "InvalidSecretName"),
    )
    assert env.calls() == []
    assert set(_reads(env)) == {"namespaces"}

    _annotate(env, "atlas-credentials")

    env.becomes_ready()


@cases(setup=SETUP)
def a_secret_of_another_namespace_cannot_be_named(env: Env) -> None:
    """Not by a path, and not by the name that it has there."""
    for name in (f"default/{OWN}", f"../{OWN}", ".."):
        assert not env.resources.accepts(env.place.spec(credentialsSecretRef={"name": name}))

    env.create(connected=True, credentialsSecretRef={"name": OWN})

    env.becomes(
        "CredentialsInvalid",
        "Stalled",
        says=(OWN, env.resources.namespace),
        error={"errorCode": "SecretNotFound"},
        credentials=("False", "SecretNotFound"),
    )
    assert env.calls() == []


def _sends_nothing(env: Env, *, scope: str) -> None:
    """A Secret of a tenant that names an Atlas of its own: the key has to go before anything is sent anywhere."""
    account = env.atlas.put_account(env.place)
    with _listener() as (url, connections):
        env.resources.secret(data={**account, "baseUrl": url})
        if scope == "namespace":
            _annotate(env, "atlas-credentials")
        env.create(connected=True, **({"credentialsSecretRef": None} if scope == "namespace" else {}))
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


for _scope in ("resource", "namespace"):
    _sentence = f"a Secret of a {_scope} cannot send the operator to another host"
    cases.add(_sentence, partial(_sends_nothing, scope=_scope), setup=SETUP)


def _is_refused_the_operators_own(env: Env) -> None:
    env.becomes(
        "CredentialsInvalid",
        "Reconciling",
        says=(
            env.resources.namespace,
            "spec.credentialsSecretRef.name",
            ANNOTATION,
            "ATLAS_ENDPOINTS_CREDENTIALS_NAMESPACES",
        ),
        error={"errorCode": "NamespaceNotAllowed", "retryable": False},
        credentials=("False", "NamespaceNotAllowed"),
    )


def _annotate(env: Env, secret: str | None, namespace: str = "") -> None:
    """Have a Namespace name a Secret, or none."""
    patch = {"metadata": {"annotations": {ANNOTATION: secret}}}
    with env.control_plane.client() as http:
        path = f"/api/v1/namespaces/{namespace or env.resources.namespace}"
        http.patch(path, content=json.dumps(patch), headers=MERGE).raise_for_status()


def _deeds(env: Env) -> list[Deed]:
    """What the operator has asked the API server about the env's namespace."""
    return [each for each in deeds(env.control_plane, OPERATOR) if each.namespace == env.resources.namespace]


def _reads(env: Env) -> list[str]:
    """Of what it has read objects by name."""
    return [each.resource for each in _deeds(env) if each.verb == "get"]


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
