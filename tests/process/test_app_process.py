"""Options for the app's process: user, directory, umask, environment, death of a parent."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from signal import SIGKILL, SIGTERM, SIGUSR1

import pytest

from tests.conftest import needs_root
from tests.harness import Program, Run, app

IDS = ["sh", "-c", "id -u; id -g; id -G"]


def output(program: Program) -> list[str]:
    program.finish(0)
    return program.out.rest()


def write(folder: Path, text: str) -> str:
    path = folder / "app.env"
    path.write_text(text)
    return str(path)


def test_the_app_runs_as_user_and_group_and_in_no_other_group(run: Run) -> None:
    needs_root()
    prefix = ["setpriv", "--groups", "4,24"]
    program = run(*IDS, options=["--user", "65534:65533"], prefix=prefix)

    assert ["65534", "65533", "65533"] == output(program)


def test_a_user_without_an_entry_in_passwd_will_do(run: Run) -> None:
    needs_root()
    program = run(*IDS, options=["--user", "54321:54322"])

    assert ["54321", "54322", "54322"] == output(program)


def test_an_unknown_user_does_not_run_in_the_group_of_root(run: Run) -> None:
    """Docker takes the group of root silently; here the user must name a group."""
    needs_root()
    program = run(*IDS, options=["--user", "54321"])

    program.finish(125)
    program.err.expect("--user 54321:")
    assert [] == program.out.rest()


def test_a_user_that_we_may_not_become_gives_125_and_says_so(run: Run) -> None:
    needs_root()
    unprivileged = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", "--"]
    program = run("echo", "ran", options=["--user", "0:0"], prefix=unprivileged)

    program.finish(125)
    program.err.expect("--user|user 0|uid 0")
    assert [] == program.out.rest()


@pytest.mark.parametrize("user", ["no-such-user", "-1", "1:2:3", "1:no-such-group", ""])
def test_a_bad_user_is_refused_before_the_app_starts(run: Run, user: str) -> None:
    program = run("echo", "ran", options=[f"--user={user}"])

    assert program.wait() in {2, 125}
    program.err.expect("--user|user|group")
    assert [] == program.out.rest()


def test_the_app_starts_in_workdir(run: Run, tmp_path: Path) -> None:
    program = run("pwd", "-P", options=["--workdir", str(tmp_path)])

    assert [str(tmp_path.resolve())] == output(program)


def test_a_relative_workdir_is_relative_to_where_we_were(run: Run, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    program = run("pwd", "-P", options=["--workdir", "below"], cwd=tmp_path)

    assert [str(tmp_path.resolve() / "below")] == output(program)


def test_a_missing_workdir_gives_125_and_is_named(run: Run) -> None:
    """Not 127: the command may well be there."""
    program = run("echo", "ran", options=["--workdir", "/no/such/directory"])

    program.finish(125)
    program.err.expect("/no/such/directory")
    assert [] == program.out.rest()


def test_the_app_has_the_umask(run: Run) -> None:
    assert ["0027"] == output(run("sh", "-c", "umask", options=["--umask", "027"]))


@pytest.mark.parametrize("umask", ["9", "1000", "x"])
def test_a_bad_umask_is_a_usage_error(run: Run, umask: str) -> None:
    program = run("true", options=["--umask", umask])

    program.finish(2)
    program.err.expect("--umask")


def test_an_env_file_is_taken_literally_as_docker_does(run: Run, tmp_path: Path) -> None:
    text = """# a comment
PLAIN=value

QUOTED="kept 'as' it is"
SPACES=  two  spaces\x20\x20
EQUALS=a=b
DOLLAR=$HOME \\n #not a comment
EMPTY=
   INDENTED=yes
