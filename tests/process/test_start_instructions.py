"""The instructions of a start: roles as an image has them, against the smallest such program."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import needs
from tests.installed import ROOT, Installed

FLOOR = [sys.executable, "-I", "-S", f"{ROOT}/tests/bench/floor.py", "--", "true"]
# Of the floor, with Python 3.11: each run is within two percent, whatever the load of the machine.
MOST = {"bare": 0.9, "directory": 1.3}
TRIES = 3  # near the limit


@pytest.fixture(name="installed", scope="module")
def installed_(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    installed = Installed(tmp_path_factory.mktemp("image") / "home")
    installed.compile("--unchecked")
    return installed


@pytest.mark.timeout(240)
@pytest.mark.parametrize("role", ["bare", "directory"])
def test_a_start_takes_few_instructions(
    installed: Installed, role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the end of an app that ends at once; without a port, whose imports are no part of it."""
    monkeypatch.delenv("CONFIG_SUPERVISOR_CONTROL")  # an option in the environment is parsed
    # Apart from what the counter writes, each file of which would be one more to read.
    followed = tmp_path / "followed"
    followed.mkdir()
    (followed / "app.conf").write_text("first", encoding="utf-8")
    options = {"bare": [], "directory": [f"--config-dir={followed}", "--listen=off"]}[role]
    command = installed.command(*options, "--", "true")

    assert any(
        instructions(command, tmp_path) / instructions(FLOOR, tmp_path) < MOST[role]
        for _ in range(TRIES)
    )


def instructions(command: list[str], scratch: Path) -> int:
    """The instructions of a command, without its children."""
    # By the interpreter, since valgrind would follow the launcher's first line as it stands.
    if not command[0].endswith("python"):
        command = [f"{Path(command[0]).parent}/python3", "-IS", *command]
    done = subprocess.run(
        [*counting(scratch), *command], check=True, capture_output=True, text=True
    )
    return counted(done.stderr)


def counting(scratch: str | os.PathLike[str]) -> list[str]:
    """The prefix of a command; without a simulated cache it takes three quarters of the time."""
    output = f"--cachegrind-out-file={os.fspath(scratch)}/%p"
    return [needs("valgrind"), "--tool=cachegrind", "--cache-sim=no", output]


def counted(told: str) -> int:
    """The instructions in what the counter tells at the end of a command."""
    found = re.findall(r"I +refs: +([\d,]+)", told)
    assert 1 == len(found), told
    return int(found[0].replace(",", ""))
