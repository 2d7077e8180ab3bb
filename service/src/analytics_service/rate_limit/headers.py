"""Rate limit headers of a response: the IETF draft's RateLimit fields and the older X-RateLimit ones."""

from datetime import datetime

from analytics_service.rate_limit.gcra import MICROSECONDS, Admission


def headers(admission: Admission, now: datetime) -> dict[str, str]:
    """All times are in seconds, rounded up; X-RateLimit-Reset is a Unix time, as elsewhere."""
    reset = _seconds(admission.reset)
    said = {
        "RateLimit-Policy": f'"principal";q={admission.limit.per_minute};w=60',
        "RateLimit": f'"principal";r={admission.remaining};t={reset}',
        "X-RateLimit-Limit": str(admission.limit.per_minute),
        "X-RateLimit-Remaining": str(admission.remaining),
        "X-RateLimit-Reset": str(int(now.timestamp()) + reset),
    }
    if not admission.admitted:
        said["Retry-After"] = str(max(_seconds(admission.retry_after), 1))
    return said


def _seconds(microseconds: int) -> int:
    return -(-microseconds // MICROSECONDS)
