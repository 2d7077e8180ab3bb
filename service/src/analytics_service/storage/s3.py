"""A bucket of AWS S3, or of what speaks its protocol."""

from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Self, TypeVar

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from analytics_service.contract.exports import StoredFile
from analytics_service.errors import StorageError
from analytics_service.settings import Settings
from analytics_service.telemetry.redaction import redactor

if TYPE_CHECKING:
    from obstore.store import S3Config  # there for checkers alone

PART_BYTES: Final = 8 * 2**20
"""Of a multipart upload, which has at most 10,000 of them: 80 GB."""
MAX_PARTS_IN_FLIGHT: Final = 2
"""With the one that is being filled this bounds the memory of an upload."""
ADDRESS_LIFETIME: Final = timedelta(minutes=5)
"""Of a presigned address, which cannot be taken back."""
_MAX_MESSAGE: Final = 1000
"""The client's own words, whose cause comes last."""
T = TypeVar("T")


class Bucket:
    """Credentials are the settings', else those of the pod's identity, which the client finds and renews by itself."""

    def __init__(self, store: S3Store, *, signer: S3Store | None = None, secrets: tuple[str, ...] = ()) -> None:
        """`signer` is the same bucket as clients reach it: a signature is of one name of the storage."""
        self._store = store
        self._signer = signer or store
        self._redact = redactor(secrets)

    @classmethod
    def of(cls, settings: Settings, *, retry_seconds: float = 60) -> Self:
        """Asks the bucket nothing yet. What fails is tried again by the client itself for `retry_seconds`."""
        key, secret = settings.export_s3_access_key_id, settings.export_s3_secret_access_key
        config: S3Config = {"region": settings.export_s3_region, "disable_bulk_delete": True}  # not all have bulk
        if settings.export_s3_endpoint is not None:
            config["endpoint"] = settings.export_s3_endpoint
        if key is not None and secret is not None:
            config["access_key_id"], config["secret_access_key"] = key.get_secret_value(), secret.get_secret_value()

        def store(config: "S3Config") -> S3Store:
            return S3Store(
                settings.export_s3_bucket,
                config=config,
                client_options={"allow_http": True, "connect_timeout": "10s", "timeout": "120s"},
                retry_config={"max_retries": 5, "retry_timeout": timedelta(seconds=retry_seconds)},
            )

        public = settings.export_s3_public_endpoint
        return cls(
            store(config),
            signer=None if public is None else store({**config, "endpoint": public}),
            secrets=() if secret is None else (secret.get_secret_value(),),
        )

    async def put(self, file: StoredFile, parts: AsyncIterator[bytes]) -> None:
        """What is shorter than a part is one request; a longer upload that fails is aborted."""
        first, rest = await _first(parts), parts
        attributes = {"Content-Type": file.media_type, "Content-Disposition": file.disposition}
        body = first if len(first) < PART_BYTES else _chained(first, rest)
        await self._do(
            obstore.put_async(
                self._store,
                file.key,
                body,
                attributes=attributes,
                use_multipart=not isinstance(body, bytes),
                chunk_size=PART_BYTES,
                max_concurrency=MAX_PARTS_IN_FLIGHT,
            )
        )

    async def delete(self, prefix: str, *, but: str | None = None) -> None:
        listed = await self._do(obstore.list(self._store, prefix).collect_async())
        keys = [each["path"] for each in listed if each["path"] != but]
        if keys:
            await self._do(obstore.delete_async(self._store, keys))

    async def locate(self, file: StoredFile) -> str:
        return await self._do(obstore.sign_async(self._signer, "GET", file.key, ADDRESS_LIFETIME))

    async def _do(self, work: Awaitable[T]) -> T:
        try:
            return await work
        except (BaseError, OSError) as error:
            message = self._redact(" ".join(str(error).split()))
            raise StorageError(f"EXPORT_S3_BUCKET: {message[:_MAX_MESSAGE]}") from None


async def _first(parts: AsyncIterator[bytes]) -> bytes:
    """Returns the beginning, which is all of it where it is shorter than a part."""
    gathered = bytearray()
    async for part in parts:
        gathered += part
        if len(gathered) >= PART_BYTES:
            break
    return bytes(gathered)


async def _chained(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for part in rest:
        yield part
