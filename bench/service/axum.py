"""The programs in Rust, built by cargo from their lock file into the cache outside the clone."""

import os
import shutil
import subprocess
from pathlib import Path

from e2e.cluster import cache

SOURCE = Path(__file__).parent.parent / "axum"


def built(name: str = "bench-axum") -> Path | str:
    """Where the program is, or in one line why it is not there."""
    cargo = shutil.which("cargo")
    if cargo is None:
        return "cargo is not installed"
    target = cache.root() / "bench-axum"
    command = (cargo, "build", "--release", "--locked", "--manifest-path", SOURCE / "Cargo.toml")
    with cache.lock("bench-axum"):
        done = subprocess.run(
            command, env=os.environ | {"CARGO_TARGET_DIR": str(target)}, capture_output=True, text=True, check=False
        )
    if done.returncode:
        return f"cargo did not build it: {done.stderr.strip().splitlines()[-1][:200]}"
    return target / "release" / name
