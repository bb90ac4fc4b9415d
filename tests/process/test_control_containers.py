"""Supervisors of the containers of one pod that share directories, ports or processes: each is
asked by its own.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from signal import SIGTERM

import pytest

from tests.conftest import needs_root
from tests.harness import Program, Run, only_pid1, only_process, wait_until
from tests.servers import free_port

SUPERVISORCTL = os.path.join(os.path.dirname(sys.executable), "supervisorctl")
# An app that runs supervisorctl with each line of its input and tells the code.
ASKS = ["sh", "-c", f"while read -r words; do {SUPERVISORCTL} $words 2>&1; echo code $?; done"]


def container(
    run: Run, *options: str, env: dict[str, str] | None = None, command: Sequence[str] = ()
) -> Program:
    """A supervisor whose app asks for it; with its default socket, unless `options` or `env` say
    otherwise.
    """
    return run(
        *(command or ASKS),
        options=["-v", *options],
        env={"CONFIG_SUPERVISOR_CONTROL": "", **(env or {})},
    )


def ask(program: Program, words: str) -> tuple[int, str]:
    """The exit code of supervisorctl in that container, and what it printed."""
    seen = len(program.out.seen)
    program.type(f"{words}\n")
    code = int(program.expect(r"^code (\d+)$")[1])
    return code, "\n".join(program.out.seen[seen:])


def socket_of(program: Program) -> str:
    return program.err.expect(r"control socket: (/.*)$")[1]


@only_pid1
def test_each_container_has_a_socket_of_its_own(run: Run) -> None:
    needs_root()
    programs = [container(run, f"--listen=127.0.0.1:{free_port()}") for _ in range(2)]
    places = [socket_of(program) for program in programs]
    for program in programs:
        wait_until(partial(_healthy, program))
    programs[0].send(SIGTERM)
    programs[0].end_of_input()
    programs[0].wait()

    assert 2 == len(set(places))
    assert 0 == ask(programs[1], "health")[0]


def _healthy(program: Program) -> None:
    assert (0, "ok: running\ncode 0") == ask(program, "health")


@only_pid1
def test_container_without_a_socket_reaches_no_other(run: Run) -> None:
    needs_root()
    first = container(run, f"--listen=127.0.0.1:{free_port()}")
    socket_of(first)
    second = container(run, "--listen=off")

    assert 4 == ask(second, "status")[0]
    assert 4 == ask(second, "reload")[0]


@only_pid1
def test_chosen_socket_of_another_container_is_not_trusted(run: Run, tmp_path: Path) -> None:
    env = {"CONFIG_SUPERVISOR_CONTROL": f"{tmp_path}/shared.sock"}
    first = container(run, f"--listen=127.0.0.1:{free_port()}", env=env)
    assert env["CONFIG_SUPERVISOR_CONTROL"] == socket_of(first)
    second = container(run, f"--listen=127.0.0.1:{free_port()}", env=env)
    second.err.expect("another program answers on it")
    code, said = ask(second, "reload")

    assert 0 != code
    assert "its supervisor is in another container" in said
    assert 0 == ask(second, f"--socket={tmp_path}/shared.sock health")[0]  # who names it means it


@only_pid1
def test_health_does_not_ask_the_port_of_another_container(run: Run) -> None:
    port = free_port()
    first = container(run, f"--listen=127.0.0.1:{port}", "--control=off")
    wait_until(partial(_healthy, first))
    second = container(run, f"--listen=127.0.0.1:{port}", "--control=off")
    second.err.expect("cannot listen on")
    code, said = ask(second, "health")

    assert 4 == code
    assert f"process 1 does not listen on port {port}" in said


@only_pid1
def test_health_finds_the_next_free_port(run: Run) -> None:
    port = free_port()
    options = [f"--listen=127.0.0.1:{port}", "--control=off", "--listen-next"]
    first = container(run, *options)
    wait_until(partial(_healthy, first))
    second = container(run, *options, "--unhealthy-on-reload-failure")
    wait_until(partial(_healthy, second))
    first.send(SIGTERM)
    first.end_of_input()
    first.wait()

    _healthy(second)


@only_process
@pytest.mark.parametrize("count", [3])
def test_sockets_of_ended_containers_are_removed(run: Run, count: int) -> None:
    """A container that is killed leaves one in a /tmp that it shares; the next has another name."""
    needs_root()
    left = [f"/run/config-supervisor-{number}.sock" for number in range(count)]
    for path in left:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(path)
    living = "/run/config-supervisor-living.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(living)
        other.listen()
        program = container(run, f"--listen=127.0.0.1:{free_port()}", command=["sleep", "60"])
        place = socket_of(program)

        def tidy() -> None:
            assert [] == [path for path in left if os.path.exists(path)]

        wait_until(tidy)
        stays = os.path.exists(living)
    os.unlink(living)
    program.send(SIGTERM)
    program.wait()

    assert stays
    assert not os.path.exists(place)
