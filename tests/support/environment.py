"""The environment of the programs that tests start."""

import os


def program_environment(**variables: str) -> dict[str, str]:
    """Returns PATH, what makes coverage measure the program too, and these variables; nothing else of this process."""
    inherited = {name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("COVERAGE_")}
    return inherited | variables
