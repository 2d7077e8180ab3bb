"""A migration as a value, read from a file `NNNN_name.sql`. Pure but for `load`.

Header lines: `-- tx: none` runs the statements one by one outside a transaction (each must be repeatable: after a kill
the migration runs again from its first), `-- requires: apache, tsl` runs it on these editions only, `-- phase: expand`
or `contract` (older pods cannot live with it: `-- min_compatible_schema: N` says since which schema they can),
`-- converts: rollups` has rows converted first (database/migrate/conversion.py), `-- lock_timeout: 5s`.
"""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_HEADER = re.compile(r"-- (tx|requires|phase|converts|lock_timeout|min_compatible_schema): *(.+)")
EDITIONS = frozenset({"apache", "tsl", "postgres"})


class Phase(StrEnum):
    EXPAND = "expand"
    CONTRACT = "contract"


@dataclass(frozen=True, kw_only=True)
class Migration:
    """One file of the history. Its text must never change once it was released."""

    number: int
    name: str
    sql: str
    transactional: bool = True
    requires: frozenset[str] = EDITIONS
    phase: Phase = Phase.EXPAND
    converts: bool = False
    """Whether rows of the release before have to be converted first: they are too many for one transaction."""
    lock_timeout: str = "5s"
    min_compatible_schema: int = 1

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def statements(self) -> tuple[str, ...]:
        """The statements of a migration outside a transaction, which end with a semicolon at the end of a line."""
        parts = re.split(r";[ \t]*(?:\n|$)", self.sql)
        return tuple(part.strip() for part in parts if re.sub(r"--[^\n]*", "", part).strip())


def parse(file_name: str, sql: str) -> Migration:
    """The migration that a file holds; ValueError names the file and what is wrong in it."""
    match = _NAME.fullmatch(file_name)
    if match is None:
        raise ValueError(f"{file_name}: a migration is called NNNN_name.sql")
    headers: dict[str, str] = {}
    for line in sql.splitlines():
        if not line.startswith("--"):
            break
        if header := _HEADER.fullmatch(line.strip()):
            headers[header[1]] = header[2].strip()
    requires = frozenset(part.strip() for part in headers.get("requires", ",".join(EDITIONS)).split(","))
    if not requires <= EDITIONS:
        raise ValueError(f"{file_name}: requires {', '.join(sorted(requires - EDITIONS))}, which is no edition")
    if "phase" not in headers:
        raise ValueError(f"{file_name}: says no phase")
    phase = Phase(headers["phase"])
    if (phase is Phase.CONTRACT) != ("min_compatible_schema" in headers):
        raise ValueError(f"{file_name}: a contract, and nothing else, says min_compatible_schema")
    for name, value in (("tx", "none"), ("converts", "rollups")):
        if headers.get(name, value) != value:
            raise ValueError(f"{file_name}: {name} can only be {value}")
    return Migration(
        number=int(match[1]),
        name=file_name.removesuffix(".sql"),
        sql=sql,
        transactional="tx" not in headers,
        requires=requires,
        phase=phase,
        converts="converts" in headers,
        lock_timeout=headers.get("lock_timeout", "5s"),
        min_compatible_schema=int(headers.get("min_compatible_schema", "1")),
    )


def load(folder: Traversable | None = None) -> tuple[Migration, ...]:
    """The history of this release, in order."""
    source = folder or files("analytics_service.database").joinpath("migrations")
    migrations = tuple(
        parse(file.name, file.read_text(encoding="utf-8"))
        for file in sorted(source.iterdir(), key=lambda each: each.name)
        if file.name.endswith(".sql")
    )
    if [migration.number for migration in migrations] != list(range(1, len(migrations) + 1)):
        raise ValueError("migrations must be numbered from 1 without a gap")
    return migrations


@cache
def schema_version() -> int:
    """The newest schema that this release knows: the number of its last migration."""
    return load()[-1].number
