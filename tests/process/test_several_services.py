"""The processes of several services are told apart: signals, ends, leftovers."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from tests.harness import APPS


def test_leftovers_of_one_service_end_alone() -> None:
    """The other service lives on, and its name reaches it."""
    command = [sys.executable, os.path.join(APPS, "two_services.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    seen = re.sub(r"Exited \d+", "Exited PID", done.stdout).splitlines()

    assert [
        "Exited PID 3 0 web",
        "None",
        "NothingLeft web",
        "NothingLeft(service='web')",
        "Exited PID 143 15 worker",
    ] == seen, done.stderr
