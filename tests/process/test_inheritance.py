"""The inheritance of the app: the same as without the supervisor."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import MARK, Program, Run, app, parse_status, signals_in, wait_until

STATUS = ["cat", "/proc/self/status"]
SIGCONF = [
    "env",
    "--ignore-signal=TTOU,SEGV,INT",
    "--block-signal=TTIN,ILL,TERM",
]  # tini's test of signal configuration
TTOU, TTIN, SEGV, INT, ILL, TERM, PIPE, XFSZ = 22, 21, 11, 2, 4, 15, 13, 25


def output(program: Program) -> list[str]:
    program.finish(0)
    return program.out.rest()


def signal_lines(program: Program) -> dict[str, set[int]]:
    found = parse_status(output(program))
    return {name: signals_in(found[name]) for name in ("SigIgn", "SigBlk", "SigCgt")}


def test_ignored_and_blocked_signals_of_the_caller_reach_the_app(run: Run) -> None:
    seen = signal_lines(run(*STATUS, prefix=SIGCONF))

    assert {TTOU, SEGV, INT} <= seen["SigIgn"]
    assert {TTIN, ILL, TERM} <= seen["SigBlk"]


@pytest.mark.parametrize(
    "prefix",
    [
        [],
        SIGCONF,
        ["env", "--ignore-signal=HUP"],
        ["env", "--ignore-signal=CHLD"],
        ["env", "--ignore-signal=HUP,TERM,TSTP,TTIN,RTMIN+1", "--block-signal=USR1,RTMAX,CONT"],
    ],
    ids=["plain", "sigconf", "nohup", "chld", "many"],
)
def test_the_signal_masks_of_the_app_are_as_without_us(run: Run, prefix: list[str]) -> None:
    without = signal_lines(run.directly(*STATUS, prefix=prefix))

    assert without == signal_lines(run(*STATUS, prefix=prefix))


@pytest.mark.parametrize("prefix", [[], ["env", "--ignore-signal=PIPE,XFSZ"]])
def test_sigpipe_and_sigxfsz_have_their_default_in_the_app(run: Run, prefix: list[str]) -> None:
    """Python ignores both before our code runs, so the inherited disposition is lost."""
    assert set() == {PIPE, XFSZ} & signal_lines(run(*STATUS, prefix=prefix))["SigIgn"]


def test_a_caller_that_ignores_chld_costs_no_exit_code(
    run: Run,
) -> None:
    """Ignored SIGCHLD makes the kernel forget exit codes (wait(2)), and exec hands it down."""
    run("sh", "-c", "exit 7", prefix=["env", "--ignore-signal=CHLD"]).finish(7)


def test_a_signal_that_our_caller_ignores_is_not_forwarded(run: Run) -> None:
    """`nohup supervisor app` protects the app as `nohup app` does."""
    program = run("sh", "-c", "echo ready; exec cat", prefix=["env", "--ignore-signal=HUP"])
    program.expect("ready")

    program.send(1)
    program.type("still here\n")
    assert "still here" == program.out.next()
    program.send(TERM)
    program.finish(128 + TERM)


def test_the_app_has_an_empty_mask_if_we_start_with_all_blocked(
    run: Run,
) -> None:
    """`env --block-signal` in an ENTRYPOINT holds signals back until we can take them:
    for us only.
    """
    assert set() == signal_lines(run(*STATUS, prefix=["env", "--block-signal"]))["SigBlk"]


def test_the_supervisor_lives_in_the_root_the_app_where_it_began(run: Run, tmp_path: Path) -> None:
    """So we keep no volume busy, as dumb-init does."""
    program = run("sh", "-c", "pwd -P; cat", cwd=tmp_path)

    assert str(tmp_path.resolve()) == program.out.next()
    assert "/" == os.readlink(f"/proc/{program.pid}/cwd")
    program.end_of_input()
    program.finish(0)


@pytest.mark.parametrize("options", [(), ("--restart=on-failure",)])
def test_open_files_of_the_caller_reach_the_app(run: Run, options: tuple[str, ...]) -> None:
    """A shell's `<(...)` and `3>file`, sockets of a service manager; as with tini."""
    reading, writing = os.pipe()
    with open(reading), open(writing, "w") as pipe:
        program = run("sh", "-c", f"cat /dev/fd/{reading}", options=options, pass_fds=[reading])
        pipe.write("through the pipe\n")
    assert "through the pipe" == program.out.next()
    program.finish(0)


def test_a_process_substitution_of_a_shell_is_read(run: Run) -> None:
    program = run("cat", prefix=["bash", "-c", '"$@" <(echo hello)', "bash"])

    assert ["hello"] == output(program)


