"""Shortages: a thread tries its deed until there is a descriptor, and says so once."""

from __future__ import annotations

import os

import pytest

from config_supervisor.runtime import log, shortages, threads
from tests.harness import until
from tests.unit.descriptors import full_table


def test_a_deed_is_tried_until_there_is_a_descriptor(capfd: pytest.CaptureFixture[str]) -> None:
    made: list[int] = []
    tries = 0

    def deed() -> int:
        nonlocal tries
        tries += 1
        return os.dup(0)

    with full_table():
        threads.start(lambda: made.append(shortages.outlast("serve", deed)), "trial")
        until(lambda: tries > 1, expected=True)
        assert [] == made
    until(lambda: len(made), expected=1)
    os.close(made[0])
    log.flush()
    told = capfd.readouterr().err
    assert 1 == told.count("cannot serve: too many open files; raise the limit of open files")


def test_an_error_that_is_no_shortage_is_raised() -> None:
    def deed() -> None:
        raise FileNotFoundError("gone")

    with pytest.raises(FileNotFoundError, match="gone"):
        shortages.outlast("serve", deed)
