"""Runs commands: their output goes to a log file, a person sees one line a step with its time."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from e2e.cluster import cache

HEARTBEAT_SECONDS = 30
_ENDS_WITH_US = ("setpriv", "--pdeathsig", "TERM") if shutil.which("setpriv") else ()
"""However this process ends, no command goes on behind the back of the next run."""


class ClusterError(Exception):
    """One line that names what is wrong and the cure."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Says what was done, with its time, once it is done."""
    start = time.monotonic()
    yield
    say(f"  {text} {'.' * max(3, 64 - len(text))} {time.monotonic() - start:.1f} s")


def run(  # a command has that many sides
    command: Sequence[str | Path],
    *,
    directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
    stdin: str | None = None,
    log: str,
) -> None:
    """Runs to the end, with a sign of life for long ones. Raises ClusterError that names the log and its last line."""
    path = cache.logs() / f"{log}.log"
    with path.open("ab") as output:
        output.write(f"$ {' '.join(map(str, command))}\n".encode())
        output.flush()
        try:
            process = subprocess.Popen(
                (*_ENDS_WITH_US, *command),
                cwd=directory,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        except FileNotFoundError:
            raise ClusterError(f"{command[0]}: is not installed") from None
        try:
            _wait(process, stdin, log)
        except BaseException:
            _end(process)
            raise
    if process.returncode:
        lines = path.read_text(errors="replace").strip().splitlines()
        raise ClusterError(f"{log}: {Path(command[0]).name} failed: {lines[-1][:300]} (all of it: {path})")


def _wait(process: subprocess.Popen[bytes], stdin: str | None, log: str) -> None:
    start = time.monotonic()
    pending = stdin.encode() if stdin is not None else b""
    while True:
        try:
            process.communicate(pending, timeout=HEARTBEAT_SECONDS)
        except subprocess.TimeoutExpired:
            say(f"    {log}: {time.monotonic() - start:.0f} s so far")
            pending = b""
        else:
            return


def _end(process: subprocess.Popen[bytes]) -> None:
    """Asks first: debootstrap unmounts what it mounted."""
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def output(*command: str | Path, seconds: float = 60) -> str:
    """What it prints. Raises ClusterError with its last line when it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except FileNotFoundError:
        raise ClusterError(f"{command[0]}: is not installed") from None
    except subprocess.TimeoutExpired:
        raise ClusterError(f"{' '.join(map(str, command[:4]))}: no answer within {seconds:.0f} s") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
        raise ClusterError(f"{' '.join(map(str, command[:4]))}: {lines[-1][:300]}")
    return done.stdout


def succeeds(*command: str | Path, seconds: float = 60) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=seconds, check=False).returncode == 0
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
