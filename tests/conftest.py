"""The fixtures that any test may ask for by name, and how property tests search."""

import os

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.support.postgres", "tests.support.redis"]

# Untimed: a busy machine makes no test wrong. What lands is judged on the same examples each time; people search anew.
settings.register_profile(
    "untimed",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    derandomize="CI" in os.environ,
)
settings.load_profile("untimed")
