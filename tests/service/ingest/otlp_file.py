"""What the Collector's file exporter writes of spans, and the rows that are made of it."""

from typing import Any

from analytics_service.ingest.mapping import columns, with_preset
from analytics_service.ingest.objects import of_object
from analytics_service.ingest.otlp import records
from analytics_service.ingest.rows import parsed, row
from tests.support.otlp import json_pairs

START = 1785542400_250000000
SCHEMA_140 = "https://opentelemetry.io/schemas/1.40.0"


def attributes(**values: Any) -> list[dict[str, Any]]:
    return json_pairs({name.replace("__", "."): value for name, value in values.items()})


def a_span(number: int = 1, *, given: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "traceId": "5B8EFFF798038103D269B633813FC60C",
        "spanId": f"EEE19B7EC3C1B{number:03}",
        "parentSpanId": "",
        "name": "chat gpt-4o",
        "kind": 3,
        "startTimeUnixNano": str(START + number),
        "endTimeUnixNano": str(START + number + 2_000_000_000),
        "attributes": attributes(**(given or {})),
        "status": {},
        **changes,
    }


def exported(*spans: dict[str, Any], scope: str = "my.app", schema: str = "", **resource: Any) -> dict[str, Any]:
    return {
        "resource": {"attributes": attributes(service__name="shop", **resource)},
        "scopeSpans": [{"scope": {"name": scope, "version": "1"}, "schemaUrl": schema, "spans": list(spans)}],
    }


def rows(resource_spans: dict[str, Any]) -> list[dict[str, Any]]:
    how = with_preset(columns([], ["organisation=acme"], []), "otlp-json")
    made = []
    for record in records(resource_spans):
        if isinstance(record, ValueError):
            raise record
        fields = of_object(record, how)
        made.append(row(parsed(fields), fields, how, None))
    return made


GENAI = {
    "gen_ai__operation__name": "chat",
    "gen_ai__provider__name": "openai",
    "gen_ai__request__model": "gpt-4o",
    "gen_ai__response__model": "gpt-4o-2024-08-06",
    "gen_ai__usage__input_tokens": 1000,
    "gen_ai__usage__output_tokens": 100,
}
CACHED = {"gen_ai__usage__cache_read__input_tokens": 400}
