"""How soon a page shows something on a slow telephone connection, and how much it asks for.

    python -m book.tools.first_paint _build/html [--only PART]

Every page is served with gzip from this machine to a Chromium that behaves as on slow 4G (1.6 Mbit/s, 150 ms)
with a processor four times slower, without a cache. A busy machine makes it worse: `check_site` holds the
weight, which does not depend on the machine, and this command says what it comes to.
"""

from __future__ import annotations

import argparse
import gzip
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from book.tools.browser import Browser
from book.tools.check_links import html_files

LIMIT, REQUESTS = 2.5, 20  # seconds to the first paint; requests of a page
DELAY, RATE, PROCESSOR = 0.150, 1.6e6 / 8, 4.0
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


class Gzipped(SimpleHTTPRequestHandler):
    """Serves files as a web server does: text compressed."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def send_head(self) -> BytesIO | BinaryIO | None:
        path = Path(self.translate_path(self.path))
        if path.suffix not in (".html", ".css", ".js", ".svg", ".json", ".vtt") or not path.is_file():
            return super().send_head()
        data = gzip.compress(path.read_bytes(), 6)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        return BytesIO(data)


def first_paint(browser: Browser, url: str) -> tuple[float, int]:
    """Seconds until the first paint of a page, and its requests."""
    browser.open(url, 390, "light")
    asked = sum(
        event["method"] == "Network.requestWillBeSent"
        and event["params"]["request"]["url"].startswith("http")
        for event in browser.events
    )
    return browser.evaluate(f"{PAINTED} ?? 0") / 1000, asked


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("site", type=Path)
    parser.add_argument("--only", default="", help="only pages whose path holds this text")
    args = parser.parse_args()
    pages = [p.relative_to(args.site).as_posix() for p in html_files(args.site) if args.only in str(p)]
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Gzipped, directory=str(args.site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    late = 0
    with Browser() as browser:
        browser.slow_down(DELAY, RATE, PROCESSOR)
        for page in pages:
            seconds, asked = first_paint(browser, f"http://127.0.0.1:{server.server_port}/{page}")
            late += seconds > LIMIT or asked >= REQUESTS
            print(f"{seconds:5.2f} s {asked:3d} requests  {page}", flush=True)
    server.shutdown()
    print(f"{len(pages)} pages, {late} above {LIMIT} s or with {REQUESTS} requests and more")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
