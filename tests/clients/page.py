"""The blocks of docs/send-your-traffic.md, which these tests run as they stand there."""

import re
from pathlib import Path
from typing import Final

PAGE: Final = (Path(__file__).parents[2] / "docs" / "send-your-traffic.md").read_text()
_HEADING: Final = re.compile(r"^#+ (.+)$")


def _blocks() -> dict[tuple[str, str], list[str]]:
    blocks: dict[tuple[str, str], list[str]] = {}
    heading, lines = "", None
    for line in PAGE.splitlines():
        if line.startswith("```"):
            if lines is None:
                lines = blocks.setdefault((heading, line[3:]), [])
                lines.append("")
            else:
                lines = None
        elif lines is not None:
            lines[-1] += f"{line}\n"
        elif headed := _HEADING.match(line):
            heading = headed[1]
    return blocks


_BLOCKS: Final = _blocks()


def block(heading: str, language: str) -> str:
    """All blocks in that language under a heading, one after another; KeyError where the page has none."""
    return "\n".join(_BLOCKS[heading, language])
