"""A private certificate authority, made with openssl, and a real PostgreSQL that uses its certificates.

The embedded server is built without TLS: this is the system's PostgreSQL 15, whose package brings openssl.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.postgres import Server, installed, running

CERTIFIED = "certified"
"""The role that a client certificate logs in."""
_ACCESS = f"""
hostssl all {CERTIFIED} all cert
local all all scram-sha-256
host all all all scram-sha-256
"""


@dataclass(frozen=True)
class Authority:
    """Keeps its files in `folder`, where a server that runs as another user can read them."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    def made(self) -> "Authority":
        self._openssl("req", "-x509", *self._key("ca"), "-days", "2", "-subj", "/CN=tests", "-out", str(self.ca))
        return self

    def issue(self, name: str, *, common_name: str, names: str = "") -> tuple[Path, Path]:
        """A certificate and its key; `names` are subject alternative names, as openssl writes them."""
        certificate, key, request = (self.folder / f"{name}.{each}" for each in ("crt", "key", "csr"))
        self._openssl("req", *self._key(name), "-subj", f"/CN={common_name}", "-out", str(request))
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={names}\n" if names else "")
        signed = ("-CA", str(self.ca), "-CAkey", str(self.folder / "ca.key"), "-CAcreateserial", "-days", "2")
        self._openssl(
            "x509", "-req", "-in", str(request), *signed, "-extfile", str(extensions), "-out", str(certificate)
        )
        return certificate, key

    def _key(self, name: str) -> tuple[str, ...]:
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        return (*curve, "-keyout", str(self.folder / f"{name}.key"))

    def _openssl(self, *words: str) -> None:
        done = subprocess.run(("openssl", *words), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@contextmanager
def with_tls(authority: Authority) -> Iterator[Server]:
    """A server that requires nothing, offers TLS, and listens on 127.0.0.1, ::1 and a socket in the CA's folder."""
    certificate, key = authority.issue("server", common_name="db", names="IP:127.0.0.1,IP:0:0:0:0:0:0:0:1")
    access = authority.folder / "access"
    access.write_text(_ACCESS)
    if os.geteuid() == 0:  # the server runs as nobody, and takes a key that is its own only
        for path in (authority.folder, key, access):
            shutil.chown(path, "nobody")
    with running(installed("15")) as server:
        values = {
            "ssl": "on",
            "ssl_cert_file": certificate,
            "ssl_key_file": key,
            "ssl_ca_file": authority.ca,
            "hba_file": access,
            "listen_addresses": "127.0.0.1,::1",
            "unix_socket_directories": authority.folder,
        }
        for name, value in values.items():
            server.sql(f"ALTER SYSTEM SET {name} = '{value}'")
        assert server.control is not None
        server.control("restart")
        yield server


def port_of(server: Server) -> int:
    port = urlsplit(server.url).port
    assert port is not None
    return port
