"""Processes that remain when the app has ended: they may clean up, and they cannot stay."""

from __future__ import annotations

import os
import time

import pytest

from tests.harness import Program, Run, app, assert_state, only_process

TERM, USR1 = 15, 10


def start(run: Run, kind: str, *options: str) -> Program:
    """The program over an app that ends with 7 and has left a daemon in a session of its own."""
    program = run(*app("leftover.py", 7, kind), options=options)
    program.expect("ready")
    return program


def test_a_leftover_in_its_own_session_gets_term_and_time_to_clean_up(run: Run) -> None:
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


def test_a_leftover_that_ignores_term_is_killed_after_the_timeout(run: Run) -> None:
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


def test_leftovers_of_an_app_that_a_signal_ended_are_cleaned_up_as_well(run: Run) -> None:
    program = start(run, "cleans")

    program.send(TERM)
    program.expect("cleaned")
    program.finish(128 + TERM)


def test_a_second_term_does_not_cut_the_clean_up_of_leftovers_short(run: Run) -> None:
    program = start(run, "cleans")

    program.end_of_input()
    program.expect(f"daemon {TERM}")
    program.send(TERM)
    program.expect("cleaned")
    program.finish(7)


def test_leftovers_of_leftovers_end_as_well(run: Run) -> None:
    """Each daemon comes to us only when the one that made it has ended. Nothing may be left then."""
    nested = "setsid sh -c 'setsid sleep 600 & echo ready; exec sleep 600' & read line; exit 7"
    program = run("sh", "-c", nested)
    program.expect("ready")

    program.type("end\n")
    program.finish(7)
    assert [] == run.left()


@only_process
def test_leftovers_are_left_alone_if_so_asked(run: Run) -> None:
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
