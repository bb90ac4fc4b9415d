"""Stopping: the stop signal, the time of the app, and the other signals meanwhile."""

from __future__ import annotations

import os
import time
from signal import SIGCONT, SIGINT, SIGKILL, SIGQUIT, SIGSTOP, SIGTERM, SIGUSR1, SIGUSR2

import pytest

from tests.harness import Program, Run, app, assert_state, wait_until

KILLED = 128 + SIGKILL


def start(run: Run, command: list[str], *options: str) -> Program:
    program = run(*command, options=options)
    program.expect("^ready$")
    return program


def test_a_term_becomes_the_stop_signal(run: Run) -> None:
    program = start(run, app("drain.py", 0, 5), "--stop-signal", "QUIT")

    program.send(SIGTERM)
    assert str(int(SIGQUIT)) == program.out.next()
    program.finish(5)


@pytest.mark.parametrize("name", ["SIGWINCH", "28", "RTMIN+4", "37"])
def test_a_stop_signal_has_a_name_or_a_number(run: Run, name: str) -> None:
    number = {"SIGWINCH": 28, "28": 28, "RTMIN+4": 38, "37": 37}[name]
    program = start(run, app("drain.py", 0, 5), "--stop-signal", name)

    program.send(SIGTERM)
    assert str(number) == program.out.next()
    program.finish(5)


def test_an_app_that_outlives_the_stop_timeout_is_killed(run: Run) -> None:
    program = start(run, app("print_signals.py"), "--stop-timeout", "300ms")

    program.send(SIGTERM)
    assert str(int(SIGTERM)) == program.out.next()
    told = time.monotonic()
    program.finish(KILLED)
    assert 0.2 < time.monotonic() - told < 3


def test_an_app_that_drains_in_time_ends_with_its_own_code(run: Run) -> None:
    program = start(run, app("drain.py", 0.3, 5), "--stop-timeout", "5s")

    program.send(SIGTERM)
    program.expect("drained")
    program.finish(5)


def test_a_drain_without_a_stop_timeout_has_all_the_time(run: Run) -> None:
    """The runtime's grace period sets the limit, as with tini."""
    program = start(run, app("drain.py", 3, 5))

    program.send(SIGTERM)
    program.expect("drained")
    program.finish(5)


def test_a_second_term_is_forwarded(run: Run) -> None:
    program = start(run, app("drain.py", 0.5, 5))

    program.send(SIGTERM)
    assert str(int(SIGTERM)) == program.out.next()
    program.send(SIGTERM)
    assert str(int(SIGTERM)) == program.out.next()
    program.expect("drained")
    program.finish(5)


def test_further_terms_do_not_restart_the_stop_timeout(run: Run) -> None:
    """A TERM follows each line of the app, so a restarted timer would never end."""
    program = start(run, app("print_signals.py"), "--stop-timeout", "500ms")

    begun = time.monotonic()
    terms = 0
    while program.popen.poll() is None:
        assert time.monotonic() - begun < 5, f"not killed after {terms} TERMs"
        program.send(SIGTERM)
        terms += 1
        try:
            program.out.next(timeout=1)
        except AssertionError:  # its last line was the last
            break
    program.finish(KILLED, timeout=3)
    assert terms > 1
    assert 0.4 < time.monotonic() - begun < 4


def test_a_stop_timeout_continues_nothing_that_it_kills(run: Run) -> None:
    """KILL ends a stopped app too: no state may hold the container."""
    program = start(run, app("print_signals.py"), "--stop-timeout", "300ms")

    os.kill(program.app, SIGSTOP)
    assert_state(program.app, "T")
    program.send(SIGTERM)
    program.finish(KILLED, timeout=5)


def test_a_stall_over_a_deadline_makes_no_signal(run: Run) -> None:
    """A stopped wait for signals is interrupted: CPython 3.11 then returns a signal from a record
    that nothing has filled in, if its time is over too.
    """
    program = start(run, app("print_signals.py"), "--stop-timeout", "300ms")

    program.send(SIGTERM)
    assert str(int(SIGTERM)) == program.out.next()
    program.send(SIGSTOP)
    assert_state(program.pid, "T")
    over = time.monotonic() + 0.4
    wait_until(lambda: _reached(over))
    program.send(SIGCONT)
    program.finish(KILLED)
    assert [] == [line for line in program.err.seen if "cannot send" in line]


def _reached(at: float) -> None:
    assert time.monotonic() >= at


def test_a_stop_delay_passes_the_stop_on_late(run: Run) -> None:
    """The app serves on while its endpoint is removed: dumb-init #281, kubernetes #64510."""
    program = start(run, app("drain.py", 0, 5), "--stop-delay", "400ms")

    begun = time.monotonic()
    program.send(SIGTERM)
    assert str(int(SIGTERM)) == program.out.next()
    assert 0.4 <= time.monotonic() - begun < 3
    program.finish(5)


def test_other_signals_pass_at_once_during_a_stop_delay(run: Run) -> None:
    program = start(
        run, app("print_signals.py"), "--stop-delay", "400ms", "--stop-timeout", "300ms"
    )

    begun = time.monotonic()
    program.send(SIGTERM)
    program.send(SIGUSR1)
    assert str(int(SIGUSR1)) == program.out.next()
    assert time.monotonic() - begun < 0.4
    assert str(int(SIGTERM)) == program.out.next()
    program.finish(KILLED)


def test_further_terms_do_not_prolong_a_stop_delay(run: Run) -> None:
    """Each is forwarded or waits with the first; the end does not move."""
    options = ["--stop-delay", "400ms", "--stop-timeout", "400ms"]
    program = start(run, app("print_signals.py"), *options)

    begun = time.monotonic()
    program.send(SIGTERM)
    while program.popen.poll() is None and time.monotonic() - begun < 5:
        program.send(SIGTERM)
        program.send(SIGUSR2)  # its line sets the pace
        try:
            program.out.expect(f"^{SIGUSR2:d}$", timeout=1)
        except AssertionError:
            break
    program.finish(KILLED, timeout=3)
    assert 0.3 < time.monotonic() - begun < 3


def test_an_app_that_ends_during_the_stop_delay_ends_us_at_once(run: Run) -> None:
    program = start(run, ["sh", "-c", "echo ready; read line; exit 5"], "--stop-delay", "1m")

    program.send(SIGTERM)
    program.end_of_input()
    program.finish(5, timeout=5)


@pytest.mark.parametrize("number", [SIGINT, SIGQUIT])
def test_int_and_quit_are_forwarded_as_they_are(run: Run, number: int) -> None:
    """Neither becomes the stop signal nor waits: the app gives them their meaning."""
    options = ["--stop-signal", "USR1", "--stop-delay", "1m"]
    program = start(run, app("drain.py", 0, 5), *options)

    program.send(number)
    assert str(int(number)) == program.out.next()
    program.finish(5)


def test_a_stop_signal_goes_to_the_group_with_g(run: Run) -> None:
    group = ["sh", "-c", '"$@" helper & exec "$@" app', "sh", *app("print_signals.py")]
    program = run(*group, options=["-g", "--stop-signal", "INT", "--stop-timeout", "500ms"])
    assert {"app ready", "helper ready"} == {program.out.next(), program.out.next()}

    program.send(SIGTERM)
    assert {f"app {SIGINT:d}", f"helper {SIGINT:d}"} == {program.out.next(), program.out.next()}
    program.finish(KILLED)
