"""Processes that outlive the app: they may clean up, and they cannot stay."""

from __future__ import annotations

import contextlib
import itertools
import os
import shlex
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from config_supervisor.process.procfs import descendants
from tests.harness import (
    Program,
    Run,
    app,
    assert_state,
    children,
    only_pid1,
    only_process,
    until,
    wait_until,
)
from tests.sync.reloading import Reloading

TERM = int(signal.SIGTERM)
USR1 = int(signal.SIGUSR1)


def start(run: Run, kind: str, *options: str) -> Program:
    """The program over an app that ends with 7 and leaves a daemon in a session of its own."""
    program = run(*app("leftover.py", 7, kind), options=options)
    program.expect("ready")
    return program


def test_a_leftover_in_its_own_session_gets_term_and_time(run: Run) -> None:
    program = start(run, "cleans")

    program.end_of_input()
    assert f"daemon {TERM}" == program.out.next()
    assert "cleaned" == program.out.next()
    program.finish(7)


def test_the_exit_comes_as_soon_as_the_last_leftover_is_gone(run: Run) -> None:
    """Not at the end of the timeout: s6-overlay #204, #331, #534, #628."""
    program = start(run, "cleans", "--leftovers-timeout", "10s")

    program.end_of_input()
    program.expect("cleaned")
    gone = time.monotonic()
    program.finish(7)
    assert time.monotonic() - gone < 1


def test_a_leftover_that_ignores_term_is_killed_in_time(run: Run) -> None:
    program = start(run, "ignores", "--leftovers-timeout", "300ms")

    program.end_of_input()
    program.expect(f"daemon {TERM}")
    asked = time.monotonic()
    program.finish(7)
    assert 0.2 < time.monotonic() - asked < 3


def test_a_stopped_leftover_is_continued_so_that_it_can_end(run: Run) -> None:
    program = start(run, "stopped")

    program.end_of_input()
    program.expect(f"daemon {TERM}")
    program.expect("cleaned")
    program.finish(7)


def test_leftovers_of_an_app_that_a_signal_ended_end_too(run: Run) -> None:
    program = start(run, "cleans")

    program.send(TERM)
    program.expect("cleaned")
    program.finish(128 + TERM)


def test_a_second_term_leaves_leftovers_their_time(run: Run) -> None:
    program = start(run, "cleans")

    program.end_of_input()
    program.expect(f"daemon {TERM}")
    program.send(TERM)
    program.expect("cleaned")
    program.finish(7)


def test_leftovers_of_leftovers_end_as_well(run: Run) -> None:
    """Each daemon comes to us at the end of its own parent. Nothing may be
    left then.
    """
    nested = "setsid sh -c 'setsid sleep 600 & echo ready; exec sleep 600' & read line; exit 7"
    program = run("sh", "-c", nested)
    program.expect("ready")

    program.type("end\n")
    program.finish(7)
    assert [] == run.left()


@only_process
def test_ignored_leftovers_are_left_alone(run: Run) -> None:
    """With PID 1 they die in any case: the kernel ends the namespace (pid_namespaces(7))."""
    program = start(run, "ignores", "--leftovers=ignore")

    program.end_of_input()
    program.finish(7)
    (daemon,) = run.left()
    os.kill(daemon, USR1)
    assert f"daemon {USR1}" == program.out.next(), "it got a signal before this one"
    run.kill_left()


@pytest.mark.parametrize("kind", ["cleans", "ignores"])
def test_with_leftovers_ignored_the_exit_comes_at_once(run: Run, kind: str) -> None:
    program = start(run, kind, "--leftovers=ignore", "--leftovers-timeout", "10s")

    program.end_of_input()
    program.finish(7, timeout=3)
    run.kill_left()


@only_process
def test_no_process_outside_of_our_own_descendants_gets_a_signal(run: Run) -> None:
    """kill(-1) is for PID 1 alone: on a shared machine it ends everything (s6-overlay #182)."""
    bystander = run.directly(*app("print_signals.py"))
    bystander.expect("ready")
    program = start(run, "cleans")

    program.end_of_input()
    program.finish(7)
    bystander.send(USR1)
    assert str(USR1) == bystander.out.next()
    assert_state(bystander.pid, "S")


# --- who is no leftover ---------------------------------------------------------------------------


def test_a_group_with_the_stop_signal_gets_no_second_term(run: Run) -> None:
    """A shell without exec ends at once; its child drains, and would take a second TERM
    for "now".
    """
    script = " ".join(map(shlex.quote, app("drain.py", 0.5, 5))) + " & wait"
    program = run("sh", "-c", script, options=["-g"])
    program.expect("ready")
    program.send(TERM)

    assert [str(TERM), "drained"] == [program.out.next(), program.out.next()]
    program.finish(128 + TERM)


