"""The original supervisord and ours on the same file, side by side."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

from tests.harness import PROGRAM, wait_until
from tests.process.rpc_clients import proxy

CONFIGURATION = """\
[supervisord]
user = {uid}
logfile = {place}/log
pidfile = {place}/pid
[unix_http_server]
file = {place}/s.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl = unix://{place}/s.sock
[program:web]
command = sh -c "echo hello; echo trouble >&2; exec sleep 1000"
stdout_logfile = {place}/web.out
stderr_logfile = {place}/web.err
[program:cat]
command = cat
autostart = false
[program:quick]
command = sh -c "exit 3"
autostart = false
startretries = 0
[program:missing]
command = /nosuch/program
autostart = false
startretries = 0
[program:folder]
command = /tmp
autostart = false
startretries = 0
[program:owned]
command = sleep 1000
user = {uid}
autostart = false
[program:job]
command = sleep 1
startsecs = 0
autorestart = false
autostart = false
[group:pair]
programs = left, right
[program:left]
command = sleep 1000
[program:right]
command = sleep 1000
autostart = false
"""


class Side:
    """A supervisor, and the original supervisorctl for it."""

    def __init__(self, python: Path, command: list[str], place: Path) -> None:
        place.mkdir()
        self.place = place
        self._file = place / "supervisord.conf"
        self.ctl = [str(python.with_name("supervisorctl")), "-c", str(self._file)]
        self.write(CONFIGURATION)
        # The original removes all logs of programs in there that have its own identifier.
        environ = {**os.environ, "TMPDIR": str(place)}
        with (place / "output").open("wb") as output:
            command = [*command, "-n", "-c", str(self._file)]
            self.process = subprocess.Popen(
                command, stdout=output, stderr=output, cwd=place, env=environ
            )

    def write(self, text: str) -> None:
        self._file.write_text(text.format(place=self.place, uid=os.getuid()))

    def settled(self) -> None:
        """Wait until no program starts any more."""

        def no_start() -> None:
            code, text = self.run("status")
            assert code in (0, 3), text
            assert "STARTING" not in text

        wait_until(no_start, timeout=20)

    def run(self, command: str) -> tuple[int, str]:
        done = subprocess.run(
            [*self.ctl, *command.split()],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            stdin=subprocess.DEVNULL,
        )
        text = normal(done.stdout + done.stderr, self.place)
        if command.endswith(("all", "*")):  # in the order in which the programs came to it
            text = "".join(sorted(text.splitlines(keepends=True)))
        return done.returncode, text

    @property
    def methods(self) -> Any:
        return proxy(self.place / "s.sock")

    def close(self) -> None:
        if self.process.poll() is None:
            end(self.process)


def end(process: subprocess.Popen[bytes]) -> None:
    """By a stop, or by force if that takes too long: none outlives its test."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=15)
    finally:
        process.kill()
        process.wait()


def normal(text: str, place: Path) -> str:
    """A text without numbers of processes, times and paths."""
    text = text.replace(str(place), "PLACE")
    text = re.sub(r"(CANT_REREAD: ).*?(\n|\"\>)", r"\1WHY\2", text)  # in our own words
    text = re.sub(r"pid \d+, uptime \d+:\d\d:\d\d", "pid N, uptime T", text)
    text = re.sub(r"[A-Z][a-z]{2} \d\d \d\d:\d\d [AP]M", "DATE", text)
    return re.sub(r"\d+\n\Z", "N\n", text)


def both(python: Path, place: Path) -> list[Side]:
    link = place / "supervisord"
    os.symlink(PROGRAM[0], link)
    return [
        Side(python, [str(python), "-m", "supervisor.supervisord"], place / "theirs"),
        Side(python, [str(link)], place / "ours"),
    ]
