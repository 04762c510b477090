"""The operator reads what Atlas answered: the recordings of tests/data, but for what comparison.yaml says is not read."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from atlas_endpoints.atlas.answers import RefusedAnswer, classify
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.kinds import KINDS
from atlas_endpoints.kinds.connection_strings import private_strings
from atlas_endpoints.kinds.data_federation_private_endpoint.kind import hostnames
from atlas_endpoints.reconcile.decision import Create
from atlas_endpoints.reconcile.reasons import Reason
from support.recordings import comparisons, recordings

NOW = datetime(2026, 11, 30, tzinfo=UTC)
PROJECT, ID, CLUSTER, DATABASE = "5f" * 12, "d1" * 12, "orders", "e2e-data-federation-197"
VALUES = {**dict.fromkeys(("id", "serviceId", "endpointId", "connectionId"), ID), "vpceId": "vpce-0123456789abcdef0"}
RECORDED = {
    name: each
    for name, each in recordings(groupId=PROJECT, clusterName=CLUSTER, tenantName=DATABASE, **VALUES).items()
    if each.get("response")
}
NOT_READ = {name for name, each in comparisons().items() if "not read" in each}
REFUSED = [name for name, each in RECORDED.items() if (each["response"]["status"] or 0) >= 400]
SHOWN = [name for name, each in RECORDED.items() if name not in REFUSED and each["request"]["method"] != "DELETE"]
VERBS = {"GET": ("get", "list"), "POST": ("create",), "PATCH": ("update", "toggle")}
BESIDE: Mapping[str, Callable[[Any], Any]] = {
    "getCluster": partial(private_strings, CLUSTER),
    "getDataFederation": partial(hostnames, DATABASE),
}
ENTRIES = {
    "listExportBuckets": "exportBuckets",
    "listStreamWorkspaces": "workspaces",
    "listStreamConnections": f"streams/{DATABASE}",
    **dict.fromkeys(("getRegionalEndpointMode", "toggleRegionalEndpointMode"), "regionalMode"),
}
"""What is read beside the entries, by an output and by a decision."""


@pytest.mark.parametrize("name", SHOWN)
def test_what_atlas_showed_is_read(name: str) -> None:
    found = read(RECORDED[name]["request"], RECORDED[name]["response"]["body"])

    assert bool(found and None not in found) is (name not in NOT_READ)


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_keeps_the_words_of_atlas(name: str) -> None:
    request, answer = RECORDED[name]["request"], RECORDED[name]["response"]
    refusal = RefusedAnswer(answer["status"], {}, json.dumps(answer["body"]).encode())

    error = classify(refusal, Request(name, request["method"], request["path"]), now=NOW)

    body = answer["body"] or {}
    assert error.http_status == answer["status"]
    assert (error.error_code or "", error.detail or "") == (body.get("errorCode", ""), body.get("detail", ""))


def read(request: Mapping[str, Any], answer: Any) -> Sequence[Any]:
    """Return what the kinds read in an answer; nothing if none makes the call."""
    path = re.sub(r"/v1\.\d/", "/v2/", request["path"].partition("?")[0])
    calls = (
        (kind, operation, found.groupdict())
        for kind in KINDS
        for operation, template in kind.templates.items()
        if operation.startswith(VERBS[request["method"]])
        and (found := re.fullmatch(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", template), path))
    )
    if (call := next(calls, None)) is not None:
        kind, operation, names = call
        items = answer.get("results", answer) if isinstance(answer, dict) else answer
        entry = ENTRIES.get(operation, "/".join([*names.values()][1 + ("cloudProvider" in names) :]))
        if request["method"] == "POST":
            sent = Request(operation, "POST", path, request["body"])
            return [
                kind.written(
                    Create(sent, touches=(entry,), name="", reason=Reason.PENDING, intended="", searched=""), answer
                )
            ]
        if operation == kind.list_request(Scope("", PROJECT, "", "AWS")).operation:
            return [kind.listed(each) for each in items]
        return [BESIDE[operation](answer) if operation in BESIDE else kind.got(entry, items)]
    return []
