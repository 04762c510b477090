"""The files that the API server reads at its start. They are JSON, which is YAML as well."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class PodSecurityLevel(StrEnum):
    """A Pod Security Standard (https://kubernetes.io/docs/concepts/security/pod-security-standards/)."""

    PRIVILEGED = "privileged"
    BASELINE = "baseline"
    RESTRICTED = "restricted"


def token_file(entries: Iterable[tuple[str, str, str]]) -> str:
    """List who may come in with a fixed token: entries of (token, user, group), none with a comma in it."""
    return "".join(f"{token},{user},{user},{group}\n" for token, user, group in entries)


def audit_policy() -> str:
    """Ask for one line per request, written when it has been answered: who, what, on which object, with which result."""
    return json.dumps(
        {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [{"level": "Metadata"}],
        }
    )


def admission_configuration(level: PodSecurityLevel) -> str:
    """Hold every namespace whose labels say nothing to a Pod Security Standard; kube-system is exempt."""
    modes: dict[str, str] = {}
    for mode in ("enforce", "audit", "warn"):
        modes |= {mode: level, f"{mode}-version": "latest"}
    return json.dumps(
        {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AdmissionConfiguration",
            "plugins": [
                {
                    "name": "PodSecurity",
                    "configuration": {
                        "apiVersion": "pod-security.admission.config.k8s.io/v1",
                        "kind": "PodSecurityConfiguration",
                        "defaults": modes,
                        "exemptions": {"namespaces": ["kube-system"]},
                    },
                }
            ],
        }
    )
