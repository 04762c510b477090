"""Spans of reconciles and of calls: their parents and attributes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from atlas_endpoints.atlas.credentials import ServiceAccount
from atlas_endpoints.atlas.errors import AtlasUnavailableError
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.controller.cache import Key
from atlas_endpoints.controller.requeue import NoRequeue, Requeue
from atlas_endpoints.process.tracing import Tracing
from atlas_endpoints.telemetry import spans
from support.fake_atlas import FakeAtlas

if TYPE_CHECKING:
    from atlas_endpoints.atlas.answers import Answer

PATH = "/api/atlas/v2/groups/5f7cac1adf5d6c6306f4b283/privateEndpoint/serverless/instance/orders/endpoint"
CREDENTIALS = ServiceAccount("mdb_sa_id_0123", "a-canary")


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter: InMemorySpanExporter) -> Tracing:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Tracing(provider)


async def call(tracing: Tracing, client: FakeAtlas) -> Answer:
    traced = tracing.client(client)
    return await traced.request(CREDENTIALS, Request("listServerlessPrivateEndpoint", "GET", PATH))


async def test_a_call_is_a_child_of_its_reconcile(tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    client = FakeAtlas()

    async def run(_work: object) -> Requeue:
        await call(tracing, client)
        await call(tracing, client)
        return NoRequeue()

    assert await tracing.around(run)(Key("ServerlessPrivateEndpoint", "shop", "orders")) == NoRequeue()
    one, two, reconcile = exporter.get_finished_spans()
    assert reconcile.name == "Reconcile"
    assert dict(reconcile.attributes or {}) == {"k8s.namespace.name": "shop", "atlas_endpoints.resource.name": "orders"}
    assert reconcile.parent is None
    for each in (one, two):
        assert each.name == "listServerlessPrivateEndpoint"
        assert each.kind is SpanKind.CLIENT
        assert each.parent == reconcile.context
        assert dict(each.attributes or {}) == {
            "http.request.method": "GET",
            "url.path": PATH,
            "url.full": f"{FakeAtlas.base_url}{PATH}",
            "http.response.status_code": 200,
        }


async def test_a_resync_has_the_attributes_of_its_scope(tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    async def run(_work: object) -> Requeue:
        return NoRequeue()

    await tracing.around(run)(Scope("fingerprint", "5f7cac1adf5d6c6306f4b283", "Endpoint", "orders"))
    (resync,) = exporter.get_finished_spans()
    assert resync.name == "Resync"
    assert "fingerprint" not in str(resync.attributes)


async def test_a_failure_has_its_reason_and_no_text_of_atlas(tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    error = AtlasUnavailableError(
        "Atlas says a-canary.",
        operation="listServerlessPrivateEndpoint",
        http_status=503,
        error_code="MADE_UP_BY_SOMEBODY",
        detail="a-canary",
    )
    client = FakeAtlas(lambda _: error)
    with pytest.raises(AtlasUnavailableError):
        await call(tracing, client)
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    attributes = dict(span.attributes or {})
    assert (attributes["error.type"], attributes["http.response.status_code"]) == ("AtlasUnavailable", 503)
    assert attributes["atlas_endpoints.error_code"] == "other"
    assert "a-canary" not in span.to_json()


async def test_an_exception_ends_the_span(tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    client = FakeAtlas(lambda _: TimeoutError())
    with pytest.raises(TimeoutError):
        await call(tracing, client)
    (span,) = exporter.get_finished_spans()
    assert (span.attributes or {})["error.type"] == "TimeoutError"


ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
WANTED: dict[str, tuple[dict[str, str], bool]] = {
    "nothing is said": ({}, False),
    "an endpoint": (ENDPOINT, True),
    "an endpoint for traces": ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
    "an empty endpoint": ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
    "all is off": ({**ENDPOINT, "OTEL_SDK_DISABLED": "True"}, False),
    "there is to be no exporter": ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, False),
}


@pytest.mark.parametrize(("environment", "wanted"), WANTED.values(), ids=WANTED)
def test_the_standard_variables_decide(environment: dict[str, str], *, wanted: bool) -> None:
    assert spans.are_wanted(environment) is wanted


def test_another_protocol_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert spans.are_wanted({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    assert "not by grpc" in caplog.text


def test_without_the_extra_there_is_a_warning_and_no_span(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def absent(_name: str) -> Any:
        return None

    monkeypatch.setattr("importlib.util.find_spec", absent)
    with caplog.at_level(logging.WARNING):
        assert not spans.are_wanted(ENDPOINT)
    assert "atlas-endpoints[tracing]" in caplog.text
