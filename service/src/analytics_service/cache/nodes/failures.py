"""Failures of Redis: one line for people that names the setting and the cure, and holds no secret. Pure."""

import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from redis import exceptions

from analytics_service.errors import ServiceError


class RedisUnavailable(ServiceError):
    """Redis timed out, refused a command, or the circuit is open."""


@dataclass(frozen=True)
class RedisFailure:
    message: str
    of_setting: bool = False
    """Whether a setting has to change, because waiting does not help."""


def _of_setting(message: str) -> RedisFailure:
    return RedisFailure(message, of_setting=True)


NODE_OF_CLUSTER: Final = _of_setting("REDIS_URL names one node of a cluster: use redis+cluster://")
SENTINEL: Final = _of_setting("REDIS_URL names a Sentinel: use redis+sentinel://")
NO_CLUSTER: Final = _of_setting("REDIS_URL names no cluster: use redis://")
NO_SLOTS: Final = RedisFailure("REDIS_URL: no server has a part of the keys of the cluster")
NO_SENTINEL: Final = _of_setting("REDIS_URL names no Sentinel: use redis://")
NO_SERVICE: Final = _of_setting("REDIS_URL: the Sentinels watch no service of that name")
NO_PRIMARY: Final = RedisFailure("REDIS_URL: the Sentinels see no primary that is up, and have elected no other yet")
NO_TLS: Final = _of_setting("REDIS_URL: there is no TLS there: use redis://")
TLS: Final = _of_setting("REDIS_URL: there is TLS there: use rediss://")

_UNTRUSTED: Final = "REDIS_URL: the certificate is not trusted: name the file of its CA in REDIS_CA_FILE"
_CLIENT_CERTIFICATE: Final = "REDIS_URL: a client certificate is required: name it by ssl_certfile and ssl_keyfile"
_PERMISSION: Final = "REDIS_URL: the user lacks a permission: docs/redis-urls.md lists what is needed"
_NO_TLS: Final = "WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE"

_CAUSES: Final[tuple[tuple[type[BaseException], str, RedisFailure], ...]] = (
    (
        ssl.SSLCertVerificationError,
        "mismatch|not valid for",
        _of_setting("REDIS_URL: the certificate is for another host name"),
    ),
    (ssl.SSLCertVerificationError, "expired", RedisFailure("REDIS_URL: the certificate has expired")),
    (ssl.SSLCertVerificationError, "", _of_setting(_UNTRUSTED)),
    (ssl.SSLError, "CERTIFICATE_REQUIRED", _of_setting(_CLIENT_CERTIFICATE)),
    (ssl.SSLError, _NO_TLS, NO_TLS),
    (ssl.SSLError, "", RedisFailure("REDIS_URL: TLS cannot be established")),
    (FileNotFoundError, "", _of_setting("REDIS_CA_FILE, or a file that REDIS_URL names, does not exist")),
    (socket.gaierror, "", RedisFailure("REDIS_URL: the host name is not resolved")),
    (ConnectionRefusedError, "", RedisFailure("REDIS_URL: the connection is refused: nothing listens there")),
    (
        exceptions.AuthenticationError,
        "Authentication required|already authenticated",
        _of_setting("REDIS_URL: a password is required"),
    ),
    (exceptions.AuthenticationError, "", _of_setting("REDIS_URL: the user or password is refused")),
    (exceptions.NoPermissionError, "", _of_setting(_PERMISSION)),
    (exceptions.ResponseError, "DB index", _of_setting("REDIS_URL: there is no such database number")),
    (exceptions.ResponseError, "SELECT is not allowed in cluster mode", NODE_OF_CLUSTER),
    (exceptions.AskError, "", NODE_OF_CLUSTER),
    (exceptions.ClusterDownError, "", RedisFailure("REDIS_URL: the cluster is down, or a part of it")),
    (exceptions.ReadOnlyError, "", RedisFailure("REDIS_URL: a replica answers, which takes no writes")),
    (exceptions.OutOfMemoryError, "", RedisFailure("Redis is out of memory: let it evict keys (maxmemory-policy)")),
    (exceptions.BusyLoadingError, "", RedisFailure("Redis is loading its data")),
    (exceptions.ResponseError, "", RedisFailure("Redis refuses a command")),
    (exceptions.TimeoutError, "", RedisFailure("REDIS_URL: there is no answer in time")),
    (TimeoutError, "", RedisFailure("REDIS_URL: there is no answer in time")),
    (exceptions.ConnectionError, "", RedisFailure("REDIS_URL: the connection is lost")),
    (OSError, "", RedisFailure("REDIS_URL: the connection is lost")),
)
"""The first applies whose type is that of an error of the chain with its pattern in the text."""


class DiscoveryFailed(Exception):
    """Nobody named a server."""

    def __init__(self, failure: RedisFailure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def classify(error: BaseException) -> RedisFailure:
    if isinstance(error, DiscoveryFailed):
        return error.failure
    for kind, pattern, failure in _CAUSES:
        if any(isinstance(each, kind) and re.search(pattern, str(each)) for each in _chain(error)):
            return failure
    return RedisFailure(f"Redis fails: {type(error).__name__}")


def _chain(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__ or current.__context__
