from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from atlas_endpoints.atlas.credentials import parse_credentials
from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessPrivateEndpoint
from benchmarks.populations import (
    INSTANCES,
    NAMESPACES,
    Population,
    Resource,
    project_id,
    secret,
    selector,
    status_of,
    world,
)


def as_stored(manifest: dict[str, Any]) -> dict[str, Any]:
    metadata = {**manifest["metadata"], "uid": "u", "generation": 1, "resourceVersion": "1"}
    return {**manifest, "metadata": {**metadata, "creationTimestamp": "2026-01-01T00:00:00Z"}}


def test_every_resource_is_one_that_the_operator_understands() -> None:
    for resource in Population("p", 3, first=20_000):
        parsed = ServerlessPrivateEndpoint.parse(as_stored(resource.manifest("words")))
        assert parsed.spec.endpoint_id == resource.endpoint
        assert parsed.spec.comment == "words"


def test_no_two_resources_share_an_endpoint_and_an_instance_belongs_to_one_project() -> None:
    first = Population("one", 100)
    second = Population("two", 100, first.after)
    resources = [*first, *second]
    assert len({resource.endpoint for resource in resources}) == len(resources)
    assert len({(resource.project, resource.instance) for resource in resources}) == INSTANCES


def test_the_namespaces_share_the_instances_equally_and_each_instance_is_in_one() -> None:
    resources = [*Population("p", 3 * INSTANCES)]
    places = {(resource.instance, resource.namespace) for resource in resources}
    assert Counter(namespace for _, namespace in places) == dict.fromkeys(NAMESPACES, INSTANCES // len(NAMESPACES))


@pytest.mark.parametrize("tenants", [1, 4])
def test_tenants_share_the_instances_equally(tenants: int) -> None:
    resources = Population("p", INSTANCES, tenants=tenants)
    assert Counter(resource.tenant for resource in resources) == dict.fromkeys(range(tenants), INSTANCES // tenants)


def test_the_world_holds_an_endpoint_for_each_resource_where_the_resource_looks_for_it() -> None:
    populations = [Population("one", 50), Population("two", 30, 50)]
    found = {
        (instance["projectId"], instance["instanceName"], endpoint)
        for instance in world(populations, "settled")
        for endpoint in instance["endpointIds"]
    }
    assert found == {(each.project, each.instance, each.endpoint) for population in populations for each in population}


def test_a_selector_names_all_populations() -> None:
    assert selector([Population("one", 1), Population("two", 1)]) == "atlas-endpoints.dev/population in (one,two)"


def test_credentials_are_such_as_the_operator_takes() -> None:
    read = [parse_credentials(secret("n", tenant)["stringData"]) for tenant in range(4)]
    assert [warnings for _, warnings in read] == [[]] * 4
    assert len({credentials.fingerprint("http://atlas") for credentials, _ in read}) == len(read)


def test_a_status_at_rest_is_told_of_another_resource_in_its_own_words() -> None:
    sample, other = Resource("sample", 0), Resource("settled", 41)
    status = {
        "endpoint": {"id": sample.endpoint},
        "resolved": {"projectId": sample.project, "credentialsSource": "resource/atlas-0"},
    }
    assert json.loads(status_of(sample, json.dumps(status), other)) == {
        "endpoint": {"id": other.endpoint},
        "resolved": {"projectId": project_id(1), "credentialsSource": "resource/atlas-1"},
    }
