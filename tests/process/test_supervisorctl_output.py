"""supervisorctl whose output takes nothing, and its health check by a URL."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.harness import Program, Run, only_process, wait_until
from tests.process.controlled import SUPERVISORCTL
from tests.process.rpc_clients import served, unix_section
from tests.process.services import section, services, supervisord
from tests.servers import free_port

pytestmark = only_process


def ctl(*words: object, output: int = subprocess.PIPE) -> tuple[int, str, str]:
    """The exit code of supervisorctl, its output and its errors."""
    command = [SUPERVISORCTL, *map(str, words)]
    done = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stdout or "", done.stderr


def into_full_disk(*words: object) -> tuple[int, str, str]:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        return ctl(*words, output=full)
    finally:
        os.close(full)


FULL = (
    1,
    "",
    "supervisorctl: cannot write to standard output: no space left on device\n",
)


def stop(program: Program, code: int = 0) -> None:
    program.send(signal.SIGTERM)
    program.finish(code)


@pytest.mark.parametrize("words", ["status", "status --json", "avail", "help", "nosuch"])
def test_full_disk_is_told_for_several_services(run: Run, tmp_path: Path, words: str) -> None:
    path = tmp_path / "s.sock"
    program = supervisord(run, tmp_path, unix_section(path), section("web", "wait"))
    served(path)

    assert FULL == into_full_disk("-s", f"unix://{path}", *words.split())
    stop(program)


def test_full_disk_is_told_for_one_app(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    program = run("sleep", "1000", options=["--control", str(path), "--listen=127.0.0.1:0"])
    wait_until(lambda: _answers(path))

    assert FULL == into_full_disk("--socket", path, "status")
    stop(program, 128 + signal.SIGTERM)


def _answers(path: Path) -> None:
    assert 0 == ctl("--socket", path, "pid")[0]


def test_health_by_a_url(run: Run, tmp_path: Path) -> None:
    """As with --socket; supervisord has no such verb."""
    path, port = tmp_path / "s.sock", free_port()
    login = "username = anna\npassword = secret\n"
    internet = f"[inet_http_server]\nport = 127.0.0.1:{port}\n{login}"
    program = services(
        run, tmp_path, unix_section(path), internet, section("web", "wait", startsecs=0)
    )
    served(path)
    http = f"http://127.0.0.1:{port}"

    assert (0, "ok: running\n", "") == ctl("-s", f"unix://{path}", "health")
    assert (0, "ok: running\n", "") == ctl("-s", http, "-u", "anna", "-p", "secret", "health")
    assert (1, "Server requires authentication\n", "") == ctl("-s", http, "health")
    stop(program)
    code, said, _ = ctl("-s", f"unix://{path}", "health")
    assert 4 == code
    assert "no such file" in said
