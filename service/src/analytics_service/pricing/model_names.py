"""The names by which a price list may know a model: gateways, clouds and SDKs write one model in many ways. Pure.

Only the lookup of a price uses them: rows keep the names that they came with. What is left out never changes which
model it is: a gateway's prefix, a cloud's region, a path around the name, a version. A fine-tune stays one.
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple


class Reference(NamedTuple):
    provider: str
    """Empty where any provider is meant."""
    model: str


PROVIDERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "az.ai.inference": "azure",
        "az.ai.openai": "azure",
        "azure_ai": "azure",
        "azure_openai": "azure",
        "azure-openai": "azure",
        "azureopenai": "azure",
        "azure.ai.inference": "azure",
        "azure.ai.openai": "azure",
        "amazon": "aws",
        "amazon-bedrock": "aws",
        "amazon_bedrock": "aws",
        "aws.bedrock": "aws",
        "aws_bedrock": "aws",
        "bedrock": "aws",
        "bedrock_converse": "aws",
        "gcp.gemini": "google",
        "gcp.gen_ai": "google",
        "gcp.vertex_ai": "google",
        "gemini": "google",
        "google_ai_studio": "google",
        "google_genai": "google",
        "google_vertexai": "google",
        "google-vertex": "google",
        "vertex": "google",
        "vertex_ai": "google",
        "vertex-ai": "google",
        "vertexai": "google",
        "fireworks_ai": "fireworks",
        "mistral_ai": "mistral",
        "mistralai": "mistral",
        "moonshot": "moonshotai",
        "perplexity_ai": "perplexity",
        "together_ai": "together",
        "togetherai": "together",
        "x_ai": "x-ai",
        "xai": "x-ai",
        # gateways and SDKs, which charge nothing by themselves: the name of the model says whose it is
        "helicone": "",
        "langchain": "",
        "litellm": "",
        "litellm_proxy": "",
        "portkey": "",
        "vercel": "",
    }
)
"""What others call the providers of the price list; what is not here is looked up as it is."""

_PREFIXES: Final = frozenset(
    {
        *PROVIDERS,
        *("anthropic", "aws", "azure", "cerebras", "cohere", "deepseek", "fireworks", "google", "groq", "mistral"),
        *("openai", "openrouter", "perplexity", "together", "x-ai"),
    }
)
"""What stands before a slash and names a provider."""
_AZURE: Final = "azure"
_GLOBAL: Final = frozenset({"global", "global-standard"})
"""Of Azure's deployments, in LiteLLM's names of models: those that cost what its list says."""
_PATH: Final = re.compile(r"^(?:arn:[^/]*|(?:projects/.+/)?(?:publishers/[^/]+/)?models)/", re.IGNORECASE)
"""Around a model's name: an ARN of Bedrock, a resource of Google."""
_REGION: Final = re.compile(r"^(?:us|us-gov|eu|apac|ap|au|jp|ca|sa|me|global)\.(?=.)")
"""Of a cross-region profile of Bedrock. Azure's data zones (`eu/`, `us/`) stay: they cost more than its list says."""
_VERSION: Final = re.compile(r"(?<=\w)(?:-v\d+:\d+(?::\w+)?|@(?:\d{8}|latest|default))$")
"""Of Bedrock and of Vertex."""
_DATE: Final = re.compile(r"-(?:20\d{6}|20\d{2}-\d{2}-\d{2})$")


def references(provider: str, model: str) -> Iterator[Reference]:
    """The names to look for, the most exact one first, each once."""
    provider, model = provider.strip().lower(), model.strip().lower()
    yielded: set[Reference] = set()
    for each in _references(PROVIDERS.get(provider, provider), model):
        if each.model and each not in yielded:
            yielded.add(each)
            yield each


def _references(provider: str, model: str) -> Iterator[Reference]:
    yield Reference(provider, model)
    for owner, name in _unwrapped(provider, model):
        yield Reference(owner, name)
        if regional := _REGION.sub("", name):
            yield Reference(owner, regional)
            plain = _VERSION.sub("", regional)
            yield Reference(owner, plain)
            if not plain.startswith("ft:"):
                yield Reference(owner, _DATE.sub("", plain))


def _unwrapped(provider: str, model: str) -> Iterator[Reference]:
    """The name without what stands around it; the provider that a prefix names, where none was given or it agrees."""
    yield Reference(provider, model)
    name = _PATH.sub("", model)
    if name.startswith("arn:"):
        name = name.rpartition("/")[2]
    if name != model:
        yield Reference(provider, name)
    while "/" in name:
        prefix, _, rest = name.partition("/")
        owner = PROVIDERS.get(prefix, prefix if prefix in _PREFIXES else None)
        if provider == _AZURE and prefix in _GLOBAL:
            owner = _AZURE
        if owner is None:
            return
        if owner and (not provider or provider == owner):
            yield Reference(owner, rest)
        elif provider:
            yield Reference(provider, rest)
        else:
            yield Reference("", rest)
        name, provider = rest, provider or owner
