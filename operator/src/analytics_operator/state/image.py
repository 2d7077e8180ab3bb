"""The settings that not every image knows: those that came after 0.2.0. Pure.

The result of `migrate` lists what its image knows; pods are given no other. See docs/decisions/0025.
"""

from enum import StrEnum


class Setting(StrEnum):
    """As an image lists them: NAME, or NAME=VALUE where an older one knows the name and not the value."""

    EVERY_ADDRESS = "APP_HOST=::"
