"""What the commands print: tables for people, JSON for programs. Pure, but for `write`."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as their longest cell; the last one is never padded or cut."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header) - 1)]
    return "".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]).rstrip() + "\n"
        for line in lines
    )


def as_json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"


def write(text: str) -> None:
    sys.stdout.write(text)


def note(text: str) -> None:
    """Beside the output, so that a program that reads it is not disturbed."""
    sys.stderr.write(f"kubectl aapi: {text}\n")
