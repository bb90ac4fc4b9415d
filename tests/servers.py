"""Real servers under test: started as our children, awaited, reloaded by HUP, ended with their
children.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from config_supervisor.reload.checks import Check, CheckedApp, CheckFailed
from config_supervisor.reload.methods.signal import Signal
from config_supervisor.reload.reloader import ReloadPlan
from tests.harness import children, wait_until
from tests.main_thread import MainThread, Reloading

HUP = int(signal.SIGHUP)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@contextlib.contextmanager
def server(
    argv: Sequence[str], log: Path, user: str | None = None, env: Mapping[str, str] | None = None
) -> Iterator[int]:
    """Its pid; its output goes to `log`."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            user=user,
            env={**os.environ, **(env or {})},
        )
    try:
        yield process.pid
    finally:
        for pid in [process.pid, *children(process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def passes(main: MainThread, check: Check, pid: int = 0) -> None:
    """Wait until the check of the present state passes: the server is up."""

    def asked() -> None:
        try:
            check.once(CheckedApp(pid, main.runner), 2)
        except CheckFailed as failure:
            raise AssertionError(str(failure)) from failure

    wait_until(asked)


def reload_by_hup(main: MainThread, check: Check, pid: int, window: float) -> tuple[str, str]:
    """Reason and error of a verified reload; both empty after a success."""
    main.app = pid
    return Reloading(main, ReloadPlan(Signal(HUP), check, window), pid).end()
