"""Runs `analytics-service` on a database, as people do."""

import subprocess
import sys

from tests.support.environment import program_environment
from tests.support.postgres import PASSWORD


def called(url: str, *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output, and the last line of standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "analytics_service", *arguments],
        env=program_environment(DATABASE_URL=url),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "Traceback" not in done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    return done.returncode, done.stdout, "".join(done.stderr.splitlines()[-1:])
