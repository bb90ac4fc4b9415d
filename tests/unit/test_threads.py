"""Threads: an error ends in a line of the log."""

from __future__ import annotations

import errno
import os

import pytest

from config_supervisor.runtime import log, threads
from tests.harness import wait_until


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE)), "too many open files"),
        (ValueError("a bug"), "internal error: ValueError('a bug')"),
    ],
)
def test_an_error_of_a_thread_is_a_line(
    error: Exception, why: str, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    threads.start(fail, "trial")
    seen = ""

    def logged() -> None:
        nonlocal seen
        log.flush()
        seen += capfd.readouterr().err
        assert f"error: cannot go on in thread trial: {why}\n" in seen

    wait_until(logged)
    assert 1 == len(seen.splitlines())
