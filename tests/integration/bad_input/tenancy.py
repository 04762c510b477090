"""Stories about whose credentials are used: those of the resource, of its namespace, or the operator's own."""

from __future__ import annotations

import json
import socket
import time
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from control_plane.process import PATIENCE, wait_until
from support.atlas import CLIENT_ID, CLOUD_ENDPOINT
from support.audit import deeds
from support.resources import MERGE, Resources, ready
from support.scenes import NAME, Stories

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.audit import Deed
    from support.scenes import Scene

stories = Stories()

ANNOTATION = "atlas-endpoints.dev/credentials-secret"
STAGE = "tenancy"
"""Its operator has a Secret of its own, which only the resources of one namespace may use."""

OPERATOR = f"system:serviceaccount:default:operator-{STAGE}"
OWN = "operators-own"
"""The operator's own Secret, in namespace ``default``."""

GUEST = "tenancy-guest"
"""The namespace whose resources may use it."""

SETTINGS = {"credentials_secret": f"default/{OWN}", "credentials_namespaces": f"elsewhere,{GUEST}"}


@stories(stage=STAGE)
def of_three_scopes_the_most_specific_that_names_a_secret_is_used(scene: Scene) -> None:
    """And when it names none any more, the next one."""
    guest = Resources(scene.control_plane, GUEST, {"world": STAGE})
    resources = scene.atlas.put_api_key(scene.place)
    guest.secret("resources", data=resources)
    namespaces = scene.atlas.put_account(scene.place)
    guest.secret("namespaces", data=namespaces)
    scene.atlas.connect(scene.place)
    guest.create(NAME, scene.place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, credentialsSecretRef=None))

    def uses(source: str, credentials: str) -> None:
        time.sleep(2)  # what was read less than that ago counts as fresh
        began = time.time()
        guest.annotate(NAME, {"atlas-endpoints.dev/force-sync": source})
        guest.wait(
            NAME, lambda body: body["status"].get("resolved", {}).get("credentialsSource") == source, says=source
        )
        guest.wait_ready(NAME)
        wait_until(lambda: scene.calls(since=began)[-1:] != [], "a call")
        assert scene.calls(since=began)[-1]["credentials"] == credentials

    try:
        uses(f"operator/{OWN}", CLIENT_ID)
        _annotate(scene, "namespaces", GUEST)
        uses("namespace/namespaces", namespaces["clientId"])
        guest.edit(NAME, credentialsSecretRef={"name": "resources"})
        uses("resource/resources", resources["publicApiKey"])
        guest.edit(NAME, credentialsSecretRef=None)
        uses("namespace/namespaces", namespaces["clientId"])
        _annotate(scene, "", GUEST)
        uses(f"operator/{OWN}", CLIENT_ID)
        _annotate(scene, None, GUEST)
        uses(f"operator/{OWN}", CLIENT_ID)
    finally:
        guest.delete(NAME)
        guest.close()


@stories(stage=STAGE)
def an_annotation_that_changes_while_it_is_in_use_moves_a_settled_resource(scene: Scene) -> None:
    """Nobody touches the resource, and it stays ready."""
    first = scene.atlas.put_account(scene.place)
    scene.resources.secret("first", data=first)
    second = scene.atlas.put_api_key(scene.place)
    scene.resources.secret("second", data=second)
    _annotate(scene, "first")
    scene.create(connected=True, credentialsSecretRef=None)
    scene.becomes_ready()
    assert {each["credentials"] for each in scene.calls()} == {first["clientId"]}

    _annotate(scene, "second")

    wait_until(lambda: scene.calls()[-1]["credentials"] == second["publicApiKey"], "the second")
    scene.resources.wait(NAME, lambda body: body["status"]["resolved"]["credentialsSource"] == "namespace/second")
    scene.becomes_ready()
    assert {ready(body)["status"] for body in scene.resources.states(NAME)} == {"", "True"}
    assert first["clientId"] not in {each["credentials"] for each in scene.calls_within(6)}
    looks = [each for each in _deeds(scene) if each.resource == "namespaces"]
    assert len(looks) <= 4  # one in half a minute, however often Atlas is looked at


@stories(stage=STAGE)
def an_annotation_that_goes_while_it_is_in_use_takes_its_credentials_with_it(scene: Scene) -> None:
    """No other Secret stands in for them where the operator's own may not be used."""
    scene.resources.secret(data=scene.atlas.put_account(scene.place))
    _annotate(scene, "atlas-credentials")
    scene.create(connected=True, credentialsSecretRef=None)
    scene.becomes_ready()

    _annotate(scene, None)

    _is_refused_the_operators_own(scene)
    assert scene.calls_within(6) == []


@stories(stage=STAGE)
def a_namespace_that_may_not_use_the_operators_own_is_told_the_ways_out(scene: Scene) -> None:
    """One of which is to have a Secret of its own named."""
    scene.create(connected=True, credentialsSecretRef=None)
    _is_refused_the_operators_own(scene)
    assert scene.calls() == []
    assert [each.name for each in _deeds(scene) if each.resource == "secrets"] == []

    _annotate(scene, "atlas-credentials")

    assert scene.becomes_ready()["status"]["resolved"]["credentialsSource"] == "namespace/atlas-credentials"


