"""The fixtures that any test may ask for by name."""

pytest_plugins = ["tests.support.postgres", "tests.support.redis"]
