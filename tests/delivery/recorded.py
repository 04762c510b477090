"""One object for each state that a resource may be in, as an operator wrote it, in the testdata of Argo CD's health check.

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
KIND = CUSTOMIZATIONS / "atlas-endpoints.dev" / "ServerlessPrivateEndpoint"
TESTDATA = KIND / "testdata"

NAMESPACE = "shop"
HEADER = "# What a real operator wrote, recorded by `make record`; do not edit.\n"

_EVER_NEW = (
    (re.compile(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"'), '"2026-11-24T12:00:00Z"'),
    (re.compile(r"vpce-svc-[0-9a-f]{17}"), "vpce-svc-9c342d834393930b3"),
    (re.compile(r"\b5f7cac1adf5d6c63[0-9a-f]{8}\b"), "5f7cac1adf5d6c6300000000"),  # the project of support.atlas
    (re.compile(r"\b6f7cac1a[0-9a-f]{16}\b"), "6f7cac1a0000000000000000"),  # and its endpoint
)
_METADATA = ("name", "namespace", "generation", "creationTimestamp", "deletionTimestamp", "finalizers", "annotations")


def normalised(body: Mapping[str, Any]) -> dict[str, Any]:
    """Give an object without what is new in every run, and without what only tests need."""
    metadata = {name: body["metadata"][name] for name in _METADATA if body["metadata"].get(name)}
    told = {
        "apiVersion": body["apiVersion"],
        "kind": body["kind"],
        "metadata": {
            **metadata,
            "resourceVersion": "1000",
            "uid": "6f1f0d7e-4c0e-4a43-9a53-5f3a3b0c9f10",
        },
        **{name: body[name] for name in ("spec", "status") if name in body},
    }
    text = json.dumps(told).replace(body["metadata"]["namespace"], NAMESPACE)
    for pattern, instead in _EVER_NEW:
        text = pattern.sub(instead, text)
    return dict(json.loads(text))


def text_of(body: Mapping[str, Any]) -> str:
    """Give the text of a file of testdata."""
    return HEADER + yaml.safe_dump(dict(body), width=120, sort_keys=False, allow_unicode=True)


def file_of(state: str) -> Path:
    """Give the file of a state."""
    return TESTDATA / f"{state}.yaml"


@cache
def recorded() -> dict[str, dict[str, Any]]:
    """Return all objects that were recorded, by their states."""
    return {
        path.stem: yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
        for path in sorted(TESTDATA.glob("*.yaml"))
    }
