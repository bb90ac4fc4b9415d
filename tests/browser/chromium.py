"""A headless Chromium, driven over pipes by the DevTools protocol.

It owns the browser's process, and a look at a page: size, scheme, picture, requests. It must not
know our pages. https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import json
import os
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.conftest import needs

PATIENCE = 20.0  # seconds for a message of a browser on a busy machine
NARROW = 500  # pixels; less is a phone
_SWITCHES = (
    "--headless",
    "--no-sandbox",  # root needs it; the pages are our own
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)
# The browser reads at 3 and writes at 4; redirections of `sh` take single digits only.
_WITH_PIPES = 'exec "$@" 3<&"$THERE" 4>&"$BACK"'


class Browser:
    """A browser with one tab, and a profile of its own in `scratch`."""

    def __init__(self, scratch: Path) -> None:
        command = [needs("chromium"), *_SWITCHES, f"--user-data-dir={scratch}/profile"]
        self.events: list[dict[str, Any]] = []
        self._received = b""
        self._number = 0
        self._session = ""
        there, self._to = os.pipe()
        self._from, back = os.pipe()
        self._process = subprocess.Popen(
            ["bash", "-c", _WITH_PIPES, "bash", *command],
            pass_fds=(there, back),
            env={**os.environ, "THERE": str(there), "BACK": str(back), "HOME": str(scratch)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(there)
        os.close(back)
        try:
            self._attach()
        except BaseException:
            self.close()
            raise

    def _attach(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime", "Accessibility"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """The result of a command; events that come before it are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (told := self._next()).get("id") != self._number:
            self.events.append(told)
        assert "error" not in told, told
        result: dict[str, Any] = told["result"]
        return result

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while b"\0" not in self._received:
            readable = select.select([self._from], [], [], max(0.0, end - time.monotonic()))[0]
            assert readable, "the browser does not answer"
            piece = os.read(self._from, 1 << 16)
            assert piece, "the browser has ended"
            self._received += piece
        line, _, self._received = self._received.partition(b"\0")
        told: dict[str, Any] = json.loads(line)
        return told

    def of(self, name: str) -> list[dict[str, Any]]:
        """The parameters of all events of a name since the last `open`, in order."""
        return [told["params"] for told in self.events if told.get("method") == name]

    def open(self, url: str, width: int, scheme: str = "light") -> None:
        """Load a page in a window of that width, and wait until it is shown."""
        self.events.clear()
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < NARROW}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", media="", features=[feature])
        failed = self.call("Page.navigate", url=url).get("errorText")
        assert failed is None, failed
        while not self.of("Page.loadEventFired"):
            self.events.append(self._next())

    def value(self, expression: str) -> Any:
        """The value of an expression in JavaScript, which the page itself may not run."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def picture(self, path: Path) -> None:
        """Write the whole page as a picture."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        """End the browser and its children, which are in its process group."""
        os.close(self._to)
        os.close(self._from)
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
