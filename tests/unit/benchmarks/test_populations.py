"""The resources of the benchmark are such as the operator takes, and are spread as the benchmark's page says."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from atlas_endpoints.atlas.credentials import parse_credentials
from atlas_endpoints.kinds.registry import KINDS
from benchmarks.populations import DEDICATED, NAMESPACES, SERVERLESS, project_id, secret, status_of, world
from benchmarks.rows import ROWS

if TYPE_CHECKING:
    from benchmarks.populations import Fleet

FLEETS = pytest.mark.parametrize("fleet", dict.fromkeys(row.fleet for row in ROWS.values()))


@FLEETS
def test_the_operator_takes_each_resource_and_each_secret(fleet: Fleet) -> None:
    (kind,) = (each for each in KINDS if each.names.plural == fleet.kind.plural)
    for resource in fleet.population("p", 3, first=20_000):
        manifest = resource.manifest("words")
        edited = {**manifest, "spec": {**manifest["spec"], **resource.edit("edit 1")}}
        metadata = {"uid": "u", "generation": 1, "resourceVersion": "1", "creationTimestamp": "2026-01-01T00:00:00Z"}
        before, after = (
            kind.resource.parse({**each, "metadata": {**manifest["metadata"], **metadata}}).spec
            for each in (manifest, edited)
        )
        assert before.endpoint_id == after.endpoint_id == resource.endpoint
        assert before != after
    tenants = range(fleet.tenants)
    assert [parse_credentials(secret("n", tenant)["stringData"])[1] for tenant in tenants] == [[]] * fleet.tenants


@FLEETS
def test_namespaces_and_tenants_share_the_places_equally(fleet: Fleet) -> None:
    resources = [*fleet.population("p", 3 * fleet.places)]
    places = {(each.place, each.namespace, each.tenant) for each in resources}

    assert len({each.endpoint for each in resources}) == len(resources)
    assert len(places) == fleet.places
    assert Counter(namespace for _, namespace, _ in places) == dict.fromkeys(
        NAMESPACES, fleet.places // len(NAMESPACES)
    )
    assert {*Counter(tenant for *_, tenant in places).values()} == {fleet.places // fleet.tenants}
    assert fleet.secrets() == {(namespace, tenant) for _, namespace, tenant in places}


def test_the_world_holds_an_endpoint_for_each_resource_at_rest_and_for_those_that_name_one() -> None:
    settled = [SERVERLESS.population("one", 50), DEDICATED.population("two", 30)]
    to_create = [SERVERLESS.population("three", 20, 50), DEDICATED.population("four", 20, 30)]
    found = world(settled, to_create, "settled")

    assert sorted(each for instance in found["instances"] for each in instance["endpointIds"]) == [
        each.endpoint for population in (settled[0], to_create[0]) for each in population
    ]
    assert sorted(each for service in found["services"] for each in service["endpointIds"]) == [
        each.endpoint for each in settled[1]
    ]
    assert {each["projectId"] for each in found["services"]} == {project_id(place) for place in range(40)}


def test_a_status_at_rest_is_that_of_another_resource_with_its_own_ids() -> None:
    (sample,), (other,) = SERVERLESS.population("sample", 1), SERVERLESS.population("settled", 1, 41)
    status = {"endpoint": {"id": sample.endpoint}, "resolved": [project_id(0), "resource/atlas-0"]}

    assert json.loads(status_of(sample, json.dumps(status), other)) == {
        "endpoint": {"id": other.endpoint},
        "resolved": [project_id(1), "resource/atlas-1"],
    }
