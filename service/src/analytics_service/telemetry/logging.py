"""Logs: one JSON object a line on standard output, each with the id of the request that it belongs to.

Nothing logs a query string, a header or a body: they hold tokens and prompts.
"""

import logging
import sys
from typing import Any

import orjson
import structlog
from structlog.typing import Processor

from analytics_service.settings import LogFormat, LogLevel

_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure(level: LogLevel, format_: LogFormat) -> None:
    """Configures logging of the process. Own lines are written directly, without the standard library's handlers."""
    last: list[Processor]
    factory: structlog.BytesLoggerFactory | structlog.WriteLoggerFactory
    match format_:
        case LogFormat.JSON:
            last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_json)]
            factory = structlog.BytesLoggerFactory(sys.stdout.buffer)
        case LogFormat.TEXT:
            last = [structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())]
            factory = structlog.WriteLoggerFactory(sys.stdout)
    structlog.configure(
        processors=[*_SHARED, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )
    _configure_libraries(level, last)


def _configure_libraries(level: LogLevel, last: list[Processor]) -> None:
    """Renders what libraries log through the standard library in the same format."""

    def as_text(_logger: object, _method: str, rendered: Any) -> str:
        return rendered.decode() if isinstance(rendered, bytes) else str(rendered)

    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last, as_text],
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)


def _json(event: Any, **_: object) -> bytes:
    return orjson.dumps(event, default=repr)
