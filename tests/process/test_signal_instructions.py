"""The instructions of a forwarded signal: a bare init against the least of a Python program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.harness import APPS, app
from tests.process.test_start_instructions import counted, counting

ROOT = os.path.dirname(os.path.dirname(APPS))
FEW, MANY = 100, 500


@pytest.mark.timeout(120)
def test_a_forwarded_signal_takes_few_instructions(tmp_path: os.PathLike[str]) -> None:
    """Wait, rules, kill and observers: twice those of the floor with Python 3.11, whatever the load
    of the machine.
    """
    bare = [sys.executable, "-I", "-m", "config_supervisor", "--subreaper=off"]
    floor = [sys.executable, "-S", "-I", f"{ROOT}/tests/bench/floor.py"]

    assert per_signal(bare, tmp_path) / per_signal(floor, tmp_path) < 2.6


def per_signal(init: list[str], scratch: os.PathLike[str]) -> float:
    forwarded(init, 1, scratch)  # compiles modules
    return (forwarded(init, MANY, scratch) - forwarded(init, FEW, scratch)) / (MANY - FEW)


def forwarded(init: list[str], signals: int, scratch: os.PathLike[str]) -> int:
    """The instructions of an init that forwards signals, one after the other, to its app."""
    with subprocess.Popen(
        [*counting(scratch), *init, "--", *app("print_signals.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        try:
            assert "ready\n" == program.stdout.readline()
            for _ in range(signals):
                program.send_signal(signal.SIGUSR1)
                assert f"{signal.SIGUSR1:d}\n" == program.stdout.readline()
            children = f"/proc/{program.pid}/task/{program.pid}/children"
            with open(children, encoding="ascii") as file:
                os.kill(int(file.read()), signal.SIGKILL)
            told = program.communicate(timeout=30)[1]
        finally:
            program.kill()
    return counted(told)
