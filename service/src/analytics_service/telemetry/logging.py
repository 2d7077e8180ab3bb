"""Logs: one JSON object, or one line of text, a record on standard output, with the id of the request it belongs to.

Nothing logs a query string, a header or a body: they hold tokens and prompts. Secrets of the environment are redacted
in every rendered line, whoever wrote it. A log that cannot be written fails nothing: standard error says so once.
"""

import logging
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, Literal, TypeAlias, cast

import orjson
import structlog
from structlog.typing import Processor
from typing_extensions import override

from analytics_service.settings import LogFormat, LogLevel

Stream: TypeAlias = Literal["stdout", "stderr"]
_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


class _Output:
    """A standard stream, as far as a logger needs it, of a process that goes on when nobody can read it."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._failed = False

    def write(self, line: bytes) -> None:
        self._try(lambda: self._file.write(line))

    def flush(self) -> None:
        self._try(lambda: self._file.flush())  # noqa: PLW0108 - there may be no file

    @property
    def _file(self) -> BinaryIO:
        """The stream as it is now: whoever replaces it, and closes it, gets the lines meanwhile."""
        file: BinaryIO = getattr(sys, self._stream).buffer
        return file

    def _try(self, call: Callable[[], object]) -> None:
        try:
            call()
        except (OSError, ValueError) as error:  # the latter of a closed file
            if not self._failed:
                self._failed = True
                reason = error.strerror if isinstance(error, OSError) else "the output is closed"
                sys.stderr.write(f"analytics-service: the log cannot be written: {reason}\n")


def configure(
    level: LogLevel, format_: LogFormat, *, redact: Callable[[str], str] = str, stream: Stream = "stdout"
) -> None:
    """Configures logging of the process. Own lines are written directly, without the standard library's handlers."""
    last: list[Processor]
    match format_:
        case LogFormat.JSON:
            last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_json)]
        case LogFormat.TEXT:
            # plain: the usual formatter shows the values of local variables, among them URLs
            plain = structlog.dev.plain_traceback
            last = [structlog.dev.ConsoleRenderer(colors=getattr(sys, stream).isatty(), exception_formatter=plain)]

    def redacted(_logger: object, _method: str, rendered: Any) -> bytes:
        line = rendered if isinstance(rendered, str) else rendered.decode()
        return redact(line).encode(errors="backslashreplace")

    last.append(redacted)
    output = _Output(stream)
    structlog.configure(
        processors=[*_SHARED, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.BytesLoggerFactory(cast("BinaryIO", output)),
        cache_logger_on_first_use=True,
    )
    _configure_libraries(level, last, output)


class _Handler(logging.Handler):
    def __init__(self, output: _Output) -> None:
        super().__init__()
        self._output = output

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self._output.write(self.format(record).encode() + b"\n")
        self._output.flush()


def _configure_libraries(level: LogLevel, last: list[Processor], output: _Output) -> None:
    """Renders what libraries log through the standard library in the same format."""

    def as_text(_logger: object, _method: str, rendered: Any) -> str:
        text: str = rendered.decode()
        return text

    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last, as_text],
    )
    handler = _Handler(output)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)


def _json(event: Any, **_: object) -> bytes:
    return orjson.dumps(event, default=repr)
