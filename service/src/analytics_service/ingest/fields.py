"""The fields that a file can fill: the columns of the table `traces`, and the other names and units they go by.

To accept another name, add it here; to store another column, add it here, to the migration and to nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from typing_extensions import override

from analytics_service.errors import UsageError
from analytics_service.ingest import strings, values
from analytics_service.ingest.conventions import convention_name
from analytics_service.ingest.times import TIMESTAMP, TimeUnit, time_in
from analytics_service.ingest.usage import TOOL_PROMPT, WRITTEN
from analytics_service.ingest.values import Parse, Together
from analytics_service.pricing.columns import service_tier
from analytics_service.pricing.rates import COMPLETION, OTHER, PROMPT

END_TIME: Final = "end_time"
FIRST_TOKEN_TIME: Final = "first_token_time"  # noqa: S105 - a time
OFFSET: Final = "offset_us"
"""Of a time that is relative to --start, in microseconds."""
WEIGHT: Final = "request_weight"
"""How many requests the row is the sum of; one where it does not say."""
SPEND: Final = "spend"
"""The cost by a system that writes zero for models of which it does not know the price."""
USAGE_CONVENTION: Final = "usage_convention"
"""The way in which the tokens of the row are counted, by its name in ingest/conventions.py."""
GATEWAY_CACHE_HIT: Final = "gateway_cache_hit"
"""The gateway had the answer already: it cost nothing."""
API_KEY_ALIAS: Final = "api_key_alias"
"""By what name a gateway knows the key that a request came with: an attribute of the row."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Field:
    """A name in a file, the column it fills, and how its value is read."""

    name: str
    column: str
    parse: Parse

    @override
    def __reduce__(self) -> tuple[object, ...]:
        return _named, (self.name,)


_NAME = strings.text(256)
_KEY = strings.text(256, min_bytes=1)
_WORD = values.cached(_NAME)
_COUNT = Together(one=values.cached(values.count), many=values.counts)
_LONG = strings.long_text(4 * 2**20)
_TIMES: Final = ("timestamp", "time", "start_time")
_ENDS: Final = ("end_timestamp",)

_COLUMNS: Final[Mapping[str, tuple[Parse, tuple[str, ...]]]] = {
    "org_id": (values.cached(_KEY), ("organisation", "organization", "org", "tenant", "tenant_id")),
    "project_id": (_WORD, ("project",)),
    "trace_id": (_KEY, ("trace",)),
    "span_id": (_KEY, ("span",)),
    "ts": (TIMESTAMP, _TIMES),
    "parent_span_id": (_NAME, ("parent_id",)),
    "span_name": (_WORD, ("name",)),
    "service_name": (_WORD, ("service",)),
    "operation_type": (_WORD, ("operation",)),
    "provider": (_WORD, ()),
    "model": (_WORD, ("model_name",)),
    "environment": (_WORD, ("env",)),
    "status_code": (values.cached(values.status), ("status",)),
    "error_message": (strings.long_text(65_536), ("error",)),
    "is_request": (values.cached(values.boolean), ()),
    WEIGHT: (values.cached(values.weight), ("request_count", "num_requests", "num_model_requests")),
    "input_text": (_LONG, ("input", "prompt")),
    "output_text": (_LONG, ("output", "completion")),
    "prompt_tokens": (_COUNT, ("input_tokens", "context_tokens", "prompt_token_count")),
    "completion_tokens": (_COUNT, ("output_tokens", "generated_tokens", "candidates_token_count")),
    "total_tokens": (_COUNT, ("total_token_count",)),
    "cached_tokens": (
        _COUNT,
        (
            *("cache_read_tokens", "cache_read_input_tokens", "cached_input_tokens", "input_cached_tokens"),
            *("cached_content_token_count", "prompt_cache_hit_tokens", "prompt_cache_read_tokens"),
        ),
    ),
    "cache_write_5m_tokens": (_COUNT, ("ephemeral_5m_input_tokens",)),
    "cache_write_1h_tokens": (_COUNT, ("ephemeral_1h_input_tokens",)),
    "reasoning_tokens": (_COUNT, ("thinking_tokens", "thoughts_token_count")),
    "audio_input_tokens": (_COUNT, ("input_audio_tokens", "prompt_audio_tokens")),
    "audio_output_tokens": (_COUNT, ("output_audio_tokens", "completion_audio_tokens")),
    "images": (_COUNT, ("image_count",)),
    "web_searches": (_COUNT, ("web_search_requests",)),
    "audio_seconds": (values.amount, ()),
    "billed_units": (values.amount, ("search_units",)),
    "service_tier": (values.cached(service_tier), ("tier",)),
    "prompt_cost_usd": (values.cost, ("prompt_cost", "input_cost")),
    "completion_cost_usd": (values.cost, ("completion_cost", "output_cost")),
    "total_cost_usd": (values.cost, ("total_cost", "cost", "cost_usd")),
    "price_version": (_WORD, ()),
    "duration_us": (values.duration(Decimal(1)), ()),
    "ttft_us": (values.duration(Decimal(1)), ()),
    "user_id": (_NAME, ("user",)),
    "session_id": (_NAME, ("session",)),
    "team_id": (_WORD, ("team",)),
    "tags": (strings.tags, ()),
    "attributes": (strings.attributes, ()),
    "updated_at": (TIMESTAMP, ()),
}
_HELPERS: Final[Mapping[str, tuple[Parse, tuple[str, ...]]]] = {
    WRITTEN: (
        _COUNT,
        (
            *("cache_creation_input_tokens", "cache_creation_tokens", "cache_write_input_tokens"),
            "prompt_cache_write_tokens",
        ),
    ),
    TOOL_PROMPT: (_COUNT, ("tool_use_prompt_token_count",)),
    FIRST_TOKEN_TIME: (TIMESTAMP, ()),
    OFFSET: (values.duration(Decimal(1)), ()),
    SPEND: (values.cost, ()),
    GATEWAY_CACHE_HIT: (values.optional_boolean, ()),
    USAGE_CONVENTION: (values.cached(convention_name), ()),
    API_KEY_ALIAS: (_WORD, ("key_alias",)),
    END_TIME: (TIMESTAMP, _ENDS),
}
"""Fields that fill no column by themselves: rows.py makes others of them."""
_DURATIONS: Final = {"ns": Decimal("0.001"), "us": Decimal(1), "ms": Decimal(1000), "s": Decimal(1_000_000)}

