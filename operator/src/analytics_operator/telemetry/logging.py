"""Logging as one JSON object a line, or as text for people; kopf's and aiohttp's included."""

import logging
from enum import StrEnum

import structlog
from structlog.typing import Processor


class Format(StrEnum):
    JSON = "json"
    TEXT = "text"


def configure(level: str, form: Format) -> None:
    """Once, at the start of the process."""
    text = structlog.dev.ConsoleRenderer(colors=False)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer() if form is Format.JSON else text,
            ],
        )
    )
    handler.addFilter(_is_no_refused_watch)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("kopf").setLevel(max(logging.WARNING, root.level))  # its debug output has whole objects in it


def _is_no_refused_watch(record: logging.LogRecord) -> bool:
    """False of kopf's line on each retry of a refused watch: watches.py logs the first, and a metric stays 1."""
    text = record.getMessage() if record.name.startswith("kopf") else ""
    return not ("will retry" in text and ("APIForbiddenError" in text or "APINotFoundError" in text))
