"""What becomes of the content that is sent with a key: prompts, completions, and attributes that hold them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MAX_CHARACTERS: Final = 1_000_000


class ContentMode(StrEnum):
    KEEP = "keep"
    TRUNCATE = "truncate"
    DROP = "drop"


class Redaction(StrEnum):
    """What is masked, each by a pattern of ours: one of a client's own could take for ever on a text of its own."""

    EMAIL = "email"
    PHONE = "phone"
    CREDIT_CARD = "credit_card"
    IBAN = "iban"
    IP_ADDRESS = "ip_address"
    SECRET = "secret"  # noqa: S105 - no secret


_STRICTNESS: Final = tuple(ContentMode)


@dataclass(frozen=True, kw_only=True)
class ContentPolicy:
    mode: ContentMode = ContentMode.KEEP
    characters: int | None = None
    """Of each text, with `truncate`; None with the others."""
    redact: frozenset[Redaction] = frozenset()

    def is_within(self, other: "ContentPolicy") -> bool:
        """Whether nothing passes this one that does not pass the other."""
        if self.mode is ContentMode.DROP:
            return True
        shorter = self.mode is not other.mode or (self.characters or 0) <= (other.characters or 0)
        is_stricter = _STRICTNESS.index(self.mode) >= _STRICTNESS.index(other.mode)
        return is_stricter and shorter and self.redact >= other.redact

    def stricter(self, other: "ContentPolicy") -> "ContentPolicy":
        """What lets pass only what both do."""
        mode = max(self.mode, other.mode, key=_STRICTNESS.index)
        lengths = [each.characters for each in (self, other) if each.characters is not None]
        characters = min(lengths) if mode is ContentMode.TRUNCATE else None
        return ContentPolicy(mode=mode, characters=characters, redact=self.redact | other.redact)


KEEP: Final = ContentPolicy()


def stored_policy(mode: str, characters: int | None, redact: Sequence[str]) -> ContentPolicy:
    """The policy of a row; one that only a later release understands drops what it might not let pass."""
    if not is_known(mode, redact):
        return ContentPolicy(mode=ContentMode.DROP)
    return ContentPolicy(mode=ContentMode(mode), characters=characters, redact=frozenset(map(Redaction, redact)))


def is_known(mode: str, redact: Sequence[str]) -> bool:
    """Whether this release understands what a row says."""
    return mode in frozenset(ContentMode) and frozenset(Redaction).issuperset(redact)
