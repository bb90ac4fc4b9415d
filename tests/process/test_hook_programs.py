"""The programs of hooks are looked up before the app starts: a mistyped name fails the start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from config_supervisor.process.executables import missing
from tests.hanging import Hanging
from tests.harness import Run, app
from tests.sync.reloading import Reloading

PATH = os.environ["PATH"]


@pytest.mark.parametrize("option", ["--validate", "--ready", "--verify", "--reload-exec"])
def test_a_hook_that_is_not_there_fails_the_start(run: Run, tmp_path: Path, option: str) -> None:
    subject = Reloading(run, tmp_path)
    subject.change("one")
    program = subject.start(f"{option}=nginxx -t -c {{dir}}/nginx.conf")

    program.finish(125)
    program.err.expect(
        rf"error: cannot run nginxx \({option}\): not found in PATH \(.*\); correct the option,"
        r" or put"
    )
    assert [] == program.out.rest()


@pytest.mark.parametrize(
    ("path", "why"), [("/nonexistent", "no such file"), ("/etc", "it is a directory")]
)
def test_a_hook_by_path_that_cannot_run_fails_the_start(
    run: Run, tmp_path: Path, path: str, why: str
) -> None:
    subject = Reloading(run, tmp_path)
    subject.change("one")
    program = subject.start(f"--reload-exec={path}")

    program.finish(125)
    program.err.expect(rf"error: cannot run {path} \(--reload-exec\): {why}; ")


def test_a_hook_that_may_come_later_is_not_refused(run: Run, tmp_path: Path) -> None:
    """From the configuration, the directory of the app, or a file system without an answer."""
    subject = Reloading(run, tmp_path)
    with Hanging(f"{tmp_path}/hung") as hung:
        for hook in ("{dir}/check", f"{subject.root}/check", "bin/check", f"{hung}/check"):
            subject.change("one")
            program = subject.start(f"--validate={hook}", "--reload-timeout=300ms")
            program.err.expect("error: cannot validate the new configuration")
            program.send(15)
            program.wait()


@pytest.mark.parametrize(
    ("program", "path", "why"),
    [
        ("sh", PATH, ""),
        ("/bin/sh", "", ""),
        ("no-such", "/bin:/usr/bin", "not found in PATH (/bin:/usr/bin)"),
        ("no-such", "/bin:relative", ""),
        ("no-such", "/bin:", ""),
        ("/etc/passwd", "", "it is not executable"),
        ("passwd", "/etc:/nowhere", "it is not executable"),
        ("/etc/passwd/x", "", "no such file"),
        ("/dev/null", "", "it is not a file"),
    ],
)
def test_a_program_is_judged_where_the_answer_is_sure(program: str, path: str, why: str) -> None:
    assert why == missing(program, path)


def test_the_path_of_the_app_counts(run: Run, tmp_path: Path) -> None:
    """Not ours: --env-file may change it."""
    place = tmp_path / "own"
    place.mkdir()
    (place / "validate-it").symlink_to("/bin/true")
    (tmp_path / "env").write_text(f"PATH={place}:{PATH}\n", encoding="utf-8")
    subject = Reloading(run, tmp_path)
    subject.change("one")
    program = subject.start(
        "--validate=validate-it", f"--env-file={tmp_path}/env", command=app("print_signals.py")
    )

    program.expect("ready")
