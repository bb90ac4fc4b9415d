"""Who is at the other end of a unix socket, by real processes in namespaces of their own."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from config_supervisor.control import peer
from tests.conftest import needs_root

# Without the right to look into processes of other users, as root has it in most containers.
POWERLESS = ["setpriv", "--bounding-set=-sys_ptrace"]
OTHER_USER = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"]
OTHER_CONTAINER = ["unshare", "--mount"]


@contextlib.contextmanager
def process(*prefix: str) -> Iterator[int]:
    """The pid of a process, once the command before it has done its part."""
    command = [*prefix, "sh", "-c", "echo here; read line"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == b"here\n"
        yield started.pid
        started.communicate()


def test_credentials_are_those_of_the_listener() -> None:
    ours, its = socket.socketpair()
    with ours, its:
        assert (os.getpid(), os.geteuid()) == peer.credentials(ours)


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ([], True),
        (OTHER_USER, True),
        (OTHER_CONTAINER, False),
        ([*OTHER_CONTAINER, *OTHER_USER], False),
    ],
)
@pytest.mark.parametrize("looking", [[], POWERLESS])
def test_process_of_another_container_is_known(
    looking: list[str], prefix: list[str], expected: bool
) -> None:
    needs_root()
    code = (
        "import sys; from config_supervisor.control.peer import in_our_container as look;"
        " print(look(int(sys.argv[1])))"
    )
    with process(*prefix) as pid:
        command = [*looking, sys.executable, "-I", "-c", code, str(pid)]
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert f"{expected}\n" == found


def test_process_that_is_not_shown_is_no_neighbour() -> None:
    with process() as pid:
        pass

    assert [False, False] == [peer.in_our_container(pid), peer.in_our_container(0)]
