"""A CA of a test and a certificate of 127.0.0.1 from it, made by openssl."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificates:
    ca: Path
    certificate: Path
    key: Path


def certificates(folder: Path) -> Certificates:
    """Makes them in `folder`; the certificate is for 127.0.0.1 and no other host."""
    new = ("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    _run(folder, *new, "-x509", "-days", "2", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca of a test")
    _run(folder, *new, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server of a test")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
    _run(folder, "openssl", "x509", "-req", "-in", "server.csr", *signed, "-out", "server.pem")
    return Certificates(ca=folder / "ca.pem", certificate=folder / "server.pem", key=folder / "server.key")


def _run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
