"""How controllers of Ingresses limit requests: by the name of the class, since no Role may read the class. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from analytics_operator.api.networking import RATE_LIMIT_PERIOD, RATE_LIMITS, Ingress


@dataclass(frozen=True)
class Controller:
    """A controller whose classes have the word in their names."""

    word: str
    annotations: tuple[str, ...]
    """Of RATE_LIMITS; empty: it has none."""
    cure: str = ""
    """What to do where it has none."""


CONTROLLERS = (
    Controller("nginx", ("nginx.ingress.kubernetes.io/limit-rps", "nginx.org/limit-req-rate")),
    Controller("haproxy", ("haproxy.org/rate-limit-requests", "haproxy-ingress.github.io/limit-rps")),
    Controller(
        "traefik",
        (),
        "make a Middleware with rateLimit, name it in ingress.annotations by "
        "traefik.ingress.kubernetes.io/router.middlewares, and remove ingress.rateLimitPerSecond",
    ),
)
"""Each annotation is read by its own controller alone, so that those of two with one name stand side by side."""


def controller(section: Ingress) -> Controller | None:
    """None where the name of the class does not tell."""
    return next((each for each in CONTROLLERS if each.word in (section.class_name or "")), None)


def annotations(section: Ingress) -> Mapping[str, str]:
    """Where the controller is not known, those of all controllers."""
    limit, known = section.rate_limit_per_second, controller(section)
    if limit is None:
        return {}
    chosen = known.annotations if known else tuple(RATE_LIMITS)
    period = {RATE_LIMIT_PERIOD: "1s"} if "haproxy.org/rate-limit-requests" in chosen else {}
    return {name: RATE_LIMITS[name].format(limit) for name in chosen} | period
