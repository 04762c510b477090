"""Resources of all kinds at rest, and the Atlas that has what they name. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.populations import CLOUD_ENDPOINT, LABEL, NAMESPACES, Fleet, Serverless, project_id, secret, secret_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

FLEET = Fleet(Serverless, "six-")
"""How they are spread: over projects, namespaces and credentials, as the other rows have it."""
POPULATION = "six-kinds"
SELECTOR = f"{LABEL}={POPULATION}"
REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-south-1")
SERVICE = "com.amazonaws.vpce.us-east-1.vpce-svc-{:017x}"
DOMAIN = "{:05}.us-east-1.aws.confluent.cloud"


class Kind(NamedTuple):
    """The names of a kind."""

    kind: str
    plural: str


SERVERLESS = Kind("ServerlessPrivateEndpoint", "serverlessprivateendpoints")
DEDICATED = Kind("DedicatedPrivateEndpoint", "dedicatedprivateendpoints")
DATA_FEDERATION = Kind("DataFederationPrivateEndpoint", "datafederationprivateendpoints")
ENCRYPTION = Kind("EncryptionAtRestPrivateEndpoint", "encryptionatrestprivateendpoints")
BACKUP = Kind("BackupPrivateEndpoint", "backupprivateendpoints")
STREAM = Kind("StreamPrivateEndpoint", "streamprivateendpoints")
KINDS = (SERVERLESS, DEDICATED, DATA_FEDERATION, ENCRYPTION, BACKUP, STREAM)


def kind_of(number: int) -> Kind:
    """Return the kind of a resource: each project has all of them in turn, and so have few resources."""
    return KINDS[(number + number // FLEET.places) % len(KINDS)]


def manifest(number: int) -> dict[str, Any]:
    """Return a resource by its number."""
    kind, place = kind_of(number), number % FLEET.places
    return {
        "apiVersion": "atlas-endpoints.dev/v1alpha1",
        "kind": kind.kind,
        "metadata": {
            "namespace": NAMESPACES[place % len(NAMESPACES)],
            "name": f"{POPULATION}-{number:05}",
            "labels": {LABEL: POPULATION},
        },
        "spec": {
            "projectId": project_id(place),
            "providerName": "AWS",
            "credentialsSecretRef": {"name": secret_name(place % FLEET.tenants)},
            **_named(kind, number),
        },
    }


def seed(size: int) -> dict[str, Any]:
    """Return an Atlas that has what so many resources name, just as they want it."""
    numbers: dict[int, list[int]] = {}
    for number in range(size):
        numbers.setdefault(number % FLEET.places, []).append(number)
    credentials = [secret("", tenant)["stringData"] for tenant in range(FLEET.tenants)]
    return {
        "projects": [{"id": project_id(place), **_held(of)} for place, of in numbers.items()],
        "serviceAccounts": [{**each, "roles": {"*": "GROUP_OWNER"}} for each in credentials],
    }


def looks(calls: Iterable[Mapping[str, Any]], intervals: int) -> dict[str, float]:
    """Return how often each thing in Atlas was looked at in an interval, on average: pages of LISTs, and single reads.

    Args:
        calls: entries of the simulator's log.
        intervals: in which they came.
    """
    found = Counter((each["path"], tuple(sorted(each["query"].items()))) for each in calls if each["method"] == "GET")
    lists = {what: count for what, count in found.items() if "pageNum" in dict(what[1]) or _is_list(what[0])}
    reads = {what: count for what, count in found.items() if what not in lists}
    return {
        "pages": len(lists),
        "looks_at_a_page": sum(lists.values()) / intervals / max(1, len(lists)),
        "reads": len(reads),
        "looks_at_a_read": sum(reads.values()) / intervals / max(1, len(reads)),
    }


def _is_list(path: str) -> bool:
    """Return whether a path without pages is that of a LIST."""
    return path.endswith(("/endpoint", "/endpointService"))


def _at(number: int) -> int:
    """Return how many resources of its kind its project has before it."""
    return number // FLEET.places // len(KINDS)


def _named(kind: Kind, number: int) -> dict[str, Any]:
    if kind == SERVERLESS:
        return {"instanceName": "shop", "endpointId": f"e{number:023x}", "cloudProviderEndpointId": CLOUD_ENDPOINT}
    if kind == DEDICATED:
        return {"region": "us-east-1", "cloudProviderEndpointId": f"vpce-{number:017x}"}
    if kind == DATA_FEDERATION:
        return {"cloudProviderEndpointId": f"vpce-{number:017x}"}
    if kind == STREAM:
        service, domain = SERVICE.format(number), DOMAIN.format(number)
        return {"vendor": "CONFLUENT", "region": "us-east-1", "serviceEndpointId": service, "dnsDomain": domain}
    return {"region": REGIONS[_at(number)]}


def _held(numbers: Sequence[int]) -> dict[str, Any]:
    """Return what a project has of each family."""
    of = {kind: [each for each in numbers if kind_of(each) == kind] for kind in KINDS}
    connected = {"status": "AVAILABLE", "cloudProviderEndpointId": CLOUD_ENDPOINT}
    endpoints = [{"_id": f"e{each:023x}", **connected} for each in of[SERVERLESS]]
    dedicated = [{"id": f"vpce-{each:017x}"} for each in of[DEDICATED]]
    return {
        "instances": [{"name": "shop", "endpoints": endpoints}] if endpoints else [],
        "endpointServices": [{"regionName": "US_EAST_1", "endpoints": dedicated}] if dedicated else [],
        "dataFederationEndpoints": [{"endpointId": f"vpce-{each:017x}"} for each in of[DATA_FEDERATION]],
        "federatedDatabases": ["lake"],
        "encryptionAtRest": {"awsKms": {"enabled": True, "requirePrivateNetworking": True}},
        "encryptionAtRestEndpoints": [{"regionName": REGIONS[_at(each)]} for each in of[ENCRYPTION]],
        "backupEndpoints": [{"regionName": REGIONS[_at(each)]} for each in of[BACKUP]],
        "streamEndpoints": [
            {**_named(STREAM, each), "_id": f"f{each:023x}", "dnsSubDomain": []} for each in of[STREAM]
        ],
    }
