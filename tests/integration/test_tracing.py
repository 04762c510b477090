"""Spans on their way out of a running operator, as a collector receives them."""

from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from typing_extensions import override

from control_plane.process import wait_until
from support.atlas import CLIENT_SECRET, CLOUD_ENDPOINT
from support.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from control_plane import ControlPlane
    from support.atlas import Atlas, Place
    from support.fixtures import MakeNamespace, RunOperator


class Collector(BaseHTTPRequestHandler):
    """Takes what is exported."""

    received: ClassVar[list[bytes]] = []

    def do_POST(self) -> None:  # the name that the server calls
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.path == "/v1/traces":
            self.received.append(body)
        self.send_response(200)
        self.end_headers()

    @override
    def log_message(self, format: str, *args: Any) -> None:  # its name there
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[str]:
    """The address of a collector."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def traced(control_plane: ControlPlane, make_namespace: MakeNamespace) -> Iterator[Resources]:
    """Resources of the operator that makes spans."""
    resources = Resources(control_plane, make_namespace(), {"served-by": "traced"})
    resources.secret()
    yield resources
    resources.close()


def spans() -> list[Any]:
    """All spans, with the name of their service."""
    requests = [ExportTraceServiceRequest.FromString(body) for body in Collector.received]
    return [
        (span, {each.key: each.value.string_value for each in resource.resource.attributes})
        for request in requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def test_a_collector_receives_each_pass_with_its_calls(
    traced: Resources, atlas: Atlas, place: Place, start_operator: RunOperator, collector: str
) -> None:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    operator = start_operator(label="traced", atlas=atlas, namespace="default", environment=environment)
    traced.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="traced"))
    traced.wait_ready("orders")

    wait_until(lambda: any(span.name == "updateServerlessPrivateEndpoint" for span, _ in spans()), "spans")
    operator.stop()
    passes = {span.span_id: span for span, _ in spans() if span.name == "Reconcile"}
    ((patch, resource),) = [(span, who) for span, who in spans() if span.name == "updateServerlessPrivateEndpoint"]
    assert patch.parent_span_id in passes
    attributes = {each.key: each.value.string_value for each in passes[patch.parent_span_id].attributes}
    assert attributes == {"k8s.namespace.name": traced.namespace, "atlas_endpoints.resource.name": "orders"}
    assert resource["service.name"] == "atlas-endpoints"
    assert CLIENT_SECRET.encode() not in b"".join(Collector.received)
