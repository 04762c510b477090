"""Spans of reconciles and of calls to Atlas, by OpenTelemetry: the optional extra ``tracing``.

Without the standard variables this module is not loaded (see ``telemetry.spans``). Attributes have the names of the
semantic conventions where there is one.
"""

from collections.abc import Callable
from threading import Thread

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode

from atlas_endpoints.atlas.answers import Answer, Requester, bounded_code
from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.controller.cache import Key
from atlas_endpoints.controller.requeue import Requeue
from atlas_endpoints.core import Run, Work

LAST_SPANS = 2.0
"""Seconds to send the remaining spans at the end."""

RECONCILE, RESYNC = "Reconcile", "Resync"
"""The names of spans."""


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
            name = RECONCILE if isinstance(work, Key) else RESYNC
            with self._tracer.start_as_current_span(name, attributes=_attributes(work)):
                return await run(work)

        return traced

    def client(self, client: Requester) -> Requester:
        """Return a client that creates a span for each call."""
        return _TracedClient(client, self._tracer.start_span)

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

    def __init__(self, client: Requester, start: Callable[..., Span]) -> None:
        self._client = client
        self._start = start

    @property
    def base_url(self) -> str:
        return self._client.base_url

    async def request(self, credentials: Credentials, request: Request) -> Answer:
        url = (credentials.base_url or self.base_url) + request.path
        attributes = {"http.request.method": request.method, "url.path": request.path, "url.full": url}
        span = self._start(request.operation, kind=SpanKind.CLIENT, attributes=attributes)
        try:
            answer = await self._client.request(credentials, request)
        except AtlasError as error:
            _set_failure(span, error, request)
            raise
        except BaseException as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(StatusCode.ERROR)
            raise
        else:
            span.set_attribute("http.response.status_code", answer.status)
            return answer
        finally:
            span.end()


def _attributes(work: Work) -> dict[str, str]:
    if isinstance(work, Key):
        return {"k8s.namespace.name": work.namespace, "atlas_endpoints.resource.name": work.name}
    return {"atlas_endpoints.project.id": work.project_id, "atlas_endpoints.instance.name": work.name}


def _set_failure(span: Span, error: AtlasError, request: Request) -> None:
    """Set the failure of a call, without the text of Atlas: the log contains it, cut and without secrets."""
    span.set_attribute("error.type", str(error.reason))
    if error.http_status is not None:
        span.set_attribute("http.response.status_code", error.http_status)
    if error.error_code is not None:
        span.set_attribute("atlas_endpoints.error_code", bounded_code(error.error_code, request) or "")
    span.set_status(StatusCode.ERROR, str(error.reason))
