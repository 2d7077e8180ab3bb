"""Runs `serve` and `work`: settings, logs, the event loop, and a line in the log for whatever ended them."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import structlog
import uvloop

from analytics_service import settings
from analytics_service.commands.boundary import ending
from analytics_service.settings import Settings
from analytics_service.telemetry import logging, redaction


def run_process(
    run: Callable[[Settings], Coroutine[Any, Any, None]], environment: Mapping[str, str], *, require: tuple[str, ...]
) -> int:
    """Returns 0 once `run` has ended in order; its error is logged and raised."""
    loaded = settings.load(environment, require=require)
    logging.configure(loaded.log_level, loaded.log_format, redact=redaction.of_environment(environment))
    try:
        uvloop.run(run(loaded))
    except Exception as error:
        ended = ending(error)
        places = {"places": ended.places} if ended.places else {}
        structlog.get_logger(__name__).error("PROCESS_FAILED", cause=ended.message, **places)
        raise
    return 0
