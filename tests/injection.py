"""Errors for system calls of the main thread, by strace(1): `with injected(program, "kill",
"EPERM"): ...`.

Only that thread is traced: the app, hooks and other threads see none of it.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator

from tests.conftest import needs
from tests.harness import Program


@contextlib.contextmanager
def injected(program: Program, call: str, error: str, when: str = "1+") -> Iterator[None]:
    """From now on, and until the context ends, that call fails: `when` is the first, as `1`, or
    all, as `1+`.
    """
    inject = ["-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={when}"]
    command = [needs("strace"), "-o", "/dev/null", *inject, "-p", str(program.pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        line = strace.stderr.readline()
        assert "attached" in line, line
        yield
        strace.send_signal(signal.SIGINT)
        strace.communicate(timeout=10)
