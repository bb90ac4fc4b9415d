"""Processes beyond our descendants, like those of another container."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess

from tests.harness import children


class Elsewhere:
    """Starts processes by a shell, which ends at once: the init of this machine adopts them."""

    def __init__(self) -> None:
        self._started: list[int] = []

    def start(self, *argv: str, user: int | None = None) -> int:
        """The pid of a process without input and output; its program may not have begun yet."""
        script = 'exec 3>&1 >/dev/null 2>&1; "$@" 3>&- & echo $! >&3'
        command = ["sh", "-c", script, "sh", *argv]
        said = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, user=user
        )
        self._started.append(int(said.stdout))
        return self._started[-1]

    def close(self) -> None:
        """End them and their children."""
        for pid in self._started:
            # The parent first: it would start other children.
            for process in [pid, *children(pid)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