@stories(stage=STAGE)
def a_resource_that_names_its_secret_heals_at_once_where_the_operators_own_is_refused(scene: Scene) -> None:
    """Its Namespace is not read any more."""
    scene.create(connected=True, credentialsSecretRef=None)
    _is_refused_the_operators_own(scene)

    scene.edit(credentialsSecretRef={"name": "atlas-credentials"})

    assert scene.becomes_ready()["status"]["resolved"]["credentialsSource"] == "resource/atlas-credentials"


@stories(stage=STAGE)
def a_resource_that_names_its_secret_and_its_policy_costs_no_look_at_its_namespace(scene: Scene) -> None:
    """Even if that names others."""
    _annotate(scene, "another")
    scene.create(connected=True, deletionPolicy="Retain")
    scene.becomes_ready()
    scene.edit(comment="edited")
    scene.becomes_ready()
    assert {each.resource for each in _deeds(scene) if each.verb == "get"} == {"secrets"}


@stories(stage=STAGE)
def an_annotation_that_is_no_name_of_a_secret_is_told_and_never_a_path(scene: Scene) -> None:
    """Such as one that would lead to the operator's own."""
    _annotate(scene, f"../../default/secrets/{OWN}")
    scene.create(connected=True, credentialsSecretRef=None)
    for pair in ("Reconciling", "Stalled"):
        scene.becomes(
            "CredentialsInvalid",
            pair,
            says=(f"The annotation {ANNOTATION} of namespace {scene.resources.namespace} is no name of a Secret",),
            error={"errorCode": "InvalidSecretName", "retryable": False},
            credentials=("False", "InvalidSecretName"),
        )
    assert scene.calls() == []
    assert {each.resource for each in _deeds(scene) if each.verb == "get"} == {"namespaces"}

    _annotate(scene, "atlas-credentials")

    scene.becomes_ready()


@stories(stage=STAGE)
def a_secret_of_another_namespace_cannot_be_named(scene: Scene) -> None:
    """Not by a path, and not by the name that it has there."""
    for name in (f"default/{OWN}", f"../{OWN}", ".."):
        assert not scene.resources.accepts(scene.place.spec(credentialsSecretRef={"name": name}))

    scene.create(connected=True, credentialsSecretRef={"name": OWN})

    scene.becomes(
        "CredentialsInvalid",
        "Stalled",
        says=(f"There is no Secret {OWN} in namespace {scene.resources.namespace}.",),
        error={"errorCode": "SecretNotFound"},
        credentials=("False", "SecretNotFound"),
    )
    assert scene.calls() == []


def _sends_nothing(scene: Scene, *, scope: str) -> None:
    """A Secret of a tenant that names an Atlas of its own: the key has to go before anything is sent anywhere."""
    account = scene.atlas.put_account(scene.place)
    with _listener() as (url, connections):
        scene.resources.secret(data={**account, "baseUrl": url})
        if scope == "namespace":
            _annotate(scene, "atlas-credentials")
        scene.create(connected=True, **({"credentialsSecretRef": None} if scope == "namespace" else {}))
        for pair in ("Reconciling", "Stalled"):
            body = scene.becomes(
                "CredentialsInvalid",
                pair,
                says=("baseUrl names another Atlas", "remove it, unless this is the operator's own Secret."),
                error={"errorCode": "BaseURLNotAllowed", "retryable": False},
                credentials=("False", "BaseURLNotAllowed"),
            )
            assert url not in json.dumps(body)
        time.sleep(5)
        assert connections() == 0
        assert [each for each in scene.atlas.requests() if each["credentials"] == account["clientId"]] == []
        assert scene.calls() == []

        scene.resources.secret(data=account)

        scene.becomes_ready()
        assert connections() == 0


stories.add(
    "a Secret of a resource cannot send the operator to another host",
    partial(_sends_nothing, scope="resource"),
    stage=STAGE,
)
stories.add(
    "a Secret of a namespace cannot send the operator to another host",
    partial(_sends_nothing, scope="namespace"),
    stage=STAGE,
)


def _is_refused_the_operators_own(scene: Scene, timeout: float = PATIENCE) -> None:
    scene.becomes(
        "CredentialsInvalid",
        "Reconciling",
        says=(
            f"namespace {scene.resources.namespace} may not use the operator's own",
            "Name a Secret in spec.credentialsSecretRef.name",
            f"annotation {ANNOTATION}",
            "ATLAS_ENDPOINTS_CREDENTIALS_NAMESPACES",
        ),
        error={"errorCode": "NamespaceNotAllowed", "retryable": False},
        credentials=("False", "NamespaceNotAllowed"),
        timeout=timeout,
    )


def _annotate(scene: Scene, secret: str | None, namespace: str = "") -> None:
    """Have a Namespace name a Secret, or none."""
    patch = {"metadata": {"annotations": {ANNOTATION: secret}}}
    with scene.control_plane.client() as http:
        path = f"/api/v1/namespaces/{namespace or scene.resources.namespace}"
        http.patch(path, content=json.dumps(patch), headers=MERGE).raise_for_status()


def _deeds(scene: Scene) -> list[Deed]:
    """What the operator has asked the API server about the scene's namespace."""
    return [each for each in deeds(scene.control_plane, OPERATOR) if each.namespace == scene.resources.namespace]


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
