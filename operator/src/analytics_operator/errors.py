"""The error tree of the operator: each class fixes its own consequence, and is caught once, at the boundary.

    OperatorError
    ├── UsageError             the command line: exit code 2
    ├── LeaseLost              another replica may lead: the process ends at once
    ├── ApiError               an answer of the API server
    │   ├── NotFound           404
    │   ├── Conflict           409: observe again, soon
    │   ├── Refused            the object will not do as it is: a condition, and a slow retry
    │   │   ├── Forbidden      403 by RBAC
    │   │   ├── QuotaExceeded  403 by a ResourceQuota
    │   │   ├── AdmissionRefused   by a webhook, a policy or Pod Security
    │   │   └── Invalid        400 or 422
    │   └── Unavailable        429, 5xx, timeouts, no connection: backoff, honouring Retry-After
    └── ChildConflict          an object of a desired name belongs to somebody else: a condition, and a slow retry
        └── SecretUnconfirmed  a generated Secret that no resource controls: somebody has to confirm it

Messages are for people and hold no secret: the bodies of requests are never part of them.
"""


class OperatorError(Exception):
    """The root of every error that this operator raises on purpose."""


class UsageError(OperatorError):
    """The command line cannot be used as it is."""


class LeaseLost(OperatorError):
    """Leadership could not be renewed in time."""


class ApiError(OperatorError):
    """The API server answered with something else than success."""

    reason = "ApiError"

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotFound(ApiError):
    reason = "NotFound"


class Conflict(ApiError):
    reason = "Conflict"


class Refused(ApiError):
    reason = "Refused"


class Forbidden(Refused):
    reason = "Forbidden"


class QuotaExceeded(Refused):
    reason = "QuotaExceeded"


class AdmissionRefused(Refused):
    reason = "AdmissionRefused"


class Invalid(Refused):
    reason = "Invalid"


class Unavailable(ApiError):
    reason = "Unavailable"


class ChildConflict(OperatorError):
    """The object exists and is not ours; it is left as it is."""

    reason = "ChildConflict"


class SecretUnconfirmed(ChildConflict):
    """The generated Secret exists without a controller."""

    reason = "SecretUnconfirmed"


_ADMISSION = ("admission webhook", "violates PodSecurity", "ValidatingAdmissionPolicy", "failed calling webhook")


def refusal(message: str) -> type[Refused] | None:
    """The refusal that a message of Kubernetes means; None where it means none. Its status code alone does not say."""
    if any(words in message for words in _ADMISSION):
        return AdmissionRefused
    if "exceeded quota" in message:
        return QuotaExceeded
    return Forbidden if "forbidden" in message else None
