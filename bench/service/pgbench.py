"""pgbench -M prepared with the statement that the programs ask.

It knows no `$1`: each place in the text where an argument stands is a parameter of its own there, with the same value.
"""

import re
import resource
import subprocess
import tempfile
from datetime import datetime
from pathlib import Path

from analytics_service.database.query import Query
from bench.service.servers import postgres_program

_NAMES = ("organisation", "projects", "start", "end", "starts", "most_rows")


def pgbench(url: str, asked: Query, *, transactions: int, clients: int) -> tuple[float, float]:
    """CPU seconds of pgbench itself, and the seconds that the transactions took."""
    variables = [
        f"-D{name}={_text(value)}" for name, value in zip(_NAMES, asked.args, strict=True) if value is not None
    ]
    per_client = str(transactions // clients)
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(f"{_script(asked)};\n")
        script.flush()
        command: tuple[str | Path, ...] = (
            *(postgres_program("pgbench"), "-n", "-M", "prepared", "-f", script.name),
            *("-c", str(clients), "-j", "1", "-t", per_client),
            *variables,
            url,
        )
        before = _children()
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={"PGOPTIONS": "-c jit=off -c timezone=UTC"}
        )
    if done.returncode:
        raise SystemExit(f"pgbench: {done.stderr.strip()[-500:]}")
    return _children() - before, transactions / _rate(done.stdout)


def _script(asked: Query) -> str:
    """The statement with names for arguments; NULL has no name there."""

    def name(match: re.Match[str]) -> str:
        number = int(match[1]) - 1
        return "NULL" if asked.args[number] is None else f":{_NAMES[number]}"

    return re.sub(r"\$(\d+)", name, asked.sql.strip())


def _text(value: object) -> str:
    if isinstance(value, list):
        return "{" + ",".join(f'"{_text(each)}"' for each in value) + "}"
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _children() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _rate(said: str) -> float:
    found = re.search(r"^tps = ([\d.]+) \(without initial connection time\)", said, re.MULTILINE)
    if found is None or "number of failed transactions: 0 " not in said:
        raise SystemExit(f"pgbench said: {said[-500:]}")
    return float(found[1])
