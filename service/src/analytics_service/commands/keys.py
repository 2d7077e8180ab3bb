"""keys: its actions and their arguments. They run in a module of their own, which is slow to import."""

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping
from typing import Final

from analytics_service.commands.command import Command, with_actions
from analytics_service.contract.principal import Permission, Role
from analytics_service.database.content_policy import ContentMode, Redaction

_DAY_SECONDS: Final = 86_400
_MAX_DAYS: Final = 36_500
_EPILOG = """A secret is shown once. To give it to an application as a Secret:
kubectl exec deploy/demo -- analytics-service keys create web --org acme --ingest --quiet |
kubectl create secret generic web-analytics --from-file=api-key=/dev/stdin
Exit code 0: done. 1: the database failed. 2: a wrong argument or setting, or no such key, and one line says which."""


def _organisation(parser: ArgumentParser) -> None:
    parser.add_argument("--org", required=True, metavar="NAME", help="the organisation of the key")


def _secret(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--quiet", action="store_true", help="print the secret alone, without a newline, as a file of a Secret has it"
    )


def _expiry(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--expires-in", type=_duration, metavar="TIME", help="as 90d, 12h or 30m; without it the key never expires"
    )


def _create(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="of the key, for people")
    _organisation(parser)
    granted = parser.add_mutually_exclusive_group(required=True)
    granted.add_argument("--ingest", action="store_true", help="a key that can send, and nothing else")
    granted.add_argument("--role", choices=[role.value for role in Role if role is not Role.SCOPED])
    granted.add_argument(
        "--scope",
        action="append",
        choices=[permission.value for permission in Permission],
        metavar="P",
        help="a permission of a key that has no others; may be repeated: " + " ".join(Permission),
    )
    parser.add_argument(
        "--project", action="append", metavar="NAME", help="confine the key to this project; may be repeated"
    )
    _expiry(parser)
    parser.add_argument(
        "--content",
        type=_content,
        metavar="HOW",
        help="what becomes of the prompts and completions that it sends: keep, drop, or a number of characters",
    )
    parser.add_argument(
        "--redact",
        action="append",
        choices=[each.value for each in Redaction],
        metavar="WHAT",
        help="mask this in them; may be repeated: " + " ".join(Redaction),
    )
    parser.add_argument("--per-minute", type=int, metavar="N", help="requests a minute; without it those of the role")
    parser.add_argument("--burst", type=int, metavar="N", help="requests at once; without it as many as in a minute")
    _secret(parser)


def _list(parser: ArgumentParser) -> None:
    _organisation(parser)
    parser.add_argument("--all", action="store_true", help="also those that were revoked or have expired")


def _revoke(parser: ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="of the key, as `keys list` shows it")
    _organisation(parser)


def _rotate(parser: ArgumentParser) -> None:
    _revoke(parser)
    parser.add_argument(
        "--overlap",
        type=_duration,
        metavar="TIME",
        help="how long the old key is accepted, too (default: 24h)",
    )
    _expiry(parser)
    _secret(parser)


def _content(text: str) -> dict[str, str | int]:
    """The parameters of `content`."""
    if text in {ContentMode.KEEP, ContentMode.DROP}:
        return {"mode": text}
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ArgumentTypeError("must be keep, drop, or a number of characters")
    return {"mode": ContentMode.TRUNCATE.value, "characters": int(text)}


def _duration(text: str) -> int:
    """Seconds of a duration in words."""
    match = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    seconds = 0 if match is None else int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": _DAY_SECONDS}[match[2]]
    if match is None or seconds > _MAX_DAYS * _DAY_SECONDS:
        raise ArgumentTypeError(f"is no duration of at most {_MAX_DAYS}d, as 90d, 12h or 30m")
    return seconds


def _run(arguments: Namespace, environment: Mapping[str, str]) -> int:
    from analytics_service.commands.keys_run import run

    return run(arguments, environment)


ACTIONS: Final = (
    Command(name="create", help="create a key, and show its secret once", configure=_create, run=_run),
    Command(name="list", help="list keys, without their secrets", configure=_list, run=_run),
    Command(name="revoke", help="revoke a key: it is refused within seconds", configure=_revoke, run=_run),
    Command(
        name="rotate",
        help="replace a key by another one that may do the same, and end the old one after an overlap",
        configure=_rotate,
        run=_run,
    ),
)

COMMAND = with_actions("keys", "make and revoke the API keys of organisations", ACTIONS, _EPILOG)
