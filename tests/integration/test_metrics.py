"""Metrics as Prometheus sees them: each moves when that happens which it is about, and ends with what it was about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from control_plane.process import wait_until
from delivery.promtool import Promtool, provide_promtool
from support.atlas import CLOUD_ENDPOINT, Atlas, Place, place, seed
from support.documentation import exported_metrics
from support.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from prometheus_client import Metric

    from control_plane import ControlPlane
    from support.fixtures import RunOperator, StartAtlas
    from support.operator_process import OperatorProcess

PLACES = 8
SUNSET = 1769040000.0
"""2026-01-22, which the simulator announces as Atlas has."""


@dataclass
class Env:
    """An operator whose metrics are read, with an Atlas and resources that no other test uses."""

    operator: OperatorProcess
    atlas: Atlas
    resources: Resources
    used: int = 0

    def place(self) -> Place:
        """Give a place that no other test of these uses."""
        self.used += 1
        return place(self.used - 1)

    def create(self, name: str, here: Place, *, secret: str | None = None, comment: str = "ours") -> None:
        """Create a resource whose endpoint is connected already, and a Secret for it, unless it has the common one."""
        self.atlas.connect(here, comment)
        spec = here.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment=comment)
        if secret is not None:
            spec["credentialsSecretRef"] = {"name": secret}
        self.resources.create(name, spec)

    def value(self, name: str, **labels: str) -> float:
        """Give the sum of a metric over all series with these labels."""
        return self.operator.metric(f"atlas_endpoints_{name}", **labels)

    def wait(self, name: str, least: float = 1.0, **labels: str) -> None:
        """Wait until a metric has at least a value."""
        wait_until(lambda: self.value(name, **labels) >= least, f"{name} {labels} to be {least}")


@pytest.fixture(scope="module")
def env(
    control_plane: ControlPlane, namespace: str, start_operator: RunOperator, start_atlas: StartAtlas
) -> Iterator[Env]:
    atlas = start_atlas(seed(PLACES))
    resources = Resources(control_plane, namespace, {"served-by": "metrics"})
    resources.secret()
    operator = start_operator(label="metrics", atlas=atlas, sync_interval="2s", stall_grace="1s")
    yield Env(operator, atlas, resources)
    operator.stop()
    resources.close()


def test_the_way_of_a_resource_to_ready(env: Env) -> None:
    here = env.place()
    env.resources.create("orders", here.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    env.resources.wait_ready("orders")

    env.wait("time_to_ready_seconds_count")
    of_it = {"resource_namespace": env.resources.namespace, "resource_name": "orders"}
    is_ready = {"type": "Ready", "status": "True", "reason": "Available"}
    facts = {"provider": "AWS", "credentials": "resource/atlas-credentials"}
    assert env.value("resource_condition", **of_it, **is_ready) == 1
    assert env.value("resource_info", **of_it, **facts) == 1
    patched = {"operation": "updateServerlessPrivateEndpoint", "status": "200"}
    its = "serverlessprivateendpoints"
    at_least_once: list[tuple[str, dict[str, str]]] = [
        ("resources_by_condition", is_ready),
        ("resources_by_credentials", {"scope": "resource", "status": "True"}),
        ("status_writes_total", {"reason": "Available"}),
        ("queue_wait_seconds_count", {"priority": "urgent"}),
        ("queue_wait_seconds_count", {"priority": "routine"}),
        ("atlas_requests_total", patched),
        ("atlas_requests_total", {"operation": "createAccessToken", "status": "200"}),
        ("atlas_request_duration_seconds_count", {"operation": "listServerlessPrivateEndpoint"}),
        ("atlas_access_tokens", {}),
        ("atlas_circuits", {"scope": "credentials", "state": "closed"}),
    ]
    for verb, resource in (("PATCH", f"{its}/status"), ("LIST", its), ("WATCH", its), ("GET", "secrets")):
        at_least_once += [
            ("kubernetes_requests_total", {"verb": verb, "resource": resource, "status": "200"}),
            ("kubernetes_request_duration_seconds_count", {"verb": verb}),
        ]
    assert [(name, labels) for name, labels in at_least_once if env.value(name, **labels) < 1] == []
    assert env.value("reconcile_total") >= env.value("reconcile_duration_seconds_count") >= 2
    assert env.value("atlas_api_sunset_timestamp_seconds") == SUNSET
    assert env.value("watch_age_seconds") < 120
    for name, value in {"leader": 1, "writes_enabled": 1, "workers": 16, "build_info": 1}.items():
        assert env.value(name) == value
    assert env.value("tasks") > 16


def test_what_is_exported_is_what_is_documented(env: Env) -> None:
    seen = families(env.operator)
    documented = exported_metrics()
    assert seen.keys() == documented.keys()
    for name, family in seen.items():
        type_, labels = documented[name]
        assert family.type == type_, name
        for sample in family.samples:
            assert sample.labels.keys() - {"le"} == labels, name


def test_no_series_is_about_an_id(env: Env) -> None:
    assert not re.search(r"[0-9a-f]{24}", env.operator.get("metrics").text)


def test_prometheus_s_own_checker_finds_nothing_wrong(env: Env, tmp_path: Path) -> None:
    promtool = Promtool(provide_promtool(), tmp_path)
    promtool.check_metrics(env.operator.get("metrics").text)
    with pytest.raises(ValueError, match="_total"):
        promtool.check_metrics("# HELP passes Passes.\n# TYPE passes counter\npasses 1\n")


def families(operator: OperatorProcess) -> Mapping[str, Metric]:
    """Read a scrape; by the names that are written in queries."""
    found = text_string_to_metric_families(operator.get("metrics").text)
    return {f"{each.name}_total" if each.type == "counter" else each.name: each for each in found}
