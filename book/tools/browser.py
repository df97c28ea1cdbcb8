"""Headless Chromium over its debugging pipe: nothing but the standard library and the browser itself."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions", "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # the network is off: no name resolves
    "--remote-debugging-pipe",
]  # fmt: skip
PATIENCE = 180.0  # seconds: a machine that does other work too once took more than 60 to load a page


def find_chromium() -> str:
    """The browser's path; set CHROMIUM to choose one."""
    for name in (os.environ.get("CHROMIUM"), "chromium", "google-chrome", "google-chrome-stable"):
        if name and (path := shutil.which(name)):
            return path
    raise FileNotFoundError(
        "no Chromium found: install it (Debian: apt-get install chromium) or set CHROMIUM."
    )


class Browser:
    """One browser with one page. Use as a context manager."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="book-browser-", ignore_cleanup_errors=True)
        # Ends of pipes that the browser does not inherit: when this process is killed, it sees that and ends.
        ends = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for pair in (os.pipe(), os.pipe()) for fd in pair]
        child_in, self._write, self._read, child_out = ends

        def place() -> None:
            os.dup2(child_in, 3)
            os.dup2(child_out, 4)

        self._process = subprocess.Popen(
            [find_chromium(), *FLAGS, f"--user-data-dir={self._folder.name}", "about:blank"],
            preexec_fn=place,
            close_fds=False,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(child_in)
        os.close(child_out)
        self._count, self._buffer = 0, b""
        self.events: list[dict[str, Any]] = []
        self._session: str | None = None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(Exception):
            self._session = None
            self.send("Browser.close", timeout=5)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._write)
        os.close(self._read)
        self._folder.cleanup()

    def _message(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, deadline - time.monotonic()))
            chunk = os.read(self._read, 1 << 20) if ready else b""
            if not chunk:
                raise TimeoutError("Chromium did not answer in time." if not ready else "Chromium has ended.")
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def send(self, method: str, *, timeout: float = PATIENCE, **params: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol; events that arrive meanwhile go to `events`."""
        self._count += 1
        command = {"id": self._count, "method": method, "params": params}
        if self._session:
            command["sessionId"] = self._session
        os.write(self._write, json.dumps(command).encode() + b"\0")
        deadline = time.monotonic() + timeout
        while True:
            message = self._message(deadline)
            if message.get("id") == self._count:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            if "method" in message:
                self.events.append(message)

    def wait_for(self, method: str, timeout: float = PATIENCE) -> None:
        """Wait until an event has arrived."""
        deadline = time.monotonic() + timeout
        while not any(e["method"] == method for e in self.events):
            message = self._message(deadline)
            if "method" in message:
                self.events.append(message)

    def evaluate(self, expression: str, timeout: float = PATIENCE) -> Any:
        """The value of a JavaScript expression (promises are awaited)."""
        answer = self.send(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, timeout=timeout
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(
                answer["exceptionDetails"].get("exception", {}).get("description", str(answer))
            )
        return answer["result"].get("value")

    def becomes(self, condition: str, timeout: float = 10.0) -> bool:
        """Whether a JavaScript expression becomes true: a busy machine answers a little later."""
        deadline = time.monotonic() + timeout
        while not (true := bool(self.evaluate(condition))) and time.monotonic() < deadline:
            time.sleep(0.05)
        return true

    def resize(self, width: int, height: int) -> None:
        """Give the page a viewport of this size, in pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **size)

    def open(self, url: str, width: int, theme: str, height: int = 900) -> None:
        """Load a page at a width and in a theme, and wait until it has drawn its maths and fonts."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        script = f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}');"
        known = self.send("Page.addScriptToEvaluateOnNewDocument", source=script)["identifier"]
        self.events.clear()
        self.send("Page.navigate", url=url)
        self.wait_for("Page.loadEventFired")
        for event in self.events:
            if event["method"] == "Network.loadingFailed" and event["params"]["type"] == "Document":
                raise RuntimeError(f"{url} did not load: {event['params']['errorText']}")
        self.evaluate(
            "(async () => { if (window.MathJax?.startup?.promise) await MathJax.startup.promise;"
            " await document.fonts.ready; await new Promise((done) => setTimeout(done, 50)); })()"
        )
        self.send("Page.removeScriptToEvaluateOnNewDocument", identifier=known)

    def wear(self, theme: str) -> None:
        """Turn the open page to another theme, as its own button does; events before are forgotten."""
        self.events.clear()
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        self.evaluate(
            "{ const still = new CSSStyleSheet(); still.replaceSync('* { transition: none !important }');"
            " document.adoptedStyleSheets.push(still);"  # else colours change over a moment
            f" Object.assign(document.documentElement.dataset, {{theme: '{theme}', mode: '{theme}'}}); }}"
        )
        self.drawn()

    def drawn(self) -> None:
        """Wait until the page has heard of changes of its window or medium, and is drawn with them."""
        self.evaluate(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))).then(() => 0)"
        )

    def slow_down(self, delay: float, bytes_per_second: float, processor: float) -> None:
        """Behave as on a slow connection (seconds, bytes per second) and a processor so many times slower."""
        self.send("Network.setCacheDisabled", cacheDisabled=True)
        rates = {"downloadThroughput": bytes_per_second, "uploadThroughput": bytes_per_second / 2}
        self.send("Network.emulateNetworkConditions", offline=False, latency=1000 * delay, **rates)
        self.send("Emulation.setCPUThrottlingRate", rate=processor)

    def press(self, key: str) -> None:
        """Press and release one key, as a keyboard does."""
        codes = {"Tab": 9, "Enter": 13, "End": 35, "Home": 36}
        codes |= {"ArrowLeft": 37, "ArrowRight": 39, "ArrowDown": 40}
        text: dict[str, Any] = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.send(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=codes[key],
                **text,
            )

    def click(self, x: float, y: float) -> None:
        """Press and release the mouse at a place of the window."""
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            buttons = {"button": "left", "clickCount": 1} if kind != "mouseMoved" else {}
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **buttons)

    def picture(self, box: list[float]) -> str:
        """A picture of a part of the page (x, y, width, height), as base64."""
        clip = dict(zip(("x", "y", "width", "height"), box, strict=True)) | {"scale": 1}
        return self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)[
            "data"
        ]

    def screenshots(self, path: Path, slice_height: int = 4000) -> None:
        """Pictures of the whole page, one below the other: PATH-0.png, PATH-1.png, ..."""
        width, tall = self.evaluate("[innerWidth, document.documentElement.scrollHeight]")
        for number, top in enumerate(range(0, tall, slice_height)):
            data = self.picture([0, top, width, min(slice_height, tall - top)])
            path.with_name(f"{path.name}-{number}.png").write_bytes(base64.b64decode(data))

    def screenshot(self, path: Path, limit: int = 6000) -> None:
        """A picture of the page, down to `limit` pixels."""
        width, height, tall = self.evaluate(
            "[innerWidth, innerHeight, document.documentElement.scrollHeight]"
        )
        still = (
            "const s = document.createElement('style'); s.textContent = '* { transition: none !important }';"
        )
        self.evaluate(still + "document.head.append(s); 0")
        self.resize(width, min(tall, limit))
        data = self.send("Page.captureScreenshot", format="png")["data"]
        self.resize(width, height)
        path.write_bytes(base64.b64decode(data))

    def pdf(self, path: Path) -> None:
        """Print the page to a tagged PDF on A4, with an outline."""
        data = self.send(
            "Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=True, timeout=300,
            preferCSSPageSize=True, generateDocumentOutline=True, generateTaggedPDF=True,
        )["data"]  # fmt: skip
        path.write_bytes(base64.b64decode(data))
