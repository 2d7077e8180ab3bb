"""openapi: prints the document that the service serves at /openapi.json."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping

from analytics_service.commands.command import Command


def _configure(_parser: ArgumentParser) -> None:
    """It takes no arguments."""


def _run(_arguments: Namespace, _environment: Mapping[str, str]) -> int:
    # imported late: `--help` and the other commands need not wait for it
    import orjson

    from analytics_service.endpoints import ENDPOINTS, INGEST_ENDPOINTS
    from analytics_service.http.openapi import document

    sys.stdout.write(
        orjson.dumps(document((*ENDPOINTS, *INGEST_ENDPOINTS)), option=orjson.OPT_INDENT_2).decode() + "\n"
    )
    return 0


COMMAND = Command(name="openapi", help="print the API's OpenAPI 3.1 document", configure=_configure, run=_run)
