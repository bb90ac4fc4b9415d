"""The program on a copied directory with a single file, and supervisorctl for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.harness import (
    Program,
    Run,
    app,
    environment,
    wait_until,
)

SUPERVISORCTL = os.path.join(os.path.dirname(sys.executable), "supervisorctl")
LISTEN = "--listen=127.0.0.1:0"

Result = tuple[int, str, str]  # exit code, standard output, standard error


class Subject:
    """The program with its files, and supervisorctl for it."""

    def __init__(self, run: Run, scratch: Path) -> None:
        self._run = run
        self.source = scratch / "source"
        self.live = scratch / "live"
        self.socket = str(scratch / "control.sock")
        self.options = [
            f"--config-dir={self.source}",
            f"--configroot={self.live}",
            f"--control={self.socket}",
            LISTEN,
        ]

    def write(self, content: str) -> None:
        self.source.mkdir(exist_ok=True)
        (self.source / "new").write_text(content)
        (self.source / "new").replace(self.source / "app.conf")

    def start(self, *options: str, command: Sequence[str] = ()) -> Program:
        """Start, and return when supervisorctl is answered."""
        command = command or app("read_config.py", f"{self.live}/app.conf")
        hurry = ["--reload-interval=0s", "--verify-window=100ms"]
        self.program = self._run(*command, options=[*self.options, *hurry, *options])

        def answers() -> None:
            assert self.ctl("health")[0] in (0, 1), self.program.story()

        wait_until(answers)
        return self.program

    def running(self, *contents: str) -> Program:
        """Start on the first content, and change to each of the others; the app runs on the last
        one.
        """
        self.write(contents[0])
        program = self.start()
        program.expect(f"config: {contents[0]}")
        program.expect("ready")
        for content in contents[1:]:
            self.write(content)
            program.expect(f"config: {content}")
            self.done("wait", "--synced", "--timeout=10s")
        return program

    def ctl(self, *words: str) -> Result:
        return ctl(f"--socket={self.socket}", *words)

    def done(self, *words: str) -> str:
        """The output of a command, which must succeed."""
        code, out, err = self.ctl(*words)
        assert (0, "") == (code, err), self.program.story()
        return out

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Start a command, and do not wait for its end."""
        return subprocess.Popen(
            [SUPERVISORCTL, f"--socket={self.socket}", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )


def ctl(*words: str, prefix: Sequence[str] = (), env: dict[str, str] | None = None) -> Result:
    done = subprocess.run(
        [*prefix, SUPERVISORCTL, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**environment(), **(env or {})},
    )
    return done.returncode, done.stdout, done.stderr
