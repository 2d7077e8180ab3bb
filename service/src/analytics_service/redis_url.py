"""Redis URLs as frozen values. Pure. What `parse` refuses is a ValueError: one line with the cure, and no secret."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote

Option = str | int | bool

_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z+]+)://(?:(?P<user>[^@/?#]*)@)?(?P<hosts>[^@/?#]*)(?P<path>/[^@?#]*)?(?:\?(?P<query>[^@#]*))?"
)
_HOST: Final = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")
_OWN_TIMES: Final = frozenset(
    {
        *("health_check_interval", "max_connections", "retry_on_timeout", "socket_connect_timeout", "socket_keepalive"),
        *("socket_read_size", "socket_timeout", "timeout"),
    }
)
"""Parameters of client libraries that the service sets itself."""


class Topology(StrEnum):
    STANDALONE = "standalone"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


_SCHEMES: Final = MappingProxyType(
    {"redis": Topology.STANDALONE, "redis+sentinel": Topology.SENTINEL, "redis+cluster": Topology.CLUSTER}
)
"""Each with TLS too, as rediss."""


class Address(NamedTuple):
    host: str
    port: int


@dataclass(frozen=True, kw_only=True)
class RedisUrl:
    topology: Topology
    addresses: tuple[Address, ...]
    """Of the Sentinels, or of some nodes of a cluster, where there are such."""
    tls: bool
    database: int = 0
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    service: str = ""
    """Name of the primary among the Sentinels."""
    sentinel_username: str = field(default="", repr=False)
    sentinel_password: str = field(default="", repr=False)
    options: Mapping[str, Option] = field(default_factory=dict, repr=False)
    """Of each connection, by redis-py's names."""


def parse(text: str) -> RedisUrl:
    scheme = text.partition("://")[0].lower()
    tls, plain = scheme.startswith("rediss"), scheme.replace("rediss", "redis")
    if plain not in _SCHEMES:
        raise ValueError(f"must start with {', '.join(f'{each}://' for each in _SCHEMES)} or, with TLS, rediss")
    parts = _URL.fullmatch(text)
    if parts is None:  # a second @, or one after the host, or a #: all of them end up there from a password
        raise ValueError("percent-encode what is reserved in the password: %23 for #, %2F for /, %3F for ?, %40 for @")
    hosts, path = parts["hosts"].split(","), (parts["path"] or "").strip("/")
    topology = _SCHEMES[plain]
    if topology is Topology.STANDALONE and len(hosts) > 1:
        topology = Topology.SENTINEL  # as the deployment guide writes it
    default_port = 26_379 if topology is Topology.SENTINEL else 6379
    addresses = tuple(_address(each, default_port=default_port) for each in hosts)
    options = _options(parts["query"] or "", topology)
    if any(name.startswith("ssl_") for name in options) and not tls:
        raise ValueError("parameters that begin with ssl_ need TLS: use rediss")
    service = ""
    if topology is Topology.SENTINEL:
        service, _, path = path.partition("/")
        if not service or (plain == "redis" and service.isdecimal()):
            raise ValueError(
                "name the service that the Sentinels watch, as redis+sentinel://host,host,host/service/0; "
                "hosts of a cluster begin with redis+cluster://"
            )
    database = _database(options.pop("db", path))
    if database and topology is Topology.CLUSTER:
        raise ValueError("a cluster has database 0 only")
    username, _, password = (parts["user"] or "").partition(":")
    return RedisUrl(
        topology=topology,
        addresses=addresses,
        tls=tls,
        database=database,
        username=unquote(username),
        password=unquote(password),
        service=unquote(service),
        sentinel_username=str(options.pop("sentinel_username", "")),
        sentinel_password=str(options.pop("sentinel_password", "")),
        options=MappingProxyType(options),
    )


def _address(text: str, *, default_port: int) -> Address:
    parts = _HOST.fullmatch(text or "localhost")
    if parts is None or not 1 <= int(parts["port"] or default_port) <= 65_535:  # not shown: it may be a password
        raise ValueError("the host must be a name or an address (IPv6 in brackets), a colon and a port up to 65535")
    return Address(parts["host"].strip("[]"), int(parts["port"] or default_port))


def _database(text: Option) -> int:
    if not re.fullmatch(r"[0-9]{0,5}", str(text)):
        raise ValueError("the path must end with the number of a database, as /0; for Sentinel use redis+sentinel://")
    return int(text or 0)


def _boolean(text: str) -> bool:
    return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]


def _one_of(*words: str) -> Callable[[str], str]:
    return lambda text: {word: word for word in words}[text]


_OPTIONS: Final[Mapping[str, Callable[[str], Option]]] = MappingProxyType(
    {
        "client_name": str,
        "db": str,
        "protocol": lambda text: int(_one_of("2", "3")(text)),
        "ssl_ca_certs": str,
        "ssl_cert_reqs": _one_of("none", "optional", "required"),
        "ssl_certfile": str,
        "ssl_check_hostname": _boolean,
        "ssl_keyfile": str,
    }
)
"""Known parameters; a value that is none of theirs is a KeyError."""


_SENTINEL_OPTIONS: Final = frozenset({"sentinel_username", "sentinel_password"})


def _options(query: str, topology: Topology) -> dict[str, Option]:
    known = _OPTIONS.keys() | (_SENTINEL_OPTIONS if topology is Topology.SENTINEL else ())
    options: dict[str, Option] = {}
    for name, value in parse_qsl(query):
        if name in _OWN_TIMES:
            raise ValueError(f"leave out the parameter {name}: the service has times and connections of its own")
        if name not in known:
            shown = name if re.fullmatch(r"[a-z_]{1,40}", name) else "in the query"
            raise ValueError(f"unknown parameter {shown}; known are {', '.join(sorted(known))}")
        try:
            options.setdefault(name, _OPTIONS.get(name, str)(value))
        except KeyError:
            raise ValueError(f"the value of the parameter {name} is none that it can have") from None
    return options
