"""Reload windows under a clock of the test: a night in which a zone changes, a clock that is set.

The program alone sees this clock; its monotonic clock goes on.
"""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import needs
from tests.harness import Program, Run, app, only_process
from tests.volume import swap_volume

MINUTE = 60.0  # seconds; the longest delay by a clock that was set

pytestmark = [only_process, pytest.mark.timeout(3 * MINUTE), pytest.mark.slow]


# The clock on the wall, ahead of the real one by the seconds in the file CLOCK_AHEAD.
SHIFTED = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now)
{
    char text[32] = "";
    long result = syscall(SYS_clock_gettime, clock, now);
    const char *path = getenv("CLOCK_AHEAD");
    if (clock == CLOCK_REALTIME && path) {
        int file = open(path, O_RDONLY | O_CLOEXEC);
        if (file >= 0) {
            if (read(file, text, sizeof text - 1) > 0)
                now->tv_sec += atol(text);
            close(file);
        }
    }
    return result;
}
"""


class Clock:
    """The clock on the wall of one program."""

    def __init__(self, scratch: Path) -> None:
        self._file = scratch / "ahead"
        library = scratch / "clock.so"
        compiler = [needs("gcc"), "-shared", "-fPIC", "-o", os.fspath(library), "-xc", "-"]
        subprocess.run(compiler, input=SHIFTED.encode(), check=True)
        self.env = {"LD_PRELOAD": os.fspath(library), "CLOCK_AHEAD": os.fspath(self._file)}

    def set(self, utc: str) -> None:
        """It shows this time from now on, and goes on."""
        ahead = dt.datetime.fromisoformat(f"{utc}+00:00").timestamp() - time.time()
        new = self._file.with_suffix(".new")
        new.write_text(f"{ahead:.0f}")
        new.replace(self._file)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


def changed(run: Run, clock: Clock, scratch: Path, utc: str, window: str) -> Program:
    """A program on `one`, with another version at this time."""
    volume = scratch / "volume"
    root = scratch / "live"
    clock.set(utc)
    swap_volume(volume, {"app.conf": "one"})
    options = [
        f"--config-dir={volume}",
        f"--configroot={root}",
        f"--reload-window={window}",
        "--reload-interval=0s",
        "--listen=off",
    ]
    program = run(*app("read_config.py", root / "app.conf"), options=options, env=clock.env)
    program.expect("ready")
    clock.set(utc)  # again: a start takes its time
    swap_volume(volume, {"app.conf": "two"})
    return program


def test_window_opens_with_the_hour_that_a_zone_leaves_out(
    run: Run, clock: Clock, tmp_path: Path
) -> None:
    """At two o'clock it is three in Berlin, in the night of the spring."""
    utc = "2026-03-29 00:59:55"
    program = changed(run, clock, tmp_path, utc, "daily 02:30-03:30 Europe/Berlin")

    program.err.expect("the next opens at 2026-03-29T01:00:00Z")
    program.expect("config: two", timeout=MINUTE)


def test_hour_that_a_zone_repeats_opens_twice(run: Run, clock: Clock, tmp_path: Path) -> None:
    """Half past two in Berlin comes at half past midnight and at half past one, in autumn."""
    utc = "2026-10-25 01:29:55"
    program = changed(run, clock, tmp_path, utc, "daily 02:30-02:45 Europe/Berlin")

    program.err.expect("the next opens at 2026-10-25T01:30:00Z")
    program.expect("config: two", timeout=MINUTE)


def test_clock_that_is_set_delays_a_version_by_a_minute(
    run: Run, clock: Clock, tmp_path: Path
) -> None:
    """It was behind by months; the zone has another offset by now."""
    utc = "2026-01-15 12:00:00"
    program = changed(run, clock, tmp_path, utc, "daily 21:00-22:00 Europe/Berlin")
    program.err.expect("the next opens at 2026-01-15T20:00:00Z")

    clock.set("2026-07-15 19:30:00")
    program.expect("config: two", timeout=MINUTE + 10)
