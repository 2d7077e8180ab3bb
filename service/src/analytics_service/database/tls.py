"""Files of certificates: parameters of a URL from the settings, checked before the first connection.

The driver reads the files again for each connection, so that renewed ones are used without a restart.
"""

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from analytics_service.errors import UsageError
from analytics_service.settings import Settings

_SETTINGS: Final = {
    "sslrootcert": "DATABASE_CA_FILE",
    "sslcert": "DATABASE_CLIENT_CERT_FILE",
    "sslkey": "DATABASE_CLIENT_KEY_FILE",
}
_UNVERIFIED: Final = frozenset({"disable", "allow", "prefer"})
_SYSTEM_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)


def tls_parameters(settings: Settings, url: Mapping[str, str], *, setting: str) -> dict[str, str]:
    """The parameters to set beside those of a `url`, which win; UsageError names what cannot be used, and the cure.

    `setting` is the one that holds the URL.
    """
    files = {
        "sslrootcert": settings.database_ca_file,
        "sslcert": settings.database_client_cert_file,
        "sslkey": settings.database_client_key_file,
    }
    added = {name: path for name, path in files.items() if path is not None and name not in url}
    names = {name: _SETTINGS[name] if name in added else f"{setting}: {name}" for name in files}
    every = {**url, **added}
    mode = url.get("sslmode")
    for name in added:
        if mode in _UNVERIFIED:
            raise UsageError(f"{names[name]}: sslmode={mode} of {setting} does not use it: leave sslmode out")
    if mode is None and added:
        mode = added["sslmode"] = "verify-full" if "sslrootcert" in every else "require"
    if every.get("sslrootcert") == "system":
        every["sslrootcert"] = added["sslrootcert"] = _system_bundle(setting)
    if mode in {"verify-ca", "verify-full"} and "sslrootcert" not in every and not _default_ca():
        raise UsageError(
            f"{setting}: sslmode={mode} needs the CA of the server: set DATABASE_CA_FILE, or sslrootcert=system "
            "for those that the system trusts"
        )
    if mode in _UNVERIFIED:
        every.pop("sslrootcert", None)  # not read
    if mode != "disable":
        _check(every, names)
    return added


def _check(parameters: Mapping[str, str], names: Mapping[str, str]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if (ca := parameters.get("sslrootcert")) is not None:
        _read(ca, names["sslrootcert"])
        try:
            context.load_verify_locations(cafile=ca)
        except ssl.SSLError:
            raise UsageError(f"{names['sslrootcert']}: {ca} holds no certificate in PEM") from None
    certificate, key = parameters.get("sslcert"), parameters.get("sslkey")
    if certificate is None:
        if key is not None:
            raise UsageError(f"{names['sslkey']}: needs DATABASE_CLIENT_CERT_FILE beside it")
        return
    for name in ("sslcert", "sslkey"):
        if (path := parameters.get(name)) is not None:
            _read(path, names[name])
    try:
        context.load_cert_chain(certificate, key, password=lambda: parameters.get("sslpassword", ""))
    except ssl.SSLError as error:
        why = "holds no certificate and key in PEM, or the key is encrypted"
        if error.reason == "KEY_VALUES_MISMATCH":
            why = f"is not the key of {names['sslcert']}"
        raise UsageError(f"{names['sslkey' if key else 'sslcert']}: {key or certificate} {why}") from None


def _read(path: str, name: str) -> None:
    try:
        Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{name}: {path} cannot be read: {error.strerror}") from error


def _system_bundle(setting: str) -> str:
    default = ssl.get_default_verify_paths().cafile
    for path in filter(None, (default, *_SYSTEM_BUNDLES)):
        if Path(path).exists():
            return path
    raise UsageError(f"{setting}: sslrootcert=system: the system trusts no CA: set DATABASE_CA_FILE")


def _default_ca() -> bool:
    """Whether the driver's own place has a file, as libpq's: ~/.postgresql/root.crt, or PGSSLROOTCERT."""
    if "PGSSLROOTCERT" in os.environ:
        return True
    try:
        return (Path.home() / ".postgresql" / "root.crt").exists()
    except RuntimeError:  # there is no home
        return False
