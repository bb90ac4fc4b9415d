"""The control socket on real sockets, with the real machine behind it: who is served, how many, and
what is said.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config_supervisor.control import server, socket_files
from config_supervisor.control.server import Control
from config_supervisor.core import events as ev
from config_supervisor.core import health, machine
from config_supervisor.core.state import Config, Phase, Policy, SourceState, State
from config_supervisor.runtime import log, threads
from config_supervisor.store.configroot import FilesError
from config_supervisor.store.manifest import Generation
from tests.conftest import needs_root
from tests.harness import wait_until

RUNNING = State(
    ready=True,
    phase=Phase.RUNNING,
    pid=7,
    starts=1,
    sources=(SourceState("configmap a/web"),),
    config=Config(desired="b" * 64, live="b" * 64, running="b" * 64, good="b" * 64, files=3),
)


def generation(digest: str, serial: int) -> Generation:
    name = f"..2030_01_02_03_04_{serial:02d}.000000000"
    return Generation(name, serial, digest * 64, {"app.conf": "1", "more.conf": "2"}, 10)


class Core:
    """The machine without its loop: a turn is made by whoever puts an event."""

    def __init__(self, state: State = RUNNING) -> None:
        self.state = state
        self.stuck = False
        self.seen: list[ev.Event] = []

    def put(self, event: ev.Event) -> None:
        self.seen.append(event)
        if self.stuck:
            return
        if isinstance(event, ev.Probed):
            event.reply()
        self.state = machine.step(self.state, event, 100.0, Policy(configured=True))[0]


class Served:
    """A control socket that is being served, and clients of it."""

    def __init__(self, path: str) -> None:
        self.path, self.core = path, Core()
        self.generations: Callable[[], list[Generation]] = lambda: [
            generation("b", 2),
            generation("a", 1),
        ]
        self.control = Control(
            path, lambda: self.core.state, self.core.put, self.kept, lambda _: {"app": {"pid": 7}}
        )
        self._thread = threading.Thread(target=self.control.serve)
        self._thread.start()
        wait_until(self._listens)
        self.clients: list[socket.socket] = []

    def kept(self) -> list[Generation]:
        return self.generations()

    def _listens(self) -> None:
        assert 0 == self.ask("health")[0]

    def connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(5)
        try:
            client.connect(self.path)
        except OSError as error:
            client.close()
            raise AssertionError(f"cannot connect: {error}") from error
        return client

    def open(self, request: str = "") -> socket.socket:
        """A client that stays until the end of the test."""
        client = self.connect()
        self.clients.append(client)
        client.sendall(request.encode())
        return client

    def ask(self, request: str) -> tuple[int, str]:
        with self.connect() as client:
            with contextlib.suppress(BrokenPipeError):  # refused already; the answer says why
                client.sendall(f"{request}\n".encode())
            return answer(client)

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.control.close()
        self._thread.join(10)
        assert not self._thread.is_alive()


Serve = Callable[[Path], Served]


def answer(client: socket.socket) -> tuple[int, str]:
    data = b""
    try:
        while piece := client.recv(4096):
            data += piece
    except ConnectionResetError:
        pass  # the other end did not read all that we said
    code, _, text = data.decode().partition("\n")
    return int(code), text.removesuffix("\n")


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves in a directory, to the end of the test."""
    served: list[Served] = []

    def start(directory: Path) -> Served:
        served.append(Served(str(directory / "control.sock")))
        return served[-1]

    yield start
    for one in served:
        one.close()


@pytest.fixture
def served(serve: Serve, tmp_path: Path) -> Served:
    return serve(tmp_path)


def logged(capfd: pytest.CaptureFixture[str]) -> str:
    log.flush()
    return capfd.readouterr().err


def refuses_to_serve(path: str, capfd: pytest.CaptureFixture[str]) -> str:
    """What is logged about a path where no control socket can be."""
    Control(path, State, Core().put, list, lambda _: {}).serve()
    return logged(capfd)


# --- the socket file


def test_only_the_owner_may_reach_the_socket_whatever_the_umask(
    serve: Serve, tmp_path: Path
) -> None:
    before = os.umask(0)
    try:
        served = serve(tmp_path)
    finally:
        os.umask(before)

    assert stat.S_IFSOCK | 0o600 == os.stat(served.path).st_mode


