"""Names of the objects that belong to a resource.

A resource's name has at most 40 characters, so that every name here fits 63.
"""

JWT_KEY = "jwt-secret"


def config_map(name: str, digest: str) -> str:
    return f"{name}-config-{digest}"


def released(name: str) -> str:
    return f"{name}-released"


def worker(name: str) -> str:
    return f"{name}-worker"


def ingest(name: str) -> str:
    return f"{name}-ingest"


def jwt_secret(name: str) -> str:
    return f"{name}-jwt"


def metrics(name: str) -> str:
    return f"{name}-metrics"


def dry_run_job(name: str, digest: str, attempt: int) -> str:
    return f"{name}-plan-{digest}-{attempt}"


def migrate_job(name: str, digest: str, attempt: int) -> str:
    return f"{name}-migrate-{digest}-{attempt}"


def attempt_of(job: str, like: str) -> int:
    """The attempt that the name of a Job has; 0 where `like`, the name of the attempt 0, is not of that kind."""
    number = job.removeprefix(like.removesuffix("0"))
    return int(number) if number != job and number.isascii() and number.isdigit() and len(number) <= 5 else 0


def network_policy(name: str, component: str) -> str:
    return name if component == "api" else f"{name}-{component}"


def dashboard(name: str) -> str:
    return f"{name}-dashboard"
