"""Shortages: no log, no process, no descriptor, no user, no home, no place to write."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from signal import SIGHUP, SIGTERM, SIGUSR1

import pytest

from tests.conftest import needs_open_interpreter, needs_root
from tests.harness import NOBODY_KNOWS, Run, app, only_process

VERBOSE = ["-v", "--log-level", "debug"]


def full_pipe() -> tuple[int, int]:
    """A pipe without room for another byte, both ends blocking as usual."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    for size in (4096, 1):
        try:
            while True:
                os.write(writing, b"x" * size)
        except BlockingIOError:
            continue
    os.set_blocking(writing, True)
    return reading, writing


ROLES = {
    "bare": [],
    "directory": ["--config-dir={source}", "--configroot={root}", "--initial-sync-timeout=1s"],
    "served": ["--config-dir={source}", "--listen=127.0.0.1:0", "--control={root}.sock"],
}


@only_process
@pytest.mark.parametrize("limit", [6, 8, 10, 12])
@pytest.mark.parametrize("role", ROLES)
def test_too_few_descriptors_make_no_traceback(
    run: Run, tmp_path: Path, role: str, limit: int
) -> None:
    """Either the app runs and ends by itself, or a line says why it cannot, with a remedy.

    The interpreter itself needs five descriptors, so there are six at least.
    """
    source = tmp_path / "source"
    source.mkdir()
    (source / "app.conf").write_text("one")
    options = [option.format(source=source, root=tmp_path / "root") for option in ROLES[role]]
    limited = ["sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh"]
    program = run("true", options=options, prefix=limited)
    code = program.wait()
    program.err.rest()

    assert code in (0, 125), program.story()
    assert code == 0 or "too many open files" in str(program.err.seen)
    assert [] == [line for line in program.err.seen if " supervisor " not in line]


def test_a_closed_stderr_stops_nothing(run: Run) -> None:
    closed = ["sh", "-c", 'exec "$@" 2>&-', "sh"]
    program = run(*app("print_signals.py"), options=VERBOSE, prefix=closed)

    program.expect("ready")
    program.send(SIGHUP)
    assert str(int(SIGHUP)) == program.out.next()
    os.kill(program.app, signal.SIGKILL)
    program.finish(137)


def test_a_full_stderr_stops_nothing(run: Run) -> None:
    """A log collector that hangs must not hang the supervisor."""
    reading, writing = full_pipe()
    try:
        program = run(*app("print_signals.py"), options=VERBOSE, stderr=writing)
        program.expect("ready")
        for number in (SIGHUP, SIGUSR1):
            program.send(number)
            assert str(int(number)) == program.out.next()
        os.kill(program.app, signal.SIGKILL)
        program.finish(137)
    finally:
        os.close(reading)
        os.close(writing)


def test_a_stderr_whose_reader_is_gone_stops_nothing(run: Run) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        program = run(*app("drain.py", 0, 5), options=VERBOSE, stderr=writing)
        program.expect("ready")
        program.send(SIGTERM)
        program.finish(5)
    finally:
        os.close(writing)


@pytest.mark.parametrize(
    ("options", "command", "code"),
    [([], ["/no/such/program"], 127), (["--no-such-option"], [], 2), (["--help"], [], 0)],
)
def test_a_message_without_a_reader_does_not_hold_the_exit(
    run: Run, options: list[str], command: list[str], code: int
) -> None:
    """A container that hangs on a bad option is not even restarted."""
    reading, writing = full_pipe()
    try:
        program = run(*command, options=options, stderr=writing)
        program.finish(code, timeout=5)
    finally:
        os.close(reading)
        os.close(writing)


def test_a_fork_that_fails_gives_125_and_says_why(run: Run) -> None:
    """EAGAIN of fork(2). RLIMIT_NPROC does not bind root, hence the other user."""
    needs_root()
    needs_open_interpreter()
    prefix = [*NOBODY_KNOWS, "prlimit", "--nproc=1:1"]
    program = run("echo", "ran", prefix=prefix)

    program.finish(125)
    program.err.expect("[Rr]esource temporarily unavailable")
    assert [] == program.out.rest()


def test_a_user_without_passwd_entry_or_home_is_enough(run: Run, tmp_path: Path) -> None:
    needs_root()
    place = tmp_path / "read-only"
    place.mkdir()
    for folder in (place, tmp_path, tmp_path.parent):
        folder.chmod(0o555)
    prefix = ["env", "-u", "HOME", "-u", "USER", "-u", "LOGNAME", *NOBODY_KNOWS]
    program = run("sh", "-c", "id -u; id -g; pwd -P; exit 6", prefix=prefix, cwd=place)

    program.finish(6)
    assert ["12345", "12346", str(place.resolve())] == program.out.rest()
    assert [] == program.err.rest()


def test_a_good_run_is_quiet(run: Run) -> None:
    program = run("sh", "-c", "exit 0")

    program.finish(0)
    assert [] == program.err.rest()


@pytest.mark.parametrize("options", [["-v"], ["--v=2"], ["--log-level", "debug"]])
def test_messages_go_to_stderr_and_never_to_stdout(run: Run, options: list[str]) -> None:
    program = run("echo", "of the app", options=options)

    program.finish(0)
    assert ["of the app"] == program.out.rest()


def test_a_program_without_proc_still_runs_its_app(run: Run) -> None:
    """A chroot without /proc is poor, but no reason to fail."""
    needs_root()
    if run.mode == "pid1":
        prefix = ["sh", "-c", 'umount -l /proc && exec "$@"', "sh"]
    else:
        prefix = ["unshare", "-m", "sh", "-c", 'umount -l /proc && exec "$@"', "sh"]
    program = run("sh", "-c", "echo ran; exit 8", prefix=prefix)

    program.finish(8)
    assert ["ran"] == program.out.rest()
