"""Stories about manifests that break a rule."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from support.scenes import NAME, Stories

if TYPE_CHECKING:
    from typing import Any

    from support.scenes import Scene

stories = Stories()

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


@stories
def a_refused_manifest_names_the_field_and_the_rule(scene: Scene) -> None:
    """Each of them, and the one that is right goes through beside them."""
    manifests = [_manifest(scene, name, fields) for name, (fields, _) in MISTAKES.items()]
    scene.atlas.connect(scene.place)

    refused = scene.control_plane.kubectl(
        "apply",
        f"--namespace={scene.resources.namespace}",
        "--filename=-",
        stdin=_documents(*manifests, _manifest(scene, NAME, {})),
        check=False,
    )

    assert refused.returncode == 1
    for name, (_, words) in MISTAKES.items():
        (said,) = [text for text in refused.stderr.split("\nThe ") if f'"{name}"' in text] or [
            text for text in refused.stderr.split("\n") if name == "a-misspelt-field" and "strict decoding" in text
        ]
        assert not [each for each in words if each not in said], said
        assert not scene.resources.exists(name)
    scene.becomes_ready()


@stories
def a_refused_edit_names_the_field_and_leaves_the_resource_as_it_was(scene: Scene) -> None:
    """What never changes cannot be edited."""
    scene.create(connected=True)
    before = scene.becomes_ready()

    refused = scene.control_plane.kubectl(
        "patch",
        f"spe/{NAME}",
        f"--namespace={scene.resources.namespace}",
        "--type=merge",
        f"--patch={json.dumps({'spec': {'instanceName': 'store', 'projectId': 'f' * 24}})}",
        check=False,
    )

    assert refused.returncode == 1
    assert "spec.instanceName" in refused.stderr
    assert "spec.projectId" in refused.stderr
    assert "may not be changed" in refused.stderr
    after = scene.resources.get(NAME)
    assert (after["spec"], after["metadata"]["generation"]) == (before["spec"], 1)
    assert scene.patches() == []


def _manifest(scene: Scene, name: str, fields: dict[str, Any]) -> dict[str, Any]:
    spec = {key: value for key, value in (scene.place.spec() | fields).items() if value is not None}
    return {
        "apiVersion": "atlas-endpoints.dev/v1alpha1",
        "kind": "ServerlessPrivateEndpoint",
        "metadata": {"name": name, "labels": {"world": "shared"}},
        "spec": spec,
    }


def _documents(*manifests: dict[str, Any]) -> str:
    return "\n---\n".join(json.dumps(each) for each in manifests)
