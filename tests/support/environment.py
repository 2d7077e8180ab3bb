"""The environment of the programs that tests start."""

import os
from pathlib import Path

WITHOUT_IPV6 = {"PYTHONPATH": str(Path(__file__).parent / "without_ipv6")}
"""Variables of a program that is to find a machine without IPv6."""


def program_environment(**variables: str) -> dict[str, str]:
    """Returns PATH, what makes coverage measure the program too, and these variables; nothing else of this process."""
    inherited = {name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("COVERAGE_")}
    return inherited | variables
