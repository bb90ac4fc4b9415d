"""Exit codes: the app's own, 128+n for its signals, and ours when there is no app."""

from __future__ import annotations

import os
import subprocess
from signal import SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGRTMAX, SIGRTMIN, SIGSEGV, SIGTERM, SIGUSR1

import pytest

from tests.harness import Run

SCRIPT = "echo ran; exit 3\n"


def make(path: os.PathLike[str], text: str, mode: int) -> str:
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)
    return os.fspath(path)


def test_every_exit_code_of_the_app_is_ours(run: Run) -> None:
    for first in range(0, 256, 8):
        codes = range(first, first + 8)
        programs = [run("sh", "-c", f"exit {code}") for code in codes]
        assert list(codes) == [program.wait() for program in programs]


@pytest.mark.parametrize(
    "number", [SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGSEGV, SIGTERM, SIGUSR1, SIGRTMIN, SIGRTMAX]
)
def test_an_app_that_a_signal_ends_gives_128_and_its_number(run: Run, number: int) -> None:
    run("sh", "-c", f"ulimit -c 0; kill -{number:d} $$").finish(128 + number)


UNSTARTABLE = {
    "a missing file": (127, "no-such-program"),
    "a file below a file": (127, "plain/program"),
    "a script whose interpreter is missing": (127, "bad-interpreter"),
    "a file that may not be executed": (126, "plain"),
    "a directory": (126, "directory"),
}


@pytest.mark.parametrize("case", UNSTARTABLE)
def test_an_app_that_cannot_start_gives_the_code_that_sh_gives(
    run: Run, case: str, tmp_path: os.PathLike[str]
) -> None:
    code, name = UNSTARTABLE[case]
    make(os.path.join(tmp_path, "plain"), SCRIPT, 0o644)
    make(os.path.join(tmp_path, "bad-interpreter"), "#!/no/such/interpreter\n", 0o755)
    os.mkdir(os.path.join(tmp_path, "directory"))
    path = os.path.join(tmp_path, name)

    assert code == subprocess.run(["sh", "-c", path], capture_output=True, check=False).returncode
    program = run(path)
    program.finish(code)
    message = "\n".join(program.err.rest())
    assert path in message
    assert "Traceback" not in message


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [("no-such-program", 127, "[Nn]o such file|[Nn]ot found"), ("plain", 126, "[Pp]ermission")],
)
def test_an_app_that_is_looked_for_in_path_fails_as_with_sh(
    run: Run, name: str, code: int, reason: str, tmp_path: os.PathLike[str]
) -> None:
    make(os.path.join(tmp_path, "plain"), SCRIPT, 0o644)
    path = f"{tmp_path}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path}

    shell = subprocess.run(["sh", "-c", name], env=env, capture_output=True, check=False)
    assert code == shell.returncode
    program = run(name, env={"PATH": path})
    program.finish(code)
    assert name in program.err.expect(f".*({reason}).*").group()


def test_a_file_that_may_not_be_executed_hides_no_later_one_in_path(
    run: Run, tmp_path: os.PathLike[str]
) -> None:
    for folder, mode in (("first", 0o644), ("second", 0o755)):
        os.mkdir(os.path.join(tmp_path, folder))
        make(os.path.join(tmp_path, folder, "program"), "#!/bin/sh\n" + SCRIPT, mode)
    path = f"{tmp_path}/first:{tmp_path}/second:{os.environ['PATH']}"

    run("program", env={"PATH": path}).finish(3)


def test_a_script_without_an_interpreter_line_runs(run: Run, tmp_path: os.PathLike[str]) -> None:
    """execvp(3) hands such a file to sh; images have entrypoints like that."""
    path = make(os.path.join(tmp_path, "script"), 'echo "$0 $1 $2"; exit 3\n', 0o755)

    program = run(path, "a b", "c")
    program.finish(3)
    assert [f"{path} a b c"] == program.out.rest()


def test_a_failed_start_names_the_command_and_the_reason(run: Run) -> None:
    program = run("/no/such/program", "argument")

    program.finish(127)
    line = program.err.expect("/no/such/program").string
    assert "o such file or directory" in line
    assert [] == program.err.rest()


USAGE_ERRORS = {
    "an unknown option": (["--no-such-option", "--", "true"], "--no-such-option"),
    "a bad duration": (["--stop-timeout", "5x", "--", "true"], "--stop-timeout"),
    "a bad signal": (["--stop-signal", "FOO", "--", "true"], "--stop-signal"),
    "a bad rewrite": (["--rewrite", "15", "--", "true"], "--rewrite"),
    "a rewrite of a signal that nobody can catch": (["--rewrite", "KILL:TERM", "--", "true"], "KILL"),
    "a bad choice": (["--leftovers", "what", "--", "true"], "--leftovers"),
    "a missing value": (["--stop-signal"], "--stop-signal"),
    "no command at all": ([], "[Cc]ommand|COMMAND"),
    "no command behind options": (["-g", "--"], "[Cc]ommand|COMMAND"),
}


@pytest.mark.parametrize("case", USAGE_ERRORS)
def test_a_usage_error_is_one_line_that_names_the_option_and_gives_2(run: Run, case: str) -> None:
    options, named = USAGE_ERRORS[case]

    program = run(options=options)
    program.finish(2)
    assert [] == program.out.rest()
    program.err.expect(named)
    assert len(program.err.seen) + len(program.err.rest()) == 1, program.err.seen


@pytest.mark.parametrize("name", ["SUPERVISOR_STOP_TIMEOUT", "SUPERVISOR_STOP_SIGNAL"])
def test_a_bad_value_in_the_environment_is_a_usage_error_that_names_it(run: Run, name: str) -> None:
    program = run("true", env={name: "5x"})

    program.finish(2)
    program.err.expect(f"{name}.*5x|5x.*{name}")


def test_options_end_at_the_command(run: Run) -> None:
    """So `supervisor echo --version` runs echo, as with tini and env."""
    program = run(options=["echo", "--version", "-g", "--no-such-option"])

    program.finish(0)
    assert ["--version -g --no-such-option"] == program.out.rest()[:1]


def test_only_the_first_double_dash_is_ours(run: Run) -> None:
    program = run("printf", "%s\n", "--", "-x")

    program.finish(0)
    assert ["--", "-x"] == program.out.rest()


def test_an_ok_exit_code_becomes_0(run: Run) -> None:
    """143 is what the JVM ends with after a clean stop."""
    options = ["--ok-exit-code", "143", "--ok-exit-code", "3"]

    run("sh", "-c", "kill -TERM $$", options=options).finish(0)
    run("sh", "-c", "exit 3", options=options).finish(0)
    run("sh", "-c", "exit 4", options=options).finish(4)
