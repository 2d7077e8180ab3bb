"""Retention, compression, chunks and refreshes of the store."""

from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from analytics_operator.api.fields import Model, rule, rules

MAX_DAYS = 36_500
UNBOUNDED = 1_000_000
"""Days that stand for no end where rules compare."""

Pause = Annotated[int, Field(ge=1, le=3600)]


def _schema(word: str, minimum: int) -> WithJsonSchema:
    """A number of days, or a word for no end. A null is the default, however it is applied: it is not nullable."""
    schema: dict[str, Any] = {
        "x-kubernetes-int-or-string": True,
        "minimum": minimum,
        "maximum": MAX_DAYS,
        "pattern": f"^{word}$",
        "maxLength": len(word),
    }
    return WithJsonSchema(schema)


def _unbounded(value: object) -> object:
    return None if value in {"Forever", "Never"} else value


UnboundedDays = Annotated[int | None, BeforeValidator(_unbounded)]


def _days(field: str) -> str:
    """CEL: the number of days."""
    return f"(has(self.{field}) && type(self.{field}) == int ? self.{field} : {UNBOUNDED})"


class RetentionDays(Model):
    """Days, or Forever. Each is as long as the API's longest range that is answered from it, or longer."""

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

    raw: Annotated[UnboundedDays, _schema("Forever", 8)] = Field(
        92, description="days, or Forever: requests themselves; shorter than before needs migrations.allowDestructive"
    )
    one_minute: Annotated[UnboundedDays, _schema("Forever", 8)] = Field(
        8, description="days, or Forever: sums by minute, which ranges of up to 7 days are answered from"
    )
    one_hour: Annotated[UnboundedDays, _schema("Forever", 91)] = Field(
        400, description="days, or Forever: sums by hour and its quarters, percentiles, users, teams and tags"
    )
    one_day: Annotated[UnboundedDays, _schema("Forever", 366)] = Field(
        1095, description="days, or Forever: sums by day, which ranges of up to 365 days are answered from"
    )


class RefreshSeconds(Model):
    """Deprecated: only images up to 0.3.0 read it, and later ones refresh what has ended at once."""

    one_minute: Pause = Field(2, description="deprecated, without effect after 0.3.0: of minutes")
    one_hour: Pause = Field(30, description="deprecated, without effect after 0.3.0: of hours")
    one_day: Pause = Field(300, description="deprecated, without effect after 0.3.0: of days")


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
                f"{_days('retentionDays.raw')} * 24 >= self.chunkHours * 2",
                "timescale.retentionDays.raw must hold two chunks: raise it, or lower timescale.chunkHours",
            ),
            rule(
                f"!(has(self.compressAfterDays) && type(self.compressAfterDays) == int) "
                f"|| self.compressAfterDays < {_days('retentionDays.raw')}",
                "timescale.compressAfterDays must be less than retentionDays.raw: chunks are dropped before otherwise",
            ),
            rule(
                f"{_days('compressAfterDays')} * 24 >= self.chunkHours",
                "timescale.compressAfterDays must be at least one chunk: raise it, or lower timescale.chunkHours",
            ),
        )
    )

    retention_days: RetentionDays = RetentionDays()
    compress_after_days: Annotated[UnboundedDays, _schema("Never", 1)] = Field(
        7, description="days, or Never; where the edition compresses"
    )
    chunk_hours: Annotated[int, Field(ge=1, le=168)] = Field(24, description="length of a partition or chunk to come")
    aggregates: Aggregates = Aggregates()
