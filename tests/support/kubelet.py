"""A kubelet that answers for the logs of containers: its API server proxies to it, as in a cluster."""

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from typing_extensions import override

from tests.support.certificates import certificates
from tests.support.kube import KubeApi

NODE = "node"


@contextmanager
def kubelet(api: KubeApi, folder: Path, logs: Mapping[str, str]) -> Iterator[None]:
    """A node of the cluster whose containers have these logs, by `container`, or `container/previous`."""
    made = certificates(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"logs": logs}))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    api.request("POST", "/api/v1/nodes", body={"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": server.server_address[1]}},
    }
    patch = "application/merge-patch+json"
    api.request("PATCH", f"/api/v1/nodes/{NODE}/status", body={"status": status}, content_type=patch)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    logs: Mapping[str, str]

    def do_GET(self) -> None:
        """/containerLogs/<namespace>/<pod>/<container>"""
        url = urlsplit(self.path)
        container = url.path.rpartition("/")[2]
        if parse_qs(url.query).get("previous") == ["true"]:
            container += "/previous"
        content = self.logs.get(container)
        self.send_response(200 if content is not None else 404)
        self.end_headers()
        self.wfile.write((content if content is not None else "no such log").encode())

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Silent."""
