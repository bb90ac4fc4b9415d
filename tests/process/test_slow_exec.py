"""A slow exec, as on a file system that hangs, delays no signal, no probe and no reaping."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import needs
from tests.hanging import Hanging
from tests.harness import Program, Run, app, children, only_process, until
from tests.http import get, port_of
from tests.sync.reloading import QUICK, Reloading
from tests.volume import Volume

QUICKLY = 3.0  # seconds: enough for a busy machine
TERM, INT, KILL, USR1 = signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGUSR1


@pytest.fixture
def hung(tmp_path: Path) -> Iterator[str]:
    """A directory on a file system without an answer."""
    with Hanging(f"{tmp_path}/hung") as path:
        yield path


def forked(program: Program, count: int) -> list[int]:
    """The children in the order of their start, once there are `count`."""
    until(lambda: len(children(program.pid)), count)
    return sorted(children(program.pid))


@pytest.mark.parametrize("number", [TERM, INT])
def test_a_stop_ends_an_exec_that_hangs(run: Run, hung: str, number: int) -> None:
    """Without an app there is nothing to wait for."""
    program = run(f"{hung}/app")
    forked(program, 1)
    began = time.monotonic()
    program.send(number)

    program.finish(128 + number)
    assert time.monotonic() - began < QUICKLY


def test_a_stop_ends_a_change_of_directory_that_hangs(run: Run, hung: str) -> None:
    program = run("echo", "ran", options=["--workdir", f"{hung}/dir"])
    forked(program, 1)
    program.send(TERM)

    program.finish(128 + TERM, timeout=QUICKLY)
    assert [] == program.out.rest()


def test_probes_are_answered_while_an_exec_hangs(run: Run, hung: str, tmp_path: Path) -> None:
    volume = Volume(tmp_path / "volume")
    volume.swap({"app.conf": "one"})
    program = run(f"{hung}/app", options=[f"--config-dir={volume.path}", *QUICK])
    port = port_of(program)

    assert 200 == get(port, "/livez")[0]
    assert 503 == get(port, "/readyz")[0]
    program.send(TERM)
    program.finish(128 + TERM, timeout=QUICKLY)


def relative(hung: str) -> str:
    """A hook by a relative path, which is not looked up: the kernel would let a second lookup wait
    beyond any KILL.
    """
    return f"--reload-exec={os.path.basename(hung)}/reload"


def test_a_hook_that_hangs_in_its_exec_delays_no_signal(
    run: Run, hung: str, tmp_path: Path
) -> None:
    """Nor the end: the app's exit code comes out at once, and the hook is gone."""
    subject = Reloading(run, tmp_path)
    subject.change("one")
    options = (relative(hung), "--no-rollback")
    program = subject.start(*options, command=app("print_signals.py"), cwd=tmp_path)
    program.expect("ready")
    subject.change("two")
    began = time.monotonic()
    main, _ = forked(program, 2)
    program.send(USR1)
    assert str(int(USR1)) == program.out.next()
    os.kill(main, KILL)

    program.finish(128 + KILL)
    assert time.monotonic() - began < QUICKLY


def test_a_hook_that_hangs_in_its_exec_ends_with_its_time(
    run: Run, hung: str, tmp_path: Path
) -> None:
    subject = Reloading(run, tmp_path)
    subject.change("one")
    options = (relative(hung), "--reload-timeout=300ms", "--no-rollback")
    program = subject.start(*options, command=app("print_signals.py"), cwd=tmp_path)
    program.expect("ready")
    subject.change("two")
    program.err.expect("error: cannot reload")

    forked(program, 1)


@only_process
def test_an_app_after_a_slow_exec_is_an_app_like_any(run: Run, tmp_path: Path) -> None:
    """strace(1) delays a system call of the child; a signal before it is passed on after it."""
    path = tmp_path / "slow"
    path.write_text("#!/bin/sh\necho ready\nexec sleep 600\n")
    path.chmod(0o755)
    slow = [needs("strace"), "-D", "-f", "-qq", "-o", "/dev/null", "-P", f"{path}"]
    program = run(f"{path}", prefix=[*slow, "-e", "inject=execve:delay_enter=2s"], options=["-v"])
    forked(program, 1)
    program.send(signal.SIGWINCH)
    assert [] == program.out.seen

    program.expect("^ready$")
    program.err.expect("started slow")
    program.send(TERM)
    program.finish(128 + TERM)
