"""URLs of PostgreSQL as users, hosts and tools write them, read as libpq reads them. Pure.

Every parameter is in one of three tables: understood, left out, or another tool's, which is refused with its cure. One
that is in none is refused too. Messages show no part of a user or password, also where a reserved character has moved a
part of it into the port, the path or a parameter.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import Final
from urllib.parse import quote, unquote


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


UNDERSTOOD: Final = _names("""
    host hostaddr port dbname database user password passfile service options target_session_attrs sslmode requiressl
    ssl sslrootcert sslcert sslkey sslpassword sslcrl sslnegotiation ssl_min_protocol_version ssl_max_protocol_version
    krbsrvname gsslib
""")
LEFT_OUT: Final = _names("""
    application_name fallback_application_name authtype channel_binding client_encoding connect_timeout gssdelegation
    gssencmode keepalives keepalives_count keepalives_idle keepalives_interval load_balance_hosts max_protocol_version
    min_protocol_version oauth_client_id oauth_client_secret oauth_issuer oauth_scope replication require_auth
    requirepeer scram_client_key scram_server_key servicefile sslcertmode sslcompression sslcrldir sslkeylogfile sslsni
    tcp_user_timeout tty
""")
"""Of libpq, without a meaning here: the service has its own timeout, keepalives and name, or the driver has none."""
_POOL: Final = "DATABASE_POOL_SIZE and DATABASE_MIN_CONNECTIONS size the pool"
_TIMEOUT: Final = "DATABASE_STATEMENT_TIMEOUT_SECONDS is the timeout"
_PREPARED: Final = "poolers are detected, and nothing stays prepared behind them"
_TLS: Final = "write sslmode=require, or verify-full with DATABASE_CA_FILE"
OTHERS: Final = {
    "schema": ("Prisma", "tables are in schema public"),
    "connection_limit": ("Prisma", _POOL),
    "pool_timeout": ("Prisma", _POOL),
    "pgbouncer": ("Prisma", _PREPARED),
    "socket_timeout": ("Prisma", _TIMEOUT),
    "sslaccept": ("Prisma", _TLS),
    "sslidentity": ("Prisma", "DATABASE_CLIENT_CERT_FILE and DATABASE_CLIENT_KEY_FILE name the certificate"),
    "statement_cache_size": ("asyncpg", _PREPARED),
    "prepared_statement_cache_size": ("SQLAlchemy", _PREPARED),
    "prepared_statement_name_func": ("SQLAlchemy", _PREPARED),
    "async_fallback": ("SQLAlchemy", "it has no meaning here"),
    "prepare_threshold": ("psycopg", _PREPARED),
    "currentSchema": ("JDBC", "tables are in schema public"),
    "prepareThreshold": ("JDBC", _PREPARED),
    "ApplicationName": ("JDBC", "the service has a name of its own"),
    "loginTimeout": ("JDBC", "connections have a timeout of their own"),
    "connectTimeout": ("JDBC", "connections have a timeout of their own"),
    "socketTimeout": ("JDBC", _TIMEOUT),
    "tcpKeepAlive": ("JDBC", "it has no meaning here"),
    "reWriteBatchedInserts": ("JDBC", "it has no meaning here"),
    "stringtype": ("JDBC", "it has no meaning here"),
    "targetServerType": ("JDBC", "write target_session_attrs"),
    "sslfactory": ("JDBC", _TLS),
    "pool_max_conns": ("pgx", _POOL),
    "pool_min_conns": ("pgx", _POOL),
    "default_query_exec_mode": ("pgx", _PREPARED),
    "statement_cache_capacity": ("pgx", _PREPARED),
    "binary_parameters": ("lib/pq", _PREPARED),
    "uselibpqcompat": ("node-postgres", _TLS),
    "pool": ("Rails", _POOL),
    "prepared_statements": ("Rails", _PREPARED),
    "encoding": ("Rails", "it is always UTF8"),
    "pool_size": ("Ecto", _POOL),
    "conn_max_age": ("Django", _POOL),
    "ssl_require": ("Django", _TLS),
    "statement_timeout": ("a driver", _TIMEOUT),
}
"""Parameters of ORMs and drivers: whose, and what stands for them here."""
_TLS_VERSIONS: Final = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_VALUES: Final = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "sslnegotiation": ("postgres", "direct"),
    "ssl_min_protocol_version": _TLS_VERSIONS,
    "ssl_max_protocol_version": _TLS_VERSIONS,
    "gssencmode": ("disable", "prefer"),
}
_PORT: Final = 5432
_SCHEMES: Final = ("postgres", "postgresql")
_MUST_START: Final = "must start with postgres:// or postgresql://"
_ENCODE: Final = (
    "percent-encode reserved characters in the user, the password and the database "
    "(# as %23, / as %2F, ? as %3F, @ as %40, % as %25, a space as %20)"
)
_HOST: Final = "has a host that is none: write host, host:port or [IPv6 address]:port"
_NAME: Final = re.compile(r"[A-Za-z][\w.-]{0,40}")


@dataclass(frozen=True, kw_only=True)
class PostgresUrl:
    """The parts of a URL, decoded."""

    hosts: tuple[tuple[str, int | None], ...] = ()
    """Names, addresses or folders of sockets, with their ports; one without a name is the driver's default."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Those that the driver understands, with user, password and dbname."""
    left_out: tuple[str, ...] = ()
    """Names of parameters of libpq that have no meaning here."""

    def dsn(self, **parameters: str) -> str:
        """The URL in the form that the driver takes, with parameters in place of its own."""
        names = [f"[{host}]" if ":" in host and host[0] != "/" else host for host, _ in self.hosts]
        ports = [port for _, port in self.hosts]
        every = {
            "host": ",".join(names),
            "port": ",".join(str(port or _PORT) for port in ports) if any(ports) else "",
            **self.parameters,
            **parameters,
        }
        given = (f"{name}={quote(value, safe='')}" for name, value in every.items() if value)
        return f"postgresql://?{'&'.join(given)}"


