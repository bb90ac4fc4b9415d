"""The command line of supervisord: ours beside the original's."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from config_supervisor import __version__
from tests.harness import PROGRAM, environment
from tests.services import oracle

REFUSED = [
    ["-n", "extra"],
    ["--nosuch"],
    ["-c"],
    ["-c", "/nosuch/file"],
    ["-n", "-e", "loud", "-c", "FILE"],
    ["-n", "-y", "many", "-c", "FILE"],
    ["-n", "-z", "1.5", "-c", "FILE"],
    ["-n", "-a", "few", "-c", "FILE"],
    ["-n", "--minprocs=few", "-c", "FILE"],
    ["-n", "-u", "nosuchuser", "-c", "FILE"],
    ["-n", "-m", "9", "-c", "FILE"],
    ["-n", "-d", "/nosuch", "-c", "FILE"],
    ["-n", "-q", "/nosuch", "-c", "FILE"],
    ["-n", "-l", "/nosuch/log", "-c", "FILE"],
    ["-n", "-j", "/nosuch/pid", "-c", "FILE"],
]


class Programs:
    """Both programs, by the same name, in directories of their own."""

    def __init__(self, place: Path, original: Path) -> None:
        self._place = place
        self.file = place / "plain.conf"
        self.file.write_text("[supervisord]\n[program:a]\ncommand = sleep 1000\n")
        self.ours = place / "bin" / "supervisord"
        self.ours.parent.mkdir()
        self.ours.symlink_to(PROGRAM[0])
        self.original = original

    def run(self, program: Path, words: Sequence[str]) -> tuple[int, str, str]:
        command = [str(program), *(str(self.file) if word == "FILE" else word for word in words)]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=self._place,
            env=environment(),
            timeout=15,
        )
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def programs(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Programs:
    python = oracle.environment(tmp_path_factory.getbasetemp().parent / "supervisor-4.3")
    return Programs(tmp_path, python.with_name("supervisord"))


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_refused_line_ends_both_alike(words: list[str], programs: Programs) -> None:
    for program in (programs.original, programs.ours):
        code, out, err = programs.run(program, words)
        assert (2, "") == (code, out), err
        assert re.fullmatch(rf"Error: .+\nFor help, use {program} -h\n", err), err


def test_version_and_help_are_answers(programs: Programs) -> None:
    for word in ("-v", "--version"):
        assert (0, f"supervisor {__version__}\n", "") == programs.run(programs.ours, [word])
    for word in ("-h", "--help", "-?"):
        code, out, err = programs.run(programs.ours, [word])
        assert (0, "") == (code, err)
        assert out.startswith("usage: supervisord [OPTIONS]\n")


def test_help_names_each_option_of_the_original(programs: Programs) -> None:
    theirs = programs.run(programs.original, ["-h"])[1]
    options = {
        word
        for pair in re.findall(r"^(-\w/)?(--\w+)", theirs, re.MULTILINE)
        for word in pair
        if word
    }
    ours = programs.run(programs.ours, ["-h"])[1]

    assert 15 < len(options)
    assert [] == [word for word in options if word.rstrip("/") not in ours]


def test_file_is_found_without_an_option(programs: Programs) -> None:
    """The first is that beside the directory of the program."""
    place = programs.ours.parent.parent
    for name, service in (("supervisord.conf", "second"), ("etc/supervisord.conf", "first")):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text(f"[supervisord]\n[program:{service}]\ncommand = true\n")
        assert service in programs.run(programs.ours, ["--check"])[1]


def test_without_n_stays_in_the_foreground_with_a_warning(programs: Programs) -> None:
    programs.file.write_text(
        "[supervisord]\n[program:a]\ncommand = sh -c 'kill $PPID'\nstartsecs = 0\n"
    )
    place = str(programs.file.parent)
    quiet = ["-l", f"{place}/log", "-j", f"{place}/pid", "-c", "FILE"]
    warning = "stays in the foreground"

    assert (0, True) == told(programs, quiet, warning)
    assert (0, False) == told(programs, ["-n", *quiet], warning)


def told(programs: Programs, words: list[str], text: str) -> tuple[int, bool]:
    """The exit code, and whether an output has the text."""
    code, out, err = programs.run(programs.ours, words)
    return code, text in out + err


def test_option_beats_the_file(programs: Programs) -> None:
    place = programs.file.parent
    programs.file.write_text(
        "[supervisord]\nlogfile = file.log\npidfile = file.pid\nidentifier = file\n"
        "[program:a]\ncommand = sh -c 'cat *.pid; kill $PPID'\nstartsecs = 0\n"
        f"stdout_logfile = {place}/a.out\n"
    )
    words = ["-s", "-l", str(place / "line.log"), "-j", str(place / "line.pid"), "-e", "debug"]

    assert (0, "") == programs.run(programs.ours, ["-n", *words, "-c", "FILE"])[:2]
    assert not (place / "file.log").exists()
    assert "DEBG" in (place / "line.log").read_text()
    assert (place / "a.out").read_text().strip().isdigit()
