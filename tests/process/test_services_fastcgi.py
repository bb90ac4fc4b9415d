"""[fcgi-program:x]: one socket for all processes of a group, as their standard input."""

from __future__ import annotations

import os
import pwd
import re
import signal
import socket
import stat
from pathlib import Path

import pytest

from tests.conftest import needs_root
from tests.harness import Program, Run, only_process
from tests.process.services import serve, services, supervisord

MANY = 1000  # connections, more than a test makes


def program_section(address: str, *deeds: object, **keys: object) -> str:
    keys = {
        "command": serve("php", *deeds),
        "startsecs": 0,
        "stopsignal": "KILL",
        "socket": address,
        **keys,
    }
    lines = [f"{key} = {value}" for key, value in keys.items()]
    return "\n".join(["[fcgi-program:php]", *lines, ""])


def ask(place: str | tuple[str, int]) -> int:
    """The pid of the process that answers."""
    kind = socket.AF_UNIX if isinstance(place, str) else socket.AF_INET
    with socket.socket(kind) as client:
        client.settimeout(5)
        client.connect(place)
        answer = client.makefile().readline()
    found = re.match(r"php (\d+)$", answer)
    assert found is not None
    return int(found[1])


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
        return number


@pytest.mark.parametrize("mode", [services, supervisord])
def test_processes_share_a_unix_socket(run: Run, tmp_path: Path, mode: object) -> None:
    """Of the mode that is written; it is gone once all have ended."""
    assert callable(mode)
    place = tmp_path / "php.sock"
    place.write_text("left by an earlier run")
    keys = {
        "numprocs": 2,
        "process_name": "%(program_name)s_%(process_num)d",
        "socket_mode": "0660",
    }
    program = mode(run, tmp_path, program_section(f"unix://{place}", f"accept={MANY}", **keys))
    program.expect("php up")
    program.expect("php up")
    seen = {ask(str(place)) for _ in range(20)}

    assert len(seen) <= 2
    assert stat.S_IMODE(place.stat().st_mode) == 0o660
    stop(program)
    assert not place.exists()


def stop(program: Program) -> None:
    program.send(signal.SIGTERM)
    program.finish(0)


def test_connections_wait_while_a_process_starts_again(run: Run, tmp_path: Path, port: int) -> None:
    """Each process serves one connection, and ends; the socket stays."""
    program = services(
        run,
        tmp_path,
        program_section(
            f"tcp://127.0.0.1:{port}", "accept=1", autorestart="true", startretries=100
        ),
    )
    program.expect("php up")
    seen = [ask(("127.0.0.1", port)) for _ in range(3)]

    assert len(set(seen)) == len(seen)
    stop(program)


@only_process
def test_a_socket_belongs_to_the_user_of_the_program(run: Run, common: Path) -> None:
    """As in supervisord, where no owner is written. The mode is of no matter."""
    needs_root()
    nobody = pwd.getpwnam("nobody")
    place = common / "php.sock"
    command = "sleep 1000"
    keys = {"command": command, "user": "nobody", "startsecs": 0}
    program = services(run, common, program_section(f"unix://{place}", **keys))
    program.err.expect("started php")
    found = os.stat(place)

    assert (nobody.pw_uid, nobody.pw_gid, 0o700) == (
        found.st_uid,
        found.st_gid,
        stat.S_IMODE(found.st_mode),
    )
    stop(program)


@only_process
def test_an_address_in_use_is_a_failed_start(run: Run, tmp_path: Path, port: int) -> None:
    """It names the address, and is tried again."""
    address = f"tcp://127.0.0.1:{port}"
    with socket.create_server(("127.0.0.1", port)):
        program = services(run, tmp_path, program_section(address, "accept=1", autorestart="true"))
        program.err.expect(f"php: cannot listen on {address}: address already in use")
    program.expect("php up")
    stop(program)


@only_process
def test_a_start_with_a_bad_path_leaves_nothing(run: Run, tmp_path: Path) -> None:
    place = tmp_path / "none" / "php.sock"
    keys = {"startretries": 0}
    program = services(run, tmp_path, program_section(f"unix://{place}", "wait", **keys))
    program.finish(125)

    assert f"cannot listen on unix://{place}: no such file or directory" in "\n".join(
        program.err.seen
    )
