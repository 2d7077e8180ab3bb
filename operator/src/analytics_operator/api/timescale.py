"""How long the store keeps what, and how often it adds up."""

from typing import Annotated

from pydantic import ConfigDict, Field, JsonValue

from analytics_operator.api.fields import Model, rule, rules

FOR_EVER = 1_000_000
"""Days that stand for null where rules compare."""

LONGEST = 36_500
NULLABLE: dict[str, JsonValue] = {"nullable": True}
"""An explicit null survives the default."""

Pause = Annotated[int, Field(ge=1, le=3600)]


def _days(field: str) -> str:
    """CEL: a number of days; a null is absent to it."""
    return f"(has(self.{field}) ? self.{field} : {FOR_EVER})"


class RetentionDays(Model):
    """Null keeps for ever. Each is as long as the API's longest range that is answered from it, or longer."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            *(
                rule(
                    f"{_days(fine)} <= {_days(coarse)}",
                    f"timescale.retentionDays.{coarse} must be at least {fine}: what is coarser is kept longer",
                )
                for fine, coarse in (("oneMinute", "oneHour"), ("oneHour", "oneDay"))
            )
        )
    )

    raw: Annotated[Annotated[int, Field(ge=8, le=LONGEST)] | None, Field(json_schema_extra=NULLABLE)] = Field(
        92, description="requests themselves; shorter than before needs migrations.allowDestructive"
    )
    one_minute: Annotated[Annotated[int, Field(ge=8, le=LONGEST)] | None, Field(json_schema_extra=NULLABLE)] = Field(
        8, description="sums by minute, which ranges of up to 7 days are answered from"
    )
    one_hour: Annotated[Annotated[int, Field(ge=91, le=LONGEST)] | None, Field(json_schema_extra=NULLABLE)] = Field(
        400, description="sums by hour and its quarters, percentiles, users, teams and tags"
    )
    one_day: Annotated[Annotated[int, Field(ge=366, le=LONGEST)] | None, Field(json_schema_extra=NULLABLE)] = Field(
        1095, description="sums by day, which ranges of up to 365 days are answered from"
    )


class RefreshSeconds(Model):
    """From one refresh of what late rows touch to the next. Answers never wait for it, and are no less right."""

    one_minute: Pause = Field(2, description="of minutes")
    one_hour: Pause = Field(30, description="of hours")
    one_day: Pause = Field(300, description="of days")


class Aggregates(Model):
    """Of the rollups."""

    refresh_seconds: RefreshSeconds = RefreshSeconds()


class Timescale(Model):
    """Of the store, on every edition; what an edition cannot do is Unavailable in status.policies."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "24 % self.chunkHours == 0 || self.chunkHours % 24 == 0",
                "timescale.chunkHours must divide a day, as 6 or 12, or be whole days, as 24 or 168",
            ),
            rule(
                "!has(self.retentionDays.raw) || self.retentionDays.raw * 24 >= self.chunkHours * 2",
                "timescale.retentionDays.raw must hold two chunks: raise it, or lower timescale.chunkHours",
            ),
            rule(
                "!has(self.compressAfterDays) || !has(self.retentionDays.raw) "
                "|| self.compressAfterDays < self.retentionDays.raw",
                "timescale.compressAfterDays must be less than retentionDays.raw: chunks are dropped before otherwise",
            ),
            rule(
                "!has(self.compressAfterDays) || self.compressAfterDays * 24 >= self.chunkHours",
                "timescale.compressAfterDays must be at least one chunk: raise it, or lower timescale.chunkHours",
            ),
        )
    )

    retention_days: RetentionDays = RetentionDays()
    compress_after_days: Annotated[
        Annotated[int, Field(ge=1, le=LONGEST)] | None, Field(json_schema_extra=NULLABLE)
    ] = Field(7, description="where the edition compresses; null never does")
    chunk_hours: Annotated[int, Field(ge=1, le=168)] = Field(24, description="length of a partition or chunk to come")
    aggregates: Aggregates = Aggregates()
