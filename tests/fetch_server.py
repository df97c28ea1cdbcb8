"""A small HTTP host on loopback that misbehaves on request: cuts, truncations, redirects, refusals."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Host:
    """What the host holds and how it behaves.

    `files` maps paths to bytes; `redirects` paths to paths; `cuts` maps a path to the numbers of bytes after
    which its next answers break off; `log` lists (path, Range header) of every request.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    cuts: dict[str, list[int]] = field(default_factory=dict)
    failures: dict[str, list[int]] = field(default_factory=dict)
    log: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


@contextmanager
def serve(host: Host) -> Iterator[Host]:
    """Serve `host` on a free port of loopback for the time of the context; sets `host.url`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, wanted = self.path, self.headers.get("Range")
            host.log.append((path, wanted))
            if host.failures.get(path):
                self.send_error(host.failures[path].pop(0))
            elif path in host.redirects:
                self.send_response(302)
                self.send_header("Location", host.url + host.redirects[path])
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif path in host.files:
                self.send_body(host.files[path], wanted, host.cuts.get(path, []))
            else:
                self.send_error(404)

        def send_body(self, body: bytes, wanted: str | None, cuts: list[int]) -> None:
            start = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted else 0
            self.send_response(206 if wanted else 200)
            if wanted:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            part = body[start:]
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            self.wfile.write(part[: cuts.pop(0)] if cuts else part)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    host.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
