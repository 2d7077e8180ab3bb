"""Spans of OpenTelemetry's protocol as records of files."""

from analytics_service.ingest.otlp.json_spans import records
from analytics_service.ingest.otlp.spans import FIELDS

__all__ = ["FIELDS", "records"]
