"""Time zones by their IANA names, from the release of the database that this package depends on.

The machine's own files are never read: another image would answer with other days, and `localtime` with the machine's.
"""

from functools import cache
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

UTC: Final = "UTC"
_UNKNOWN: Final = frozenset({"Factory", "localtime", "posixrules"})
"""Stand-ins for a zone that is not known, or is the machine's."""


@cache
def names() -> frozenset[str]:
    """Every name of a zone."""
    return frozenset((files("tzdata") / "zones").read_text(encoding="ascii").split()) - _UNKNOWN


@cache
def zone(name: str) -> ZoneInfo:
    """The zone; KeyError for anything that is none of `names`, such as a path."""
    if name not in names():
        raise KeyError(name)
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)
