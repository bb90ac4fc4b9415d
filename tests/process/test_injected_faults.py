"""Each system call of each action fails in turn: the app keeps its life, signals and exit code."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.harness import Program, Run, app, only_process, until
from tests.http import port_of
from tests.injection import injected
from tests.sync.reloading import Reloading
from tests.volume import Volume

USR1, USR2, TERM, HUP = signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGHUP
SHORTAGES = ("EMFILE", "ENFILE", "ENOMEM")


def cases(table: Mapping[str, Sequence[str]], *whens: str) -> list[tuple[str, str, str]]:
    return [
        (call, error, when) for call, errors in table.items() for error in errors for when in whens
    ]


# --- a bare init ----------------------------------------------------------------------------------

WHILE_IT_RUNS = {
    "kill": ("EPERM", "EAGAIN", "ENOSYS"),
    "rt_sigtimedwait": ("EIO", "EINTR", "ENOMEM"),
    "wait4": ("EIO", "ENOMEM", "EPERM"),
}


@only_process
@pytest.mark.parametrize(("call", "error", "when"), cases(WHILE_IT_RUNS, "1"))
def test_a_call_that_fails_once_costs_itself_alone(
    run: Run, call: str, error: str, when: str
) -> None:
    """A failed kill loses its signal; the next is forwarded, orphans are reaped, the code comes
    out.
    """
    program = run(*app("drain.py", 0, 5))
    program.expect("ready")
    with injected(program, call, error, when):
        program.send(USR1)
        program.send(signal.SIGCHLD)
        program.send(signal.SIGWINCH)
        program.send(TERM)
        if call == "kill":
            program.err.expect(r"error: cannot send SIGUSR1 to the app: .*; all else goes on$")
        program.finish(5)
    told = [line for line in program.err.seen if "error: cannot" in line]
    assert len(told) == (call != "rt_sigtimedwait" or error != "EINTR"), told


AT_THE_END = {
    "waitid": ("EIO", "ENOMEM"),
    "openat": (*SHORTAGES, "EIO", "EACCES"),
    "getdents64": ("EIO", "ENOMEM"),
    "read": ("EIO", "ENOMEM"),
    "close": ("EIO",),
    "kill": ("EPERM", "EINVAL"),
}


@pytest.mark.parametrize(("call", "error", "when"), cases(AT_THE_END, "1+"))
def test_a_call_that_fails_at_the_end_keeps_the_exit_code(
    run: Run, call: str, error: str, when: str
) -> None:
    """The leftover may miss its signal; it neither holds the end beyond its time nor changes the
    code.
    """
    program = run(*app("leftover.py", 7, "cleans"), options=["--leftovers-timeout=200ms"])
    program.expect("ready")
    with injected(program, call, error, when):
        program.end_of_input()
        program.finish(7, timeout=5)
    run.kill_left()


@only_process
@pytest.mark.parametrize("error", ["EAGAIN", "ENOMEM"])
def test_a_fork_that_fails_at_a_restart_is_tried_again(run: Run, error: str) -> None:
    program = run(*app("drain.py", 0, 5), options=["--restart=always"])
    program.expect("ready")
    with injected(program, "clone", error, "1"):
        os.kill(program.app, signal.SIGKILL)
        program.err.expect("error: cannot start")
        program.expect("ready")
        program.send(TERM)
        program.finish(5)


@only_process
@pytest.mark.parametrize("error", SHORTAGES)
def test_a_restart_without_a_pipe_is_tried_again(run: Run, error: str) -> None:
    program = run(*app("drain.py", 0, 5), options=["--restart=always"])
    program.expect("ready")
    with injected(program, "pipe2", error, "1"):
        os.kill(program.app, signal.SIGKILL)
        program.expect("ready")
        program.send(TERM)
        program.finish(5)


# --- with a configuration -------------------------------------------------------------------------

HOOKS: dict[str, tuple[str, ...]] = {
    "validate": ("--validate=true {dir}",),
    "verify": ("--verify=true",),
    "exec": ("--reload-exec=true",),
    "none": (),
}
DURING_A_RELOAD = {
    "pipe2": ("EMFILE", "ENFILE"),
    "clone": ("EAGAIN", "ENOMEM"),
    "clone3": ("EAGAIN", "ENOMEM"),
    "openat": (*SHORTAGES, "EIO"),
    "read": ("EIO", "EPERM"),
    "close": ("EIO",),
    "wait4": ("EIO",),
    "rt_sigtimedwait": ("EIO",),
}


@only_process
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("case", cases(DURING_A_RELOAD, "1"), ids="-".join)
def test_a_reload_survives_a_call_that_fails(
    run: Run, tmp_path: Path, hook: str, case: tuple[str, str, str]
) -> None:
    """Either it or the next reload takes place; the app lives on, and its exit code comes out."""
    subject = Reloading(run, tmp_path)
    subject.change("one")
    program = subject.start(*HOOKS[hook], "--listen=off")
    program.expect("ready")
    with injected(program, *case):
        subject.change("two")
        program.err.expect("is in place|cannot|is rejected")
        program.send(signal.SIGWINCH)
        subject.stop(within=8)
    until(run.left, [])  # a hook that was killed at the end


@only_process
@pytest.mark.parametrize("call", ["pipe2", "clone", "openat"])
def test_a_reload_by_restart_survives_a_shortage(run: Run, tmp_path: Path, call: str) -> None:
    """The app was stopped by us, and cannot be started at once: it is tried again, whatever
    --restart says.
    """
    subject = Reloading(run, tmp_path)
    subject.change("one")
    program = subject.start("--reload-restart", "--listen=off", "--stop-timeout=5s")
    program.expect("ready")
    error = "EAGAIN" if call == "clone" else "EMFILE"
    with injected(program, call, error, "1..2"):
        subject.change("two")
        program.expect("config: two")
        program.expect("ready")
        subject.stop(within=8)


# --- without descriptors --------------------------------------------------------------------------


def limit(program: Program, files: str) -> None:
    """Change how many files the program may have open."""
    subprocess.run(["prlimit", f"--pid={program.pid}", f"--nofile={files}"], check=True)


@pytest.mark.parametrize("options", [(), ("--listen=127.0.0.1:0", "--control=off")])
def test_leftovers_end_without_descriptors(
    run: Run, tmp_path: Path, options: tuple[str, ...]
) -> None:
    volume = Volume(tmp_path / "volume")
    volume.swap({"app.conf": "one"})
    source = (f"--config-dir={volume.path}",) if options else ()
    program = run(
        *app("leftover.py", 7, "cleans"), options=[*source, *options, "--leftovers-timeout=300ms"]
    )
    program.expect("ready")
    if options:
        port_of(program)
    limit(program, "3:1024")
    program.end_of_input()

    program.finish(7, timeout=5)
    run.kill_left()


@only_process
def test_a_restart_waits_for_descriptors(run: Run, tmp_path: Path) -> None:
    subject = Reloading(run, tmp_path)
    program = subject.running("--restart=always")
    limit(program, "3:1024")
    os.kill(program.app, signal.SIGKILL)
    program.err.expect("error: cannot start .*: too many open files")
    limit(program, "1024:1024")
    program.expect("ready")

    subject.stop()
