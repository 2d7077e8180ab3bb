"""A real server of S3 for a test: a gateway that keeps its buckets in a folder, built from its Go module."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from e2e.cluster import gomodules
from tests.support.ports import a_free_port

BUCKET = "exports"
ACCESS_KEY = "AKIATESTS"
SECRET_KEY = "not-a-secret-5b1e"


@dataclass
class S3Server:
    """Listens on this machine only; a test may stop it and start it again."""

    folder: Path
    port: int
    _process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Settings of the service for its bucket."""
        return {
            "EXPORT_S3_BUCKET": BUCKET,
            "EXPORT_S3_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "EXPORT_S3_ACCESS_KEY_ID": ACCESS_KEY,
            "EXPORT_S3_SECRET_ACCESS_KEY": SECRET_KEY,
        }

    def objects(self) -> dict[str, bytes]:
        """What is in the bucket, by key."""
        bucket = self.folder / "buckets" / BUCKET
        paths = [path for path in bucket.rglob("*") if path.is_file()]
        return {str(path.relative_to(bucket)): path.read_bytes() for path in paths if ".sgwtmp" not in path.parts}

    def unfinished(self) -> list[str]:
        """Parts of uploads that were neither completed nor aborted."""
        parts = (self.folder / "buckets" / BUCKET / ".sgwtmp" / "multipart").rglob("*")
        return [str(path) for path in parts if path.is_file()]

    def start(self) -> None:
        for folder in ("sidecar", f"buckets/{BUCKET}"):
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            (
                *(gomodules.versitygw(), "--port", f"127.0.0.1:{self.port}", "--quiet"),
                *("posix", "--sidecar", str(self.folder / "sidecar"), str(self.folder / "buckets")),
            ),
            env=os.environ | {"ROOT_ACCESS_KEY_ID": ACCESS_KEY, "ROOT_SECRET_ACCESS_KEY": SECRET_KEY},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self._process.poll() is None, "the server of S3 ended"
            assert time.monotonic() < deadline, "the server of S3 does not answer"
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status > 0
        except OSError:
            return False
        finally:
            connection.close()


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """A server with an empty bucket."""
    server = S3Server(folder, a_free_port())
    server.start()
    try:
        yield server
    finally:
        server.stop()
