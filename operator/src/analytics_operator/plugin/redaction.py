"""Redaction: takes the values of Secrets out of texts and objects, wherever they were copied to. Pure.

Known values are found in every form in which they get around: whole and by line, as the password of a URL, as members
of JSON, encoded for base64, JSON or a URL. Patterns find what no Secret has any more: passwords, tokens, keys.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from analytics_operator.kube.objects import Manifest
from analytics_operator.state.secrets import data_of

MASK = "[redacted]"
MIN_LENGTH = 3
"""A shorter value is no secret, and is in every text by chance."""
WORD_LENGTH = 8
"""A shorter value is masked as a word alone: `db` within `mydb` is another word."""
LINE_LENGTH = 12
"""The least length of a line that is masked by itself, as the lines of a PEM key."""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

_NAMES = r"(?:password|passwd|pwd|secret|token|api[_-]?key)"
_PATTERNS = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), MASK),
    (re.compile(r"(\w+://[^\s:/@\"']*):[^\s@\"']+@"), rf"\1:{MASK}@"),
    (re.compile(r"(\w+://[^\s:/@\"']*):(?!\d+(?:[/?#]|\Z))[^\s/@\"']+\Z"), rf"\1:{MASK}"),  # a message that was cut
    (re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), rf"\1 {MASK}"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), MASK),
    (re.compile(r"\b(llmo_sk_|sk-)[\w-]{12,}"), MASK),
    (re.compile(rf"({_NAMES}=)[^\s&,;]+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(rf'({_NAMES}"\s*:\s*")(?:[^"\\]|\\.)*', re.IGNORECASE), rf"\1{MASK}"),
)
_SENSITIVE = re.compile(r"PASS|PWD|SECRET|TOKEN|KEY|CREDENTIAL|AUTH|DSN", re.IGNORECASE)


class Redaction:
    def __init__(self, secrets: Iterable[Manifest]) -> None:
        values = {form for secret in secrets for value in data_of(secret).values() for form in _forms(value)}
        ordered = sorted((each for each in values if len(each) >= MIN_LENGTH), key=lambda each: (-len(each), each))
        self._known = re.compile("|".join(map(_expression, ordered))) if ordered else None

    def text(self, text: str) -> str:
        if self._known:
            text = self._known.sub(MASK, text)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text

    def manifest(self, value: Any) -> Any:
        """The same of every text in it, without kubectl's copy of what was applied.

        A variable whose name says that it is secret loses its value.
        """
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.manifest(each) for each in value]
        if not isinstance(value, dict):
            return value
        if isinstance(value.get("value"), str) and _SENSITIVE.search(str(value.get("name", ""))):
            value = value | {"value": MASK}
        return {self.text(key): self.manifest(each) for key, each in value.items() if key != LAST_APPLIED}


def _expression(value: str) -> str:
    escaped = re.escape(value)
    return escaped if len(value) >= WORD_LENGTH else rf"(?<!\w){escaped}(?!\w)"


def _forms(value: bytes) -> Iterator[str]:
    yield base64.b64encode(value).decode()
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return
    for part in {text, *_lines(text), *_passwords(text), *_members(text)}:
        yield from (part, quote(part, safe=""), quote(part), unquote(part))
        yield from (json.dumps(part, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))
        yield base64.b64encode(part.encode()).decode()


def _lines(text: str) -> Iterator[str]:
    lines = text.splitlines()
    if len(lines) > 1:
        yield from (line.strip() for line in lines if len(line.strip()) >= LINE_LENGTH)


def _passwords(text: str) -> Iterator[str]:
    """Of a URL, or of several in one value."""
    for word in text.split():
        try:
            password = urlsplit(word).password
        except ValueError:
            continue
        if password:
            yield from (password, unquote(password))


def _members(text: str) -> Iterator[str]:
    """The texts in a value that is JSON, as the credentials of a registry are."""
    if text.startswith(("{", "[")):
        try:
            yield from _leaves(json.loads(text))
        except ValueError:
            return


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _leaves(each)
