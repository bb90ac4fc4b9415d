"""After a failure of the rules the app keeps its signals, its times and its exit code."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from tests.harness import APPS, Program, Run, app, children

USR1, TERM, KILL = signal.SIGUSR1, signal.SIGTERM, signal.SIGKILL
VITAL = ("SignalReceived", "Exited", "Event")


def start(run: Run, broken: str, *options: str, command: list[str]) -> Program:
    """The program with rules that fail for a type of event."""
    program = run.directly(
        sys.executable, f"{APPS}/break_rules.py", broken, *options, "--", *command
    )
    program.expect("ready")
    return program


@pytest.mark.parametrize("broken", VITAL)
def test_signals_and_the_exit_code_pass_without_rules(run: Run, broken: str) -> None:
    program = start(run, broken, command=app("print_signals.py"))
    for number in (USR1, signal.SIGHUP, USR1):
        program.send(number)
        assert str(int(number)) == program.out.next()
    os.kill(children(program.pid)[0], KILL)

    program.finish(128 + KILL)
    program.err.expect(
        r"error: cannot handle \w+: internal error: ArithmeticError\('of the test'\); all else"
        r" goes on"
    )


@pytest.mark.parametrize("broken", ["SignalReceived", "DeadlinePassed", "Event"])
def test_a_stop_counts_down_without_rules(run: Run, broken: str) -> None:
    program = start(run, broken, "--stop-timeout=300ms", command=app("print_signals.py"))
    program.send(TERM)
    assert str(int(TERM)) == program.out.next()
    told = time.monotonic()

    program.finish(128 + KILL)
    assert 0.2 < time.monotonic() - told < 3


@pytest.mark.parametrize("broken", ["Exited", "NothingLeft", "Event"])
def test_leftovers_get_their_time_without_rules(run: Run, broken: str) -> None:
    program = start(run, broken, "--leftovers-timeout=5s", command=app("leftover.py", 7, "cleans"))
    program.end_of_input()
    program.expect("cleaned")

    program.finish(7, timeout=3)


def test_an_event_that_is_not_vital_is_dropped(run: Run) -> None:
    """The rules still hold: TERM becomes the stop signal."""
    program = start(
        run,
        "OrphanReaped",
        "--stop-signal=QUIT",
        command=["sh", "-c", "(:&); echo ready; exec sleep 60"],
    )
    program.send(TERM)

    program.finish(128 + signal.SIGQUIT)