def test_nothing_of_ours_is_open_in_the_app(run: Run, tmp_path: Path) -> None:
    """In any role: no watched directory, no socket, no pipe."""
    (tmp_path / "app.conf").write_text("one")
    inherited = os.open("/dev/null", os.O_RDONLY)
    options = [
        f"--config-dir={tmp_path}",
        "--listen=127.0.0.1:0",
        f"--control={tmp_path}/control.sock",
    ]
    try:
        program = run(*app("report_fds.py"), options=options, pass_fds=[inherited])
        seen = output(program)
    finally:
        os.close(inherited)

    assert ["0", "1", "2", str(inherited)] == [line.split()[0] for line in seen]


def test_hooks_do_not_hold_the_files_of_the_app(run: Run, tmp_path: Path) -> None:
    (tmp_path / "app.conf").write_text("one")
    inherited = os.open("/dev/null", os.O_RDONLY)
    hook = f"sh -c 'ls /proc/self/fd > {tmp_path}.seen'"
    options = [f"--config-dir={tmp_path}", f"--ready={hook}", "--listen=off", "--verify-window=0s"]
    try:
        program = run("sh", "-c", "echo ready; exec cat", options=options, pass_fds=[inherited])
        program.expect("ready")
        seen = Path(f"{tmp_path}.seen")
        wait_until(lambda: assert_lists(seen))
    finally:
        os.close(inherited)

    assert str(inherited) not in seen.read_text().split()
    program.end_of_input()
    program.finish(0)


def assert_lists(path: Path) -> None:
    assert path.exists()
    assert {"0", "1", "2"} <= set(path.read_text().split())


