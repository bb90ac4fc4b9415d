"""The program without a command, on a ConfigMap: its start beside an app, and its state."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.harness import Program, wait_until
from tests.http import port_of
from tests.http import status as status_of
from tests.sync.subject import Subject

QUICK = ("--reload-interval=0s", "--verify-window=0s", "--reload-timeout=5s")


class Sidecar(Subject):
    """The program without a command; `start` does not wait."""

    def begin(self, *options: str, prefix: tuple[str, ...] = ()) -> Program:
        self.program = self.run(options=[*self.options, *QUICK, *options], prefix=prefix)
        return self.program

    def serving(self, *options: str, content: str = "one") -> Program:
        """Start on a content; returns once probes are answered."""
        self.kube.create("web", {"app.conf": content})
        program = self.begin(*options)
        self.port = port_of(program)
        return program

    def content(self) -> str:
        try:
            return Path(self.file).read_text()
        except FileNotFoundError:
            return ""

    def status(self, *path: str) -> Any:
        shown: Any = status_of(self.port)
        for key in path:
            shown = shown[key]
        return shown


def said(program: Program, words: str) -> None:
    """Wait for a line in the log, which may have come before."""

    def found() -> None:
        assert re.search(words, "\n".join(program.err.seen)), program.story()

    wait_until(found)
