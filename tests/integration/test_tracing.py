"""Spans on their way out of a running operator, as a collector receives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from control_plane.process import wait_until
from support.atlas import CLIENT_SECRET, CLOUD_ENDPOINT
from support.collector import Collector
from support.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from control_plane import ControlPlane
    from support.atlas import Atlas, Place
    from support.fixtures import MakeNamespace, RunOperator


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Where spans go."""
    with Collector() as collector:
        yield collector


@pytest.fixture
def traced(control_plane: ControlPlane, make_namespace: MakeNamespace) -> Iterator[Resources]:
    """Resources of the operator that makes spans."""
    resources = Resources(control_plane, make_namespace(), {"served-by": "traced"})
    resources.secret()
    yield resources
    resources.close()


def test_a_collector_receives_each_reconcile_with_its_calls(
    traced: Resources, atlas: Atlas, place: Place, start_operator: RunOperator, collector: Collector
) -> None:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    operator = start_operator(label="traced", atlas=atlas, namespace="default", environment=environment)
    traced.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="traced"))
    traced.wait_ready("orders")

    wait_until(lambda: any(span.name == "updateServerlessPrivateEndpoint" for span, _ in collector.spans()), "spans")
    operator.stop()
    passes = {span.span_id: span for span, _ in collector.spans() if span.name == "Reconcile"}
    ((patch, resource),) = [
        (span, who) for span, who in collector.spans() if span.name == "updateServerlessPrivateEndpoint"
    ]
    assert patch.parent_span_id in passes
    attributes = {each.key: each.value.string_value for each in passes[patch.parent_span_id].attributes}
    assert attributes == {"k8s.namespace.name": traced.namespace, "atlas_endpoints.resource.name": "orders"}
    assert resource["service.name"] == "atlas-endpoints"
    assert CLIENT_SECRET.encode() not in b"".join(collector.received)