def parse(text: str) -> PostgresUrl:
    """The URL's parts; ValueError with one line that names what is wrong and the cure."""
    scheme, separator, rest = text.partition("://")
    _check_scheme(scheme.lower() if separator else "")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    path, _, query = rest[len(authority) :].partition("?")
    credentials, _, hosts = authority.rpartition("@")
    if "@" in credentials + path or "#" in rest or re.search(r"[\s\x00-\x1f]", authority + path):
        raise ValueError(_ENCODE)
    try:
        return _parts(credentials, hosts, path.removeprefix("/"), query)
    except ValueError:
        if "@" in query:  # what was read as a parameter may be a password's end
            raise ValueError(_ENCODE) from None
        raise


def _check_scheme(scheme: str) -> None:
    if scheme in _SCHEMES:
        return
    if re.fullmatch(r"(jdbc:)?postgres(ql)?(\+[a-z0-9]+)?", scheme):
        owner = "JDBC" if scheme.startswith("jdbc:") else "SQLAlchemy"
        raise ValueError(f"{_MUST_START}: {scheme} is {owner}'s")
    raise ValueError(_MUST_START)


def _parts(credentials: str, hosts: str, path: str, query: str) -> PostgresUrl:
    user, _, password = credentials.partition(":")
    given = {"user": _decoded(user), "password": _decoded(password), "dbname": _decoded(path)}
    given |= dict(_parameters(query))
    given["dbname"] = given.pop("database", given["dbname"])
    left_out = [name for name in given if name in LEFT_OUT]
    named = tuple(_authority_hosts(hosts))
    if address := given.pop("hostaddr", ""):
        if named or given.get("host"):
            left_out.append("hostaddr")  # the name is resolved: it is what a certificate is compared with
        else:
            given["host"] = address
    if given.get("host") or given.get("port"):
        named = _parameter_hosts(given.get("host", ""), given.get("port", ""), named)
    if {given.pop("requiressl", ""), given.pop("ssl", "")} & {"1", "true"}:
        given.setdefault("sslmode", "require")
    if given.get("sslrootcert") == "system" and given.setdefault("sslmode", "verify-full") != "verify-full":
        raise ValueError("sslrootcert=system needs sslmode=verify-full")
    taken = {"host", "port", *LEFT_OUT}
    return PostgresUrl(
        hosts=named,
        parameters={name: value for name, value in given.items() if value and name not in taken},
        left_out=tuple(left_out),
    )


def _parameters(query: str) -> Iterator[tuple[str, str]]:
    for piece in filter(None, query.split("&")):
        name, equals, value = piece.partition("=")
        if not equals or _NAME.fullmatch(name) is None:
            raise ValueError("has a parameter without a name or a value: write ?name=value&name=value")
        if name == "ssl" and value not in {"true", "1"}:
            raise ValueError(f"parameter ssl has a value of a driver: {_TLS}")
        if name in OTHERS:
            owner, cure = OTHERS[name]
            raise ValueError(f"parameter {name} is {owner}'s: leave it out; {cure}")
        if name not in UNDERSTOOD | LEFT_OUT:
            hint = "a setting of the server goes into options=-c%20name%3Dvalue"
            raise ValueError(f"parameter {name} is unknown: leave it out; {hint}")
        if value not in {"", *_VALUES.get(name, [value])}:
            raise ValueError(f"parameter {name} must be one of {', '.join(_VALUES[name])}")
        if value:
            yield name, _decoded(value)


def _authority_hosts(hosts: str) -> Iterator[tuple[str, int | None]]:
    for each in hosts.split(",") if hosts else ():
        match = re.fullmatch(r"(\[[^\[\]]+\]|[^:\[\]]*)(?::([^:]*))?", each)
        if match is None or (not match[1] and "," in hosts):
            raise ValueError(_HOST)
        yield _host(_decoded(match[1])) if match[1] else "", _port(match[2])


def _parameter_hosts(
    hosts: str, ports: str, named: tuple[tuple[str, int | None], ...]
) -> tuple[tuple[str, int | None], ...]:
    """Hosts of parameters stand before those of the authority; one port is that of all."""
    names = [_host(host) for host in hosts.split(",")] if hosts else [host for host, _ in named] or [""]
    numbers = [_port(port) for port in ports.split(",")] if ports else [port for _, port in named] or [None]
    if len(numbers) == 1:
        numbers *= len(names)
    if len(numbers) != len(names):
        raise ValueError("must have one port, or as many ports as hosts")
    return tuple(zip(names, numbers, strict=True))


def _host(text: str) -> str:
    """A name, an address without its brackets, or a folder; refuses what no resolver takes."""
    host = text.removeprefix("[").removesuffix("]")
    try:
        if not host.startswith("/"):
            host.encode("idna")
    except UnicodeError:
        raise ValueError("has a host whose name cannot be resolved: a label has 1 to 63 characters") from None
    if not host or re.search(r"[\s@,]", host) or (":" in host and not host.startswith("/") and not _is_ipv6(host)):
        raise ValueError(_HOST)
    return host


def _is_ipv6(text: str) -> bool:
    try:
        return bool(IPv6Address(text))
    except ValueError:
        return False


def _port(text: str | None) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65_535:
        raise ValueError(f"has a port that is no number from 1 to 65535; or {_ENCODE}")
    return int(text)


def _decoded(text: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})|%00", text):
        raise ValueError(_ENCODE)
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError(_ENCODE) from None
