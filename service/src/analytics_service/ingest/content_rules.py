"""What a deployment stores of content, whoever sends it: a rule for all, and rules of services. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Self

from analytics_service.database.content_policy import KEEP, ContentMode, ContentPolicy, Redaction
from analytics_service.settings import Settings


@dataclass(frozen=True, kw_only=True)
class ContentRules:
    """Of all rules that apply to a row the strictest counts."""

    every: ContentPolicy = KEEP
    services: Mapping[str, ContentPolicy] = field(default_factory=lambda: MappingProxyType({}))
    """By the name of the service that the row says it comes from."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        every = _policy(settings.ingest_content, frozenset(map(Redaction, settings.ingest_redact)))
        services: dict[str, ContentPolicy] = {}
        for rule in settings.ingest_content_services:
            name, _, text = rule.rpartition("=")
            services[name] = services.get(name, every).stricter(_policy(text))
        return cls(every=every, services=services)

    def within(self, policy: ContentPolicy) -> "ContentRules":
        """These rules, none of which lets pass what the policy does not."""
        if policy == KEEP:
            return self
        services = {name: each.stricter(policy) for name, each in self.services.items()}
        return ContentRules(every=self.every.stricter(policy), services=services)

    def policy(self, service: str | None) -> ContentPolicy:
        return self.services.get(service, self.every) if service is not None else self.every


EVERYTHING: Final = ContentRules()


def _policy(text: str, redact: frozenset[Redaction] = frozenset()) -> ContentPolicy:
    """As `keep`, `drop` or `truncate 500`."""
    mode, _, characters = text.partition(" ")
    return ContentPolicy(mode=ContentMode(mode), characters=int(characters) if characters else None, redact=redact)
