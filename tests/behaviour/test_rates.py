"""How often Atlas is called in states that last: what it refuses, and what it shows in turn. Rule 19 of the design.

At the default sync interval, a resource costs at most 90 calls in the first hour, and 72 in each later one.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import combinations, pairwise
from typing import Any, NamedTuple

import pytest
from pydantic.alias_generators import to_camel

from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.reconcile.spec import InvalidSpecError
from atlas_endpoints.simulator.exchange import api_error
from behaviour.atlas import PROJECT, lost
from behaviour.data_federation import CONSTANTS as DATA
from behaviour.data_federation import DataFederationSteps
from behaviour.dedicated import AZURE_ID, VPCE, DedicatedSteps
from behaviour.dedicated import CONSTANTS as DEDICATED
from behaviour.regional import CONSTANTS as REGIONAL
from behaviour.regional import BackupSteps, EncryptionSteps
from behaviour.regional_mode import ModeSteps
from behaviour.serverless import INSTANCE, ServerlessSteps
from behaviour.steps import Steps
from behaviour.streams import CONSTANTS as STREAMS
from behaviour.streams import StreamSteps
from support.virtual_time import on_virtual_time

Fields = Mapping[str, Any]
AT_MOST = (90, 72, 72)
"""Calls in each hour."""

ELSEWHERE = {"managementPolicy", "suspend", "syncInterval"}
"""The optional fields of a spec with which nothing is created, or which change the bounds."""
OPTIONAL: Fields = {
    "credentialsSecretRef": {"name": "mine"},
    "driftPolicy": "Report",
    "deletionPolicy": "Delete",
    "provisioningTimeout": "10m",
    "acceptStringChanges": True,
    "outputConfigMapRef": {"name": "out"},
    "cloudProviderEndpointId": VPCE,
    "comment": "one",
    "connectionStringConfigMapRef": {"name": "orders"},
    "connectionStrings": [{"clusterName": "orders", "configMapRef": {"name": "orders"}}],
    "supportedRemoteRegions": ["us-east-1"],
    "region": "eu-west-1",
    "customerEndpointDnsName": DATA["DNS_NAME"],
    "federatedDatabases": [{"name": "sales", "configMapRef": {"name": "sales"}}],
    "vpcRegion": "eu-west-2",
    "dnsDomain": "orders.confluent.cloud",
    "dnsSubDomain": ["one.orders.confluent.cloud"],
    "authenticationScheme": "IAM",
    "projectRef": {"name": "main"},
    "cloudProviderEndpointRef": DEDICATED["REF"],
    "privateEndpointIpAddressFrom": {"configMapKeyRef": {"name": "address", "key": "ip"}},
    "customerEndpointDnsNameFrom": {"configMapKeyRef": {"name": "name", "key": "dns"}},
}
"""All others that are not in each spec; those come last that take the place of another one."""
BESIDE: Mapping[str, Fields] = {
    "projectRef": {"projectId": None},
    "cloudProviderEndpointRef": {"cloudProviderEndpointId": None},
    "privateEndpointIpAddressFrom": {"privateEndpointIpAddress": None},
    "customerEndpointDnsName": {"region": "eu-west-1"},
    "customerEndpointDnsNameFrom": {"region": "eu-west-1", "customerEndpointDnsName": None},
}
"""What changes with a field, since it needs that or takes its place."""
TARGETS = {"AtlasProject main": PROJECT, "ConfigMap address": "10.0.0.4", "ConfigMap name": DATA["DNS_NAME"]}


class Creation(NamedTuple):
    """A call that creates something, the least spec for which it is made, and codes with which the simulator refuses it."""

    steps: type[Steps]
    call: str
    bare: Fields
    codes: Sequence[str] = ()


IN_AWS = {**DEDICATED["ON_AWS"], "cloudProviderEndpointId": VPCE}
IN_AZURE = {**DATA["AZURE"], "region": "eastus2"}
RULES = [{"name": f"rule-{n}", "ipAddress": "10.0.0.4"} for n in range(6)]
GROUP = {"projectId": "my-project-1", "portMappingEnabled": False, "endpointGroupName": "group", "endpoints": RULES}
PLACE = {"instanceName": INSTANCE, "providerName": "AWS"}
CONNECTION = {**PLACE, **DATA["AZURE"]}
INSTANCES = ("SERVERLESS_INSTANCE_NOT_FOUND", "NOT_SERVERLESS_TENANT_CLUSTER", "TENANT_PRIVATE_ENDPOINT_NOT_FOUND")
SERVICE = "PRIVATE_ENDPOINT_SERVICE_"
SERVICES = (f"{SERVICE}ALREADY_EXISTS_FOR_REGION", "ATLAS_GENERAL_ERROR", "PROVIDER_UNSUPPORTED")
ENDPOINTS = ("PRIVATE_ENDPOINT_ALREADY_EXISTS", f"{SERVICE}CANNOT_ACCEPT_ENDPOINTS", f"{SERVICE}NOT_FOUND")
LAKES = [f"DATA_FEDERATION_PRIVATE_ENDPOINT_{each}" for each in ("LIMIT_EXCEEDED", "NOT_FOUND")]
KEYS = [
    f"ENCRYPTION_AT_REST_PRIVATE_{each}" for each in ("ENDPOINT_ALREADY_EXISTS_FOR_REGION", "NETWORKING_NOT_ENABLED")
]
BACKUPS = ("BACKUP_PRIVATE_ENDPOINT_ALREADY_EXISTS_FOR_REGION",)
LINKS = ("STREAM_PRIVATE_LINK_ALREADY_EXISTS", "STREAM_PRIVATE_LINK_REQUIRES_CLUSTER_IN_REGION")
CREATIONS: Mapping[str, Creation] = {
    "a serverless reservation": Creation(ServerlessSteps, "POST", {**PLACE, "endpointId": None}, INSTANCES),
    "a serverless connection": Creation(ServerlessSteps, "PATCH", CONNECTION, INSTANCES),
    "a dedicated service": Creation(DedicatedSteps, "POST service", DEDICATED["ON_AWS"], SERVICES),
    "a dedicated endpoint in AWS": Creation(DedicatedSteps, "POST endpoint", IN_AWS),
    "a dedicated endpoint in Azure": Creation(DedicatedSteps, "POST endpoint", IN_AZURE, ENDPOINTS),
    "a dedicated endpoint of rules": Creation(DedicatedSteps, "POST endpoint", {**DEDICATED["ON_GCP"], "gcp": GROUP}),
    "a Data Federation endpoint in AWS": Creation(DataFederationSteps, "POST", DATA["AWS"], LAKES),
    "a Data Federation endpoint in Azure": Creation(DataFederationSteps, "POST", DATA["AZURE"]),
    "an encryption endpoint": Creation(EncryptionSteps, "POST", REGIONAL["AZURE"], KEYS),
    "a backup endpoint": Creation(BackupSteps, "POST", REGIONAL["AWS"], BACKUPS),
    "the regional mode": Creation(ModeSteps, "PATCH", {}),
    "a connection to MSK": Creation(StreamSteps, "POST", STREAMS["MSK"]),
    "a connection to Confluent in AWS": Creation(StreamSteps, "POST", STREAMS["CONFLUENT"], LINKS),
    "a connection to Confluent in Azure": Creation(StreamSteps, "POST", STREAMS["AZURE_CONFLUENT"]),
    "a connection to Confluent in Google Cloud": Creation(StreamSteps, "POST", STREAMS["GCP_CONFLUENT"]),
}
"""One without codes is another way to the same call: few refusals are tried."""

Refusal = tuple[int, bytes] | None
"""Status and body; ``None``: no answer."""


def known(code: str) -> Refusal:
    """Return a refusal as the simulator has it, which names a field where it can."""
    error = api_error(code, *["No Capacity" if code == "ATLAS_GENERAL_ERROR" else "comment"] * 5)
    return error.status, error.answer().body


def unknown(status: int) -> Refusal:
    return status, json.dumps({"error": status, "errorCode": "SOMETHING_NEW", "detail": "no"}).encode()


FEW: Mapping[str, Refusal] = {"400": unknown(400), "503 in HTML": (503, b"<html>"), "409": unknown(409)}
MANY: Mapping[str, Refusal] = {
    **FEW,
    **{str(status): unknown(status) for status in (401, 402, 403, 404, 405, 410, 422, 429, 500)},
    **{code: known(code) for code in ("INVALID_ATTRIBUTE", "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES", "NOT_IN_GROUP")},
    "no answer": None,
}


def specs(creation: Creation) -> Mapping[str, Fields]:
    """Return the bare spec, one with each optional field that is possible, and two with as many as are possible."""
    parse = creation.steps.kind.resource.spec_type.parse
    bare = {"projectId": PROJECT, **creation.bare, "deletionPolicy": None}
    found: dict[str, Fields] = {"no optional field": bare, "every field": bare, "every reference": bare}

    def add(title: str, spec: Fields, changes: Fields) -> None:
        added = {**spec, **changes}
        with suppress(InvalidSpecError):
            parse({name: value for name, value in added.items() if value is not None})
            found[title] = added

    for name, value in OPTIONAL.items():
        if bare.get(name) is None:
            field, beside = {name: value}, BESIDE.get(name, {})
            add(name, bare, {**beside, **field})
            add("every field", found["every field"], field)
            add("every reference", found["every reference"], {**beside, **field})
    return found


def refused() -> Iterator[Any]:
    for name, creation in CREATIONS.items():
        possible, codes = specs(creation), {code: known(code) for code in creation.codes}
        of_it = {**MANY, **codes} if codes else FEW
        for fields, spec in possible.items():
            for words in of_it if fields == "every field" else ("400",):
                marks = [] if (fields, words) == ("every field", "400") else [pytest.mark.beyond]
                yield pytest.param(creation, spec, [of_it[words]], id=f"{name} with {fields}: {words}", marks=marks)
        for some in combinations(FEW if codes else (), 2):
            refusals = [FEW[each] for each in some]
            title = f"{name}: {' and '.join(some)} in turn"
            yield pytest.param(creation, possible["every field"], refusals, id=title, marks=pytest.mark.beyond)


async def assert_few_calls(steps: Steps) -> None:
    """Let hours pass; the operator is killed when there are too many calls, so that a defect costs little."""
    for most in AT_MOST:
        steps.clear(None, "")

        def takes(_: Request, most: int = most) -> float:
            if len(steps.atlas.calls) > most:
                asyncio.get_running_loop().call_soon(steps.kill, None, "")
            return 0.2

        steps.atlas.takes = takes
        await steps.run("1h", "")
        assert len(steps.atlas.calls) <= most, Counter(steps.atlas.calls)
        assert steps.written.total() <= 2 * len(steps.observer.reconciles)  # one may come before a call


KINDS = {each.steps.kind.names.kind: each.steps for each in CREATIONS.values()}


@pytest.mark.parametrize("steps", KINDS.values(), ids=KINDS)
def test_each_optional_field_is_tried(steps: type[Steps]) -> None:
    optional = [name for name, each in steps.kind.resource.spec_type.model_fields.items() if not each.is_required()]
    tried = [fields for each in CREATIONS.values() if each.steps is steps for fields in specs(each).values()]
    assert {to_camel(name) for name in optional} - {name for fields in tried for name in fields} == ELSEWHERE


@pytest.mark.parametrize(("creation", "spec", "refusals"), [*refused()])
@on_virtual_time
async def test_a_refused_creation_is_tried_seldom(
    creation: Creation, spec: Fields, refusals: Sequence[Refusal]
) -> None:
    steps, made = creation.steps(), 0

    def before(request: Request) -> None:
        nonlocal made
        if steps.name_of(request).startswith(creation.call):
            made += 1
            refusal = refusals[made % len(refusals)]
            raise lost(request) if refusal is None else steps.atlas.refusal(request, *refusal)

    steps.atlas.before = before
    steps.target({**TARGETS, "VPCEndpoint vpc": AZURE_ID if spec.get("providerName") == "AZURE" else VPCE}, "")
    if isinstance(steps, ServerlessSteps):
        place = {"providerName": spec["providerName"], "endpointServiceName": "service"}
        steps.endpoint({"status": "RESERVED", **place}, "")
    async with steps.running():
        steps.create(spec, "db")
        await assert_few_calls(steps)
    assert made > 0, steps.bodies["db"]["status"]


NOTHING, OUTAGE = "nothing", "an outage"
ID = {"cloudProviderEndpointId": VPCE}
AT_REST = "INITIATING PENDING_ACCEPTANCE ACTIVE FAILED PENDING_RECREATION DELETING"
LAKE = "PENDING NEW OK FAILED DELETING"
BACKUP = "INITIATING NEW ACTIVE FAILED PENDING_RECREATION DELETING"
STREAM = "IDLE WORKING DONE FAILED DELETE_REQUESTED DELETING DELETED"
SHOWN: Mapping[str, tuple[type[Steps], Fields, str, str]] = {
    "a serverless endpoint": (ServerlessSteps, ID, "LIST/GET", "RESERVED INITIATING AVAILABLE FAILED DELETING NEW"),
    "a dedicated service": (DedicatedSteps, IN_AWS, "LIST/GET service", "INITIATING NEW AVAILABLE FAILED DELETING"),
    "a dedicated endpoint": (DedicatedSteps, IN_AWS, "GET endpoint", "PENDING NEW AVAILABLE REJECTED DELETED DELETING"),
    "a Data Federation endpoint": (DataFederationSteps, DATA["AZURE"], "LIST/GET endpoint", LAKE),
    "an encryption endpoint": (EncryptionSteps, REGIONAL["AZURE"], "LIST/GET endpoint", AT_REST),
    "a backup endpoint": (BackupSteps, REGIONAL["AWS"], "LIST/GET endpoint", BACKUP),
    "a stream connection": (StreamSteps, STREAMS["S3"], "LIST/GET connection", STREAM),
}
"""What is settled, the calls that show it, and statuses: two on the way, then the one that it has."""


def in_turn() -> Iterator[Any]:
    """Yield what Atlas shows in turn, something else at each read or after some seconds."""
    for name, (steps, spec, reads, statuses) in SHOWN.items():
        words = statuses.split()
        first, second, *_, last = words
        several: list[tuple[Sequence[str], int]] = [(pair, 0) for pair in (*pairwise(words), (first, last))]
        several += [([first, first, last, last], 0), (words[-3:], 0), (words[:4], 0), ([first, OUTAGE, last], 0)]
        several += [([first, NOTHING, NOTHING, NOTHING], 0)]
        several += [([first, second], 600), (words[-3:], 60), ([NOTHING, OUTAGE], 60)]
        for number, (some, seconds) in enumerate(several):
            when = f"for {seconds} s each" if seconds else "at each read"
            marks = [pytest.mark.beyond] if number else []
            yield pytest.param(steps, spec, reads, some, seconds, id=f"{name}: {', '.join(some)} {when}", marks=marks)


class InTurn:
    """Atlas shows these statuses in turn, at each read or for some seconds each; and a DELETE does nothing."""

    def __init__(self, steps: Steps, reads: str, words: Sequence[str], seconds: int = 0) -> None:
        self._steps, self._reads, self._words, self._seconds = steps, reads.split("/"), words, seconds
        self.made = 0

    def accepted(self, request: Request) -> Any:
        if request.method == "DELETE":
            return {}
        if (name := self._steps.name_of(request)) not in self._reads:
            return None
        self.made += 1
        turn = int(self._steps.true_clock.monotonic()) // self._seconds if self._seconds else self.made
        word = self._words[turn % len(self._words)]
        if word == OUTAGE:
            raise self._steps.atlas.refusal(request, 503, b"")
        if word == NOTHING and name != "LIST":  # Atlas is asked for another one, which it does not have
            request = replace(request, path=f"{request.path[:-2]}ff")
        found = self._steps.atlas.read(request, self._steps.atlas.perform(request)).json
        several = [found] if name != "LIST" else found["results"] if isinstance(found, dict) else found
        if word == NOTHING:
            several.clear()
        for each in several:
            each.update(dict.fromkeys(each.keys() & {"status", "state", "connectionStatus"}, word))
        return found


@pytest.mark.parametrize(("kind", "spec", "reads", "words", "seconds"), [*in_turn()])
@on_virtual_time
async def test_what_alternates_is_read_seldom(
    kind: type[Steps], spec: Fields, reads: str, words: Sequence[str], seconds: int
) -> None:
    steps = kind()
    shows = InTurn(steps, reads, words, seconds)
    async with steps.running():
        if isinstance(steps, ServerlessSteps):
            steps.endpoint(spec, "")
        steps.create(spec, "db")
        await steps.run("3m", "")
        steps.atlas.accepted = shows.accepted
        await assert_few_calls(steps)
    assert shows.made > 0


@pytest.mark.parametrize("name", SHOWN)
@on_virtual_time
async def test_what_does_not_go_is_read_seldom(name: str) -> None:
    kind, spec, reads, statuses = SHOWN[name]
    steps = kind()
    shows = InTurn(steps, reads, ("NEW", statuses.split()[2]))
    async with steps.running():
        if isinstance(steps, ServerlessSteps):
            steps.endpoint(spec, "")
        steps.create({**spec, "deletionPolicy": "Delete"}, "db")
        await steps.run("40m", "")
        steps.atlas.accepted = shows.accepted
        steps.clear(None, "")
        steps.delete(None, "db")
        await assert_few_calls(steps)
    assert shows.made > 0
