"""Roots made from Debian packages: base images for machines that reach no container registry, and bare ones."""

import shutil
import subprocess
from pathlib import Path

from e2e.cluster import cache, engine
from e2e.cluster.shell import ClusterError, run, step

HERE = Path(__file__).parent
LOCAL_CERTIFICATES = Path("/usr/local/share/ca-certificates")
NODE_PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "containerd", "runc", "containernetworking-plugins", "iptables", "nftables"),
    *("iproute2", "ethtool", "conntrack", "socat", "jq", "procps", "util-linux", "mount", "kmod", "ca-certificates"),
    *("curl", "ipset"),
)
UNREAD = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "var/cache/apt", "var/lib/apt/lists")
"""Emptied: nobody reads these in a container."""


def trixie() -> str:
    """For applications: Python 3.13, PostgreSQL 17 and TimescaleDB are packages of it."""
    return _base("trixie", ("ca-certificates",))


def bookworm() -> str:
    """For nodes: its systemd 252 still boots on cgroup v1."""
    return _base("bookworm", NODE_PACKAGES)


def bare_root(top: Path, suite: str, packages: tuple[str, ...]) -> None:
    """Debian's smallest system and these packages below `top`; it trusts the authorities that this machine trusts."""
    engine.install("debootstrap")
    include = f"--include={','.join(packages)}"
    run(("debootstrap", "--variant=minbase", include, suite, top, *_mirror()), log=f"debootstrap-{suite}")
    for certificate in _certificates():
        shutil.copy(certificate, top / "usr/local/share/ca-certificates")
    run(("chroot", top, "update-ca-certificates"), log=f"debootstrap-{suite}")


def _base(suite: str, packages: tuple[str, ...]) -> str:
    image = f"analytics-e2e/{suite}:{cache.key(suite, *packages, Path(__file__), *_certificates())}"
    if not engine.has_image(image):
        with cache.lock(f"base-{suite}"), step(f"debootstrap {suite}"):
            _make(image, suite, packages)
    return image


def _make(image: str, suite: str, packages: tuple[str, ...]) -> None:
    with cache.scratch(f"base-{suite}") as folder:
        top = folder / "root"
        bare_root(top, suite, packages)
        for unread in UNREAD:
            shutil.rmtree(top / unread, ignore_errors=True)
            (top / unread).mkdir()
        shutil.copy(HERE / "bases" / "dpkg-unread.cfg", top / "etc/dpkg/dpkg.cfg.d/unread")
        _import(image, top)


def _import(image: str, top: Path) -> None:
    with subprocess.Popen(("tar", "-C", top, "-c", "."), stdout=subprocess.PIPE) as tar:
        done = subprocess.run(("docker", "import", "-", image), stdin=tar.stdout, capture_output=True, check=False)
    if done.returncode or tar.returncode:
        raise ClusterError(f"docker import {image}: {done.stderr.decode(errors='replace').strip()[:300]}")


def _certificates() -> list[Path]:
    """The machine's own authorities: behind a proxy that signs for itself, pip must trust them in a build too."""
    return sorted(LOCAL_CERTIFICATES.glob("*.crt"))


def _mirror() -> tuple[str, ...]:
    """The mirror that this machine installs from, when apt names one; else debootstrap's own."""
    command = ("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = [line.split()[0] for line in done.stdout.splitlines() if "security" not in line and "debian" in line]
    return tuple(found[:1])
