"""The instructions of a start: a bare init against the smallest such program in Python."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.conftest import needs
from tests.harness import APPS, app

ROOT = os.path.dirname(os.path.dirname(APPS))


@pytest.mark.timeout(120)
def test_a_start_takes_few_instructions(
    tmp_path: os.PathLike[str],
) -> None:
    """Compared with the least of a Python program: 1.1 times with Python 3.11, in each run within a
    percent, whatever the load of the machine.
    """
    valgrind = needs("valgrind")
    bare = app("tell_modules.py", ROOT, "--subreaper=off", "--", "true")
    floor = [sys.executable, "-S", "-I", f"{ROOT}/tests/bench/floor.py", "--", "true"]

    assert instructions(valgrind, bare, tmp_path) / instructions(valgrind, floor, tmp_path) < 1.2


def instructions(valgrind: str, command: list[str], scratch: os.PathLike[str]) -> int:
    """The instructions of a command, without its children."""
    subprocess.run(command, check=True, capture_output=True)  # compiles modules
    counting = [valgrind, "--tool=callgrind", f"--callgrind-out-file={scratch}/%p"]
    done = subprocess.run([*counting, *command], check=True, capture_output=True, text=True)
    found = re.findall(r"Collected : (\d+)", done.stderr)
    assert 1 == len(found), done.stderr
    return int(found[0])
