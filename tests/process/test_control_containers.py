"""Supervisors of containers with a common /run, port or PID namespace: each app reaches its own."""

from __future__ import annotations

import os
import re
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
# An app: it runs supervisorctl with each line of its input and prints the exit code.
ASKS = ["sh", "-c", f"while read -r words; do {SUPERVISORCTL} $words 2>&1; echo code $?; done"]
PLAIN = "/run/config-supervisor.sock"
NAMED = r"^/run/config-supervisor-\d+\.sock$"  # with the container's identity
# Runs a command with a directory as its /run, in the present mount namespace.
MOUNTED = ["sh", "-ec", 'mount --bind "$0" /run; exec "$@"']


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """The directory for /run in the containers of a test."""
    needs_root()
    directory = tmp_path / "run"
    directory.mkdir()
    return directory


def container(
    run: Run,
    shared: Path,
    *options: str,
    env: dict[str, str] | None = None,
    command: Sequence[str] = (),
) -> Program:
    """A supervisor whose app asks for it; with its default socket, unless `options` or `env` name
    another place. In one PID namespace for all if the mode is that of an ordinary process.
    """
    prefix = [*(["unshare", "--mount"] if run.mode == "process" else []), *MOUNTED, str(shared)]
    return run(
        *(command or ASKS),
        options=["-v", *options],
        prefix=prefix,
        env={"CONFIG_SUPERVISOR_CONTROL": "", **(env or {})},
    )


def serving(run: Run, shared: Path, *options: str) -> Program:
    """A healthy container with a free port."""
    program = container(run, shared, f"--listen=127.0.0.1:{free_port()}", *options)
    wait_until(partial(_healthy, program))
    return program


def end(program: Program) -> None:
    program.send(SIGTERM)
    program.end_of_input()
    program.wait()


def ask(program: Program, words: str) -> tuple[int, str]:
    """Exit code and output of supervisorctl in a container."""
    seen = len(program.out.seen)
    program.type(f"{words}\n")
    code = int(program.expect(r"^code (\d+)$")[1])
    return code, "\n".join(program.out.seen[seen:])


def socket_of(program: Program) -> str:
    return program.err.expect(r"control socket: (/.*)$")[1]


def _healthy(program: Program) -> None:
    assert (0, "ok: running\ncode 0") == ask(program, "health")


@only_pid1
def test_socket_has_the_plain_name(run: Run, shared: Path) -> None:
    program = container(run, shared, f"--listen=127.0.0.1:{free_port()}")

    assert socket_of(program) == PLAIN
    wait_until(partial(_healthy, program))
    end(program)
    assert [] == list(shared.iterdir())


def test_second_container_takes_its_own_name(run: Run, shared: Path) -> None:
    """In a pod with and without a shared PID namespace: each is asked by its own app."""
    programs = [serving(run, shared) for _ in range(3)]

    places = [socket_of(program) for program in programs]
    assert places[0] == PLAIN
    assert [True, True] == [re.match(NAMED, path) is not None for path in places[1:]]
    assert 3 == len(set(places))
    programs[1].type("shutdown\n")
    programs[1].wait()
    for program in (programs[0], programs[2]):
        _healthy(program)
    end(programs[0])
    _healthy(programs[2])


def test_container_without_a_socket_reaches_no_other(run: Run, shared: Path) -> None:
    serving(run, shared)
    second = container(run, shared, "--listen=off")

    for command in ("status", "reload", "shutdown"):
        code, told = ask(second, command)
        assert 4 == code
        assert f"does not listen on {PLAIN} (of another container) or /run/" in told


