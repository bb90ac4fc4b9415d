"""The main job in half a minute: start, change, SIGHUP, the new configuration in use, metrics, a clean stop.

Needs no cluster and no root: the configuration comes from a directory, as a mounted ConfigMap volume would be.
Ends with 0 if everything was seen.
"""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
SUPERVISOR = os.path.join(os.path.dirname(sys.executable), "supervisor")
SHOWN = ("app_up", "reloads_total", "config_stale", "config_last_reload_successful", "config_updates_total")


class Demo:
    """The supervisor as a child, its output line by line."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        command = [SUPERVISOR, "--config-dir", directory, "--listen", "127.0.0.1:0"]
        app = [sys.executable, os.path.join(HERE, "app.py"), os.path.join(directory, "greeting.conf")]
        say(f"$ supervisor --config-dir {directory} --listen 127.0.0.1:0 -- python app.py {app[-1]}")
        self.process = subprocess.Popen(
            [*command, "--", *app], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def see(self, *patterns: str) -> re.Match[str]:
        """Show output until every pattern was seen, in any order; the last match that came."""
        missing = list(patterns)
        while True:
            line = self.lines.get(timeout=10)
            if line is None:
                raise SystemExit(f"the supervisor ended before {missing} was seen")
            print(f"    {line}", flush=True)
            for pattern in missing:
                if match := re.search(pattern, line):
                    missing.remove(pattern)
                    if not missing:
                        return match
                    break


def say(text: str) -> None:
    print(f"\n{text}", flush=True)


def write(directory: str, text: str) -> None:
    """Replace the file as an editor or the kubelet does: whole or not at all."""
    temporary = os.path.join(directory, "..new")
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, os.path.join(directory, "greeting.conf"))


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        say("1. The app starts on its configuration, as the supervisor's child.")
        write(directory, "hello\n")
        demo = Demo(directory)
        try:
            demo.see("starting with my configuration: hello", "started python")
            port = demo.see(r"metrics and probes on .*:(\d+)").group(1)

            say("2. The configuration changes: the app gets SIGHUP, once, and reads it.")
            write(directory, "good morning\n")
            demo.see("got SIGHUP.*: good morning", "reloaded python")

            say(f"3. The same as Prometheus sees it (GET http://127.0.0.1:{port}/metrics, excerpt).")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                page = answer.read().decode()
            figures = [line for line in page.splitlines() if line.startswith(tuple(f"supervisor_{m}" for m in SHOWN))]
            print("\n".join(f"    {line}" for line in figures))
            if 'supervisor_reloads_total{method="signal"} 1.0' not in figures:
                raise SystemExit("the metrics do not show exactly one reload")

            say("4. TERM, as from the container runtime: passed on to the app, whose exit code becomes ours.")
            demo.process.send_signal(signal.SIGTERM)
            demo.see("ended with code 0")
            code = demo.process.wait(timeout=10)
            say(f"The supervisor ended with code {code}.")
            sys.exit(code)
        finally:
            demo.process.kill()


if __name__ == "__main__":
    main()
