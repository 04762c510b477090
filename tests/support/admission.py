"""Policies by which a cluster refuses what the operator wants to write."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from control_plane.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from control_plane import ControlPlane
    from support.atlas import Place
    from support.resources import Resources

PROBE = "probe"
"""A resource that tells whether the policy works yet; it is suspended."""


@contextmanager
def no_finalizers(control_plane: ControlPlane, resources: Resources, place: Place) -> Iterator[None]:
    """Have an admission policy of the cluster forbid finalizers of resources in a namespace."""
    name = f"no-finalizers-{resources.namespace}"
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
    rule = {
        "apiGroups": ["atlas-endpoints.dev"],
        "apiVersions": ["*"],
        "operations": ["UPDATE"],
        "resources": ["*"],
    }
    validation = {"expression": "!has(object.metadata.finalizers)", "message": "they are not allowed here"}
    policy = {
        "matchConstraints": {
            "resourceRules": [rule],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": resources.namespace}},
        },
        "validations": [validation],
    }
    binding = {"policyName": name, "validationActions": ["Deny"]}
    for policy_kind, spec in (("ValidatingAdmissionPolicy", policy), ("ValidatingAdmissionPolicyBinding", binding)):
        control_plane.kubectl("apply", "--filename=-", stdin=json.dumps({**head, "kind": policy_kind, "spec": spec}))
    kind = resources.create(PROBE, place.spec(suspend=True))["kind"]
    patch = json.dumps({"metadata": {"finalizers": ["example.com/probe"]}})
    probe = ("patch", kind, PROBE, f"--namespace={resources.namespace}", "--type=merge", "--dry-run=server")
    try:
        wait_until(
            lambda: control_plane.kubectl(*probe, f"--patch={patch}", check=False).returncode != 0,
            "the policy to work",
        )
        yield
    finally:
        control_plane.kubectl("delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", name)
