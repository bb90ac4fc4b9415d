"""The original supervisorctl against both supervisors: the same lines, the same exit codes.

Both run the same file; numbers of processes, times and paths are left out. The rows are those of
supervisorctl's commands, in an order in which each finds something to do.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import PROGRAM, wait_until
from tests.services.oracle import environment

pytestmark = pytest.mark.timeout(240)

CONFIGURATION = """\
[supervisord]
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
# web differs, cat is gone, late is new.
CHANGED = CONFIGURATION.replace("sleep 1000", "sleep 2000", 1).replace(
    "[program:cat]\ncommand = cat\nautostart = false\n", "[program:late]\ncommand = sleep 1000\n"
)
COMMANDS = (
    "status",
    "status web pair:*",
    "status nosuch",
    "status nosuch:*",
    "start cat",
    "start cat",
    "start quick",
    "start missing",
    "start job",
    "start nosuch",
    "start nosuch:*",
    "start",
    "start pair:*",
    "start right",
    "status job",
    "stop cat",
    "stop cat",
    "stop nosuch",
    "stop nosuch:*",
    "stop",
    "stop pair:*",
    "restart web",
    "restart cat web",
    "restart nosuch",
    "restart",
    "signal HUP pair:left",
    "signal 0 web",
    "signal CONT web",
    "signal XX web",
    "signal HUP nosuch",
    "signal CONT pair:*",
    "signal CONT all",
    "signal",
    "pid nosuch",
    "pid missing",
    "avail",
    "tail web",
    "tail -5 web",
    "tail web stderr",
    "tail nosuch",
    "tail web nosuch",
    "clear web",
    "clear nosuch",
    "clear all",
    "tail web",
    "foo",
    "add nosuch",
    "add web",
    "remove nosuch",
    "remove web",
    "reread",
    "=changed",
    "reread",
    "avail",
    "update",
    "update",
    "status",
    "remove job",
    "add job",
    "reread",
    "=broken",
    "reread",
    "update",
    "=changed",
    "start all",
    "stop all",
    "status",
    "reload",
    "=wait",
    "status",
    "shutdown",
    "=end",
    "status",
    "shutdown",
)


class Side:
    """A supervisor, and the original supervisorctl for it."""

    def __init__(self, python: Path, command: list[str], place: Path) -> None:
        place.mkdir()
        self._place = place
        self._file = place / "supervisord.conf"
        self._ctl = [str(python.with_name("supervisorctl")), "-c", str(self._file)]
        self._write(CONFIGURATION)
        with (place / "output").open("wb") as output:
            self._process = subprocess.Popen(
                [*command, "-n", "-c", str(self._file)], stdout=output, stderr=output, cwd=place
            )
        self.found: list[tuple[str, int, str]] = []

    def _write(self, text: str) -> None:
        self._file.write_text(text.format(place=self._place))

    def play(self) -> None:
        self._settled()
        for command in COMMANDS:
            match command:
                case "=changed":
                    self._write(CHANGED)
                case "=broken":
                    self._write(CHANGED + "[program:x]\ncommand = a\nstartsecs = x\n")
                case "=wait":
                    self._settled()
                case "=end":
                    self._process.wait(timeout=20)
                case _:
                    self.found.append((command, *self._run(command)))

    def _settled(self) -> None:
        """Wait until no program starts any more."""

        def settled() -> None:
            code, text = self._run("status")
            assert code in (0, 3), text
            assert "STARTING" not in text

        wait_until(settled, timeout=20)

    def _run(self, command: str) -> tuple[int, str]:
        done = subprocess.run(
            [*self._ctl, *command.split()],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            stdin=subprocess.DEVNULL,
        )
        text = normal(done.stdout + done.stderr, self._place)
        if command.endswith("all"):  # in the order in which the programs came to it
            text = "".join(sorted(text.splitlines(keepends=True)))
        return done.returncode, text

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(timeout=20)


def normal(text: str, place: Path) -> str:
    """A text without numbers of processes, times and paths."""
    text = text.replace(str(place), "PLACE")
    text = re.sub(r"(CANT_REREAD: ).*?(\n|\"\>)", r"\1WHY\2", text)  # in our own words
    text = re.sub(r"pid \d+, uptime \d+:\d\d:\d\d", "pid N, uptime T", text)
    text = re.sub(r"[A-Z][a-z]{2} \d\d \d\d:\d\d [AP]M", "DATE", text)
    return re.sub(r"\d+\n\Z", "N\n", text)


@pytest.fixture
def sides(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Side]]:
    python = environment(tmp_path_factory.getbasetemp().parent / "supervisor-4.3")
    link = tmp_path / "supervisord"
    os.symlink(PROGRAM[0], link)
    found = [
        Side(python, [str(python), "-m", "supervisor.supervisord"], tmp_path / "theirs"),
        Side(python, [str(link)], tmp_path / "ours"),
    ]
    yield found
    for side in found:
        side.close()


def test_supervisorctl_says_the_same(sides: list[Side]) -> None:
    threads = [threading.Thread(target=side.play) for side in sides]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    theirs, ours = (side.found for side in sides)

    assert len(ours) == len([one for one in COMMANDS if not one.startswith("=")])
    differing = [(one, other) for one, other in zip(theirs, ours, strict=True) if one != other]
    assert not differing, "\n".join(map(str, differing))
