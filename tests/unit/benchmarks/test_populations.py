"""The resources of the benchmark are such as the operator takes, and are spread as the benchmark's page says."""

from __future__ import annotations

import json
from collections import Counter

from atlas_endpoints.atlas.credentials import parse_credentials
from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessPrivateEndpoint
from benchmarks.populations import (
    INSTANCES,
    NAMESPACES,
    TENANTS,
    Population,
    Resource,
    project_id,
    secret,
    status_of,
    world,
)


def test_the_operator_takes_each_resource_and_each_secret() -> None:
    for resource in Population("p", 3, first=20_000):
        manifest = resource.manifest("words")
        metadata = {"uid": "u", "generation": 1, "resourceVersion": "1", "creationTimestamp": "2026-01-01T00:00:00Z"}
        parsed = ServerlessPrivateEndpoint.parse({**manifest, "metadata": {**manifest["metadata"], **metadata}})
        assert (parsed.spec.endpoint_id, parsed.spec.comment) == (resource.endpoint, "words")
    assert [parse_credentials(secret("n", tenant)["stringData"])[1] for tenant in range(4)] == [[]] * 4


def test_namespaces_and_tenants_share_the_instances_equally() -> None:
    resources = [*Population("p", 3 * INSTANCES)]
    places = {(each.instance, each.namespace, each.project) for each in resources}

    assert len({each.endpoint for each in resources}) == len(resources)
    assert len(places) == INSTANCES
    assert Counter(namespace for _, namespace, _ in places) == dict.fromkeys(NAMESPACES, INSTANCES // len(NAMESPACES))
    assert {*Counter(project for *_, project in places).values()} == {INSTANCES // TENANTS}


def test_the_world_holds_an_endpoint_for_each_resource() -> None:
    populations = [Population("one", 50), Population("two", 30, 50)]
    found = {
        (instance["projectId"], instance["instanceName"], endpoint)
        for instance in world(populations, "settled")
        for endpoint in instance["endpointIds"]
    }

    assert found == {(each.project, each.instance, each.endpoint) for population in populations for each in population}


def test_a_status_at_rest_is_that_of_another_resource_with_its_own_ids() -> None:
    sample, other = Resource("sample", 0), Resource("settled", 41)
    status = {"endpoint": {"id": sample.endpoint}, "resolved": [sample.project, "resource/atlas-0"]}

    assert json.loads(status_of(sample, json.dumps(status), other)) == {
        "endpoint": {"id": other.endpoint},
        "resolved": [project_id(1), "resource/atlas-1"],
    }
