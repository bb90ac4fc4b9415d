"""The reason of an end in the file that a kubelet mounts: of our own ends alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from config_supervisor.runtime import termination_message
from tests.conftest import needs
from tests.harness import Run


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty file, as from a kubelet."""
    path = tmp_path / "termination-log"
    path.touch()
    return path


def ended(
    run: Run, place: Path, code: int, options: Sequence[str], command: Sequence[str] = ("true",)
) -> str:
    """The text of the file after the program has ended with `code`."""
    run(*command, options=options, env=_named(place)).finish(code)
    return place.read_text()


def _named(place: Path) -> dict[str, str]:
    return {termination_message.VARIABLE: str(place), "KUBERNETES_SERVICE_HOST": ""}


def test_a_usage_error_is_explained(run: Run, place: Path) -> None:
    assert "unknown option --no-such" in ended(run, place, 2, ["--no-such"])


def test_full_disk_of_the_file_is_told(run: Run, place: Path) -> None:
    """A limit of the sizes of files stands for it (setrlimit(2)): the start is lived through."""
    limited = [needs("prlimit"), "--fsize=0", "--"]
    program = run("true", options=["--no-such"], env=_named(place), prefix=limited)
    program.finish(2)
    why = f"cannot write the reason of the end to {place}: file too large; only this log has it"

    assert 1 == sum(why in line for line in program.err.seen)
    assert "" == place.read_text()


def test_a_start_that_is_impossible_is_explained(run: Run, place: Path) -> None:
    said = ended(run, place, 125, ["--config-dir=/etc", "--events"])
    assert said.startswith("--events needs POD_NAME")


def test_a_configuration_that_does_not_come_is_explained(
    run: Run, place: Path, tmp_path: Path
) -> None:
    missing = str(tmp_path / "absent")
    said = ended(
        run, place, 125, [f"--config-dir={missing}", "--initial-sync-timeout=300ms", "--listen=off"]
    )
    assert missing in said
    assert 1 == len(said.splitlines())


@pytest.mark.parametrize("code", [0, 2, 3, 125, 127])
def test_an_app_that_ends_is_left_the_file(run: Run, place: Path, code: int) -> None:
    script = f"echo from the app > {place}; exit {code}"
    assert "from the app\n" == ended(run, place, code, [], ["sh", "-c", script])


def test_an_app_that_a_signal_ends_is_left_the_file(run: Run, place: Path) -> None:
    program = run(
        "sh", "-c", "echo ready; exec sleep 60", env={termination_message.VARIABLE: str(place)}
    )
    program.expect("ready")
    program.send(15)
    program.finish(143)
    assert "" == place.read_text()


def test_a_file_that_is_not_there_is_not_made(run: Run, tmp_path: Path) -> None:
    place = tmp_path / "none"
    run("true", options=["--no-such"], env={termination_message.VARIABLE: str(place)}).finish(2)
    assert not place.exists()


def test_a_place_that_is_no_file_delays_nothing(run: Run, tmp_path: Path) -> None:
    """A FIFO without a reader, a directory, a device."""
    fifo = str(tmp_path / "fifo")
    os.mkfifo(fifo)
    for path in (fifo, str(tmp_path), "/dev/null"):
        run("true", options=["--no-such"], env={termination_message.VARIABLE: path}).finish(2, 5)


@pytest.mark.parametrize("letter", ["x", "é", "\ud800"])
def test_a_long_explanation_is_cut_with_what_is_left_out(place: Path, letter: str) -> None:
    place.write_text("of an earlier try, and longer than what comes now")
    termination_message.explain(
        f"first\nsecond {letter * 5000}", {termination_message.VARIABLE: str(place)}
    )
    said = place.read_bytes()
    assert len(said) <= termination_message.LIMIT
    assert said.startswith(b"first second ")
    assert said.endswith(b" bytes more)")
    termination_message.explain("short", {termination_message.VARIABLE: str(place)})
    assert "short" == place.read_text()
