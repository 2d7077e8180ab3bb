"""Spans of OpenTelemetry's protocol as records of files."""

from analytics_service.ingest.otlp.spans import FIELDS, records

__all__ = ["FIELDS", "records"]
