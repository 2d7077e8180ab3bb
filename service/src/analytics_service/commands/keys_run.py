"""keys create, list, revoke and rotate: what the routes do, for whoever may write to the database."""

import sys
from argparse import Namespace
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from analytics_service.commands import routes
from analytics_service.commands.command import run_action
from analytics_service.contract.endpoint import Uncached
from analytics_service.contract.parameters import P
from analytics_service.contract.principal import Role
from analytics_service.database.connect import database_url
from analytics_service.database.writers import writer_session
from analytics_service.endpoints.keys import create, listing, revoke, rotate
from analytics_service.errors import UsageError
from analytics_service.settings import Settings

_SUBJECT: Final = "analytics-service keys"
"""Who makes and revokes keys, as their rows say it."""
_OPTIONS: Final = {
    "scopes": "--scope",
    "projects": "--project",
    "expires_at": "--expires-in",
    "overlap_seconds": "--overlap",
    "rate_limit": "--per-minute",
    "content": "--content",
}
"""Of parameters that have another name than their option."""
_PAGE: Final = 1000
_PIPE_CHARACTERS: Final = 240
"""Of a line that no terminal would wrap: ids and secrets stay whole."""


def run(arguments: Namespace, environment: Mapping[str, str]) -> int:
    actions = {name: (act, _print_secret_alone) for name, (act, _) in _ACTIONS.items()}
    return run_action(arguments, environment, actions if getattr(arguments, "quiet", False) else _ACTIONS)


async def _create(arguments: Namespace, loaded: Settings) -> dict[str, Any]:
    if arguments.burst is not None and arguments.per_minute is None:
        raise UsageError("--burst: give --per-minute, too")
    rate = {"per_minute": arguments.per_minute, "burst": arguments.burst}
    content = {**(arguments.content or {}), **({"redact": arguments.redact} if arguments.redact else {})}
    given = {
        "name": arguments.name,
        "role": arguments.role,
        "scopes": ["traces:write"] if arguments.ingest else arguments.scope,
        "projects": arguments.project,
        "expires_at": _from_now(arguments.expires_in),
        "content": content or None,
        "rate_limit": None if arguments.per_minute is None else rate,
    }
    return await _changed(create.ENDPOINT, given, arguments, loaded)


async def _revoke(arguments: Namespace, loaded: Settings) -> dict[str, Any]:
    return await _changed(revoke.ENDPOINT, {"key_id": arguments.id}, arguments, loaded)


async def _rotate(arguments: Namespace, loaded: Settings) -> dict[str, Any]:
    given = {
        "key_id": arguments.id,
        "overlap_seconds": arguments.overlap,
        "expires_at": _from_now(arguments.expires_in),
    }
    return await _changed(rotate.ENDPOINT, given, arguments, loaded)


async def _list(arguments: Namespace, loaded: Settings) -> dict[str, Any]:
    keys, after = list[Any](), None
    caller = routes.administrator(arguments.org, subject=_SUBJECT)
    async with writer_session(database_url(loaded), command="keys", dry_run=True) as session:
        while True:
            params = routes.parse(listing.ENDPOINT, {"include_inactive": arguments.all, "limit": _PAGE}, _OPTIONS)
            if after is not None:
                params.resume(params.range, after)
            result = await routes.run(listing.ENDPOINT, params, caller, session, _OPTIONS)
            keys += result.data  # type: ignore[arg-type]  # a page is of a list
            if result.page is None or not result.page.has_more:
                return {"keys": keys}
            after = result.page.key(_PAGE - 1)


async def _changed(
    endpoint: Uncached[P], given: Mapping[str, object], arguments: Namespace, loaded: Settings
) -> dict[str, Any]:
    """The key as it is then."""
    params = routes.parse(endpoint, given, _OPTIONS)
    caller = routes.administrator(arguments.org, subject=_SUBJECT)
    async with writer_session(database_url(loaded), command="keys", dry_run=True) as session:
        result = await routes.run(endpoint, params, caller, session, _OPTIONS)
    return result.data  # type: ignore[return-value]  # a key is a dictionary


def _from_now(seconds: int | None) -> str | None:
    return None if seconds is None else (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def _print_secret(result: dict[str, Any]) -> None:
    _print_keys({"keys": [result]})
    sys.stdout.write(f"\nsecret, which is shown this once: {result['secret']}\n")


def _print_secret_alone(result: dict[str, Any]) -> None:
    sys.stdout.write(result["secret"])


def _print_key(result: dict[str, Any]) -> None:
    _print_keys({"keys": [result]})


def _print_keys(result: dict[str, Any]) -> None:
    columns = ("id", "name", "secret", "status", "may", "projects", "a minute", "expires", "last used")
    table = Table(*columns, box=None, pad_edge=False)
    for key in result["keys"]:
        table.add_row(
            key["id"],
            escape(key["name"]),
            f"{key['prefix']}...",
            key["status"],
            key["role"] if key["role"] != Role.SCOPED else " ".join(key["permissions"]),
            escape(" ".join(key["projects"])) or "all",
            str(key["rate_limit"]["per_minute"]),
            _minute(key["expires_at"]) or "never",
            _minute(key["last_used_at"]) or "never",
        )
    console = Console()
    (console if console.is_terminal else Console(width=_PIPE_CHARACTERS)).print(table)


def _minute(time: datetime | None) -> str:
    return "" if time is None else f"{time:%Y-%m-%d %H:%M}"


_ACTIONS: Final = {
    "create": (_create, _print_secret),
    "list": (_list, _print_keys),
    "revoke": (_revoke, _print_key),
    "rotate": (_rotate, _print_secret),
}
"""By name of the action: what it does, and how people see its result."""
