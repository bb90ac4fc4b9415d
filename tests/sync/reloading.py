"""The whole program on a changing directory, with an app that obeys its configuration.

No API server is needed, and the paces are quick: a whole course of a reload takes tenths of a
second. A test with another pace repeats the option: the last occurrence counts.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.disk import everything
from tests.harness import APPS, Program, Run, app, until
from tests.http import get, metric, port_of, status
from tests.volume import Volume

QUICK = ("--listen=127.0.0.1:0", "--control=off", "--verify-window=200ms", "--reload-interval=0s")


class Reloading:
    """Starts the program with `--config-dir` and `--configroot` on an app that reads `app.conf`."""

    def __init__(self, run: Run, scratch: os.PathLike[str]) -> None:
        self.run = run
        self.scratch = os.fspath(scratch)
        self.volume = Volume(Path(self.scratch) / "volume")
        self.root = os.path.join(self.scratch, "live")
        self.file = os.path.join(self.root, "app.conf")
        self.options = [f"--config-dir={self.volume.path}", f"--configroot={self.root}", *QUICK]
        self.program: Program

    def start(self, *options: str, command: Sequence[str] = (), **popen: Any) -> Program:
        """Start on the volume's content; `popen` is for the harness."""
        command = command or app("obey_config.py", self.file)
        self.program = self.run(*command, options=[*self.options, *options], **popen)
        return self.program

    def running(self, *options: str, command: Sequence[str] = (), content: str = "one") -> Program:
        """Start on a content; returns once the app runs on it and metrics are served."""
        self.change(content)
        return self.running_on_volume(*options, command=command)

    def running_on_volume(self, *options: str, command: Sequence[str] = ()) -> Program:
        """The same on the present content of the volume."""
        program = self.start(*options, command=command)
        program.expect("ready")
        self.port = port_of(program)
        return program

    def change(self, content: str) -> None:
        self.volume.swap({"app.conf": content})

    def remove_root(self) -> None:
        """Remove the live directory, once the marks of the first version were written to it."""
        until(lambda: os.path.exists(f"{self.root}/..marks"), expected=True)
        shutil.rmtree(self.root)

    def metric(self, name: str, /, **labels: str) -> float | None:
        return metric(self.port, name, **labels)

    def until_metric(self, value: float, name: str, /, **labels: str) -> None:
        until(lambda: self.metric(name, **labels), value)

    def until_good(self, count: int) -> None:
        """Wait until so many good versions are marked."""

        def marked() -> int:
            try:
                with open(f"{self.root}/..marks", encoding="utf-8") as file:
                    return file.read().count("good")
            except FileNotFoundError:
                return 0

        until(marked, count)

    def probe(self, path: str) -> int:
        """The status of a probe."""
        return get(self.port, path)[0]

    def phase(self) -> object:
        return status(self.port)["app"]["phase"]

    def live(self) -> dict[str, object]:
        """The live directory without our marks: names, links, bytes, inodes."""
        return {name: what for name, what in everything(self.root).items() if name != "..marks"}

    def validate(self) -> str:
        """The option for validating with tests/apps/validate.sh; see `validated`."""
        return f"--validate=sh {APPS}/validate.sh {{dir}} {self.scratch}/validated"

    def validated(self) -> list[str]:
        """The validated contents, in order."""
        try:
            with open(f"{self.scratch}/validated", encoding="utf-8") as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []

    def errors(self) -> list[str]:
        """The error lines of our log."""
        return [line for line in self.program.err.seen if " supervisor error: " in line]

    def stop(self, code: int = 7, within: float = 2) -> None:
        """TERM, and a prompt end with the app's code."""
        began = time.monotonic()
        self.program.send(15)
        self.program.finish(code)
        assert time.monotonic() - began < within, self.program.story()
