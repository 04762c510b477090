"""Whether to create spans: OpenTelemetry is an optional extra.

Source: the specification of OpenTelemetry, "Environment Variable Specification".
"""

import importlib.util
import logging
from collections.abc import Mapping

logger = logging.getLogger(__name__)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""The variables that contain the destination of spans."""

PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
"""The variables that contain the protocol."""

HTTP = "http/protobuf"
"""The only protocol that is supported."""


def are_wanted(environment: Mapping[str, str]) -> bool:
    """Return whether the standard variables request spans; log why there are none all the same."""
    off = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    none = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none"
    if off or none or not any(environment.get(name) for name in ENDPOINTS):
        return False
    if importlib.util.find_spec("opentelemetry") is None:
        logger.warning("%s is set, and OpenTelemetry is not installed: install atlas-endpoints[tracing]", ENDPOINTS[1])
        return False
    protocol = next((environment[name] for name in PROTOCOLS if environment.get(name)), HTTP)
    if protocol != HTTP:
        logger.warning("Spans are sent by %s, not by %s; give the endpoint for it", HTTP, protocol)
    return True
