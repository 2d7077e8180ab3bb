"""Asks the questions over HTTP and prints the tables."""

import json
from decimal import Decimal
from typing import Any

import aiohttp
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from analytics_service.demo.questions import QUESTIONS, Question
from analytics_service.errors import ServiceError

CAPTION = (
    "Data: Azure LLM inference trace 2023 (Microsoft, CC-BY). "
    "It names no model: provider, model and so every price are assumed."
)


async def ask(session: aiohttp.ClientSession, question: Question) -> Any:
    """The `data` of the answer, money as Decimal. Raises ServiceError with the problem's own words."""
    async with session.get(question.path, params=question.parameters) as response:
        body = json.loads(await response.read(), parse_float=Decimal)
        if response.status != 200:
            raise ServiceError(f"{question.path} answered {response.status}: {body.get('detail') or body.get('title')}")
        return body["data"]


async def show(base_url: str, token: str, console: Console) -> None:
    """Prints a table for each question of the demonstration."""
    headers = {"Authorization": f"Bearer {token}"}
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(base_url, headers=headers, timeout=timeout) as session:
        for question in QUESTIONS:
            console.print(table(question, await ask(session, question)))
    console.print(CAPTION, style="italic")


def table(question: Question, data: Any) -> Table:
    """The answer as a table, numbers to the right; only headings wrap."""
    rows = question.rows(data)
    rendered = Table(title=question.title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for number, column in enumerate(question.columns):
        is_text = column.startswith(("model", "project"))
        cells = [*(row[number] for row in rows), *column.split()]
        rendered.add_column(column, justify="left" if is_text else "right", width=max(map(len, cells)))
    for row in rows:
        rendered.add_row(*row)
    return rendered
