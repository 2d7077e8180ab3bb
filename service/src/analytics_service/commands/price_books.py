"""The price books that a command is given, as files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from analytics_service.errors import UsageError
from analytics_service.pricing.book import BadBook, PriceBook, read
from analytics_service.pricing.genai import PriceList
from analytics_service.pricing.sources import PriceSource

_MAX_REASONS: Final = 3


def price_sources(paths: Sequence[str]) -> tuple[PriceSource, ...]:
    """The books in their order, then the list of the package; UsageError with line and field where one is bad."""
    return (*map(_book, paths), PriceList())


def _book(path: str) -> PriceBook:
    try:
        return read(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--prices: {path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise UsageError(f"--prices: {path}: is not UTF-8") from None
    except BadBook as error:
        reasons = str(error).splitlines()
        more = f"; and {len(reasons) - _MAX_REASONS} more" if len(reasons) > _MAX_REASONS else ""
        raise UsageError(f"--prices: {path}: {'; '.join(reasons[:_MAX_REASONS])}{more}") from None
