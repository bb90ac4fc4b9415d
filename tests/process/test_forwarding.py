"""Signals: their way to the app, their numbers and order, stops and continuations."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import time
from signal import (
    SIGABRT,
    SIGCHLD,
    SIGCONT,
    SIGHUP,
    SIGILL,
    SIGINT,
    SIGKILL,
    SIGQUIT,
    SIGRTMAX,
    SIGRTMIN,
    SIGSEGV,
    SIGSTOP,
    SIGTERM,
    SIGTSTP,
    SIGTTIN,
    SIGTTOU,
    SIGUSR1,
    SIGUSR2,
    SIGWINCH,
)

import pytest

from tests.harness import (
    APPS,
    Program,
    Run,
    app,
    assert_state,
    children,
    only_pid1,
    only_process,
    signals_in,
    state,
    status,
)

PRINT = app("print_signals.py")
FORWARDED = sorted(signal.valid_signals() - {SIGCHLD, SIGKILL, SIGSTOP})
JOB_CONTROL = (SIGTSTP, SIGTTIN, SIGTTOU)
BURST = [number for number in range(SIGRTMIN, SIGRTMAX + 1) for _ in range(3)]
# The app and a helper in its process group; both print their signals.
GROUP = ["sh", "-c", '"$@" helper & exec "$@" app', "sh", *PRINT]


def start(run: Run, *options: str, env: dict[str, str] | None = None) -> Program:
    program = run(*PRINT, options=options, env=env)
    program.expect("^ready$")
    return program


def start_group(run: Run, *options: str) -> tuple[Program, int]:
    """The program over an app with a helper in its group, both ready; and the helper's pid."""
    program = run(*GROUP, options=options)
    assert {"app ready", "helper ready"} == {program.out.next(), program.out.next()}
    return program, children(program.app)[0]


def assert_forwards(program: Program, sent: int, seen: int) -> None:
    program.send(sent)
    assert str(seen) == program.out.next()


def test_every_signal_reaches_the_app_one_by_one_and_in_order(run: Run) -> None:
    """ABRT, SEGV and the other signals of faults included."""
    program = start(run)

    assert 64 - len({SIGCHLD, SIGKILL, SIGSTOP, 32, 33}) == len(FORWARDED)
    for number in FORWARDED:
        assert_forwards(program, number, number)
        if number in JOB_CONTROL and run.mode == "process":
            assert_state(program.pid, "T")
            assert_forwards(program, SIGCONT, SIGCONT)


def test_the_death_of_a_child_is_not_forwarded(run: Run) -> None:
    program = start(run)

    program.send(SIGCHLD)
    assert_forwards(program, SIGUSR1, SIGUSR1)


@pytest.mark.parametrize("number", [SIGABRT, SIGSEGV, SIGILL])
def test_a_fault_that_is_sent_ends_an_app_as_it_would(run: Run, number: int) -> None:
    """`docker kill -s ABRT` makes many runtimes dump their stacks; the code is the app's."""
    program = run("sh", "-c", "ulimit -c 0; echo ready; exec cat")

    program.expect("ready")
    program.send(number)
    program.finish(128 + number)


def test_a_fault_of_our_own_still_ends_us() -> None:
    """The signals are blocked, but no thread can block a signal of its own fault."""
    code = (
        "import ctypes\nfrom config_supervisor.runtime import"
        " signals\nsignals.install()\nctypes.string_at(0)"
    )
    limits = ["sh", "-c", 'ulimit -c 0; exec "$@"', "sh"]

    assert -SIGSEGV == subprocess.run([*limits, sys.executable, "-c", code], check=False).returncode


def test_the_supervisor_adds_no_process_of_its_own(run: Run) -> None:
    program = start(run)

    assert [program.app] == children(program.pid)
    assert str(program.app) != str(program.pid)
    assert [] == children(program.app)


def test_a_rewrite_changes_the_signal_that_the_app_gets(run: Run) -> None:
    assert_forwards(start(run, "--rewrite", "15:2"), SIGTERM, SIGINT)


def test_rewrites_do_not_chain(run: Run) -> None:
    program = start(run, "--rewrite", "15:2", "--rewrite", "2:15", "--rewrite", "3:3")

    assert_forwards(program, SIGTERM, SIGINT)
    assert_forwards(program, SIGQUIT, SIGQUIT)
    assert_forwards(program, SIGCONT, SIGCONT)
    assert_forwards(program, SIGINT, SIGTERM)


