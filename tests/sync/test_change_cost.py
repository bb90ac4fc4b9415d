"""The cost of a change, as the kernel counts it: written files, and threads before the signal."""

from __future__ import annotations

import os
import re
import signal
import subprocess

from tests.conftest import needs
from tests.disk import needs_counted_holders
from tests.harness import Run, until
from tests.sync.reloading import Reloading

OTHERS = {f"web-{number:03}.conf": f"{number}" for number in range(100)}
CALLS = "trace=openat,clone,clone3,kill"


class Traced:
    """A program that follows many files, of which `app.conf` changes."""

    def __init__(self, run: Run, scratch: os.PathLike[str]) -> None:
        needs_counted_holders(scratch)
        self.subject = Reloading(run, scratch)
        self.subject.volume.swap({"app.conf": "one", **OTHERS})
        self.program = self.subject.running_on_volume()
        self._file = f"{self.subject.scratch}/calls"
        self._changes = 0

    def change(self) -> None:
        """Change a file; return once the version is good and nothing is left to do."""
        self._changes += 1
        text = f"change {self._changes}"
        self.subject.volume.swap({"app.conf": text, **OTHERS})
        self.program.expect(f"config: {text}")
        self.subject.until_metric(self._changes, "reloads_total", method="signal")
        until(lambda: len(os.listdir(f"/proc/{self.program.pid}/task")), 4)

    def calls(self) -> list[str]:
        """The lines of strace(1) for a change."""
        command = [
            needs("strace"),
            "-f",
            "-e",
            CALLS,
            "-o",
            self._file,
            "-p",
            str(self.program.pid),
        ]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
            assert strace.stderr is not None
            assert "attached" in strace.stderr.readline()
            self.change()
            strace.send_signal(signal.SIGINT)
            strace.communicate(timeout=10)
        with open(self._file, encoding="utf-8") as file:
            return file.read().splitlines()


def test_change_of_one_file_among_many_writes_it_alone(
    run: Run, tmp_path: os.PathLike[str]
) -> None:
    """Once a generation is superfluous, and its files were read: on a busy machine that is late."""
    traced = Traced(run, tmp_path)
    made: list[list[str]] = []
    while ["app.conf"] not in made and len(made) < 12:
        found = (re.search(r'"([^"]*)", \S*O_CREAT', call) for call in traced.calls())
        made.append([one[1] for one in found if one and not one[1].startswith("..")])
    assert len(made[0]) == 101
    assert made[-1] == ["app.conf"]


def test_no_thread_is_started_before_the_signal(run: Run, tmp_path: os.PathLike[str]) -> None:
    """The source's thread writes the version. On a busy machine the order may come late."""
    traced = Traced(run, tmp_path)
    started: list[int] = []
    while 0 not in started and len(started) < 8:
        calls = traced.calls()
        sent = next(number for number, call in enumerate(calls) if "SIGHUP" in call)
        started.append(sum("clone" in call for call in calls[:sent]))
    assert started[-1] == 0
