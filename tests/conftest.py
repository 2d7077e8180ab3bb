"""The fixtures that any test may ask for by name, and how long property tests may take: as long as they like."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.support.postgres", "tests.support.redis"]

# a busy machine makes no test wrong
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
