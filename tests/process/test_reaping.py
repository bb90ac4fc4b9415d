"""Orphans: all are adopted and reaped while the app runs, and none confuses the app's own exit."""

from __future__ import annotations

import os
from signal import SIGCONT, SIGSTOP

import pytest

from tests.harness import Run, app, assert_state, children, only_process, state, until


def test_a_thousand_orphans_that_die_at_once_are_all_reaped(run: Run) -> None:
    program = run(*app("make_orphans.py", 1000))
    program.expect("ready")
    app_pid = next(pid for pid in children(program.pid) if children(pid) == [] and leads(pid))
    assert 1001 == len(children(program.pid)), "the orphans did not come to us"

    program.type("die\n")
    program.expect("dead")
    until(lambda: children(program.pid), [app_pid])
    assert state(app_pid) in "RS"
    program.end_of_input()
    program.finish(0)


def leads(pid: int) -> bool:
    """Whether a process is the app, which leads the group of its orphans."""
    return os.getpgid(pid) == pid


def test_an_app_and_an_orphan_in_one_sigchld_give_the_apps_code(run: Run) -> None:
    """SIGCHLD does not queue. The supervisor is stopped until both are dead: catatonit #4."""
    program = run(*app("die_together.py", 7))
    program.expect("ready")
    both = children(program.pid)
    assert 2 == len(both)

    program.send(SIGSTOP)
    assert_state(program.pid, "T")
    program.end_of_input()
    for pid in both:
        assert_state(pid, "Z")
    program.send(SIGCONT)
    program.finish(7)


@pytest.mark.parametrize("half", ["first", "second"])
def test_an_app_and_an_orphan_that_die_together_never_hang_us(run: Run, half: str) -> None:
    """The same without help, 112 times: both orders of the two deaths occur."""
    del half
    for _ in range(7):
        programs = [run(*app("die_together.py", code)) for code in range(1, 9)]
        for program in programs:
            program.expect("ready")
            program.end_of_input()
        assert list(range(1, 9)) == [program.wait() for program in programs]


@only_process
def test_without_subreaper_orphans_go_to_the_parent(run: Run) -> None:
    """Without the option too, PID 1 adopts; so this is an ordinary process."""
    options, adopt = ["--subreaper=off"], app("adopt.py")
    program = run(*app("make_orphans.py", 3), options=options, prefix=adopt)
    program.expect("ready")

    program.type("die\n")
    program.expect("dead")
    program.end_of_input()
    program.finish(0)
    assert ["adopted 3"] == program.err.rest()


@only_process
def test_with_subreaper_no_orphan_gets_past_us_to_the_parent(run: Run) -> None:
    """The opposite of the test before, and the default."""
    program = run(*app("make_orphans.py", 3), prefix=app("adopt.py"))
    program.expect("ready")

    program.type("die\n")
    program.expect("dead")
    program.end_of_input()
    program.finish(0)
    assert ["adopted 0"] == program.err.rest()
