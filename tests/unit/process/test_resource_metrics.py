"""The series of resources: conditions, counts and facts."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from atlas_endpoints.controller.cache import Cache, Key
from atlas_endpoints.process import runtime_metrics
from atlas_endpoints.process.runtime_metrics import ResourceMetrics
from atlas_endpoints.settings import OperatorSettings
from support.named import NAMED

if TYPE_CHECKING:
    from collections.abc import Mapping


Series = frozenset[tuple[str, str]]


class Harness:
    """Cached resources, and a scraper."""

    def __init__(self, detail: str = "names") -> None:
        self.cache = Cache(lambda _: {})
        self.leads = True
        core: Any = SimpleNamespace(
            kinds={NAMED["kind"]: SimpleNamespace(cache=self.cache)},
            settings=OperatorSettings.model_validate({"resource_metrics": detail}),
        )
        self.metrics = ResourceMetrics(core, leads=lambda: self.leads)

    def put(self, name: str, *conditions: tuple[str, str, str], source: str = "", provider: str = "AWS") -> None:
        """Cache a resource; without conditions, it has no status yet."""
        metadata = {"namespace": "shop", "name": name, "uid": name, "resourceVersion": str(self.cache.newest + 1)}
        listed = [{"type": type_, "status": status, "reason": reason} for type_, status, reason in conditions]
        status = {"conditions": listed, "resolved": {"credentialsSource": source, "projectId": "p"}}
        body = {**NAMED, "metadata": metadata, "spec": {"providerName": provider}}
        self.cache.put(body | {"status": status} if conditions else body)

    async def scrape(self, name: str) -> Mapping[Series, float]:
        """Return the series of a metric, parsed as by Prometheus."""
        text = (await self.metrics.exposition()).decode()
        families = {family.name: family for family in text_string_to_metric_families(text)}
        assert {f"atlas_endpoints_{name}"} <= families.keys()
        assert all(family.type == "gauge" and family.documentation for family in families.values())
        assert families.keys() == self.metrics.described.keys()
        return {frozenset(s.labels.items()): s.value for s in families[f"atlas_endpoints_{name}"].samples}


def of(**labels: str) -> Series:
    return frozenset({"kind": NAMED["kind"], **labels}.items())


def series(name: str, type_: str, status: str, reason: str) -> Series:
    return of(resource_namespace="shop", resource_name=name, type=type_, status=status, reason=reason)


async def test_each_condition_has_a_series() -> None:
    harness = Harness()
    harness.put("a", ("Ready", "False", "Initiating"), ("Reconciling", "True", "Initiating"))
    harness.put("b", ("Ready", "True", "Available"))
    assert await harness.scrape("resource_condition") == {
        series("a", "Ready", "False", "Initiating"): 1,
        series("a", "Reconciling", "True", "Initiating"): 1,
        series("b", "Ready", "True", "Available"): 1,
    }
    harness.put("a", ("Ready", "True", "Available"))
    assert series("a", "Ready", "False", "Initiating") not in await harness.scrape("resource_condition")


async def test_the_series_of_a_deleted_resource_disappear() -> None:
    harness = Harness()
    harness.put("a", ("Ready", "True", "Available"))
    harness.cache.remove(Key("ServerlessPrivateEndpoint", "shop", "a"), "a")
    for name in harness.metrics.described:
        assert await harness.scrape(name.removeprefix("atlas_endpoints_")) == {}


async def test_resources_are_counted_by_condition() -> None:
    harness = Harness()
    for name in "abc":
        harness.put(name, ("Ready", "True", "Available"))
    harness.put("d", ("Ready", "False", "Initiating"))
    assert await harness.scrape("resources_by_condition") == {
        of(type="Ready", status="True", reason="Available"): 3,
        of(type="Ready", status="False", reason="Initiating"): 1,
    }


async def test_resources_are_counted_by_the_source_and_validity_of_credentials() -> None:
    harness = Harness()
    harness.put("a", ("CredentialsValid", "False", "Unauthorized"), source="operator/system/atlas")
    harness.put("b", ("CredentialsValid", "False", "NotAllowed"), source="operator/system/atlas")
    harness.put("c", ("CredentialsValid", "True", "Verified"), source="resource/atlas")
    harness.put("d")
    assert await harness.scrape("resources_by_credentials") == {
        of(scope="operator", status="False"): 2,
        of(scope="resource", status="True"): 1,
        of(scope="", status="Unknown"): 1,
    }


async def test_a_resource_has_an_info_whose_credentials_are_empty_without_a_status() -> None:
    harness = Harness()
    harness.put("a", ("Ready", "True", "Available"), source="namespace/atlas", provider='A"W\\S\n')
    harness.put("b")
    assert await harness.scrape("resource_info") == {
        of(resource_namespace="shop", resource_name=name, provider=provider, credentials=credentials): 1
        for name, provider, credentials in (("a", 'A"W\\S\n', "namespace/atlas"), ("b", "AWS", ""))
    }


@pytest.mark.parametrize(("detail", "leads", "count"), [("counts", True, 1), ("names", False, 0)])
async def test_names_are_exported_only_by_the_leader_and_on_request(detail: str, leads: bool, count: int) -> None:
    harness = Harness(detail)
    harness.put("a", ("Ready", "True", "Available"))
    harness.leads = leads
    assert len(await harness.scrape("resources_by_condition")) == count
    assert "resource_name" not in (await harness.metrics.exposition()).decode()


async def test_other_tasks_run_meanwhile_and_a_resource_they_delete_is_omitted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runtime_metrics, "PORTION", 1)
    harness = Harness()
    for name in "abc":
        harness.put(name, ("Ready", "True", "Available"))
    exposing = asyncio.create_task(harness.metrics.exposition())
    await asyncio.sleep(0)
    assert not exposing.done()
    harness.cache.remove(Key("ServerlessPrivateEndpoint", "shop", "c"), "c")
    assert 'resource_name="c"' not in (await exposing).decode()
