"""token: a signed token for development, as `analytics-service token` makes it, with the secret of a resource."""

from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import jwt

from analytics_operator.errors import UsageError
from analytics_operator.kube.objects import SECRET
from analytics_operator.plugin import output
from analytics_operator.plugin.command import Cluster, Command, parse
from analytics_operator.state.secrets import JWT_LENGTH, data_of, jwt_ref

ALGORITHM = "HS256"
ROLES = ("admin", "developer", "viewer", "billing", "scoped")
MAX_TTL_MINUTES = 366 * 24 * 60


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("name", help="of the AnalyticsApi")
    parser.add_argument("--org", required=True, metavar="NAME", help="the organisation whose rows the token may read")
    parser.add_argument("--role", choices=ROLES, default="developer", help="default: %(default)s")
    parser.add_argument("--project", action="append", default=[], metavar="NAME", help="only this one; may be repeated")
    parser.add_argument("--permission", action="append", default=[], metavar="P", help="in addition; may be repeated")
    parser.add_argument("--subject", default="developer", metavar="NAME", help="default: %(default)s")
    parser.add_argument("--ttl-minutes", type=int, default=60, metavar="N", help="lifetime (default: %(default)s)")


async def _run(options: Namespace, cluster: Cluster) -> int:
    now = datetime.now(UTC)
    claims = _claims(options, now=now)
    resource = parse(await cluster.resource(options.name))
    ref, auth = jwt_ref(resource), resource.spec.auth
    secret = data_of(await cluster.client.get(SECRET, cluster.namespace, ref.name)).get(ref.key, b"")
    if len(secret) < JWT_LENGTH:
        raise UsageError(f"the key {ref.key} of Secret {ref.name} has fewer than {JWT_LENGTH} bytes: set a longer one")
    named = {"iss": auth.issuer, "aud": auth.audience} if auth else {}
    signed = jwt.encode(claims | {key: value for key, value in named.items() if value}, secret, algorithm=ALGORITHM)
    if options.output == "json":
        expires = now + timedelta(minutes=options.ttl_minutes)
        output.write(output.as_json({"token": signed, "expires": f"{expires:%Y-%m-%dT%H:%M:%SZ}"}))
    else:
        output.write(f"{signed}\n")
    return 0


def _claims(options: Namespace, *, now: datetime) -> dict[str, object]:
    """Raises UsageError for those that no service accepts."""
    if not 1 <= options.ttl_minutes <= MAX_TTL_MINUTES:
        raise UsageError(f"--ttl-minutes: must be between 1 and {MAX_TTL_MINUTES}")
    projects = (("--project", each) for each in options.project)
    for option, value in (("--org", options.org), ("--subject", options.subject), *projects):
        if not 1 <= len(value) <= 256:
            raise UsageError(f"{option}: must have 1 to 256 characters")
    return {
        "sub": options.subject,
        "org_id": options.org,
        "projects": options.project,
        "role": options.role,
        "permissions": options.permission,
        "iat": now,
        "exp": now + timedelta(minutes=options.ttl_minutes),
        "jti": str(uuid4()),
    }


TOKEN = Command(
    name="token",
    help="print a signed token for development, of an organisation and a role",
    description="Prints a token that the resource's pods accept. It needs the privilege to get the Secret that signs "
    "tokens; whoever has it can sign any token.",
    configure=_configure,
    run=_run,
)
