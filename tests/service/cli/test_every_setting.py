"""`serve` and `work` start with every documented value of every setting: the settings' own table names the values.

Start k has the k-th value of each setting, at the usual log level first. Nobody answers at the URLs, which every start
logs; what a value means is the concern of its own test.
"""

import json
import re
from collections.abc import Iterator
from itertools import cycle, islice
from typing import Any

import pytest

from analytics_service.settings import SECRETS, LogFormat, LogLevel, Settings
from tests.support.postgres import PASSWORD
from tests.support.process import serving
from tests.support.service import SECRET

NOBODY = f"postgres://user:{PASSWORD}@127.0.0.1:1/none"
URLS = {"DATABASE_READONLY_URL": NOBODY, "REDIS_URL": f"redis://:{PASSWORD}@127.0.0.1:1", "JWT_PREVIOUS_SECRET": SECRET}
BY_THE_TEST = {"api_port", "api_metrics_port", "app_host", "export_directory"}
"""Free ones: the ends of the range may be taken, or another user's. A folder of exports goes with no bucket."""
LEVELS = (LogLevel.INFO, None, LogLevel.DEBUG, LogLevel.WARNING, LogLevel.ERROR)
"""Both formats come with the usual level, once given and once by default."""


def values(part: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    """Those that a part of the JSON schema of the settings documents."""
    for each in part.get("anyOf", ()):
        yield from values(each, schema)
    if "$ref" in part:
        yield from values(schema["$defs"][part["$ref"].rpartition("/")[2]], schema)
    for name in ("minimum", "maximum"):
        if name in part:
            yield str(part[name])
    yield from part.get("enum", ())
    yield from part.get("examples", ())


SCHEMA = Settings.model_json_schema()
DOCUMENTED = {
    name: [*values(part, SCHEMA)] or [str(part["default"])] * (part.get("default") is not None)
    for name, part in SCHEMA["properties"].items()
    if name not in BY_THE_TEST
}


def starts() -> list[dict[str, str]]:
    columns = {name: listed for name, listed in DOCUMENTED.items() if listed and name != "log_level"}
    number = max(len(LEVELS), *map(len, columns.values()))
    names, rows = (
        [*map(str.upper, columns)],
        zip(*(islice(cycle(each), number) for each in columns.values()), strict=True),
    )
    levels = ({} if level is None else {"LOG_LEVEL": level} for level in cycle(LEVELS))
    return [dict(zip(names, row, strict=True)) | level for row, level in zip(rows, levels, strict=False)]


def test_every_setting_documents_a_value_or_names_what_only_its_owner_has() -> None:
    without = {name for name, listed in DOCUMENTED.items() if not listed}
    assert {name for name in without if not name.endswith("_file")} <= set(SECRETS)
    assert DOCUMENTED["retention_raw_days"] == ["1", "36500", "keep"]
    assert DOCUMENTED["log_format"] == ["json", "text"]
    usual = {row["LOG_FORMAT"] for row in starts() if row.get("LOG_LEVEL", "info") == "info"}
    assert usual == set(LogFormat)
    for name, listed in DOCUMENTED.items():
        assert {row[name.upper()] for row in starts() if name.upper() in row} == set(listed), name


@pytest.mark.parametrize(
    "environment", starts(), ids=lambda row: f"{row.get('LOG_LEVEL', 'usual')}-{row['LOG_FORMAT']}"
)
@pytest.mark.parametrize("command", ["serve", "work"])
async def test_it_starts_and_writes_lines_in_the_format(command: str, environment: dict[str, str]) -> None:
    async with serving(NOBODY, command, **URLS, **environment) as process:
        await process.until("/health/live", 200)
        process.process.terminate()
        code, output = await process.ended()
    assert (code, PASSWORD in output, "Traceback" in output) == (0, False, False), output
    lines = output.splitlines()
    started = {"serve": "listening", "work": "working"}[command]
    told = environment.get("LOG_LEVEL", "info") in {"debug", "info"}
    if environment["LOG_FORMAT"] == LogFormat.JSON:
        events = [json.loads(line)["event"] for line in lines]
        assert (started in events) == told
    else:
        assert all(re.match(r"\d{4}-\d\d-\d\dT\S+Z \[(debug|info|warning|error) *\] ", line) for line in lines), output
        assert any(re.search(rf"\] {started} ", line) for line in lines) == told
