"""`python -m analytics_service.demo --url URL --token TOKEN`: asks the questions and prints the tables."""

import argparse
import asyncio
import json
import os
import sys

import aiohttp
from rich.console import Console

from analytics_service.demo.client import ask, show
from analytics_service.demo.questions import QUESTIONS
from analytics_service.errors import ServiceError


async def answers(base_url: str, token: str) -> dict[str, list[tuple[str, ...]]]:
    """The rows of every table by the title of its question."""
    async with aiohttp.ClientSession(base_url, headers={"Authorization": f"Bearer {token}"}) as session:
        return {question.title: list(question.rows(await ask(session, question))) for question in QUESTIONS}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m analytics_service.demo", description=__doc__)
    parser.add_argument("--url", required=True, help="where the service answers, as http://127.0.0.1:8080")
    parser.add_argument("--token", default=os.environ.get("ANALYTICS_TOKEN"), help="default: $ANALYTICS_TOKEN")
    parser.add_argument("--output", choices=("table", "json"), default="table")
    arguments = parser.parse_args()
    if not arguments.token:
        parser.error("--token: is not given and ANALYTICS_TOKEN is not set; make one with: analytics-service token")
    try:
        if arguments.output == "json":
            print(json.dumps(asyncio.run(answers(arguments.url, arguments.token)), indent=2))  # noqa: T201 - the output
        else:
            asyncio.run(show(arguments.url, arguments.token, Console()))
    except (ServiceError, aiohttp.ClientError, TimeoutError) as error:
        sys.stderr.write(f"demo: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