def test_stranger_at_the_plain_name_is_asked_nothing(run: Run, shared: Path) -> None:
    """A neighbour with the same /run, PID namespace and user must not answer for us."""
    listener = ["unshare", "--mount", *MOUNTED, str(shared), sys.executable, "-S", "-I", "-c"]
    script = (
        "import socket\n"
        f"s = socket.socket(socket.AF_UNIX); s.bind('{PLAIN}'); s.listen(); print('here')\n"
        "while True: print('asked', s.accept()[0].recv(100))\n"
    )
    stranger = run.directly(*listener[:-1], "-u", "-c", script)
    stranger.expect("here")
    program = serving(run, shared)

    assert re.match(NAMED, socket_of(program))
    assert (0, "ok: running\ncode 0") == ask(program, "health")
    assert [] == [line for line in stranger.out.seen if line not in {"here", "asked b''"}]


def test_socket_of_a_dead_supervisor_is_taken_over(run: Run, shared: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(shared / "config-supervisor.sock"))
    program = serving(run, shared)

    assert socket_of(program) == PLAIN


def test_supervisors_that_start_at_once_share_a_run(run: Run, shared: Path) -> None:
    """Each finds the socket of a dead supervisor, and would replace it."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(shared / "config-supervisor.sock"))
    programs = [container(run, shared, f"--listen=127.0.0.1:{free_port()}") for _ in range(4)]

    for program in programs:
        wait_until(partial(_healthy, program))
    assert 4 == len({socket_of(program) for program in programs})


@only_process
def test_second_supervisor_of_a_container_says_so(run: Run, shared: Path) -> None:
    first = serving(run, shared)
    enter = ["nsenter", "--mount", f"--target={first.pid}"]
    second = run(
        "sleep",
        "60",
        options=[f"--listen=127.0.0.1:{free_port()}"],
        prefix=enter,
        env={"CONFIG_SUPERVISOR_CONTROL": ""},
    )

    second.err.expect(f"cannot listen on {PLAIN}: another program answers on it; choose another")
    _healthy(first)


@only_pid1
def test_chosen_socket_of_a_neighbour_is_not_trusted(
    run: Run, shared: Path, tmp_path: Path
) -> None:
    env = {"CONFIG_SUPERVISOR_CONTROL": f"{tmp_path}/shared.sock"}
    first = container(run, shared, f"--listen=127.0.0.1:{free_port()}", env=env)
    assert env["CONFIG_SUPERVISOR_CONTROL"] == socket_of(first)
    second = container(run, shared, f"--listen=127.0.0.1:{free_port()}", env=env)
    second.err.expect("another program answers on it")
    code, said = ask(second, "reload")

    assert 0 != code
    assert "its supervisor is in another container" in said
    assert 0 == ask(second, f"--socket={tmp_path}/shared.sock health")[0]  # who names it means it


@only_pid1
def test_health_does_not_ask_a_neighbours_port(run: Run, shared: Path) -> None:
    port = free_port()
    first = container(run, shared, f"--listen=127.0.0.1:{port}", "--control=off")
    wait_until(partial(_healthy, first))
    second = container(run, shared, f"--listen=127.0.0.1:{port}", "--control=off")
    second.err.expect("cannot listen on")
    code, said = ask(second, "health")

    assert 4 == code
    assert f"process 1 does not listen on port {port}" in said


@only_pid1
def test_health_finds_the_next_free_port(run: Run, shared: Path) -> None:
    port = free_port()
    options = [f"--listen=127.0.0.1:{port}", "--control=off", "--listen-next"]
    first = container(run, shared, *options)
    wait_until(partial(_healthy, first))
    second = container(run, shared, *options, "--unhealthy-on-reload-failure")
    wait_until(partial(_healthy, second))
    end(first)

    _healthy(second)


@only_process
def test_sockets_of_ended_containers_are_removed(run: Run, shared: Path) -> None:
    """A killed container leaves its socket in a shared /run; the next takes another name."""
    left = [shared / f"config-supervisor-{number}.sock" for number in range(3)]
    for path in left:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
    living = shared / "config-supervisor-living.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(living))
        other.listen()
        serving(run, shared)

        def tidy() -> None:
            assert {living, shared / "config-supervisor.sock"} == set(shared.iterdir())

        wait_until(tidy)