def test_sockets_of_a_service_manager_are_for_the_app(run: Run) -> None:
    """LISTEN_PID names their process; PID 1 of the container stands between."""
    script = (
        'echo $LISTEN_FDS; test "$LISTEN_PID" = $$ && echo mine; test -e /proc/self/fd/3 && echo'
        " open"
    )
    passing = ["sh", "-c", 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@" 3</dev/null', "sh"]
    program = run("sh", "-c", script, prefix=passing)

    assert ["1", "mine", "open"] == output(program)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- 2>&-", "<&- >&- 2>&-"])
def test_a_closed_standard_stream_becomes_no_other_file(
    run: Run, closed: str, tmp_path: Path
) -> None:
    """A log line must not go into a socket or a configuration file with number 2."""
    conf = tmp_path / "conf"
    conf.mkdir()
    (conf / "app.conf").write_text("one")
    told = tmp_path / "told"
    script = f"ls -l /proc/$PPID/fd > {told}.new; mv {told}.new {told}; exec sleep 60"
    options = [f"--config-dir={conf}", "--listen=127.0.0.1:0", "-v"]
    program = run(
        "sh", "-c", script, options=options, prefix=["sh", "-c", f'exec "$@" {closed}', "sh"]
    )

    wait_until(lambda: assert_exists(told))
    links = dict(re.findall(r" (\d+) -> (\S+)", told.read_text()))
    numbers = [str("<>2".index(one[0])) for one in closed.split()]
    assert ["/dev/null"] * len(numbers) == [links[number] for number in numbers]
    program.send(TERM)
    program.finish(128 + TERM)


def assert_exists(path: Path) -> None:
    assert path.exists()


def test_the_supervisor_keeps_no_inherited_file_open(run: Run) -> None:
    """The reader of a pipe sees its end when the app closes it: catatonit #12."""
    reading, writing = os.pipe()
    try:
        program = run("sh", "-c", "echo ready; cat", pass_fds=[writing])
        program.expect("ready")
        pipe = os.readlink(f"/proc/self/fd/{writing}")
    finally:
        os.close(reading)
        os.close(writing)

    folder = f"/proc/{program.pid}/fd"
    wait_until(lambda: assert_not_among(pipe, [f"{folder}/{n}" for n in os.listdir(folder)]))
    program.end_of_input()
    program.finish(0)


def assert_not_among(target: str, links: list[str]) -> None:
    assert target not in [os.readlink(link) for link in links if os.path.lexists(link)]


def test_the_streams_of_the_app_stay_blocking(run: Run) -> None:
    """O_NONBLOCK belongs to the open file, which the app shares: it would lose output."""
    program = run(*app("report_fds.py"), options=["-v"])

    assert ["0 blocking", "1 blocking", "2 blocking"] == output(program)


def test_the_app_leads_a_process_group_of_its_own_in_our_session(run: Run) -> None:
    program = run("sh", "-c", "echo ready; exec cat")
    program.expect("ready")

    assert program.app == os.getpgid(program.app)
    assert os.getpgid(program.pid) != os.getpgid(program.app)
    assert os.getsid(program.pid) == os.getsid(program.app)


@pytest.mark.parametrize("locale", ["C", "C.UTF-8", ""])
def test_the_environment_passes_through_unchanged(run: Run, locale: str) -> None:
    """Python adds LC_CTYPE in the C locale (PEP 538); PYTHON* is meant for the app."""
    env = {
        "LC_ALL": "",
        "LC_CTYPE": "",
        "LANG": locale,
        "PYTHONPATH": "/no/such",
        "PYTHONSTARTUP": "/no/such",
        "PYTHONUNBUFFERED": "1",
        "EMPTY": "",
        "SPACES": " two  spaces ",
        "BYTES": "\udcff\udcfe",
        "LINES": "one\ntwo",
    }

    without = output(run.directly("env", env=env))
    assert sorted(without) == sorted(output(run("env", env=env)))


def test_an_environment_without_a_locale_passes_unchanged(run: Run) -> None:
    """The usual case in a container: neither LANG nor LC_* is set at all."""
    prefix = ["env", "-u", "LANG", "-u", "LC_ALL", "-u", "LC_CTYPE"]

    without = output(run.directly("env", prefix=prefix))
    assert sorted(without) == sorted(output(run("env", prefix=prefix)))


def test_an_empty_environment_stays_empty(run: Run) -> None:
    program = run("/usr/bin/env", prefix=["env", "-i"])

    assert [] == output(program)


def test_arguments_pass_through_byte_by_byte(run: Run) -> None:
    words = ["", " ", "a\nb", "-x", "--", "\udcff", "ü", "%s", "$HOME"]

    without = output(run.directly("printf", "<%s>\n", *words))
    assert without == output(run("printf", "<%s>\n", *words))


def test_stdin_passes_through_to_the_app(run: Run) -> None:
    program = run("cat")

    program.type("first\n")
    assert "first" == program.out.next()
    program.type("second\n")
    assert "second" == program.out.next()
    program.end_of_input()
    program.finish(0)


def test_a_closed_stdin_does_not_keep_the_app_from_starting(run: Run) -> None:
    program = run("sh", "-c", "echo ran", prefix=["sh", "-c", 'exec "$@" <&-', "sh"])

    assert ["ran"] == output(program)


def test_resource_limits_priority_and_umask_pass_through(run: Run) -> None:
    report = ["sh", "-c", "ulimit -n; ulimit -c; umask; nice"]
    prefix = ["sh", "-c", 'ulimit -n 77; ulimit -c 5; umask 026; exec nice -n 3 "$@"', "sh"]
    stdin = subprocess.DEVNULL

    without = output(run.directly(*report, prefix=prefix, stdin=stdin))
    assert without == output(run(*report, prefix=prefix, stdin=stdin))


# Runs its arguments with the entries before `--` as its environment, byte by byte, through
# execve(2) itself.
RAW = """
import ctypes, os, sys
at = sys.argv.index("--")
words = lambda some: (ctypes.c_char_p * (len(some) + 1))(*map(os.fsencode, some), None)
entries, argv = sys.argv[1:at], sys.argv[at + 1 :]
ctypes.CDLL(None).execve(os.fsencode(argv[0]), words(argv), words(entries))
"""


@pytest.mark.parametrize(
    "entries",
    [
        ["=C:=C:\\", "A=1"],
        ["A=1", "B=2", "A=3"],
        ["A=1", "NO_EQUALS", "=", "=lonely", "", "B=2"],
        ["A==", "A", "B=\udcff", "\udcfe=x"],
    ],
    ids=["windows", "twice", "no-equals", "bytes"],
)
def test_odd_entries_of_the_environment_pass_unchanged(run: Run, entries: list[str]) -> None:
    """Wine leaves entries without a name, shells and loaders read duplicates; os.environ knows
    neither.
    """
    show = ["/bin/cat", "/proc/self/environ"]
    mark = f"{MARK}={run.mark}"
    prefix = [
        sys.executable,
        "-S",
        "-I",
        "-c",
        RAW,
        *entries,
        mark,
        "CONFIG_SUPERVISOR_CONTROL=off",
        "--",
    ]

    seen = output(run(*show, prefix=prefix))
    assert "\0".join([*entries, mark, "CONFIG_SUPERVISOR_CONTROL=off", ""]) == "\n".join(seen)
