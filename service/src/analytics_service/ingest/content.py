"""What is stored of the content of a span: kept, cut or dropped, and masked, before anything else sees it. Pure.

Content are the prompt, the completion, and texts of attributes whose name says that they hold either, by whatever
convention; numbers are none. Masking goes through all of these, through the other attributes, and error messages.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from analytics_service.database.content_policy import KEEP, ContentMode, ContentPolicy, Redaction
from analytics_service.ingest.rows import SpanRow
from analytics_service.ingest.strings import dump_json, load_json

_TEXTS: Final = ("input_text", "output_text")
_CONTENT: Final = frozenset(
    {
        *("prompt", "prompts", "completion", "completions", "input", "inputs", "output", "outputs", "message"),
        *("messages", "inputmessages", "outputmessages", "content", "contents", "text", "texts", "instructions"),
        *("systeminstructions", "arguments", "args", "parameters", "result", "results", "document", "documents"),
        *("query", "question", "answer", "body", "toolcalls", "choices", "thinking", "reasoning"),
        *("transcript", "variables", "template", "instruction", "llmrequest", "llmresponse", "toolresponse"),
        *("allmessagesevents", "chatctx"),
    }
)
"""Words of names of attributes: a part between dots without its marks, or the last word of one, as of `user_prompt`."""
_ABOUT_CONTENT: Final = frozenset({"mimetype", "type", "role", "finishreason"})
"""Last words of names of texts that say something of content and are none."""
_LAST_WORD: Final = re.compile(r"([A-Z]?[a-z]+|[A-Z]+)[^A-Za-z]*$")
_ELLIPSIS: Final = "…"
CHANGED: Final = rf"{_ELLIPSIS}$|\[({'|'.join(Redaction)})\]"
"""Regular expression, of PostgreSQL too: what a text has that was cut or masked before it was stored."""


def applied(policy: ContentPolicy, row: SpanRow) -> SpanRow:
    """The row as the policy lets it be stored; the same one where nothing is to be done."""
    if policy == KEEP:
        return row
    changed = dict(row)
    for column in _TEXTS:
        if (text := changed.pop(column, None)) is not None and (text := stored_text(policy, text)) is not None:
            changed[column] = text
    if "error_message" in changed:
        changed["error_message"] = masked(changed["error_message"], policy.redact)
    if "attributes" in changed:
        attributes = _member(policy, load_json(changed.pop("attributes")), is_content=False)
        if attributes:
            changed["attributes"] = dump_json(attributes, sort_keys=True)
    return changed


def stored_text(policy: ContentPolicy, text: str) -> str | None:
    """A text of content as the policy lets it be stored; None where it is dropped."""
    return None if policy.mode is ContentMode.DROP else _cut(policy, masked(text, policy.redact))


def masked(text: str, redactions: frozenset[Redaction]) -> str:
    """The text with the name of each redaction in place of what it finds."""
    for redaction, mask in _MASKS.items():
        if redaction in redactions:
            text = mask(text)
    return text


def _member(policy: ContentPolicy, value: Any, *, is_content: bool) -> Any:
    """A value of attributes; texts of content are cut, or None where they are dropped."""
    match value:
        case str():
            if is_content and policy.mode is ContentMode.DROP:
                return None
            text = masked(value, policy.redact)
            return _cut(policy, text) if is_content else text
        case dict():
            members = {
                name: _member(policy, each, is_content=_is_content(name, within=is_content))
                for name, each in value.items()
            }
            return {name: each for name, each in members.items() if each is not None or value[name] is None}
        case list():
            items = [(_member(policy, each, is_content=is_content), each) for each in value]
            return [item for item, each in items if item is not None or each is None]
        case _:
            return value


def _is_content(name: str, *, within: bool) -> bool:
    parts = name.split(".")
    words = [re.sub(r"[^a-z]", "", part.lower()) for part in parts]
    if words[-1] in _ABOUT_CONTENT:
        return False
    last_words = (match[1].lower() for part in parts if (match := _LAST_WORD.search(part)))
    return within or not _CONTENT.isdisjoint(words) or not _CONTENT.isdisjoint(last_words)


def _cut(policy: ContentPolicy, text: str) -> str:
    if policy.characters is None or len(text) <= policy.characters:
        return text
    return text[: policy.characters] + _ELLIPSIS


def _with(marks: Mapping[str, str], name: str) -> Callable[[str], str]:
    """Masks what each pattern finds, which is looked for only where the text has its mark: most texts have none."""
    patterns = {mark: re.compile(pattern) for mark, pattern in marks.items()}

    def mask(text: str) -> str:
        for mark, pattern in patterns.items():
            if mark in text:
                text = pattern.sub(f"[{name}]", text)
        return text

    return mask


def _those(pattern: str, name: str, holds: Callable[[str], bool]) -> Callable[[str], str]:
    """Masks what the pattern finds and the check confirms."""
    return partial(re.compile(pattern).sub, lambda match: f"[{name}]" if holds(match[0]) else match[0])


def _is_card(text: str) -> bool:
    """Luhn's check."""
    digits = [int(char) for char in reversed(text) if char.isdigit()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _is_iban(text: str) -> bool:
    """Its check digits, modulo 97."""
    account = text.replace(" ", "")
    return 15 <= len(account) <= 34 and int("".join(str(int(char, 36)) for char in account[4:] + account[:4])) % 97 == 1


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _ip_addresses(text: str) -> str:
    text = _IPV4_ADDRESSES(text)
    return _IPV6_ADDRESSES(text) if "::" in text or text.count(":") >= _MIN_COLONS else text


# Each repeat is bounded, and begins where none can have begun before, so that a text takes a time in proportion to it.
# A look-behind after the first character is the faster one: the engine looks for that character alone.
_SECRETS: Final = {
    "llmo_sk_": r"llmo_sk_[0-9A-Za-z]{20,64}",
    "sk-": r"sk-(?<![\w-]sk-)[0-9A-Za-z_-]{20,200}",
    "gh": r"gh(?<!\wgh)[pousr]_[0-9A-Za-z]{36,255}",
    "github_pat_": r"github_pat_[0-9A-Za-z_]{22,255}",
    "xox": r"xox(?<![\w-]xox)[abprs]-[0-9A-Za-z-]{10,200}",
    "AKIA": r"AKIA(?<!\wAKIA)[0-9A-Z]{16}\b",
    "AIza": r"AIza(?<!\wAIza)[0-9A-Za-z_-]{35}",
    "eyJ": r"eyJ(?<![\w-]eyJ)[0-9A-Za-z_-]{10,4000}\.[0-9A-Za-z_-]{10,4000}\.[0-9A-Za-z_-]{10,1000}",
    "PRIVATE KEY-----": r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[0-9A-Za-z+/=\s\\]{0,8000}"
    r"(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?",
}
_EMAIL: Final = {"@": r"(?<![\w.%+-])[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}"}
_PHONE: Final = {"+": r"\+(?<![\w+]\+)[1-9](?:[ ()./-]{0,2}[0-9]){6,14}(?![0-9])"}
_IBAN: Final = r"[A-Z](?<!\w.)[A-Z][0-9]{2}(?: ?[A-Z0-9]){11,30}\b"
_CARD: Final = r"[0-9](?<![0-9].)(?:[ -]?[0-9]){12,18}(?![0-9])"
_IPV4: Final = r"[0-9](?<![\w.:].)[0-9]{0,2}(?:\.[0-9]{1,3}){3}(?![\w:]|\.[0-9])"
_IPV6: Final = r"[0-9A-Fa-f:](?<![\w.:].)[0-9A-Fa-f.:]{1,43}[0-9A-Fa-f](?![\w:])"
_MIN_COLONS: Final = 7
"""Of an IPv6 address without `::`."""
_IPV4_ADDRESSES: Final = _those(_IPV4, "ip_address", _is_address)
_IPV6_ADDRESSES: Final = _those(_IPV6, "ip_address", _is_address)
_MASKS: Final = MappingProxyType(
    {
        Redaction.SECRET: _with(_SECRETS, "secret"),
        Redaction.EMAIL: _with(_EMAIL, "email"),
        Redaction.IBAN: _those(_IBAN, "iban", _is_iban),
        Redaction.CREDIT_CARD: _those(_CARD, "credit_card", _is_card),
        Redaction.PHONE: _with(_PHONE, "phone"),
        Redaction.IP_ADDRESS: _ip_addresses,
    }
)
"""By redaction, in the order in which they are applied: the longest first."""