COLUMNS: Final = (*_COLUMNS, "price_status")
"""The columns of `traces`, in the order in which rows are written."""
USAGE: Final = ("total_tokens", "prompt_tokens", "completion_tokens", *PROMPT, *COMPLETION, *OTHER, WEIGHT)
"""What a row used, and for how many requests."""
COSTS: Final = ("total_cost_usd", "prompt_cost_usd", "completion_cost_usd")
PRICE: Final = (*COSTS, "price_version", "price_status")
"""What pricing fills."""
DEFAULTS: Final[Mapping[str, object]] = {
    "project_id": "",
    "operation_type": "",
    "provider": "",
    "model": "",
    "environment": "",
    "status_code": "UNSET",
    "service_tier": "",
    "price_status": "",
}


_NAMES_OF_TIMES: Final = {
    "ts": ("ts", *_TIMES),
    END_TIME: (END_TIME, *_ENDS),
    FIRST_TOKEN_TIME: (FIRST_TOKEN_TIME,),
    "updated_at": ("updated_at",),
}


def _all() -> Mapping[str, Field]:
    fields = {}
    for column, (parse, aliases) in (*_COLUMNS.items(), *_HELPERS.items()):
        for name in (column, *aliases):
            fields[name] = Field(name=name, column=column, parse=parse)
    for what in ("duration", "ttft", "latency", "offset"):
        column = {"ttft": "ttft_us", "offset": OFFSET}.get(what, "duration_us")
        for unit, microseconds in _DURATIONS.items():
            name = f"{what}_{unit}"
            fields[name] = Field(name=name, column=column, parse=values.duration(microseconds))
    for column, names in _NAMES_OF_TIMES.items():
        for name in names:
            for each in TimeUnit:
                fields[f"{name}_{each}"] = Field(name=f"{name}_{each}", column=column, parse=time_in(each))
    return fields


FIELDS: Final = _all()


def _named(name: str) -> Field:
    return FIELDS[name]


_BY_PLAIN_NAME: Final = {
    name.replace("_", ""): FIELDS[name]
    for column, (_, aliases) in (*_COLUMNS.items(), *_HELPERS.items())
    for name in (column, *aliases)
}


def known_field(name: str) -> Field | None:
    """The field that a column of that name fills, in any case of letters, in camel case or with blanks."""
    spelled = name.strip().lower()
    return FIELDS.get(spelled) or _BY_PLAIN_NAME.get(spelled.replace("_", "").replace("-", "").replace(" ", ""))


def field(name: str, *, option: str) -> Field:
    """The field of that name, in any case of letters; UsageError lists all of them."""
    known = known_field(name)
    if known is None:
        units = "; times and durations also with _s, _ms, _us or _ns behind their name"
        raise UsageError(f"{option}: there is no field {name!r}; fields are {', '.join((*_COLUMNS, *_HELPERS))}{units}")
    return known
