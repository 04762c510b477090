"""Cases about manifests that break a rule: kubectl shows the words of the API, whose rules ``test_crd`` tries one by one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from support.concurrent_cases import NAME, Cases

if TYPE_CHECKING:
    from support.concurrent_cases import Env

cases = Cases()

MISTAKES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "a-name-for-an-id": ({"projectId": "shop"}, ("spec.projectId", "24 lower-case hexadecimal characters, not a name")),
    "a-third-cloud": ({"providerName": "GCP"}, ("spec.providerName", '"AWS", "AZURE"')),
    "an-address-on-aws": (
        {"privateEndpointIpAddress": "10.0.0.4"},
        ("spec.privateEndpointIpAddress", "may only be set when `providerName` is AZURE", "remove the field"),
    ),
    "a-long-comment": ({"comment": "x" * 81}, ("spec.comment", "80")),
    "a-misspelt-field": ({"coment": "x"}, ('unknown field "spec.coment"',)),
}
"""What is wrong with a manifest of that name, and what has to be said about it: the field, the rule, the remedy."""


@cases
def a_refused_manifest_names_the_field_and_the_rule(env: Env) -> None:
    """Each of them, and the one that is right goes through beside them."""
    env.atlas.connect(env.place)
    manifests = [
        {
            "apiVersion": "atlas-endpoints.dev/v1alpha1",
            "kind": "ServerlessPrivateEndpoint",
            "metadata": {"name": name, "labels": {"served-by": "shared"}},
            "spec": env.place.spec(**fields),
        }
        for name, (fields, _) in {**MISTAKES, NAME: ({}, ())}.items()
    ]

    refused = env.control_plane.kubectl(
        *("apply", f"--namespace={env.resources.namespace}", "--filename=-"),
        stdin="\n---\n".join(json.dumps(each) for each in manifests),
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

    patch = json.dumps({"spec": {"instanceName": "store", "projectId": "f" * 24}})
    refused = env.control_plane.kubectl(
        *("patch", f"spe/{NAME}", f"--namespace={env.resources.namespace}", "--type=merge", f"--patch={patch}"),
        check=False,
    )

    assert refused.returncode == 1
    for words in ("spec.instanceName", "spec.projectId", "may not be changed"):
        assert words in refused.stderr
    after = env.resources.get(NAME)
    assert (after["spec"], after["metadata"]["generation"]) == (before["spec"], 1)
    assert env.patches() == []
