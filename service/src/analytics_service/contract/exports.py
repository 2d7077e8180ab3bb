"""What may be exported, and the links by which files are fetched without another credential. Pure."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Final

import orjson

from analytics_service.contract.principal import Permission, Principal, Role
from analytics_service.contract.problems import Problem, RequestError

MAX_ROWS: Final = 1_000_000
"""Of one export, whatever is configured."""
MAX_LINK_CHARACTERS: Final = 1024
_MAC_BYTES: Final = 32


class Format(StrEnum):
    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"
    PARQUET = "parquet"


class Compression(StrEnum):
    """Of a whole file; of Parquet, which stays a Parquet file, the codec of its pages."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A finished file, as its client gets it."""

    key: str
    """By which the storage has it."""
    name: str
    media_type: str

    @property
    def disposition(self) -> str:
        """Of the header Content-Disposition."""
        return f'attachment; filename="{self.name}"'


def file_key(job: str, attempt: int) -> str:
    """Returns the key of what an attempt writes: all files of a job lie below `job_prefix`."""
    return f"{job_prefix(job)}{attempt}"


def job_prefix(job: str) -> str:
    return f"exports/{job}/"


_MEDIA_TYPES: Final = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.JSON: "application/json",
    Format.JSONL: "application/x-ndjson",
    Format.PARQUET: "application/vnd.apache.parquet",
}
_COMPRESSED: Final = {Compression.GZIP: (".gz", "application/gzip"), Compression.ZSTD: (".zst", "application/zstd")}


def stored_file(job: str, attempt: int, file_format: Format, compression: Compression) -> StoredFile:
    suffix, media_type = f".{file_format}", _MEDIA_TYPES[file_format]
    if compression is not Compression.NONE and file_format is not Format.PARQUET:
        ending, media_type = _COMPRESSED[compression]
        suffix += ending
    return StoredFile(key=file_key(job, attempt), name=f"{job}{suffix}", media_type=media_type)


class ExportLinks:
    """Signs with a key derived from the first secret, and accepts those of all: secrets are changed with an overlap."""

    def __init__(self, *secrets: str) -> None:
        self._keys = [hmac.digest(secret.encode(), b"analytics export link 1", "sha256") for secret in secrets]

    def sign(self, organisation: str, job: str, expires_at: datetime) -> str:
        payload = orjson.dumps([organisation, expires_at.timestamp()])
        return urlsafe_b64encode(payload + _mac(self._keys[0], job, payload)).decode().rstrip("=")

    def principal(self, link: str, job: str, now: datetime) -> Principal:
        """Returns one that may fetch files of the organisation, and asks for this job alone.

        RequestError where the link is not one of ours for the job, or has expired.
        """
        payload = self._opened(link, job)
        if payload is None:
            raise RequestError(
                Problem.INVALID_TOKEN,
                "the link is not one of this export: take download_url of the job again",
                field="link",
            )
        organisation, timestamp = orjson.loads(payload)
        expires_at = datetime.fromtimestamp(timestamp, UTC)
        if expires_at <= now:
            raise expired()
        return Principal(
            subject=f"link of {job}",
            organisation=organisation,
            projects=frozenset(),
            role=Role.SCOPED,
            permissions=frozenset({Permission.EXPORTS_DOWNLOAD}),
            expires_at=expires_at,
        )

    def _opened(self, link: str, job: str) -> bytes | None:
        try:
            signed = urlsafe_b64decode(link.encode() + b"=" * (-len(link) % 4))
        except ValueError:
            return None
        payload, mac = signed[:-_MAC_BYTES], signed[-_MAC_BYTES:]
        return payload if any(hmac.compare_digest(mac, _mac(key, job, payload)) for key in self._keys) else None


@dataclass(frozen=True, kw_only=True)
class ExportPolicy:
    """What this deployment exports."""

    formats: frozenset[Format]
    max_rows: int
    """Of one export."""
    lifetime: timedelta
    """Of a file, and of the links to it."""
    links: ExportLinks


def expired() -> RequestError:
    return RequestError(Problem.EXPORT_EXPIRED, "the file is no longer kept: create the export again")


def _mac(key: bytes, job: str, payload: bytes) -> bytes:
    return hmac.digest(key, sha256(job.encode()).digest() + payload, "sha256")