def test_a_signal_that_is_rewritten_to_0_is_dropped(run: Run) -> None:
    program = start(run, "--rewrite", "1:0", "--rewrite", "WINCH:0")

    program.send(SIGHUP)
    program.send(SIGWINCH)
    assert_forwards(program, SIGUSR2, SIGUSR2)


def test_rewrites_take_names_with_and_without_sig(run: Run) -> None:
    program = start(run, "--rewrite", "HUP:INT", "--rewrite", "SIGUSR1:RTMIN+3")

    assert_forwards(program, SIGHUP, SIGINT)
    assert_forwards(program, SIGUSR1, SIGRTMIN + 3)


@pytest.mark.parametrize("separator", [",", "\n"])
def test_rewrites_come_from_the_environment_too(run: Run, separator: str) -> None:
    rewrites = separator.join(["1:12", "SIGUSR1:WINCH"])
    program = start(run, env={"CONFIG_SUPERVISOR_REWRITE": rewrites})

    assert_forwards(program, SIGHUP, SIGUSR2)
    assert_forwards(program, SIGUSR1, SIGWINCH)


def test_without_g_only_the_app_gets_the_signal(run: Run) -> None:
    program, helper = start_group(run)

    program.send(SIGUSR1)
    assert f"app {SIGUSR1:d}" == program.out.next()
    os.kill(helper, SIGUSR2)
    assert f"helper {SIGUSR2:d}" == program.out.next()


@pytest.mark.parametrize("option", ["-g", "--signal-group"])
def test_with_g_the_whole_group_gets_the_signal(run: Run, option: str) -> None:
    program, _ = start_group(run, option)

    program.send(SIGUSR1)
    seen = {program.out.next(), program.out.next()}
    assert {f"app {SIGUSR1:d}", f"helper {SIGUSR1:d}"} == seen


@pytest.mark.parametrize("number", JOB_CONTROL)
def test_a_terminal_stop_stops_the_app_and_then_the_supervisor(run: Run, number: int) -> None:
    """PID 1 cannot be stopped from inside and must not try: there only the app stops."""
    program = run("cat")
    assert_takes(program.pid, number)
    app_pid = program.app

    program.send(number)
    assert_state(app_pid, "T")
    assert_state(program.pid, "T" if run.mode == "process" else "S")
    program.send(SIGCONT)
    assert_state(app_pid, "S")
    assert_state(program.pid, "S")
    program.end_of_input()
    program.finish(0)


@only_process
@pytest.mark.parametrize("number", JOB_CONTROL)
def test_a_caught_terminal_stop_stops_the_supervisor_alone(run: Run, number: int) -> None:
    """As PID 1 the supervisor does not stop."""
    program = start(run)

    assert_forwards(program, number, number)
    assert_state(program.pid, "T")
    assert state(program.app) != "T"
    assert_forwards(program, SIGCONT, SIGCONT)
    assert_state(program.pid, "S")


@pytest.mark.parametrize("number", JOB_CONTROL)
def test_with_g_a_terminal_stop_stops_a_group_that_catches_it(run: Run, number: int) -> None:
    program, helper = start_group(run, "-g")

    program.send(number)
    assert_state(program.app, "T")
    assert_state(helper, "T")
    assert_state(program.pid, "T" if run.mode == "process" else "S")
    program.send(SIGCONT)
    seen = {program.out.next(), program.out.next()}
    assert {f"app {SIGCONT:d}", f"helper {SIGCONT:d}"} == seen


def burst(program: Program) -> list[int]:
    """Send each real-time signal three times while the supervisor is stopped; the app's lines."""
    program.send(SIGSTOP)
    assert_state(program.pid, "T")
    for number in BURST:
        program.send(number)
    program.send(SIGCONT)
    return [int(program.out.next()) for _ in range(len(BURST) + 1)]


def test_a_burst_of_real_time_signals_arrives_complete(run: Run) -> None:
    assert [SIGCONT, *BURST] == sorted(burst(start(run)))


def test_a_burst_of_real_time_signals_arrives_in_order(run: Run) -> None:
    """Real-time signals queue, and the lowest number comes first: signal(7)."""
    assert BURST == [number for number in burst(start(run)) if number != SIGCONT]


