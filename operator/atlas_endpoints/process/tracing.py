"""Spans of reconciles and of calls to Atlas, by OpenTelemetry: the optional extra ``tracing``.

Without the standard variables this module is not loaded (see ``telemetry.spans``). Attributes have the names of the
semantic conventions where there is one.
"""

from threading import Thread

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode, Tracer

from atlas_endpoints.atlas.answers import Answer, Requester, bounded_code
from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.controller.cache import Key
from atlas_endpoints.controller.requeue import Requeue
from atlas_endpoints.core import Run, Work

LAST_SPANS = 2.0
"""Seconds to send the remaining spans at the end."""


class Tracing:
    """Creates spans.

    Args:
        provider: the caller may add processors.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("atlas_endpoints")

    def around(self, run: Run) -> Run:
        """Return a worker function that creates a span for each piece of work; calls to Atlas are its children."""

        async def traced(work: Work) -> Requeue:
            if isinstance(work, Key):
                name, about = (
                    "Reconcile",
                    {"k8s.namespace.name": work.namespace, "atlas_endpoints.resource.name": work.name},
                )
            else:
                name = "Resync"
                about = {"atlas_endpoints.project.id": work.project_id, "atlas_endpoints.instance.name": work.name}
            with self._tracer.start_as_current_span(name, attributes=about):
                return await run(work)

        return traced

    def client(self, client: Requester) -> Requester:
        """Return a client that creates a span for each call."""
        return _TracedClient(client, self._tracer)

    def close(self) -> None:
        """Send the remaining spans, within ``LAST_SPANS``; blocks."""
        # The SDK would retry for its whole timeout, longer than a Pod has to terminate.
        handing_over = Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        handing_over.start()
        handing_over.join(LAST_SPANS)


def export(version: str) -> Tracing:
    """Send spans by OTLP over HTTP, according to the standard variables."""
    own = Resource.create({SERVICE_NAME: "atlas-endpoints", SERVICE_VERSION: version})
    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES take precedence.
    provider = TracerProvider(resource=own.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider)


class _TracedClient:
    """A client that creates a span for each call; see ``atlas.answers.Requester``."""

    def __init__(self, client: Requester, tracer: Tracer) -> None:
        self._client = client
        self._tracer = tracer

    @property
    def base_url(self) -> str:
        return self._client.base_url

    async def request(self, credentials: Credentials, request: Request) -> Answer:
        url = (credentials.base_url or self.base_url) + request.path
        attributes = {"http.request.method": request.method, "url.path": request.path, "url.full": url}
        # The text of an error may be Atlas's: the log contains it, cut and without secrets, and a span does not.
        with self._tracer.start_as_current_span(
            request.operation,
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                answer = await self._client.request(credentials, request)
            except BaseException as error:
                reason = error.reason if isinstance(error, AtlasError) else type(error).__name__
                span.set_attribute("error.type", str(reason))
                span.set_status(StatusCode.ERROR, str(reason))
                if isinstance(error, AtlasError) and error.http_status is not None:
                    span.set_attribute("http.response.status_code", error.http_status)
                    if (code := bounded_code(error.error_code, request)) is not None:
                        span.set_attribute("atlas_endpoints.error_code", code)
                raise
            span.set_attribute("http.response.status_code", answer.status)
            return answer
