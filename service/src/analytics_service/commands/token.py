"""token: prints a signed token, for development and for the demo."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from analytics_service.commands.command import Command
from analytics_service.contract.principal import Permission, Role
from analytics_service.errors import UsageError

_MAX_TTL_MINUTES = 366 * 24 * 60


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("--org", required=True, metavar="NAME", help="the organisation whose rows the token may read")
    parser.add_argument("--role", choices=[role.value for role in Role], default=Role.DEVELOPER.value)
    parser.add_argument(
        "--project",
        action="append",
        default=[],
        metavar="NAME",
        help="restrict the token to this project; may be repeated",
    )
    parser.add_argument(
        "--subject", default="developer", metavar="NAME", help="subject of the token (default: %(default)s)"
    )
    parser.add_argument(
        "--permission",
        action="append",
        default=[],
        choices=[permission.value for permission in Permission],
        metavar="P",
        help="in addition to those of the role; may be repeated: " + " ".join(Permission),
    )
    parser.add_argument(
        "--ttl-minutes", type=int, default=60, metavar="N", help="lifetime in minutes (default: %(default)s)"
    )


def _run(arguments: Namespace, environment: Mapping[str, str]) -> int:
    # imported late: `--help` and the other commands need not wait for it
    from analytics_service import settings
    from analytics_service.auth.tokens import Signer

    loaded = settings.load(environment, require=("jwt_secret",))
    if loaded.jwt_secret is None:
        raise UsageError("JWT_SECRET: is not set")
    signer = Signer(secret=loaded.jwt_secret.get_secret_value(), issuer=loaded.jwt_issuer, audience=loaded.jwt_audience)
    sys.stdout.write(signer.sign(claims(arguments, now=datetime.now(UTC), identity=str(uuid4()))) + "\n")
    return 0


def claims(arguments: Namespace, *, now: datetime, identity: str) -> dict[str, object]:
    """The claims of the token; UsageError for those that no service would accept."""
    if not 1 <= arguments.ttl_minutes <= _MAX_TTL_MINUTES:
        raise UsageError(f"--ttl-minutes: must be between 1 and {_MAX_TTL_MINUTES}")
    named = (
        ("--org", arguments.org),
        ("--subject", arguments.subject),
        *(("--project", one) for one in arguments.project),
    )
    for option, value in named:
        if not 1 <= len(value) <= 256:
            raise UsageError(f"{option}: must have 1 to 256 characters")
    return {
        "sub": arguments.subject,
        "org_id": arguments.org,
        "projects": arguments.project,
        "role": arguments.role,
        "permissions": arguments.permission,
        "iat": now,
        "exp": now + timedelta(minutes=arguments.ttl_minutes),
        "jti": identity,
    }


COMMAND = Command(name="token", help="print a signed token, for development", configure=_configure, run=_run)
