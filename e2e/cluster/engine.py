"""The container engine: one that runs is used as it is; INSTALL=1 may install and start one, as root."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

from e2e.cluster import cache
from e2e.cluster.shell import ClusterError, output, run, step, succeeds

PACKAGES = ("docker.io", "containerd", "runc", "iptables", "debootstrap")
APT = ("apt-get", "-o", "DPkg::Lock::Timeout=600")
"""Another run's installation is waited for."""
HERE = Path(__file__).parent
CAP_SYS_RESOURCE = 24
START_SECONDS = 60


def ensure() -> None:
    """A container engine answers afterwards. Raises ClusterError that says what to install or to start."""
    if succeeds("docker", "info", seconds=20):
        return
    if os.environ.get("INSTALL") != "1":
        raise ClusterError(
            "docker: no engine answers; start one, or run with INSTALL=1 as root to have "
            f"{' '.join(PACKAGES)} installed and dockerd started"
        )
    install(*PACKAGES)
    with cache.lock("dockerd"):
        if not succeeds("docker", "info", seconds=20):
            _start()


def install(*packages: str) -> None:
    """Debian packages, when one of them is missing. Raises ClusterError that names them where it may not."""
    missing = [name for name in packages if not _installed(name)]
    if not missing:
        return
    if os.environ.get("INSTALL") != "1":
        raise ClusterError(f"{' '.join(missing)}: not installed; install them, or run with INSTALL=1 as root")
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise ClusterError(f"{' '.join(missing)}: not installed, and only root on Debian can have them installed here")
    with step(f"install {' '.join(missing)}"):
        # At run level 1 a package's service is not started: dockerd may need the runtime wrapper first.
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        run((*APT, "update", "-qq"), log="apt")
        command = (*APT, "install", "-y", "-qq", "--no-install-recommends", *missing)
        run(command, environment=environment, log="apt")


def _installed(package: str) -> bool:
    done = subprocess.run(
        ("dpkg-query", "-W", "-f", "${db:Status-Status}", package), capture_output=True, text=True, check=False
    )
    return done.stdout == "installed"


def _start() -> None:
    """dockerd in a session of its own, so that it outlives this shell."""
    configuration = cache.root() / "dockerd.json"
    configuration.write_text(json.dumps(_configuration()))
    with step("start dockerd"), (cache.logs() / "dockerd.log").open("ab") as log:
        process = subprocess.Popen(
            ("dockerd", "--config-file", configuration), stdout=log, stderr=log, start_new_session=True
        )
        (cache.root() / "dockerd.pid").write_text(f"{process.pid}\n")
        deadline = time.monotonic() + START_SECONDS
        while not succeeds("docker", "info", seconds=20):
            if process.poll() is not None or time.monotonic() > deadline:
                raise ClusterError(f"dockerd: does not start; see {log.name}")
            time.sleep(0.5)


def _configuration() -> dict[str, object]:
    if _may_raise_limits():
        return {}
    # Without CAP_SYS_RESOURCE runc refuses --privileged; the wrapper asks for one capability less.
    wrapper = cache.root() / "runc-within-bounds"
    shutil.copy(HERE / "node" / "runc-within-bounds", wrapper)
    wrapper.chmod(0o755)
    return {"runtimes": {"within-bounds": {"path": str(wrapper)}}, "default-runtime": "within-bounds"}


def _may_raise_limits() -> bool:
    bounding = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapBnd"))
    return bool(int(bounding.split()[1], 16) >> CAP_SYS_RESOURCE & 1)


def has_image(image: str) -> bool:
    return succeeds("docker", "image", "inspect", image)


def image_id(image: str) -> str:
    return output("docker", "image", "inspect", "--format", "{{.Id}}", image).strip()


def megabytes(image: str) -> int:
    return round(int(output("docker", "image", "inspect", "--format", "{{.Size}}", image)) / 1e6)


def published(image: str) -> bool:
    """Whether the image is here or its registry hands it out; the answer is asked for once an hour."""
    if has_image(image):
        return True
    refusal = cache.root() / f"refused-{cache.key(image)}"
    if refusal.exists() and time.time() - refusal.stat().st_mtime < 3600:
        return False
    with step(f"look for {image}"):
        try:
            run(("docker", "pull", "--quiet", image), log="docker-pull")
        except ClusterError:
            refusal.touch()
        else:
            return True
    return False


def build(image: str, folder: Path, *, dockerfile: Path | None = None, **arguments: str) -> None:
    """Builds with the classic builder, which every engine has."""
    with step(f"build image {image}"):
        command = ["docker", "build", "--quiet", "--tag", image, "--file", str(dockerfile or folder / "Dockerfile")]
        for name, value in arguments.items():
            command += ["--build-arg", f"{name}={value}"]
        environment = os.environ | {"DOCKER_BUILDKIT": "0"}
        run([*command, str(folder)], environment=environment, log="docker-build")
