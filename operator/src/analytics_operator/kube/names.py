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


def network_policy(name: str, component: str) -> str:
    return name if component == "api" else f"{name}-{component}"


def dashboard(name: str) -> str:
    return f"{name}-dashboard"
