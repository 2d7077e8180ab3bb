"""What is stored of prompts and completions that clients send."""

from typing import Annotated

from pydantic import ConfigDict, Field

from analytics_operator.api.fields import ContentMode, Model, Redaction, rule, rules


class ContentRule(Model):
    """What is stored of prompts, completions, and attributes that hold them."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "(self.mode == 'truncate') == has(self.characters)",
                "characters are of the mode truncate, which needs them: set both, or neither",
            ),
        )
    )

    mode: ContentMode = Field(ContentMode.KEEP, description="truncate stores the first `characters` of each text")
    characters: Annotated[int, Field(ge=1, le=999_999)] | None = Field(None, description="of each text, with truncate")

    @property
    def text(self) -> str:
        """As the service's settings have it."""
        return self.mode.value if self.characters is None else f"{self.mode.value} {self.characters}"


class ServiceContent(ContentRule):
    """A stricter rule of one service."""

    name: Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:@-]*$")] = Field(
        description="`service.name` of OpenTelemetry's resource, or `service` of a row"
    )


class Content(ContentRule):
    """Of all organisations and keys. API keys may have stricter rules; the strictest of all that apply counts."""

    redact: Annotated[tuple[Redaction, ...], Field(max_length=6)] = Field(
        (), description="kinds that are masked wherever texts are stored"
    )
    services: Annotated[tuple[ServiceContent, ...], Field(max_length=50)] = Field(
        (), description="rules of services, by their names; beside the one for all"
    )
