"""CPU seconds that processes have spent, all threads, user and system."""

import os
import time
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Of one process, to the nanosecond: its clock by Linux' numbering, since /proc counts in hundredths of seconds."""
    return time.clock_gettime((~pid) << 3 | 2)


def cpu_seconds_with_children(pid: int) -> float:
    """Of one process, its children, and those that have ended: a PostgreSQL with its backends."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return cpu_seconds(pid) + _ended_children(pid) + sum(_or_nothing(int(child)) for child in children)


def _ended_children(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / _TICKS


def _or_nothing(pid: int) -> float:
    """0 for one that has ended since it was listed: it is counted among the ended the next time."""
    try:
        return cpu_seconds(pid)
    except OSError:
        return 0.0
