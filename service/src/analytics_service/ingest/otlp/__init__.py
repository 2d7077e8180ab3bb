"""Spans of OpenTelemetry's protocol as records of files."""

from collections.abc import Iterator
from typing import Any

from analytics_service.ingest.otlp import json_spans
from analytics_service.ingest.otlp.spans import FIELDS
from analytics_service.ingest.otlp.values import Empty

__all__ = ["FIELDS", "records"]


def records(resource_spans: Any) -> Iterator[dict[str, Any] | ValueError]:
    """Those of a line of a file."""
    return (each for each in json_spans.records(resource_spans) if not isinstance(each, Empty))
