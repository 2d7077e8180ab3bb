"""Secrets of keys: whole ones are known by their checksum, and none is shown again."""

import re
import secrets
import string

from hypothesis import given
from hypothesis import strategies as st

from analytics_service.auth.api_keys import secret
from analytics_service.telemetry.redaction import redactor
from tests.support.keys import a_secret


@given(random=st.binary(min_size=32, max_size=32))
def test_every_secret_is_one_word_of_one_length(random: bytes) -> None:
    text = secret.encoded(random)
    assert re.fullmatch(r"llmo_sk_[0-9A-Za-z]{49}", text)
    assert secret.is_valid(text)
    assert len(secret.shown(text)) == 14


def test_the_extremes_are_different_secrets() -> None:
    ends = {secret.encoded(bytes(32)), secret.encoded(b"\xff" * 32), secret.encoded(bytes(31) + b"\1")}
    assert len(ends) == 3
    assert all(map(secret.is_valid, ends))


@given(position=st.integers(0, 56), char=st.sampled_from(string.printable))
def test_no_typing_error_is_a_key(position: int, char: str) -> None:
    text = a_secret()
    changed = text[:position] + char + text[position + 1 :]
    assert secret.is_valid(changed) == (changed == text)


def test_neighbours_that_were_swapped_and_parts_are_no_key() -> None:
    text = a_secret()
    swapped = {text[:at] + text[at + 1] + text[at] + text[at + 2 :] for at in range(len(text) - 1)}
    parts = {text[:end] for end in range(len(text))} | {f"{text}a", f" {text}", f"{text}\n"}
    assert not any(map(secret.is_valid, (swapped | parts) - {text}))


def test_a_key_is_masked_in_whatever_is_written_and_its_visible_part_is_not() -> None:
    text = secret.encoded(secrets.token_bytes(32))
    for redact in (redactor([]), redactor(["another-secret"])):
        for line in (text, f"a {text}.", f'{{"key":"{text}"}}', f"X-API-Key={text}&b", f"{text}{text}", text[:30]):
            assert text[14:30] not in redact(line)
        assert redact(f"key {secret.shown(text)}") == f"key {secret.shown(text)}"
        assert redact(text) == "llmo_sk_***"
