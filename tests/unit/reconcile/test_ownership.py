"""Who owns an endpoint that several resources name, and who still needs one: the rows of ``ownership.yaml``."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from atlas_endpoints.controller.cache import Key
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessPrivateEndpoint
from atlas_endpoints.reconcile.ownership import Owner, Unlisted, owner_before, protectors
from atlas_endpoints.reconcile.resource import Thing
from behaviour.cases import load
from support.named import NAMED

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
ENDPOINT, PROJECT = "6f7cac1adf5d6c6306f4b283", "5f7cac1adf5d6c6306f4b283"
THING = Thing(f"/{ENDPOINT}", ENDPOINT, f"Endpoint {ENDPOINT}")
AGES = {"older": "2026-11-25T10:00:00Z", "same": "2026-11-25T11:00:00Z", "younger": "2026-11-25T11:30:00Z"}
TABLES: Mapping[str, Mapping[str, Any]] = load(Path(__file__).with_name("ownership.yaml"))


def status(text: str) -> dict[str, Any]:
    """Return the status that a text means; the file says how."""
    words = text.split(", ")
    if words[0] in {"new", "no status"}:
        return {"observedGeneration": -1} if words[0] == "new" else {}
    times = {"observedGeneration": 1, "lastTransitionTime": AGES["older"]}
    conditions = [
        {"type": word.split()[0], "status": "True", "reason": word.split()[1], "message": "Said.", **times}
        for word in words
        if word.split()[0] in {"Contended", "Reconciling", "Stalled"}
    ]
    found: dict[str, Any] = {"observedGeneration": 1, "conditions": conditions}
    if "unseen" not in words:
        found["endpoint"] = {"id": ENDPOINT, "status": "AVAILABLE"}
    if "adopted" in words:
        found["reservation"] = {"endpointId": ENDPOINT, "adopted": True, "requestedAt": AGES["older"]}
    for word in words:
        if word.split()[0] in {"away", "fails"}:
            since = NOW - (timedelta(hours=1) if word.endswith("hour") else timedelta(minutes=1))
            error = {"since": f"{since:%Y-%m-%dT%H:%M:%SZ}", "operation": "LIST", "detail": "It says why."}
            found["lastError"] = {**error, "retryable": word.startswith("away")}
    return found


def body(row: Mapping[str, Any], *, name: str = "shop/other") -> dict[str, Any]:
    """Return the other resource of a row."""
    namespace, _, short = row.get("name", name).partition("/")
    metadata: dict[str, Any] = {"namespace": namespace, "name": short, "uid": f"uid-{short}", "generation": 1}
    metadata |= {"resourceVersion": "1", "creationTimestamp": AGES[row.get("age", "older")]}
    if "deleting" in row:
        metadata["deletionTimestamp"] = AGES["same"]
    spec = {"projectId": PROJECT, "instanceName": "orders", "providerName": "AWS", "endpointId": ENDPOINT}
    return {**NAMED, "metadata": metadata, "spec": spec | row.get("spec", {}), "status": status(row["other"])}


def me(text: str, **spec: Any) -> ServerlessPrivateEndpoint:
    if "adopted" in text:
        spec["endpointId"] = None
    return ServerlessPrivateEndpoint.parse(body({"other": text, "age": "same", "spec": spec}, name="shop/m"))


def owner(row: Mapping[str, Any]) -> Owner | Unlisted | None:
    if row["owner"] == "the other":
        return Owner(Key("ServerlessPrivateEndpoint", *row.get("name", "shop/other").split("/")))
    return Unlisted.UNLISTED if row["owner"] == "unlisted" else None


@pytest.mark.parametrize("row", TABLES["owner"].values(), ids=TABLES["owner"])
def test_owner(row: Mapping[str, Any]) -> None:
    missing, mine = "unlisted" in row, me(row["mine"])
    found = owner_before(KIND, mine, [body(row)], changes="changes" in row, may_miss=lambda: missing)
    assert found == owner(row)


def test_a_resource_that_observes_has_no_owner_before_it() -> None:
    mine, other = me("new", managementPolicy="Observe"), body({"other": "owns"})
    assert owner_before(KIND, mine, [other], changes=True, may_miss=lambda: True) is None


@pytest.mark.parametrize("row", TABLES["protects"].values(), ids=TABLES["protects"])
def test_protectors(row: Mapping[str, Any]) -> None:
    found = protectors(KIND, me("owns"), THING, [body(row)])
    assert bool(found) is row["protects"]
