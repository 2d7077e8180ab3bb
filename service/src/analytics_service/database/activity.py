"""Who does what in the database, in words and without the values of their statements. Pure."""

import re
from dataclasses import dataclass
from typing import Final

_MAX_CHARACTERS: Final = 120
_HIDDEN: Final = "<insufficient privilege>"
_VALUES: Final = re.compile(  # the server cuts long statements, also inside a value
    r"""--[^\n]*|/\*.*?(?:\*/|\Z)|[eEbBxXuU]?&?'(?:[^']|'')*(?:'|\Z)|\$(\w*)\$.*?(?:\$\1\$|\Z)|\b\d[\w.]*""",
    re.DOTALL,
)


@dataclass(frozen=True, kw_only=True)
class Activity:
    """A transaction or a session, as far as the server tells our role of it; what it does not tell is None."""

    user: str | None = None
    application: str | None = None
    state: str | None = None
    """In the server's words, as `idle in transaction`."""
    seconds: float | None = None
    """Since its transaction began."""
    query: str | None = None
    """With the values that clients wrote: only `describe` is for people."""

    def describe(self, subject: str) -> str:
        """One line that begins with `subject`; the statement's values are left out."""
        user = f" of {self.user}" if self.user else ""
        application = f" ({self.application})" if self.application else ""
        since = None if self.seconds is None else f"for {self.seconds:.0f} s"
        state = " ".join(part for part in (self.state, since) if part)
        return f"{subject}{user}{application}{state and f', {state}'}{self._statement()}"

    def _statement(self) -> str:
        if self.query == _HIDDEN:
            return ": only members of pg_read_all_stats see its state and statement"
        return f": {redact_values(self.query)}" if self.query else ""


def redact_values(statement: str) -> str:
    """The statement in one line, with ? for every value, cut: its texts may be what clients wrote."""
    line = " ".join(_VALUES.sub("?", statement).split())
    return line if len(line) <= _MAX_CHARACTERS else line[: _MAX_CHARACTERS - 1] + "…"
