"""Runs `try`: starts a database, migrates it, imports the sample data, serves it and prints answers as tables."""

import asyncio
import secrets
import signal
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from importlib.resources import as_file
from pathlib import Path

from rich.console import Console

from analytics_service import settings
from analytics_service.auth.tokens import Signer
from analytics_service.commands import import_, migrate
from analytics_service.commands.command import Command
from analytics_service.commands.embedded import postgres
from analytics_service.contract.principal import Role
from analytics_service.demo.client import show
from analytics_service.demo.samples import END, ORGANISATION, SAMPLES, START
from analytics_service.errors import ServiceError
from analytics_service.server.service import Running, running
from analytics_service.settings import LogFormat, LogLevel, Settings
from analytics_service.telemetry import logging
from analytics_service.worker.service import working

_TOKEN_LIFETIME = timedelta(hours=12)


def run(arguments: Namespace, _environment: Mapping[str, str]) -> int:
    """Takes nothing from the environment: a DATABASE_URL that happens to be set is somebody's real database."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # else PostgreSQL would be left behind
    console = Console()
    started = time.monotonic()
    console.print("Starting a PostgreSQL of our own ...")
    with postgres(arguments.data_dir) as url, _exports_folder(arguments.data_dir) as exports:
        environment = {"DATABASE_URL": url, "JWT_SECRET": secrets.token_urlsafe(48), "APP_HOST": "127.0.0.1"}
        environment["EXPORT_DIRECTORY"] = exports
        _invoke(migrate.COMMAND, [], environment)
        for sample in SAMPLES:
            with as_file(sample.file) as file:
                _invoke(import_.COMMAND, [str(file), *sample.arguments()], environment)
        # port 0 is any free one, which no setting may be: a Service must know its port
        loaded = settings.load(environment).model_copy(update={"api_port": arguments.port, "api_metrics_port": 0})
        logging.configure(LogLevel.WARNING, LogFormat.TEXT)
        with suppress(KeyboardInterrupt):
            asyncio.run(_serve(loaded, console, started=started, once=arguments.once))
    return 0


@contextmanager
def _exports_folder(data_dir: Path | None) -> Iterator[str]:
    """Beside the database, where that is kept."""
    if data_dir is not None:
        yield f"{data_dir.absolute()}-exports"
        return
    with tempfile.TemporaryDirectory(prefix="analytics-exports-") as folder:
        yield folder


def _invoke(command: Command, arguments: list[str], environment: Mapping[str, str]) -> None:
    parser = ArgumentParser()
    command.configure(parser)
    if command.run(parser.parse_args(arguments), environment) != 0:
        raise ServiceError(f"{command.name} did not succeed")


@asynccontextmanager
async def serving(loaded: Settings) -> AsyncIterator[Running]:
    """The service with a worker beside it, in this process: rows reach rollups, and exports are written and end."""
    async with running(loaded) as service, working(loaded):
        yield service


async def _serve(loaded: Settings, console: Console, *, started: float, once: bool) -> None:
    from analytics_service.demo import live  # its packages came with the extra `try`, or PostgreSQL's would have failed

    async with serving(loaded) as service:
        url, token = f"http://127.0.0.1:{service.port}", _token(loaded)
        await service.ready()
        await show(url, token, console)
        await live.show(url, token, console)
        console.print(f"From nothing to these tables: {time.monotonic() - started:.1f} s\n")
        if once:
            return
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        console.print(f"Serving at {url} until Ctrl-C. Ask it yourself:\n")
        console.print(_example(url, token), soft_wrap=True, markup=False, highlight=False)
        await stop.wait()


def _token(loaded: Settings) -> str:
    if loaded.jwt_secret is None:
        raise ServiceError("JWT_SECRET: is not set")
    now = datetime.now(UTC)
    claims = {"sub": "try", "org_id": ORGANISATION, "projects": [], "role": Role.DEVELOPER, "iat": now}
    return Signer(secret=loaded.jwt_secret.get_secret_value()).sign({**claims, "exp": now + _TOKEN_LIFETIME})


def _example(url: str, token: str) -> str:
    span = f"from={START:%Y-%m-%dT%H:%M:%SZ}&to={END:%Y-%m-%dT%H:%M:%SZ}"
    return f"TOKEN={token}\ncurl -H \"Authorization: Bearer $TOKEN\" '{url}/api/v1/costs/summary?{span}'\n"
