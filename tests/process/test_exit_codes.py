"""Exit codes: the code of the app, 128+n for a signal, and our own without an app."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGRTMAX, SIGRTMIN, SIGSEGV, SIGTERM, SIGUSR1

import pytest

from tests.harness import Run

SCRIPT = "echo ran; exit 3\n"


def make(path: Path, text: str, mode: int) -> str:
    path.write_text(text)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize("quarter", [range(n, n + 64) for n in (0, 64, 128, 192)], ids=str)
def test_every_exit_code_of_the_app_is_ours(run: Run, quarter: range) -> None:
    for first in quarter[::8]:
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
    run: Run, case: str, tmp_path: Path
) -> None:
    code, name = UNSTARTABLE[case]
    make(tmp_path / "plain", SCRIPT, 0o644)
    make(tmp_path / "bad-interpreter", "#!/no/such/interpreter\n", 0o755)
    (tmp_path / "directory").mkdir()
    path = str(tmp_path / name)

    assert code == subprocess.run(["sh", "-c", path], capture_output=True, check=False).returncode
    program = run(path)
    program.finish(code)
    message = "\n".join(program.err.rest())
    assert path in message
    assert "Traceback" not in message


def test_an_app_that_is_not_in_path_gives_127(run: Run) -> None:
    env = {
        "PATH": "/usr/bin:/bin"
    }  # a directory in it that we may not search would be a case of 126
    shell = subprocess.run(
        ["sh", "-c", "no-such-program"], env=env, capture_output=True, check=False
    )
    assert 127 == shell.returncode
    program = run("no-such-program", env=env)
    program.finish(127)
    program.err.expect("no-such-program.*([Nn]o such file|[Nn]ot found)")


def test_an_app_in_path_without_the_right_to_run_gives_126(run: Run, tmp_path: Path) -> None:
    """EACCES as execvp(3) has it, and 126 as bash gives; dash goes on and says 127."""
    make(tmp_path / "plain", SCRIPT, 0o644)

    program = run("plain", env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    program.finish(126)
    program.err.expect("plain.*[Pp]ermission denied")


def test_a_file_without_the_right_to_run_hides_no_later_file(run: Run, tmp_path: Path) -> None:
    for folder, mode in (("first", 0o644), ("second", 0o755)):
        (tmp_path / folder).mkdir()
        make(tmp_path / folder / "program", "#!/bin/sh\n" + SCRIPT, mode)
    path = f"{tmp_path}/first:{tmp_path}/second:{os.environ['PATH']}"

    run("program", env={"PATH": path}).finish(3)


def test_a_script_without_an_interpreter_line_runs(run: Run, tmp_path: Path) -> None:
    """execvp(3) hands such a file to sh; images have entrypoints like that."""
    path = make(tmp_path / "script", 'echo "$0 $1 $2"; exit 3\n', 0o755)

    program = run(path, "a b", "c")
    program.finish(3)
    assert [f"{path} a b c"] == program.out.rest()


def test_a_failed_start_names_the_command_and_the_reason(run: Run) -> None:
    program = run("/no/such/program", "argument")

    program.finish(127)
    line = program.err.expect("/no/such/program").string
    assert "o such file" in line
    assert [] == program.err.rest()


USAGE_ERRORS = {
    "an unknown option": (["--no-such-option", "--", "true"], "--no-such-option"),
    "a bad duration": (["--stop-timeout", "5x", "--", "true"], "--stop-timeout"),
    "a bad signal": (["--stop-signal", "FOO", "--", "true"], "--stop-signal"),
    "a bad rewrite": (["--rewrite", "15", "--", "true"], "--rewrite"),
    "a rewrite of a signal without a handler": (
        ["--rewrite", "KILL:TERM", "--", "true"],
        "KILL",
    ),
    "a bad choice": (["--leftovers", "what", "--", "true"], "--leftovers"),
    "a missing value": (["--stop-signal"], "--stop-signal"),
    "no command at all": ([], "[Cc]ommand|COMMAND"),
    "no command behind options": (["-g", "--"], "[Cc]ommand|COMMAND"),
}


@pytest.mark.parametrize("case", USAGE_ERRORS)
def test_a_usage_error_is_a_line_with_the_option_and_gives_2(run: Run, case: str) -> None:
    options, named = USAGE_ERRORS[case]

    program = run(options=options)
    program.finish(2)
    assert [] == program.out.rest()
    program.err.expect(named)
    assert len(program.err.seen) + len(program.err.rest()) == 1, program.err.seen


@pytest.mark.parametrize(
    "name", ["CONFIG_SUPERVISOR_STOP_TIMEOUT", "CONFIG_SUPERVISOR_STOP_SIGNAL"]
)
def test_a_bad_variable_is_a_usage_error_with_its_name(run: Run, name: str) -> None:
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
    """The JVM ends a clean stop with 143."""
    options = ["--ok-exit-code", "143", "--ok-exit-code", "3"]

    run("sh", "-c", "kill -TERM $$", options=options).finish(0)
    run("sh", "-c", "exit 3", options=options).finish(0)
    run("sh", "-c", "exit 4", options=options).finish(4)


@pytest.mark.parametrize(
    ("output", "code"),
    [("/dev/null", 0), ("/dev/full", 125), ("&-", 0)],
    ids=["null", "full", "closed"],
)
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_needs_no_standard_output(run: Run, option: str, output: str, code: int) -> None:
    """No traceback reaches a user."""
    program = run(options=[option], prefix=["sh", "-c", f'exec "$@" >{output}', "sh"])

    program.finish(code)
    said = program.err.rest()
    assert [line for line in said if "cannot write to standard output" not in line] == []
    assert (code != 0) == bool(said)
