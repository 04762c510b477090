"""Spans on their way out of a running operator, as a collector receives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from control_plane.process import wait_until
from support.atlas import CLIENT_SECRET, CLOUD_ENDPOINT
from support.collector import Collector

if TYPE_CHECKING:
    from support.atlas import Atlas, Place
    from support.fixtures import MakeResources, RunOperator


def test_a_collector_receives_each_reconcile_with_its_calls(
    atlas: Atlas, place: Place, make_resources: MakeResources, run_operator: RunOperator
) -> None:
    resources, name = make_resources("traced"), "updateServerlessPrivateEndpoint"
    with Collector() as collector:
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
        operator = run_operator(label="traced", atlas=atlas, environment=environment)
        resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="traced"))
        resources.wait_ready("orders")

        wait_until(lambda: any(span.name == name for span, _ in collector.spans()), "spans")
        operator.stop()

    passes = {span.span_id: span for span, _ in collector.spans() if span.name == "Reconcile"}
    ((patch, service),) = [(span, who) for span, who in collector.spans() if span.name == name]
    attributes = {each.key: each.value.string_value for each in passes[patch.parent_span_id].attributes}
    assert attributes == {"k8s.namespace.name": resources.namespace, "atlas_endpoints.resource.name": "orders"}
    assert service["service.name"] == "atlas-endpoints"
    assert CLIENT_SECRET.encode() not in b"".join(collector.received)
