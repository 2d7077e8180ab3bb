"""Idle means idle: no object of a resource that nobody touches is written, through every restart of the operator.

IDLE_SECONDS asks for a longer look than the session lasts.
"""

import os
import time

from e2e.kubectl import Kubectl
from e2e.write_snapshot import WriteSnapshot, versions


def test_nothing_was_written_of_the_resource_that_nobody_touched(kubectl: Kubectl, quiet: WriteSnapshot) -> None:
    wanted = float(os.environ.get("IDLE_SECONDS", "0"))
    time.sleep(max(wanted - (time.monotonic() - quiet.since), 0))
    assert versions(kubectl, quiet.name) == quiet.versions, f"after {time.monotonic() - quiet.since:.0f} s"
