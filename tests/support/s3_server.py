"""The part of S3 that an archive of images needs, in memory."""

import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

__all__ = ["S3Server", "s3_server"]


@dataclass
class S3Server:
    """Objects by path, bucket included; every request is refused while `status` is not None."""

    url: str
    objects: dict[str, bytes] = field(default_factory=dict)
    status: int | None = None
    signed: list[bool] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: S3Server

    def answer(self, status: int, body: bytes = b"", *, length: int | None = None) -> None:
        if self.state.status is not None:
            body = f"<Error><RequestId>{uuid.uuid4().hex}</RequestId></Error>".encode()
        self.send_response(self.state.status or status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("ETag", f'"{md5(body, usedforsecurity=False).hexdigest()}"')
        self.send_header("Last-Modified", "Fri, 27 Nov 2026 12:00:00 GMT")
        self.end_headers()
        self.wfile.write(body)

    def take(self) -> tuple[str, bytes]:
        """Return path and body of a request."""
        authorization = self.headers.get("Authorization", "")
        self.state.signed.append(authorization.startswith("AWS4-HMAC-SHA256 Credential=me/"))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return unquote(urlsplit(self.path).path).lstrip("/"), body

    def do_PUT(self) -> None:
        path, body = self.take()
        if self.state.status is None:
            self.state.objects[path] = body
        self.answer(200)

    def do_GET(self) -> None:
        path, _ = self.take()
        found = self.state.objects.get(path)
        self.answer(404 if found is None else 200, found or b"")

    def do_HEAD(self) -> None:
        path, _ = self.take()
        found = self.state.objects.get(path)
        self.answer(404 if found is None else 200, length=len(found or b""))

    def do_POST(self) -> None:
        """Delete several objects; one that is gone is no error."""
        bucket, body = self.take()
        keys = re.findall(r"<Key>(.*?)</Key>", body.decode())
        for key in keys:
            self.state.objects.pop(f"{bucket.strip('/')}/{key}", None)
        deleted = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        self.answer(200, f"<DeleteResult>{deleted}</DeleteResult>".encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Serve on a free port of this machine."""
    server = S3Server("")

    http = ThreadingHTTPServer(("127.0.0.1", 0), type("_Handler", (_Handler,), {"state": server}))
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, args=(0.02,))
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
