"""The reader of /proc on real processes: odd names, ends at any moment, and the three errors."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config_supervisor.process import procfs
from tests.conftest import needs_root
from tests.harness import assert_state, namespace, until

ODD_NAME = "a) Z (1 2"  # 15 bytes at most; a naive reader takes Z for the state


@contextlib.contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert_state(process.pid, "S")
        yield process
        process.kill()


@pytest.fixture
def gone() -> int:
    """The pid of a process that has ended and was reaped."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_stat_of_an_odd_name_is_read_whole(tmp_path: Path) -> None:
    program = tmp_path / ODD_NAME
    shutil.copy(shutil.which("cat") or "/bin/cat", program)
    with running(str(program)) as process:
        stat = procfs.stat(process.pid)

        assert (os.getpid(), os.getpgrp(), os.getsid(0)) == (stat.parent, stat.group, stat.session)
        assert stat.state in "RSD"
        assert 1 == stat.threads
        assert 0 < procfs.age(process.pid) < 60
        assert stat.started == procfs.processes()[process.pid].started


def test_handlers_are_the_caught_signals_of_the_status(tmp_path: Path) -> None:
    program = tmp_path / "\nSigCgt:\tffff"
    shutil.copy(shutil.which("cat") or "/bin/cat", program)
    signal.signal(signal.SIGUSR2, lambda *_: None)
    try:
        with running(str(program)) as process:
            for pid in (os.getpid(), process.pid):
                mask = procfs.status(pid).caught
                found = [number for number in range(1, 65) if procfs.catches(pid, number)]
                assert found == [number for number in range(1, 65) if procfs.has(mask, number)]
                assert (signal.SIGUSR2 in found) == (pid == os.getpid())
    finally:
        signal.signal(signal.SIGUSR2, signal.SIG_DFL)


def test_handlers_of_a_process_that_is_gone_are_an_error(gone: int) -> None:
    with pytest.raises(procfs.Gone):
        procfs.catches(gone, signal.SIGHUP)


def test_look_at_a_handler_splits_no_status() -> None:
    """It comes before each reload signal, and a whole status has some sixty lines."""
    calls: list[str] = []
    sys.setprofile(lambda _frame, event, _what: calls.append(event))
    try:
        procfs.catches(os.getpid(), signal.SIGHUP)
    finally:
        sys.setprofile(None)
    assert len([one for one in calls if "call" in one]) < 20


def test_status_shows_users_and_masks() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    try:
        status = procfs.status(os.getpid(), os.getpid())
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR2])

    assert (os.getresuid(), os.getresgid()) == (status.uids[:3], status.gids[:3])
    assert procfs.has(status.blocked, signal.SIGUSR2)
    assert procfs.has(status.caught, signal.SIGINT)
    assert not procfs.has(status.ignored, signal.SIGINT)
    assert os.geteuid() == procfs.user_of(os.getpid())


def test_a_zombie_has_ended_and_is_no_process() -> None:
    with running("cat") as process:
        process.kill()
        assert_state(process.pid, "Z")

        assert procfs.has_ended(process.pid)
        assert process.pid not in procfs.processes()
        assert process.pid in procfs.children(os.getpid())
        assert [] == procfs.arguments(process.pid)


def test_open_files_are_counted_as_listed() -> None:
    with running("cat") as process:
        # The program may still map its libraries, each by a descriptor.
        until(lambda: procfs.count_of_open_files(process.pid), 3)
        assert [0, 1, 2] == procfs.open_files(process.pid)


def test_a_process_that_is_gone_is_told_from_a_hidden_one(gone: int) -> None:
    readers = (
        procfs.stat,
        procfs.status,
        procfs.arguments,
        procfs.environment,
        procfs.cgroups,
        procfs.threads,
        procfs.open_files,
        procfs.count_of_open_files,
        procfs.resident_bytes,
    )
    for read in readers:
        with pytest.raises(procfs.Gone):
            read(gone)
    with pytest.raises(procfs.Gone):
        procfs.status(os.getpid(), gone)  # a thread of ours that has ended
    assert (0.0, True, None) == (procfs.age(gone), procfs.has_ended(gone), procfs.user_of(gone))
    assert not procfs.exists(gone)


HIDDEN = """
import sys
from config_supervisor.process import procfs
for read in (procfs.stat, procfs.status, procfs.environment):
    try:
        read(1)
    except procfs.Hidden as error:
        print(read.__name__, error.strerror)
print(1 in procfs.processes(), procfs.exists(1), procfs.has_ended(1))
"""


@pytest.mark.parametrize("hidepid", ["noaccess", "invisible"])
def test_a_process_that_the_kernel_hides_is_hidden(hidepid: str) -> None:
    """hidepid=noaccess refuses the files of others, hidepid=invisible shows not even their folder
    (proc(5)).
    """
    needs_root()
    user = "setpriv --reuid=12345 --regid=12346 --clear-groups --"
    script = f'mount -o remount,hidepid={hidepid} /proc; {user} "$@"; true'
    done = subprocess.run(
        [*namespace(), "sh", "-c", script, "sh", sys.executable, "-c", HIDDEN],
        capture_output=True,
        text=True,
        check=True,
    )

    words = {"noaccess": "Operation not permitted", "invisible": "No such file or directory"}
    lines = done.stdout.splitlines()
    assert [f"{name} {words[hidepid]}" for name in ("stat", "status", "environment")] == lines[:3]
    assert "False True False" == lines[3]


def test_without_a_descriptor_the_process_is_unreadable() -> None:
    """With the number of its cause: the main thread lends its reserve for it."""
    most, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(procfs.Unreadable) as caught:
            procfs.stat(os.getpid())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))

    assert "Too many open files" == caught.value.strerror


def test_listening_ports_are_those_of_the_process() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as ours, running("cat") as other:
        port = ours.getsockname()[1]

        assert port in procfs.listening_ports(os.getpid())
        assert port not in procfs.listening_ports(other.pid)


def test_mounts_are_those_of_the_process() -> None:
    points = [mount.point for mount in procfs.mounts(os.getpid())]

    assert {b"/", b"/proc"} <= set(points)


def test_descendants_are_found_at_any_depth() -> None:
    with running("sh", "-c", "sh -c 'cat; true'; true") as process:
        until(lambda: len(procfs.descendants(process.pid)), 2)
        child, grandchild = procfs.descendants(process.pid)
        assert [process.pid, child] == [procfs.stat(pid).parent for pid in (child, grandchild)]
        assert process.stdin is not None
        process.stdin.close()