GIVEN
NOT_GIVEN
REPLACED=new
"""
    options = ["--env-file", write(tmp_path, text)]
    program = run("env", options=options, env={"GIVEN": "ours", "REPLACED": "old"})

    seen = dict(line.split("=", 1) for line in output(program))
    expected = {
        "PLAIN": "value",
        "QUOTED": "\"kept 'as' it is\"",
        "SPACES": "  two  spaces  ",
        "EQUALS": "a=b",
        "DOLLAR": "$HOME \\n #not a comment",
        "EMPTY": "",
        "INDENTED": "yes",
        "GIVEN": "ours",
        "REPLACED": "new",
    }
    assert expected == {name: seen.get(name) for name in expected}
    assert "NOT_GIVEN" not in seen


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_lines_of_an_env_file_end_as_docker_has_them(run: Run, end: bytes, tmp_path: Path) -> None:
    """Only at a line feed, without a carriage return before it; a byte order mark is skipped."""
    odd = {
        "FEED": "a\x0cb",
        "NEXT": "a\x85b",
        "BREAK": "a\u2028b",
        "RETURN": "a\rb",
        "GROUP": "a\x1cb",
        "A\x1dB": "1",
    }
    lines = [f"{name}={value}".encode() for name, value in odd.items()]
    (tmp_path / "app.env").write_bytes(
        b"\xef\xbb\xbf" + end.join([b"FIRST=1", *lines, b"RAW=\xff", b""])
    )
    program = run("cat", "/proc/self/environ", options=["--env-file", f"{tmp_path}/app.env"])

    seen = "\n".join(output(program)).split("\0")
    for entry in ["FIRST=1", *(f"{name}={value}" for name, value in odd.items()), "RAW=\udcff"]:
        assert entry in seen


@pytest.mark.parametrize("line", ["=value", "TWO WORDS=value", "TWO WORDS"])
def test_a_bad_line_of_an_env_file_is_named_with_file_and_line(
    run: Run, line: str, tmp_path: Path
) -> None:
    path = write(tmp_path, f"GOOD=1\n# comment\n{line}\n")
    program = run("echo", "ran", options=["--env-file", path])

    assert program.wait() in {2, 125}
    program.err.expect(f"{path}.*\\b3\\b")
    assert [] == program.out.rest()


def test_a_missing_env_file_is_named_with_the_reason(run: Run) -> None:
    program = run("echo", "ran", options=["--env-file", "/no/such/file"])

    assert program.wait() in {2, 125}
    program.err.expect("/no/such/file.*[Nn]o such file|[Nn]o such file.*/no/such/file")
    assert [] == program.out.rest()


def test_env_file_may_be_a_pipe(run: Run) -> None:
    """A shell makes it by `<(...)`."""
    program = run("env", options=["--env-file=/dev/stdin"])
    program.type("FIRST=1\n")
    program.type("SECOND=2\n")
    program.end_of_input()

    assert {"FIRST=1", "SECOND=2"} <= set(output(program))


@pytest.mark.parametrize("silent", [False, True])
def test_env_file_without_a_writer_holds_no_term(run: Run, tmp_path: Path, silent: bool) -> None:
    """A FIFO, and a pipe with a silent writer: a wait would hold back a TERM."""
    os.mkfifo(tmp_path / "fifo")
    path = "/dev/stdin" if silent else f"{tmp_path}/fifo"
    program = run("echo", "ran", options=[f"--env-file={path}"])

    program.finish(125)
    program.err.expect(f"cannot read env file {path}: it is a FIFO, and nothing was written to it")
    assert [] == program.out.rest()


def test_env_file_without_an_end_is_refused(run: Run) -> None:
    program = run("echo", "ran", options=["--env-file=/dev/zero"])

    program.finish(125)
    program.err.expect("cannot read env file /dev/zero: it has more than 16777216 bytes")


def test_python_settings_of_the_app_do_not_reach_us(run: Run, tmp_path: Path) -> None:
    """By `python3 -I -m`: pip's launcher obeys them. A `signal.py` of the app stays the app's."""
    (tmp_path / "signal.py").write_text("raise SystemExit(9)")
    env = {"PYTHONHOME": "/no/such/home", "PYTHONPATH": str(tmp_path)}
    isolated = [sys.executable, "-I", "-m", "config_supervisor", "--"]
    program = run.directly(*isolated, "sh", "-c", "echo $PYTHONHOME $PYTHONPATH", env=env)

    assert [f"/no/such/home {tmp_path}"] == output(program)


def test_variables_of_ours_do_not_reach_the_app(run: Run) -> None:
    """Credentials may stand in them. The variables of supervisorctl stay: the app may start it."""
    ours = {
        "CONFIG_SUPERVISOR_RELOAD_HTTP": "http://user:password@127.0.0.1:1/",
        "CONFIG_CONTROLLER_URL": "http://user:password@127.0.0.1:1/",
        "CONFIG_SUPERVISOR_STOP_SIGNAL": "QUIT",
        "CONFIG_SUPERVISOR_LISTEN": "off",
        "CONFIG_SUPERVISOR_VERSION": "4.2.5",
    }
    seen = [line.partition("=")[0] for line in output(run("env", env=ours))]

    left = sorted(
        name for name in seen if name.startswith(("CONFIG_SUPERVISOR_", "CONFIG_CONTROLLER_"))
    )
    assert [
        "CONFIG_SUPERVISOR_CONTROL",
        "CONFIG_SUPERVISOR_LISTEN",
        "CONFIG_SUPERVISOR_VERSION",
    ] == left


def test_a_variable_of_ours_in_an_env_file_is_for_the_app(run: Run, tmp_path: Path) -> None:
    """The app may be this program."""
    options = ["--env-file", write(tmp_path, "CONFIG_SUPERVISOR_STOP_SIGNAL=QUIT\n")]

    assert "CONFIG_SUPERVISOR_STOP_SIGNAL=QUIT" in output(run("env", options=options))


def test_no_core_dump_of_ours_can_hold_a_secret(run: Run, tmp_path: Path) -> None:
    """The app keeps its limits, and may write to our standard output, as images with cron do."""
    (tmp_path / "password").write_text("secret")
    script = (
        'ulimit -c; cat /proc/self/coredump_filter; echo "to the log" > /proc/$PPID/fd/1; exec cat'
    )
    limited = [
        "sh",
        "-c",
        'ulimit -S -c 5; echo 0x31 > /proc/self/coredump_filter; exec "$@"',
        "sh",
    ]
    program = run(
        "sh", "-c", script, options=[f"--config-dir={tmp_path}", "--listen=off"], prefix=limited
    )

    assert ["5", "00000031", "to the log"] == [program.out.next() for _ in range(3)]
    with (
        open(f"/proc/{program.pid}/limits") as limits,
        open(f"/proc/{program.pid}/coredump_filter") as memory,
    ):
        assert ["0"] == [
            line.split()[4] for line in limits if line.startswith("Max core file size")
        ]
        assert 0 == int(memory.read(), 16)


def test_path_of_an_env_file_finds_the_app(run: Run, tmp_path: Path) -> None:
    """As with `docker run --env-file`, which uses the PATH of the container."""
    script = tmp_path / "only-here"
    script.write_text("#!/bin/sh\necho found\n")
    script.chmod(0o755)
    env_file = write(tmp_path, f"PATH={tmp_path}:/usr/bin:/bin\n")

    assert ["found"] == output(run("only-here", options=["--env-file", env_file]))


def test_the_death_of_our_parent_sends_the_chosen_signal(run: Run) -> None:
    """The parent is a shell, or the `unshare` of the namespace."""
    prefix = [] if run.mode == "pid1" else ["sh", "-c", '"$@"; exit', "sh"]
    options = ["--parent-death-signal", "USR1"]
    program = run(*app("print_signals.py"), options=options, prefix=prefix)
    program.expect("ready")
    supervisor = program.pid if run.mode == "pid1" else program.app

    program.popen.send_signal(SIGKILL)
    assert str(int(SIGUSR1)) == program.out.next()
    os.kill(supervisor, SIGTERM)
    assert str(int(SIGTERM)) == program.out.next()
    run.kill_left()  # without a parent here, its exit code is lost
