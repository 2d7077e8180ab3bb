"""Examples of the bodies that take rows, for the OpenAPI document: each is answered as it stands. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from analytics_service.contract.endpoint import Form

ROW: Final[Mapping[str, Any]] = {
    "ts": "2026-11-01T12:00:00Z",
    "provider": "openai",
    "model": "gpt-4o",
    "prompt_tokens": 1000,
    "completion_tokens": 100,
    "duration_ms": 850,
    "user": "ann",
    "tags": ["search"],
}


def _attributes(values: Mapping[str, str | int]) -> list[dict[str, Any]]:
    """As OTLP writes them in JSON: an integer is a text there."""
    kinds = {str: "stringValue", int: "intValue"}
    return [{"key": name, "value": {kinds[type(value)]: str(value)}} for name, value in values.items()]


_IDS: Final = {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174"}
_START, _END = "1793534400000000000", "1793534400850000000"
_RESOURCE: Final = {"attributes": _attributes({"service.name": "checkout"})}
_SPAN: Final = {
    **_IDS,
    "name": "chat gpt-4o",
    "kind": 3,
    "startTimeUnixNano": _START,
    "endTimeUnixNano": _END,
    "attributes": _attributes(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.input_tokens": 1000,
            "gen_ai.usage.output_tokens": 100,
        }
    ),
}
_RECORD: Final = {
    **_IDS,
    "timeUnixNano": _END,
    "eventName": "gen_ai.user.message",
    "body": {"kvlistValue": {"values": _attributes({"content": "How are you?"})}},
}
_METRIC: Final = {
    "name": "gen_ai.client.token.usage",
    "sum": {"dataPoints": [{"timeUnixNano": _END, "asInt": "1100"}], "aggregationTemporality": 2, "isMonotonic": True},
}
EXPORTED: Final[Mapping[Form, Mapping[str, Any]]] = {
    Form.OTLP_TRACES: {"resourceSpans": [{"resource": _RESOURCE, "scopeSpans": [{"spans": [_SPAN]}]}]},
    Form.OTLP_LOGS: {"resourceLogs": [{"resource": _RESOURCE, "scopeLogs": [{"logRecords": [_RECORD]}]}]},
    Form.OTLP_METRICS: {"resourceMetrics": [{"resource": _RESOURCE, "scopeMetrics": [{"metrics": [_METRIC]}]}]},
}
"""In OTLP's JSON."""
