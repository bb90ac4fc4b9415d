"""Lookups of real processes outside of our tree, by name and by pid file."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config_supervisor.process import pid_lookup, procfs
from config_supervisor.process.pid_lookup import PidLookup, ProcessMissing
from tests.conftest import needs_root
from tests.elsewhere import Elsewhere
from tests.harness import assert_state, children, status, until, wait_until

Start = Callable[..., int]
BASH = os.path.realpath(shutil.which("bash") or "/bin/bash")


@pytest.fixture
def elsewhere() -> Iterator[Start]:
    others = Elsewhere()
    yield others.start
    others.close()


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], str]:
    """Makes a shell with a name of its own on this machine."""

    def make(name: str) -> str:
        path = tmp_path / name
        shutil.copy(BASH, path)
        return str(path)

    return make


def found(text: str) -> int:
    """The pid, once it can be found: a forked process gets its name by exec."""
    result = 0

    def find() -> None:
        nonlocal result
        try:
            result = PidLookup(text).find()
        except ProcessMissing as error:
            raise AssertionError(str(error)) from error

    wait_until(find)
    return result


def missing(text: str) -> str:
    with pytest.raises(ProcessMissing) as caught:
        PidLookup(text).find()
    return str(caught.value)


STAY = ("-c", "while :; do read -t 60 <> <(:); done")


def test_a_process_is_found_by_the_name_of_its_executable(
    elsewhere: Start, program: Callable[[str], str]
) -> None:
    pid = elsewhere(program("daemon-e"), *STAY)

    assert pid == found("daemon-e")


def test_a_name_longer_than_the_kernel_keeps_is_found(
    elsewhere: Start, program: Callable[[str], str]
) -> None:
    pid = elsewhere(program("daemon-with-a-long-name"), *STAY)

    assert pid == found("daemon-with-a-long-name")


def test_a_script_is_found_by_its_name(elsewhere: Start, tmp_path: Path) -> None:
    script = tmp_path / "daemon-script"
    script.write_text("#!/bin/bash\nwhile :; do read -t 60 <> <(:); done\n")
    script.chmod(0o755)
    pid = elsewhere(str(script))

    assert pid == found("daemon-script")


def test_a_process_is_found_by_its_first_argument(
    elsewhere: Start, program: Callable[[str], str]
) -> None:
    shell = program("daemon-a")
    pid = elsewhere(shell, "-c", f'exec -a /opt/other-name {shell} -c "{STAY[1]}"')

    assert pid == found("other-name")


def test_the_topmost_process_of_a_tree_is_found(
    elsewhere: Start, program: Callable[[str], str]
) -> None:
    shell = program("daemon-t")
    top = elsewhere(shell, "-c", f"{shell} -c '{STAY[1]}' & {shell} -c '{STAY[1]}' & wait")

    until(lambda: len(children(top)), 2)
    assert top == found("daemon-t")


def test_two_unrelated_processes_of_a_name_are_refused(
    elsewhere: Start, program: Callable[[str], str]
) -> None:
    shell = program("daemon-2")
    pids = sorted([elsewhere(shell, *STAY), elsewhere(shell, *STAY)])

    def refused() -> None:
        message = (
            f"2 processes are called daemon-2 (pids {pids[0]}, {pids[1]}); name a pid file instead"
        )
        assert message == missing("daemon-2")

    wait_until(refused)


def test_a_process_after_an_exec_is_found_by_its_new_name_only(
    elsewhere: Start, program: Callable[[str], str], tmp_path: Path
) -> None:
    fifo = tmp_path / "go"
    os.mkfifo(fifo)
    pid = elsewhere(
        program("entrypoint-x"), "-c", f"read < {fifo}; exec {program('server-x')} -c '{STAY[1]}'"
    )
    assert pid == found("entrypoint-x")
    fifo.write_text("go\n")

    assert pid == found("server-x")
    assert "no process is called entrypoint-x" in missing("entrypoint-x")


def test_neither_we_nor_our_children_are_found(program: Callable[[str], str]) -> None:
    with subprocess.Popen([program("daemon-ours"), "-c", "read"], stdin=subprocess.PIPE) as ours:
        assert_state(ours.pid, "S")
        assert "no process is called daemon-ours" in missing("daemon-ours")
        assert ours.stdin is not None
        ours.stdin.close()
    with open("/proc/self/comm", encoding="ascii") as file:
        us = file.read().strip()
    with contextlib.suppress(ProcessMissing):  # another test run may have our name
        assert os.getpid() != PidLookup(us).find()


def test_a_process_with_another_name_is_found_by_its_executable(
    elsewhere: Start, program: Callable[[str], str]
) -> None:
    shell = program("daemon-n")
    rename = f"printf renamed > /proc/self/comm; {STAY[1]}"
    pid = elsewhere(shell, "-c", f'exec -a title {shell} -c "{rename}"')
    assert pid == found("renamed")

    assert pid == found("daemon-n")


def test_the_dead_are_not_found(
    elsewhere: Start, program: Callable[[str], str], tmp_path: Path
) -> None:
    fifo = tmp_path / "go"
    os.mkfifo(fifo)
    parent = elsewhere("bash", "-c", f"{program('daemon-dead')} -c 'read < {fifo}' & exec sleep 60")
    child = found("daemon-dead")

    until(lambda: status(parent)["Name"], "sleep")  # which waits for no child
    fifo.write_text("go\n")
    assert_state(child, "Z")
    assert "no process is called daemon-dead; is its container up" in missing("daemon-dead")
    assert procfs.has_ended(child)


def test_a_process_of_another_user_is_found_but_out_of_reach(
    elsewhere: Start, common: Path
) -> None:
    needs_root()
    shutil.copy(BASH, common / "daemon-user")
    pid = elsewhere(str(common / "daemon-user"), *STAY, user=12345)
    assert pid == found("daemon-user")
    os.seteuid(54321)
    try:
        assert (pid, False, 12345) == (
            found("daemon-user"),
            pid_lookup.may_signal(pid),
            procfs.user_of(pid),
        )
    finally:
        os.seteuid(0)
    assert pid_lookup.may_signal(pid)


# --- pid files ------------------------------------------------------------------------------------


def test_the_first_line_of_a_pid_file_is_read_each_time(elsewhere: Start, tmp_path: Path) -> None:
    first, second = elsewhere("sleep", "60"), elsewhere("sleep", "60")
    path = tmp_path / "pid"
    wanted = PidLookup(str(path))
    path.write_text(f" {first}\n/var/lib/data\n")
    assert first == wanted.find()
    path.write_text(str(second))

    assert second == wanted.find()


@pytest.mark.parametrize("text", ["", "x\n", "-1", "0", "1.5", "\xff"])
def test_a_pid_file_without_a_pid_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pid"
    path.write_text(text)

    assert f"cannot use the pid file {path}: its first line is not a pid" == missing(str(path))


def test_a_pid_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / "pid"

    assert (
        f"cannot read the pid file {path}: no such file or directory; is its container up"
        in missing(str(path))
    )


def test_a_pid_file_that_is_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    """An open would wait for its writer; a device is no pid file either."""
    os.mkfifo(tmp_path / "fifo")

    for path in (str(tmp_path / "fifo"), "/dev/zero"):
        assert f"cannot read the pid file {path}: it is not a regular file" in missing(path)


def test_a_pid_file_with_our_pid_shows_a_namespace_of_our_own(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    path.write_text(str(os.getpid()))

    assert f"{path} says {os.getpid()}, which is our own here; " in missing(str(path))
    assert "shareProcessNamespace: true" in missing(str(path))


def test_a_pid_file_of_a_process_that_is_gone_is_told(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    path = tmp_path / "pid"
    path.write_text(str(gone.pid))

    assert f"{path} says {gone.pid}, and there is no such process" in missing(str(path))
    assert (None, True, True) == (
        procfs.user_of(gone.pid),
        procfs.has_ended(gone.pid),
        pid_lookup.may_signal(gone.pid),
    )


@pytest.mark.parametrize("text", ["", " ", "/run/", "a\0b"])
def test_a_text_that_is_neither_name_nor_path_is_refused(text: str) -> None:
    with pytest.raises(
        ValueError, match="neither the name of a process nor the path of a pid file"
    ):
        PidLookup(text)
