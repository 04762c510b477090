"""One object for each state that a resource of each kind may be in, as an operator wrote it, in the testdata of Argo CD's health check.

What differs from run to run is made the same, so that the files change only when what the operator writes does.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
CUSTOMIZATIONS = ROOT / "deploy" / "argocd" / "resource_customizations"
GROUP = CUSTOMIZATIONS / "atlas-endpoints.dev"
SERVERLESS, DEDICATED = "ServerlessPrivateEndpoint", "DedicatedPrivateEndpoint"
DATA_FEDERATION = "DataFederationPrivateEndpoint"
ENCRYPTION_AT_REST, BACKUP = "EncryptionAtRestPrivateEndpoint", "BackupPrivateEndpoint"
STREAM, REGIONAL_MODE = "StreamPrivateEndpoint", "PrivateEndpointRegionalMode"
KINDS = (SERVERLESS, DEDICATED, DATA_FEDERATION, ENCRYPTION_AT_REST, BACKUP, STREAM, REGIONAL_MODE)

NAMESPACE = "shop"
SERVICE = "7f7cac1a0000000000000000"
"""The id of the endpoint service, which is new in every run."""
HEADER = "# What a real operator wrote, recorded by `make record`; do not edit.\n"

_EVER_NEW = (
    (re.compile(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"'), '"2026-11-24T12:00:00Z"'),
    (re.compile(r"vpce-svc-[0-9a-f]{17}"), "vpce-svc-9c342d834393930b3"),
    (re.compile(r"\b5f7cac1adf5d6c63[0-9a-f]{8}\b"), "5f7cac1adf5d6c6300000000"),  # the project of support.atlas
    (re.compile(r"\b6f7cac1a[0-9a-f]{16}\b"), "6f7cac1a0000000000000000"),  # and its endpoint
    (re.compile(r'"\d{12}"'), '"123456789012"'),  # and the account in AWS for its streams
    (re.compile(r"\bvpc-[0-9a-f]{17}\b"), "vpc-0123456789abcdef0"),
)
_METADATA = ("name", "namespace", "generation", "creationTimestamp", "deletionTimestamp", "finalizers", "annotations")


def normalised(body: Mapping[str, Any]) -> dict[str, Any]:
    """Give an object without what is new in every run, and without what only tests need."""
    metadata = {name: body["metadata"][name] for name in _METADATA if body["metadata"].get(name)}
    told = {
        "apiVersion": body["apiVersion"],
        "kind": body["kind"],
        "metadata": {**metadata, "resourceVersion": "1000", "uid": "6f1f0d7e-4c0e-4a43-9a53-5f3a3b0c9f10"},
        **{name: body[name] for name in ("spec", "status") if name in body},
    }
    text = json.dumps(told).replace(body["metadata"]["namespace"], NAMESPACE)
    if service := told.get("status", {}).get("service"):
        text = text.replace(service["id"], SERVICE)
    for pattern, instead in _EVER_NEW:
        text = pattern.sub(instead, text)
    return dict(json.loads(text))


def text_of(body: Mapping[str, Any]) -> str:
    """Give the text of a file of testdata."""
    return HEADER + yaml.safe_dump(dict(body), width=120, sort_keys=False, allow_unicode=True)


def folder_of(kind: str) -> Path:
    """Give the folder of a kind in Argo CD's layout."""
    return GROUP / kind


def file_of(kind: str, state: str) -> Path:
    """Give the file of a state."""
    return folder_of(kind) / "testdata" / f"{state}.yaml"


@cache
def recorded(kind: str = SERVERLESS) -> dict[str, dict[str, Any]]:
    """Return all objects of a kind that were recorded, by their states."""
    return {
        path.stem: yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
        for path in sorted(folder_of(kind).glob("testdata/*.yaml"))
    }
