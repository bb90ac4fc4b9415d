"""The main job in some seconds: a start, a change, a change refused, a change rolled back, metrics,
a clean stop.

It needs no cluster and no root: the configuration comes from a directory, like a mounted ConfigMap
volume. It ends with 0 if every scene happened.
"""

from __future__ import annotations

import http.client
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
SUPERVISOR = os.path.join(os.path.dirname(sys.executable), "supervisor")
PATIENCE = 20  # seconds for a line to come
SHOWN = re.compile(
    "supervisor_(app_up|reloads_total|config_stale"
    "|config_(updates|validations|rollbacks)_total)[ {]"
)


class Failed(Exception):
    """A scene did not happen."""


class Demo:
    """The supervisor as a child, its output line by line."""

    def __init__(self, scratch: str) -> None:
        self.source, self.live = os.path.join(scratch, "source"), os.path.join(scratch, "live")
        os.mkdir(self.source)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def start(self) -> None:
        options = [
            f"--config-dir={self.source}",
            f"--configroot={self.live}",
            f"--validate={sys.executable} {HERE}/check.py {{dir}}",
            f"--verify={self.url}",
            "--verify-window=1s",
            "--reload-interval=0s",
            "--listen=127.0.0.1:0",
        ]
        app = [sys.executable, f"{HERE}/app.py", f"{self.live}/greeting.conf", str(self.port)]
        lines = ["$ supervisor", *map(quoted, options), f"-- {' '.join(app)}"]
        show(" \\\n      ".join(lines))
        self.process = subprocess.Popen(
            [SUPERVISOR, *options, "--", *app],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def see(self, *patterns: str) -> list[re.Match[str]]:
        """Show output until every pattern was seen, in any order; their matches."""
        found: dict[str, re.Match[str]] = {}
        while len(found) < len(patterns):
            missing = [pattern for pattern in patterns if pattern not in found]
            try:
                line = self.lines.get(timeout=PATIENCE)
            except queue.Empty:
                raise Failed(f"{missing} did not come within {PATIENCE} s") from None
            if line is None:
                raise Failed(f"the supervisor ended before {missing} was seen")
            show(line)
            for pattern in missing:
                if match := re.search(pattern, line):
                    found[pattern] = match
                    break
        return [found[pattern] for pattern in patterns]

    def change(self, text: str) -> None:
        """Replace the file as an editor or the kubelet does: whole or not at all."""
        show(f"$ echo '{text}' > {self.source}/greeting.conf")
        temporary = os.path.join(self.source, "..new")
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(f"{text}\n")
        os.replace(temporary, os.path.join(self.source, "greeting.conf"))

    def served(self, expected: str) -> None:
        """Show what the app answers."""
        show(f"$ curl {self.url}")
        text = get(self.port, "/").strip()
        show(text)
        if text != expected:
            raise Failed(f"the app answers {text!r} instead of {expected!r}")


def get(port: int, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def quoted(option: str) -> str:
    """An option as a person types it: only its value is quoted."""
    name, _, value = option.partition("=")
    return f"{name}='{value}'" if " " in value else option


def heading(text: str) -> None:
    print(f"\n=== {text}\n", flush=True)


def show(text: str) -> None:
    """A line of a terminal, with the paths as short as they would be in a container."""
    print(f"    {text.replace(sys.executable, 'python').replace(f'{HERE}/', '')}", flush=True)


def play(demo: Demo) -> int:
    """The scenes, in order; returns the supervisor's exit code and raises Failed."""
    metrics = start(demo)
    change(demo)
    refuse(demo)
    roll_back(demo)
    measure(metrics)
    return stop(demo)


def start(demo: Demo) -> int:
    """Returns the port of the metrics."""
    heading("1. Start: the configuration is validated, then the app starts on it")
    demo.change("Hello, {name}!")
    demo.start()
    seen = demo.see(
        "starting with my configuration: Hello", "started python", r"metrics and probes on .*:(\d+)"
    )
    demo.served("Hello, world!")
    return int(seen[-1][1])


def change(demo: Demo) -> None:
    heading("2. A change: validated, swapped in one step, SIGHUP to the app, verified by a request")
    demo.change("Good morning, {name}!")
    demo.see("got SIGHUP.*: Good morning", "reloaded python")
    demo.served("Good morning, world!")


def refuse(demo: Demo) -> None:
    heading(
        "3. A broken change: refused with the validator's own words; the app keeps the old version"
    )
    demo.change("Good night, {name!")
    demo.see('greeting.conf:1: unexpected end of line, expecting "}"')
    demo.served("Good morning, world!")


def roll_back(demo: Demo) -> None:
    heading(
        "4. A change that fails its verification: the app cannot serve it, and the last good"
        " version is put back"
    )
    demo.change("Good night, {nmae}!")
    demo.see("got SIGHUP.*: Good night", "cannot reload", "got SIGHUP.*: Good morning")
    demo.served("Good morning, world!")


def measure(port: int) -> None:
    heading(f"5. As Prometheus sees it: GET http://127.0.0.1:{port}/metrics (excerpt)")
    figures = [line for line in get(port, "/metrics").splitlines() if SHOWN.match(line)]
    for line in figures:
        show(line)
    if "supervisor_config_rollbacks_total 1.0" not in figures:
        raise Failed("the metrics do not show the rollback")


def stop(demo: Demo) -> int:
    heading(
        "6. Stop: the runtime's TERM goes to the app, and the app's exit code is the supervisor's"
    )
    demo.process.send_signal(signal.SIGTERM)
    demo.see("ended with code 0")
    return demo.process.wait(timeout=PATIENCE)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="demo-") as scratch:
        demo = Demo(scratch)
        try:
            code = play(demo)
        except Failed as failure:
            heading(f"The demo failed: {failure}")
            return 1
        finally:
            if hasattr(demo, "process"):
                demo.process.kill()
                demo.process.wait()
        heading(f"The supervisor ended with code {code}")
        return code


if __name__ == "__main__":
    sys.exit(main())
