"""Restarts: when they happen, how long they wait, and how they end."""

from __future__ import annotations

from signal import SIGTERM

import pytest

from tests.harness import Program, Run, children, until

UPTIME = "read up idle < /proc/uptime"  # seconds with two digits: the app's own clock


def app_that_exits(code: int) -> list[str]:
    return ["sh", "-c", f"{UPTIME}; echo up $up; exit {code}"]


def wait_for_the_pause(program: Program) -> None:
    """Until the app is gone and reaped: a TERM before would end the app, not the wait."""
    until(lambda: children(program.pid), [])


def test_an_app_is_never_restarted_by_default(run: Run) -> None:
    for options in ([], ["--restart", "never"]):
        program = run(*app_that_exits(3), options=options)
        program.finish(3)
        assert 1 == len(program.out.rest())


def test_restarts_on_failure_wait_twice_as_long_each_time(run: Run) -> None:
    program = run(*app_that_exits(3), options=["--restart", "on-failure"])

    starts = [float(program.expect(r"^up ([\d.]+)$")[1]) for _ in range(3)]
    first, second = starts[1] - starts[0], starts[2] - starts[1]
    assert 0.5 <= first + 0.02 < 1.0, starts
    assert 1.0 <= second + 0.02 < 2.0, starts
    wait_for_the_pause(program)
    program.send(SIGTERM)
    program.finish(3)


def test_an_app_that_a_signal_ended_is_restarted_on_failure(run: Run) -> None:
    crash = ["sh", "-c", "echo up; ulimit -c 0; kill -SEGV $$"]
    program = run(*crash, options=["--restart", "on-failure"])

    program.expect("up")
    program.expect("up")
    wait_for_the_pause(program)
    program.send(SIGTERM)
    program.finish(139)


@pytest.mark.parametrize(("code", "options"), [(0, []), (3, ["--ok-exit-code", "3"])])
def test_a_success_is_not_restarted_on_failure(run: Run, code: int, options: list[str]) -> None:
    program = run(*app_that_exits(code), options=["--restart", "on-failure", *options])

    program.finish(0)
    assert 1 == len(program.out.rest())


def test_a_success_is_restarted_always(run: Run) -> None:
    program = run(*app_that_exits(0), options=["--restart", "always"])

    program.expect("^up")
    program.expect("^up")
    wait_for_the_pause(program)
    program.send(SIGTERM)
    program.finish(0)


def test_a_term_before_a_restart_ends_with_the_last_code(run: Run) -> None:
    program = run(*app_that_exits(9), options=["--restart", "always"])

    program.expect("^up")
    program.expect("^up")
    program.expect("^up")
    wait_for_the_pause(program)  # it is 2 s from here
    program.send(SIGTERM)
    program.finish(9, timeout=1.5)
    assert [] == program.out.rest()


def test_a_stopped_app_is_not_restarted(run: Run) -> None:
    program = run("sh", "-c", "echo up; exec cat", options=["--restart", "always"])

    program.expect("^up")
    program.send(SIGTERM)
    program.finish(128 + SIGTERM, timeout=3)
    assert [] == program.out.rest()


def test_a_stopped_app_that_fails_is_not_restarted(run: Run) -> None:
    failing = "trap 'exit 4' TERM; echo up; while :; do read line; done"
    program = run("sh", "-c", failing, options=["--restart", "on-failure"])

    program.expect("^up")
    program.send(SIGTERM)
    program.finish(4, timeout=3)
    assert [] == program.out.rest()


def test_a_signal_reaches_the_app_that_was_started_again(run: Run) -> None:
    again = 'trap "echo usr1; exit 0" USR1; echo up $$; read line; exit 3'
    program = run("sh", "-c", again, options=["--restart", "on-failure"])

    program.expect("^up")
    program.type("end\n")
    program.expect("^up")
    program.send(10)
    program.expect("usr1")
    program.finish(0)


def test_an_app_that_cannot_start_is_not_tried_again(run: Run) -> None:
    """A missing file will not appear by waiting; the orchestrator should see 127 at once."""
    program = run("/no/such/program", options=["--restart", "always"])

    program.finish(127, timeout=5)
    assert 1 == len(program.err.rest())