def test_the_socket_of_a_dead_supervisor_is_replaced(serve: Serve, tmp_path: Path) -> None:
    path = str(tmp_path / "control.sock")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
        dead.listen()
    served = serve(tmp_path)

    assert (0, "ok: running") == served.ask("health")


def test_the_socket_of_a_living_program_is_left_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "control.sock")
    with socket.socket(socket.AF_UNIX) as alive:
        alive.bind(path)
        alive.listen()

        assert (
            f"cannot listen on {path}: another program answers on it; choose another"
            in refuses_to_serve(path, capfd)
        )
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)


def test_one_that_is_about_to_listen_is_left_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, refuses = str(tmp_path / "control.sock"), socket_files._refuses
    with socket.socket(socket.AF_UNIX) as starting:
        starting.bind(path)

        def then_listen(asked: str) -> bool:
            refused = refuses(asked)
            starting.listen()
            return refused

        monkeypatch.setattr(socket_files, "_refuses", then_listen)
        assert "another program answers on it" in refuses_to_serve(path, capfd)
        assert os.path.exists(path)


def test_a_file_that_is_no_socket_is_left_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "control.sock"
    path.write_text("precious")

    assert "there is a file that is no socket" in refuses_to_serve(str(path), capfd)
    assert "precious" == path.read_text()


