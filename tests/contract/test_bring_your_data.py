"""docs/bring-your-data.md: every preset has its command, and every command is one."""

import re
import shlex
from pathlib import Path

from analytics_service.__main__ import parser
from analytics_service.ingest.presets import PRESETS

PAGE = (Path(__file__).parents[2] / "docs" / "bring-your-data.md").read_text()


def test_every_preset_has_a_line() -> None:
    names = {name.partition("-")[0] for name in PRESETS}
    lines = re.findall(r"^\| (\w+).*\| `analytics-service import ", PAGE, re.MULTILINE)
    assert {line.lower() for line in lines} == names


def test_every_command_is_one() -> None:
    commands = re.findall(r"`analytics-service (import [^`]*?)`", PAGE)
    assert len(commands) == len(PRESETS)
    for command in commands:
        assert parser().parse_args(shlex.split(command)).files
