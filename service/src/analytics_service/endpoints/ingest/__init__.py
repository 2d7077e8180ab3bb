"""The routes that bring rows."""

from collections.abc import Iterator

from analytics_service.contract.endpoint import Form, Method, Receive
from analytics_service.contract.parameters import Parameters
from analytics_service.contract.principal import Permission

OTLP_PREFIXES = ("", "/api/v1/otlp")
"""The endpoint that an exporter is given ends before `/v1/traces`."""
_OTLP = (
    (Form.OTLP_TRACES, "traces", "Store spans of OTLP"),
    (Form.OTLP_LOGS, "logs", "Store the content of GenAI calls that OTLP's log records carry"),
    (Form.OTLP_METRICS, "metrics", "Say that metrics are not kept"),
)


def _receive(path: str, name: str, summary: str, form: Form) -> Receive[Parameters]:
    return Receive(
        path=path,
        name=name,
        summary=summary,
        permission=Permission.TRACES_WRITE,
        params=Parameters,
        method=Method.POST,
        data=None,
        form=form,
    )


def _otlp() -> Iterator[Receive[Parameters]]:
    for prefix in OTLP_PREFIXES:
        for form, signal, summary in _OTLP:
            yield _receive(f"{prefix}/v1/{signal}", f"otlp_{signal}{'_api' if prefix else ''}", summary, form)


ENDPOINTS = (
    _receive("/api/v1/traces", "store_traces", "Store rows in the fields of import", Form.ROWS),
    *_otlp(),
    _receive("/api/public/otel/v1/traces", "otlp_traces_langfuse", "Store spans of Langfuse's SDKs", Form.OTLP_TRACES),
)
