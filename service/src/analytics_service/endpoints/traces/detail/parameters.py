"""The parameters of one trace."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, ClassVar, Final

from pydantic import Field

from analytics_service.contract.parameters import CSV, RangedParameters, Text

MAX_SPANS: Final = 5_000
MAX_SPANS_WITH_TEXT: Final = 200
"""Inputs and outputs may be megabytes each."""


class DetailInclude(StrEnum):
    ATTRIBUTES = "attributes"
    IO = "io"


class DetailParameters(RangedParameters):
    """A trace is looked up in all time by default; a range makes that cheaper in a store of many years."""

    default_range: ClassVar[timedelta | None] = None
    max_range: ClassVar[timedelta | None] = None

    trace_id: Annotated[Text, Field(examples=["5b8efff798038103d269b633813fc60c"])]
    include: Annotated[tuple[DetailInclude, ...], *CSV] = ()
    """Adds long fields: `attributes`; `io`: input_text and output_text."""

    @property
    def max_spans(self) -> int:
        return MAX_SPANS_WITH_TEXT if DetailInclude.IO in self.include else MAX_SPANS
