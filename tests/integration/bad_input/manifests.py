"""Cases about manifests that break a rule: kubectl shows the words of the API, whose rules ``test_crd`` tries one by one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from support.cases import DEDICATED, manifest
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


DEDICATED_MISTAKES: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "a-region-of-a-page": ("AZURE", {"region": "East US 2"}, ("spec.region", "`EU_WEST_1` or `eu-west-1`")),
    "no-google-project": (
        "GCP",
        {"gcp": None},
        ("spec.gcp", "must be set when `providerName` is GCP", "add `projectId`"),
    ),
    "a-rule-without-address": (
        "GCP",
        {"cloudProviderEndpointId": "orders"},
        ("spec.privateEndpointIpAddress", "add the private IP address"),
    ),
    "its-own-remote-region": (
        "AWS",
        {"supportedRemoteRegions": ["EU_WEST_1"]},
        ("spec.supportedRemoteRegions", "may not contain `region` itself", "remove it"),
    ),
    "a-misspelt-list": ("AWS", {"connectionString": []}, ('unknown field "spec.connectionString"',)),
}
"""The same about a DedicatedPrivateEndpoint of a cloud."""


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
    manifests += [
        manifest(base, fields, kind=DEDICATED, name=name) for name, (base, fields, _) in DEDICATED_MISTAKES.items()
    ]

    refused = env.control_plane.kubectl(
        *("apply", f"--namespace={env.resources.namespace}", "--filename=-"),
        stdin="\n---\n".join(json.dumps(each) for each in manifests),
        check=False,
    )

    assert refused.returncode == 1
    expected = {name: words for name, (*_, words) in (MISTAKES | DEDICATED_MISTAKES).items()}
    for name, words in expected.items():
        (said,) = [text for text in refused.stderr.split("\nThe ") if f'"{name}"' in text] or [
            text for text in refused.stderr.split("\n") if "strict decoding" in text and words[0] in text
        ]
        assert not [each for each in words if each not in said], said
        assert not env.resources.exists(name)
    assert not env.control_plane.kubectl("get", "dpe", f"--namespace={env.resources.namespace}").stdout
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