def test_equal_real_time_signals_all_arrive_before_a_later_one(
    run: Run,
) -> None:
    program = start(run)

    for _ in range(200):
        program.send(SIGRTMIN + 5)
    program.send(SIGRTMIN + 6)
    sent = [str(SIGRTMIN + 5)] * 200 + [str(SIGRTMIN + 6)]
    seen = [program.out.next() for _ in sent]
    assert sent == sorted(seen), "something was lost"
    assert sent == seen


TAKING = {"x86_64": "128 ", "aarch64": "137 "}.get(
    platform.machine(), "rt_sigtimedwait has no number here"
)


def assert_takes(pid: int, number: int) -> None:
    """Wait in the tightest loop until a signal is safe: blocked, or taken by sigtimedwait(2).

    While sigtimedwait(2) waits for it, /proc shows a signal as not blocked, though it stays
    pending. `unshare` blocks INT and TERM for a moment before it runs us; only we block USR1.
    """
    end = time.monotonic() + 10
    wanted = {number, SIGUSR1}
    while not (
        wanted <= signals_in(status(pid).get("SigBlk", "0")) or call(pid).startswith(TAKING)
    ):
        assert time.monotonic() < end, f"{pid} never took signal {number}: {status(pid)}"


def call(pid: int) -> str:
    """The system call of a process; its number comes first (proc(5))."""
    try:
        with open(f"/proc/{pid}/syscall") as file:
            return file.read()
    except OSError:
        return ""


def test_signals_are_safe_before_any_slow_import(run: Run) -> None:
    """Until then the kernel drops signals to PID 1: each import before the mask costs some."""
    folder = os.path.join(APPS, "early")
    program = run("true", env={"PYTHONPATH": folder})

    program.finish(0)
    seen = [line.split() for line in program.err.rest()]
    early = {name for when, name in seen if when == "early"}
    assert "config_supervisor.cli" in {name for when, name in seen if when == "safe"}
    first = (
        *("__main__", "start_code", "core", "core.record", "core.signal_numbers"),
        *("runtime", "runtime.signals"),
    )
    assert early <= {f"config_supervisor.{name}" for name in first}


@only_process
def test_a_term_at_any_moment_of_the_start_ends_everything(run: Run) -> None:
    """Before signals are blocked the default action ends an ordinary process; PID 1 has none.

    The moments cover the start, which is timed first, from exec until the app runs and longer.
    """
    first = run("sh", "-c", "echo started; exec cat")
    first.expect("started")
    whole = time.monotonic() - first.started
    first.end_of_input()
    first.finish(0)

    for step in range(30):
        program = run("cat")
        moment = program.started + whole * 1.2 * step / 29
        while time.monotonic() < moment:  # before any output, so no line can tell of the moment
            os.sched_yield()
        program.send(SIGTERM)
        assert program.wait(5) in {-SIGTERM, 128 + SIGTERM}, program.story()
        assert [] == run.left()


@only_pid1
def test_pid_1_obeys_a_term_as_soon_as_it_blocks_signals(run: Run) -> None:
    """Either the app never starts, or it gets the signal; a second TERM is never needed."""
    for _ in range(5):
        program = run("sh", "-c", "echo started; exec cat")
        assert_takes(program.pid, SIGTERM)
        program.send(SIGTERM)
        program.finish(128 + SIGTERM, timeout=5)


PENDING = ["env", "--block-signal", "sh", "-c", 'kill -"$0" $$; shift; exec "$@"']


@pytest.mark.parametrize("number", [SIGTERM, SIGUSR1, SIGRTMIN])
def test_a_signal_pending_before_the_start_is_delivered(run: Run, number: int) -> None:
    """An image closes the window before by `env --block-signal supervisor ...`."""
    program = run("cat", prefix=[*PENDING, f"{number:d}", "-"])

    program.finish(128 + number)


def test_a_term_pending_before_the_start_starts_no_app(run: Run) -> None:
    program = run("echo", "started", prefix=[*PENDING, "TERM", "-"])

    program.finish(128 + SIGTERM)
    assert [] == program.out.rest()


def test_signal_ignored_at_our_start_is_forwarded(run: Run) -> None:
    """A shell ignores INT for a background job, nohup ignores HUP; the app may have a handler."""
    ignoring = ["sh", "-c", 'trap "" HUP INT QUIT USR1; exec "$@"', "sh"]
    program = run(*PRINT, prefix=ignoring)
    program.expect("^ready$")
    for number in (SIGHUP, SIGINT, SIGQUIT, SIGUSR1):
        program.send(number)
        program.expect(f"^{int(number)}$")
