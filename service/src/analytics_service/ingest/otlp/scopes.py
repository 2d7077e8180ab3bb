"""How the tokens of a span are counted: by the scope that made it, and the version of the conventions it follows. Pure.

OpenTelemetry had no rule before 1.40 whether input tokens have those of caches among them. So of other scopes, and
without that version, a span with tokens from a cache has unclear usage.
"""

import re
from typing import Final, NamedTuple

SINCE: Final = (1, 40)
"""Since then input tokens have those of caches among them: semantic-conventions, CHANGELOG.md, 1.40.0, #1959."""
FOLLOWS: Final = "opentelemetry"
UNTOLD: Final = "opentelemetry-before-1.40"
_VERSION: Final = re.compile(r"^https?://opentelemetry\.io/schemas/(?:gen-ai/)?(\d+)\.(\d+)\.\d+$")


class Scope(NamedTuple):
    prefix: str
    """Of its name."""
    usage: str
    """By the name of a convention (ingest/conventions.py)."""
    source: str


_OPENLLMETRY: Final = "openllmetry: packages/opentelemetry-instrumentation-"
_OPENLIT: Final = "openlit: sdk/python/src/openlit/instrumentation/"
SCOPES: Final = (
    Scope("ai", FOLLOWS, "vercel/ai: packages/ai/src/types/usage.ts"),
    Scope("com.anthropic.sdk.python", FOLLOWS, "anthropic-sdk-python: _tracing.py, which adds them up"),
    Scope("litellm", "litellm", "litellm: integrations/opentelemetry.py"),
    Scope("opentelemetry.instrumentation.anthropic", FOLLOWS, f"{_OPENLLMETRY}anthropic, which adds them up"),
    Scope("opentelemetry.instrumentation.bedrock", "bedrock", f"{_OPENLLMETRY}bedrock, span_utils.py"),
    Scope("opentelemetry.instrumentation.google_generativeai", "openai", f"{_OPENLLMETRY}google-generativeai"),
    Scope("opentelemetry.instrumentation.groq", "openai", f"{_OPENLLMETRY}groq, span_utils.py"),
    Scope("opentelemetry.instrumentation.langchain", "langsmith", f"{_OPENLLMETRY}langchain, span_utils.py"),
    Scope("opentelemetry.instrumentation.openai", "openai", f"{_OPENLLMETRY}openai"),
    Scope("openlit.instrumentation.anthropic", "anthropic", f"{_OPENLIT}anthropic, utils.py"),
    Scope("openlit.instrumentation.bedrock", "bedrock", f"{_OPENLIT}bedrock, utils.py"),
    Scope("openlit.instrumentation.litellm", "openai", f"{_OPENLIT}litellm, utils.py"),
    Scope("openlit.instrumentation.openai", "openai", f"{_OPENLIT}openai, utils.py"),
    Scope("openlit.instrumentation.vertexai", "openai", f"{_OPENLIT}vertexai, utils.py"),
)
"""Scopes that count in a way of their own, or in that of 1.40 without saying so."""


def usage_of(scope: str, schema_url: str) -> str:
    """The name of the convention (ingest/conventions.py) that the tokens of a scope's spans follow."""
    for each in SCOPES:
        if scope == each.prefix or scope.startswith(f"{each.prefix}."):
            return each.usage
    version = _VERSION.match(schema_url)
    return FOLLOWS if version and (int(version[1]), int(version[2])) >= SINCE else UNTOLD
