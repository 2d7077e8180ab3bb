"""Redaction of secrets from whatever a process writes: those of its environment, and API keys. Pure."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final
from urllib.parse import parse_qsl, quote, unquote

from analytics_service.settings import SECRETS

_MASK: Final = "***"
_MIN_PART_CHARACTERS: Final = 3
_API_KEY: Final = re.compile(r"(llmo_sk_)[0-9A-Za-z_-]{7,}")
"""Longer than the part of a key that people may see."""
_CREDENTIALS: Final = ("password", "sslpassword", "oauth_client_secret")


def of_environment(environment: Mapping[str, str]) -> Callable[[str], str]:
    """Redacts each value of a secret setting, and of those that are URLs their passwords and parts of these."""
    return redactor(environment.get(name.upper(), "") for name in SECRETS)


def redactor(values: Iterable[str]) -> Callable[[str], str]:
    """A function that masks secrets and API keys in a text; a secret that is a word where it stands as a word."""
    secrets = {secret for value in values for secret in _secrets(value.strip())} - {""}
    written = {form for secret in secrets for form in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1])}
    if not written:
        return _without_api_keys
    shortest = [form for form in written if not any(other in form for other in written - {form})]
    pattern = re.compile("|".join(_bounded(form) for form in sorted(written, key=len, reverse=True)))

    def redact(text: str) -> str:
        return _without_api_keys(pattern.sub(_MASK, text) if any(form in text for form in shortest) else text)

    return redact


def _without_api_keys(text: str) -> str:
    return _API_KEY.sub(rf"\1{_MASK}", text) if "llmo_sk_" in text else text


def _bounded(secret: str) -> str:
    """Without bounds a password such as `db` would make every message unreadable."""
    before = r"(?<![A-Za-z0-9])" if secret[0].isalnum() else ""
    return f"{before}{re.escape(secret)}" + (r"(?![A-Za-z0-9])" if secret[-1].isalnum() else "")


def _secrets(value: str) -> set[str]:
    """The value itself, and where it is a URL its password as written and decoded, and each part of that.

    A password with reserved characters that were not encoded ends up in parts: in a port, a path, a parameter.
    """
    secrets, rest = {value}, value.partition("://")[2]
    credentials, _, _ = rest.rpartition("@")
    query = rest.rpartition("?")[2]
    given = [credentials.partition(":")[2], *(text for name, text in parse_qsl(query) if name in _CREDENTIALS)]
    for password in filter(None, given):
        decoded = unquote(password)
        parts = (part for text in (password, decoded) for part in re.split(r"[#/?@:%&=\[\]]", text))
        secrets |= {password, decoded, quote(decoded, safe=""), *(p for p in parts if len(p) >= _MIN_PART_CHARACTERS)}
    if credentials:
        secrets.add(credentials)
    return secrets
