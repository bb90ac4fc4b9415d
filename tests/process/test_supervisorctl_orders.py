"""supervisorctl beside the whole program: orders, and waiting for a state."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from config_supervisor import __version__
from tests.harness import (
    Run,
)
from tests.process.controlled import Subject


@pytest.fixture
def subject(run: Run, tmp_path: Path) -> Subject:
    return Subject(run, tmp_path)


def test_pid_and_version_are_those_of_the_supervisor(subject: Subject) -> None:
    program = subject.running("one")
    own = "1" if program.mode == "pid1" else str(program.pid)

    assert (f"{own}\n", f"{__version__}\n") == (subject.done("pid"), subject.done("version"))


def test_shutdown_is_as_term(subject: Subject) -> None:
    program = subject.running("one")

    assert "Shut down\n" == subject.done("shutdown")
    program.finish(0)
    assert any("got SIGTERM: stopping" in line for line in program.err.seen)


def test_wait_ends_with_the_first_configuration(subject: Subject) -> None:
    subject.start()
    code, _, err = subject.ctl("wait", "--ready", "--timeout=100ms")

    assert 1 == code
    assert err.startswith(
        "supervisorctl: not ready within 0.1s: waiting for the first configuration"
    )
    waiting = [
        subject.begin("wait", "--ready"),
        subject.begin("wait", "--synced", "--timeout", "1m"),
    ]
    subject.write("one")
    ready, synced = [one.communicate(timeout=10) for one in waiting]
    assert ("running\n", "") == ready
    assert synced[0].startswith("running on configuration ")
    assert [0, 0] == [one.returncode for one in waiting]


def test_wait_ends_with_the_supervisor(subject: Subject) -> None:
    program = subject.start()
    waiting = subject.begin("wait", "--ready")
    program.send(signal.SIGTERM)
    program.wait()

    assert "supervisorctl: " in waiting.communicate(timeout=10)[1]
    assert waiting.returncode in (1, 4)
    assert (
        4,
        (
            "supervisorctl: the supervisor is not running: it does not listen on"
            f" {subject.socket}; see --socket\n"
        ),
    ) == (subject.ctl("reload")[::2])
    assert not os.path.exists(subject.socket)


def test_reload_needs_no_change(subject: Subject) -> None:
    program = subject.running("one")

    assert subject.done("reload").startswith("reloaded on configuration ")
    program.expect("config: one")
    assert ["config: one", "ready", "config: one"] == program.out.seen


def test_failed_reload_says_why(subject: Subject) -> None:
    subject.write("one")
    subject.start("--reload-timeout=300ms", command=["sleep", "60"])
    subject.done("wait", "--synced", "--timeout=10s")
    code, out, err = subject.ctl("reload")

    assert (1, "") == (code, out)
    assert err.startswith(
        "supervisorctl: cannot reload: it does not catch SIGHUP, which would end it; "
    )


def test_unverified_reload_has_failed(subject: Subject) -> None:
    subject.write("one")
    subject.start("--verify=false").expect("ready")
    code, out, err = subject.ctl("reload")

    assert (1, "") == (code, out)
    assert (
        "supervisorctl: cannot reload: the verification did not pass: false ended with code 1\n"
        == err
    )


def test_rollback_lasts_until_the_content_changes(subject: Subject) -> None:
    program = subject.running("one", "two", "three")

    assert subject.done("rollback", "2").startswith("rolled back to configuration ")
    program.expect("config: one")
    assert "one" == (subject.live / "app.conf").read_text()
    assert ["newer  ", "newer  ", "0      "] == [
        row[:7] for row in subject.done("generations").splitlines()[1:]
    ]
    assert "rejected" in subject.done("generations").splitlines()[1]
    subject.write("four")
    program.expect("config: four")
    assert ["one", "two", "three", "one", "four"] == [
        line[8:] for line in program.out.seen if line != "ready"
    ]


def test_reload_after_a_rollback_takes_the_newest_again(subject: Subject) -> None:
    program = subject.running("one", "two")
    subject.done("rollback")
    program.expect("config: one")
    subject.done("reload")
    program.expect("config: two")


def test_rollback_needs_an_older_generation(subject: Subject) -> None:
    subject.running("one")

    code, _, err = subject.ctl("rollback")
    assert (
        1,
        (
            "supervisorctl: cannot roll back by 1: 0 earlier are kept that did not fail; see"
            " supervisorctl generations\n"
        ),
    ) == (
        code,
        err,
    )
