"""The boundary of a command: whatever it raised is one line for people, an exit code, and places for developers.

No traceback is shown: it holds what the program was working on. The line may repeat a secret: whoever writes it
redacts it.
"""

import errno
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from traceback import walk_tb
from typing import Final

from analytics_service.errors import ServiceError

_CLOSED_PIPE_CODE: Final = 141
"""Of a program that SIGPIPE ends, as shells report it."""
_OUTPUT_ERRORS: Final = frozenset({errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
"""Without a file's name they come from standard output: connections and files have errors of their own."""
_MAX_CHARACTERS: Final = 500
"""Of an error that nothing foresaw."""
_PACKAGE: Final = Path(__file__).parents[1]


@dataclass(frozen=True, kw_only=True)
class Ending:
    message: str
    """One line."""
    exit_code: int
    places: tuple[str, ...] = ()
    """Where in this package an error came from that nothing foresaw, outermost first."""


def ending(error: BaseException) -> Ending:
    """The ending of a command that raised `error`."""
    if isinstance(error, ServiceError):
        return Ending(message=_line(str(error)), exit_code=error.exit_code)
    if isinstance(error, OSError) and error.filename is not None:
        return Ending(message=_line(f"{error.filename}: {error.strerror}"), exit_code=2)
    if isinstance(error, OSError) and error.errno in _OUTPUT_ERRORS:
        return _output_failure(error)
    places = _places(error)
    at = f" ({places[-1]})" if places else ""
    message = _line(f"unexpected {type(error).__name__}: {error}")[:_MAX_CHARACTERS]
    return Ending(message=f"{message}{at}", exit_code=1, places=places)


def _output_failure(error: OSError) -> Ending:
    """Nothing is written to standard output any more: what is still buffered would fail once more at the exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    code = _CLOSED_PIPE_CODE if error.errno == errno.EPIPE else 1
    return Ending(message=f"standard output cannot be written: {error.strerror}", exit_code=code)


def _places(error: BaseException) -> tuple[str, ...]:
    """Files and lines of this package."""
    frames = [(Path(frame.f_code.co_filename), line) for frame, line in walk_tb(error.__traceback__)]
    return tuple(f"{path.relative_to(_PACKAGE)}:{line}" for path, line in frames if path.is_relative_to(_PACKAGE))


def _line(text: str) -> str:
    return " ".join(text.split())
