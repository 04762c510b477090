"""Cases about manifests that break a rule."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from support.concurrent_cases import NAME, Cases

if TYPE_CHECKING:
    from typing import Any

    from support.concurrent_cases import Env

cases = Cases()

MISTAKES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "a-name-for-an-id": ({"projectId": "shop"}, ("spec.projectId", "24 lower-case hexadecimal characters, not a name")),
    "a-blank": ({"instanceName": "my shop"}, ("spec.instanceName", "must consist of letters, digits and `-`")),
    "a-third-cloud": ({"providerName": "GCP"}, ("spec.providerName", '"AWS", "AZURE"')),
    "a-cut-id": (
        {"cloudProviderEndpointId": "vpce-0123"},
        ("spec.cloudProviderEndpointId", "`vpce-` and 17 lower-case hexadecimal digits"),
    ),
    "an-address-on-aws": (
        {"privateEndpointIpAddress": "10.0.0.4"},
        ("spec.privateEndpointIpAddress", "may only be set when `providerName` is AZURE", "remove the field"),
    ),
    "a-long-comment": ({"comment": "x" * 81}, ("spec.comment", "80")),
    "a-short-interval": ({"syncInterval": "5s"}, ("spec.syncInterval", "from 1m to 24h")),
    "nothing-to-observe": (
        {"endpointId": None, "managementPolicy": "Observe"},
        ("spec.endpointId", "name the endpoint that is to be observed"),
    ),
    "a-misspelt-field": ({"coment": "x"}, ('unknown field "spec.coment"',)),
}
"""What is wrong with a manifest of that name, and what has to be said about it: the field, the rule, the remedy."""


@cases
def a_refused_manifest_names_the_field_and_the_rule(env: Env) -> None:
    """Each of them, and the one that is right goes through beside them."""
    manifests = [_manifest(env, name, fields) for name, (fields, _) in MISTAKES.items()]
    env.atlas.connect(env.place)

    refused = env.control_plane.kubectl(
        "apply",
        f"--namespace={env.resources.namespace}",
        "--filename=-",
        stdin=_documents(*manifests, _manifest(env, NAME, {})),
        check=False,
    )

    assert refused.returncode == 1
    for name, (_, words) in MISTAKES.items():
        (said,) = [text for text in refused.stderr.split("\nThe ") if f'"{name}"' in text] or [
            text for text in refused.stderr.split("\n") if name == "a-misspelt-field" and "strict decoding" in text
        ]
        assert not [each for each in words if each not in said], said
        assert not env.resources.exists(name)
    env.becomes_ready()


@cases
def a_refused_edit_names_the_field_and_leaves_the_resource_as_it_was(env: Env) -> None:
    """What never changes cannot be edited."""
    env.create(connected=True)
    before = env.becomes_ready()

    refused = env.control_plane.kubectl(
        "patch",
        f"spe/{NAME}",
        f"--namespace={env.resources.namespace}",
        "--type=merge",
        f"--patch={json.dumps({'spec': {'instanceName': 'store', 'projectId': 'f' * 24}})}",
        check=False,
    )

    assert refused.returncode == 1
    assert "spec.instanceName" in refused.stderr
    assert "spec.projectId" in refused.stderr
    assert "may not be changed" in refused.stderr
    after = env.resources.get(NAME)
    assert (after["spec"], after["metadata"]["generation"]) == (before["spec"], 1)
    assert env.patches() == []


def _manifest(env: Env, name: str, fields: dict[str, Any]) -> dict[str, Any]:
    spec = {key: value for key, value in (env.place.spec() | fields).items() if value is not None}
    return {
        "apiVersion": "atlas-endpoints.dev/v1alpha1",
        "kind": "ServerlessPrivateEndpoint",
        "metadata": {"name": name, "labels": {"served-by": "shared"}},
        "spec": spec,
    }


def _documents(*manifests: dict[str, Any]) -> str:
    return "\n---\n".join(json.dumps(each) for each in manifests)