def test_a_leftover_outside_of_the_group_gets_term(run: Run) -> None:
    program = start(run, "cleans", "-g")
    program.send(TERM)

    program.expect(f"daemon {TERM}")
    program.expect("cleaned")
    program.finish(128 + TERM)


@only_process
@pytest.mark.parametrize("options", [(), ("-g",)])
def test_without_a_subreaper_the_group_still_gets_term(run: Run, options: tuple[str, ...]) -> None:
    """As with dumb-init: no other process ends it."""
    script = " ".join(map(shlex.quote, app("print_signals.py"))) + " & read line; exit 7"
    program = run("sh", "-c", script, options=["--subreaper=off", *options])
    program.expect("ready")
    program.type("end\n")

    program.finish(7)
    assert str(TERM) == program.out.next()
    run.kill_left()


@only_pid1
@pytest.mark.parametrize("how", ["session", "cgroup"])
def test_a_process_of_a_debug_container_is_no_leftover(
    run: Run, cgroups: list[list[str]], how: str
) -> None:
    """It shares our PID namespace, comes to us at the end of its shell, and delays no end."""
    prefix = [*cgroups[0], "setsid"] if how == "cgroup" else ["setsid"]
    program = run(*app("print_signals.py"), prefix=prefix, options=["--leftovers-timeout=10s"])
    program.expect("ready")
    main = program.app
    stranger = " ".join(map(shlex.quote, app("print_signals.py", "stranger")))
    script = f"{stranger} & read line"
    inside = ["nsenter", f"--target={program.pid}", "--pid", "sh", "-c", script]
    if how == "cgroup":
        inside = [*cgroups[1], "setsid", *inside[:3], "setsid", "--wait", *inside[3:]]
    outside = Run("process")
    debug = outside.directly(*inside)
    debug.expect("stranger ready")
    debug.end_of_input()
    debug.wait()
    until(lambda: len(children(program.pid)), 2)
    began = time.monotonic()
    os.kill(main, signal.SIGKILL)

    program.finish(128 + signal.SIGKILL)
    assert time.monotonic() - began < 5
    outside.close()


@pytest.fixture
def cgroups() -> Iterator[list[list[str]]]:
    """Two prefixes, each for a command in a cgroup of its own; skips where none can be made."""
    root = next(path for path in ("/sys/fs/cgroup/pids", "/sys/fs/cgroup") if os.path.isdir(path))
    paths = [f"{root}/test-{os.getpid()}-{name}" for name in ("app", "debug")]
    try:
        for path in paths:
            os.mkdir(path)
        if not os.path.exists(f"{paths[0]}/cgroup.procs"):
            pytest.skip(f"needs a cgroup file system at {root}")
        yield [["sh", "-c", f'echo $$ >{path}/cgroup.procs && exec "$@"', "sh"] for path in paths]
    except OSError as error:
        pytest.skip(f"needs a writable cgroup file system: {error}")
    finally:
        for path in filter(os.path.isdir, paths):
            wait_until(partial(removed, path))


def removed(path: str) -> None:
    """Remove a cgroup once its last process is gone."""
    with contextlib.suppress(OSError):
        os.rmdir(path)
    assert not os.path.isdir(path)


# --- hooks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "ending"),
    [
        *itertools.product(
            ["setsid", "setsid -f", "nohup", "env -i", "setsid -f setsid -f"],
            ["exit 0", "sleep 600"],
        ),
        # Known by its parent alone, which lives until its time is over.
        ("env -i setsid", "sleep 600"),
    ],
)
def test_leftovers_of_a_hook_are_ended(run: Run, tmp_path: Path, how: str, ending: str) -> None:
    """After the hook's end and after its time; the app and its own children live on."""
    subject = Reloading(run, tmp_path)
    hook = tmp_path / "hook"
    hook.write_text(
        f"#!/bin/sh\n{how} sleep 3600 >/dev/null 2>&1 &\nsleep 0.1\necho"
        f" >>{tmp_path}/ran\n{ending}\n"
    )
    hook.chmod(0o755)
    subject.change("one")
    options = (f"--reload-exec={hook}", "--reload-timeout=500ms", "--no-rollback")
    program = subject.start(*options, command=app("leftover.py", 7, "cleans"))
    program.expect("ready")
    before = sleepers(run)
    subject.change("two")
    until((tmp_path / "ran").exists, True)

    until(lambda: sleepers(run), before)
    program.end_of_input()
    program.expect("cleaned")
    program.finish(7)


def sleepers(run: Run) -> list[int]:
    """The processes of these hooks, known by their command line: an environment may be empty."""
    return [
        pid for pid in descendants(run.programs[-1].pid) if command_of(pid) == b"sleep\0003600\0"
    ]


def command_of(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""
