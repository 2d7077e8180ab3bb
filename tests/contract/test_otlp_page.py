"""docs/otlp-attributes.md is the table of ingest/otlp/attributes.py; `make golden` writes it."""

import os
from collections.abc import Sequence
from pathlib import Path

from analytics_service.ingest.otlp.attributes import ATTRIBUTES, LONG, MACHINE, TEXTS
from analytics_service.ingest.otlp.logs import DETAILS, ROLES
from analytics_service.ingest.otlp.scopes import SCOPES
from analytics_service.ingest.otlp.unmapped import DROPPED, MAX_BYTES, MAX_COUNT

PAGE = Path(__file__).parents[2] / "docs" / "otlp-attributes.md"


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def page() -> str:
    groups = "\n\n".join(
        f"**{source}**\n\n"
        + table(("attribute", "field"), [(f"`{name}`", f"`{field}`") for name, field in attributes.items()])
        for source, attributes in ATTRIBUTES.items()
    )
    machine = ", ".join(f"`{prefix}`" for prefix in MACHINE)
    texts = ", ".join(f"`{prefix}` ({field})" for prefix, field in TEXTS.items())
    long = ", ".join(f"`{field}`" for field in sorted(LONG))
    events = [(f"`{name}`", f"`{text}`", role) for name, (text, role) in ROLES.items()]
    scopes = [(f"`{scope.prefix}`", scope.usage, scope.source) for scope in SCOPES]
    return f"""# Which field each attribute fills

Of spans that arrive by [OTLP](send-traces.md), and of files of the Collector. Of several attributes for one field the
one that stands first here counts; an attribute of the span comes before one of its events, and that before one of its
resource. This page is made from the tables that the service uses.

{groups}

Attributes that begin with {texts} are parts of one text.

## What fills no field

It is stored in `attributes`, by its name: up to {MAX_COUNT} attributes and {MAX_BYTES // 1024} KiB of a span, in the
order of their names. `{DROPPED}` says how many there was no room for. Of a field that several attributes give, those
that say something else are there too, but for {long}. Left out are: of the resource what begins with
{machine}; of events all that fills no field.

## Log records

`{DETAILS}` carries all content of a call in attributes; before it, an event carried one message:

{table(("event", "text", "role, where its body does not say it"), events)}

They join the row of the span whose ids they have. All other log records are counted as rejected.

## How tokens are counted

Since version 1.40 of the conventions input tokens have those of caches among them. These scopes count in their own way:

{table(("scope", "convention", "where that is from"), scopes)}

Of other scopes, without that version, a span with tokens from a cache has no price, and says why in `usage_unclear`.
"""


def test_the_page_is_the_table() -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page()
