"""The file of the control socket: its mode, its end, and files in its place."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config_supervisor.control import socket_files
from config_supervisor.control.server import Control
from config_supervisor.control.socket_files import ControlSocket
from config_supervisor.runtime import log
from tests.unit.control_socket import Core, Pages, Served

Serve = Callable[[Path], Served]


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
    """The log line about a path for which no control socket can be made."""
    core = Core()
    Control(ControlSocket(path), core, core.put, Pages()).run()
    return logged(capfd)


def test_socket_is_for_its_owner_whatever_the_umask(serve: Serve, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        served = serve(tmp_path)
    finally:
        os.umask(before)

    assert stat.S_IFSOCK | 0o600 == os.stat(served.path).st_mode


def test_socket_of_a_dead_supervisor_is_replaced(serve: Serve, tmp_path: Path) -> None:
    path = str(tmp_path / "control.sock")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
        dead.listen()
    served = serve(tmp_path)

    assert (200, "ok: running") == served.get("/livez")


def test_socket_of_a_living_program_is_left_alone(
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


def test_socket_between_bind_and_listen_is_left_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "control.sock")
    refuses = socket_files._refuses
    with socket.socket(socket.AF_UNIX) as starting:
        starting.bind(path)

        def then_listen(asked: str) -> bool:
            refused = refuses(asked)
            starting.listen()
            return refused

        monkeypatch.setattr(socket_files, "_refuses", then_listen)
        assert "another program answers on it" in refuses_to_serve(path, capfd)
        assert os.path.exists(path)


def test_other_file_is_left_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "control.sock"
    path.write_text("precious")

    assert "the file there is no socket" in refuses_to_serve(str(path), capfd)
    assert "precious" == path.read_text()


@pytest.mark.parametrize(
    ("name", "why"), [("x" * 120, "too long"), ("missing/control.sock", "no such file")]
)
def test_impossible_path_is_a_warning(
    name: str, why: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    line = refuses_to_serve(str(tmp_path / name), capfd)

    assert why in line
    assert "choose another path with --control" in line
    assert "everything else goes on" in line


def test_replaced_file_stays_at_the_end(served: Served) -> None:
    os.unlink(served.path)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(served.path)
        served.control.end()
        assert os.path.exists(served.path)


def test_closed_socket_leaves_no_file(served: Served) -> None:
    served.control.end()

    assert not os.path.exists(served.path)