@pytest.mark.parametrize(
    ("name", "why"), [("x" * 120, "too long"), ("missing/control.sock", "No such file")]
)
def test_a_path_that_cannot_be_is_a_warning(
    name: str, why: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    line = refuses_to_serve(str(tmp_path / name), capfd)

    assert why in line
    assert "choose another path with --control" in line
    assert "everything else goes on" in line


def test_the_file_is_removed_at_the_end_unless_it_is_another(served: Served) -> None:
    os.unlink(served.path)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(served.path)
        served.control.close()
        assert os.path.exists(served.path)


def test_a_closed_one_leaves_no_file(served: Served) -> None:
    served.control.close()

    assert not os.path.exists(served.path)


# --- who is served


def test_another_user_is_refused_even_if_the_file_lets_him(serve: Serve, common: Path) -> None:
    needs_root()
    served = serve(common)
    os.chmod(served.path, 0o666)  # noqa: S103 - what the credentials are for
    script = (
        "import _socket, os, sys\n"
        "os.setuid(int(sys.argv[2]))\n"
        "s = _socket.socket(_socket.AF_UNIX)\n"
        "s.connect(sys.argv[1])\n"
        "try: s.send(b'health\\n')\n"
        "except BrokenPipeError: pass\n"
        "print(s.recv(100))\n"
    )
    command = [sys.executable, "-I", "-c", script, served.path]

    def ask(uid: int) -> str:
        return subprocess.run(
            [*command, str(uid)], capture_output=True, text=True, check=True
        ).stdout

    assert "1\\nrefused: run supervisorctl as uid 0 or root, not uid 65534" in ask(65534)
    assert "0\\nok: running" in ask(0)


def test_a_client_for_whom_there_is_no_thread_is_told_so(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(body: Callable[[], object], name: str) -> None:
        raise RuntimeError(f"can't start new thread for {name} {body}")

    monkeypatch.setattr(threads, "start", none_left)
    assert (1, "cannot serve another client: can't start new thread") == (
        served.ask("health")[0],
        served.ask("health")[1].partition(" for ")[0],
    )
    monkeypatch.undo()
    assert (0, "ok: running") == served.ask("health")


def test_those_who_wait_leave_places_for_a_health_check(served: Served) -> None:
    served.core.state = RUNNING.replace(phase=Phase.BACKOFF)
    waiting = [served.open("wait ready\n") for _ in range(12)]

    def full() -> None:
        assert (1, "busy: 12 clients wait already; try again later") == served.ask("wait ready 0")

    wait_until(full)
    assert (0, "ok: backoff") == served.ask("health")
    served.core.state = RUNNING
    assert [(0, "running")] * 12 == [answer(client) for client in waiting]


def test_waiting_ends_when_the_client_goes_away(served: Served) -> None:
    served.core.state = RUNNING.replace(phase=Phase.BACKOFF)
    waiting = [served.open("wait ready\n") for _ in range(12)]

    def full() -> None:
        assert served.ask("wait ready 0")[1].startswith("busy")

    def not_full() -> None:
        assert (1, "not ready within 0s: backoff") == served.ask("wait ready 0")

    wait_until(full)
    waiting[0].close()
    wait_until(not_full)


def test_a_client_may_close_its_own_half_and_still_gets_the_answer(served: Served) -> None:
    client = served.open("wait ready 0.1\n")
    client.shutdown(socket.SHUT_WR)

    assert (0, "running") == answer(client)


def test_a_client_that_says_nothing_is_told_so(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_CLIENT_SECONDS", 0.1)

    assert (1, "nothing was asked within 0.1s") == answer(served.open("heal"))


def test_a_request_without_an_end_is_cut(served: Served) -> None:
    assert (2, "cannot read the request: it has more than 4096 bytes") == answer(
        served.open("x" * 5000)
    )


@pytest.mark.parametrize(
    "request_",
    [
        "",
        "   ",
        "stop",
        "wait",
        "wait for it",
        "wait ready soon",
        "rollback 0",
        "rollback x",
        "\0\xff{}",
    ],
)
def test_what_nobody_understands_is_a_usage_error(served: Served, request_: str) -> None:
    assert 2 == served.ask(request_)[0]


# --- what is said


def test_health_is_that_of_livez(served: Served) -> None:
    served.control.live = lambda state: health.Verdict(ok=False, reason=f"no {state.phase.value}")

    assert (1, "not ok: no running") == served.ask("health")


def test_a_loop_that_does_not_turn_is_not_healthy(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_ANSWER_SECONDS", 0.1)
    served.core.stuck = True

    assert [(1, "not ok: the main loop does not answer")] * 2 == [
        served.ask("health"),
        served.ask("reload"),
    ]


def test_a_failure_is_an_answer(served: Served, capfd: pytest.CaptureFixture[str]) -> None:
    def no_files() -> list[Generation]:
        raise FilesError("write", "cannot read /x: Permission denied")

    served.generations = no_files
    assert (1, "cannot read /x: Permission denied") == served.ask("generations")
    served.generations = lambda: [generation("b", 1 // 0)]
    code, text = served.ask("rollback")
    assert (1, "cannot answer 'rollback': internal error: ZeroDivisionError") == (
        code,
        text.partition("(")[0],
    )
    assert "ZeroDivisionError" in logged(capfd)


def test_reload_is_ordered_and_its_end_waited_for(
    served: Served, capfd: pytest.CaptureFixture[str]
) -> None:
    client = served.open("reload\n")

    def reloading() -> None:
        assert Phase.RELOADING is served.core.state.phase

    wait_until(reloading)
    served.core.put(ev.ReloadFinished(1))
    assert (0, "reloaded on configuration bbbbbbbb (3 files)") == answer(client)
    assert f"reload ordered by uid {os.geteuid()} (pid {os.getpid()})" in logged(capfd)


def test_nothing_is_ordered_where_no_configuration_is_kept(served: Served) -> None:
    served.core.state = State(ready=True, phase=Phase.RUNNING)
    served.generations = list

    assert (1, "no configuration is kept live") == (
        served.ask("reload")[0],
        served.ask("reload")[1][15:44],
    )
    assert (1, "no generations are kept here") == (
        served.ask("rollback")[0],
        served.ask("rollback")[1][18:46],
    )
    assert 1 == served.ask("wait synced")[0]
    assert {ev.Probed} == {type(event) for event in served.core.seen}


def test_generations_are_listed_with_how_far_back_they_are(served: Served) -> None:
    listed = json.loads(served.ask("generations")[1])

    assert [(0, ["live", "running"]), (1, [])] == [(one["number"], one["marks"]) for one in listed]
    assert ("2030-01-02 03:04:01", "a" * 64, 2, 10) == tuple(
        listed[1][key] for key in ("time", "digest", "files", "bytes")
    )
