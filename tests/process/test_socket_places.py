"""Which socket the program takes, and which supervisorctl finds."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from config_supervisor.control import socket_path
from tests.conftest import needs, needs_open_interpreter, needs_root
from tests.harness import (
    NOBODY_KNOWS,
    Run,
    only_pid1,
    only_process,
    wait_until,
)
from tests.http import port_of
from tests.process.controlled import LISTEN, SUPERVISORCTL, Subject, ctl


@pytest.fixture
def subject(run: Run, tmp_path: Path) -> Subject:
    return Subject(run, tmp_path)


def test_second_supervisor_leaves_the_socket_alone(subject: Subject, run: Run) -> None:
    subject.running("one")
    second = run("sleep", "60", options=[f"--control={subject.socket}", LISTEN])
    second.err.expect(
        f"cannot listen on {subject.socket}: another program answers on it; choose another"
    )
    second.send(signal.SIGTERM)
    second.wait()

    assert (0, "ok: running\n", "") == subject.ctl("health")


def test_without_a_socket_health_asks_the_port(run: Run) -> None:
    port = port_of(run("sleep", "60", options=["--control=off", LISTEN]))
    env = {"CONFIG_SUPERVISOR_CONTROL": "off", "CONFIG_SUPERVISOR_LISTEN": f":{port}"}

    assert (0, "ok: running\n", "") == ctl("health", env=env)
    where = "CONFIG_SUPERVISOR_CONTROL is off; see --socket"
    assert (4, "", f"supervisorctl: the supervisor is not running: {where}\n") == ctl(
        "status", env=env
    )


# Runs a command behind the modes of /run and /tmp. A new /tmp might hide this checkout.
MOUNTED = """
mount -t tmpfs -o "$0" run /run
mount --bind /tmp /tmp && mount -o "remount,bind,$1" /tmp
shift; exec "$@"
"""


@only_process
@pytest.mark.parametrize(
    ("run_mode", "tmp_mode", "path"),
    [("rw", "rw", r"/run/{}\.sock"), ("ro", "rw", r"/tmp/{}-0-\d+\.sock"), ("ro", "ro", "")],
)
def test_default_place_is_the_first_writable_place(
    run: Run, run_mode: str, tmp_mode: str, path: str
) -> None:
    """In a mount namespace, which has the real directories of its own."""
    needs_root()
    nsenter = needs("nsenter")
    with socket.create_server(("127.0.0.1", 0)) as free:
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    prefix = ["unshare", "--mount", "sh", "-ec", MOUNTED, run_mode, tmp_mode]
    chosen = {"CONFIG_SUPERVISOR_CONTROL": ""}
    program = run("sleep", "60", options=["-v", f"--listen={listen}"], prefix=prefix, env=chosen)
    program.err.expect(
        f"control socket: {path.format('config-supervisor')}$"
        if path
        else "cannot make a control socket"
    )
    inside = [nsenter, "--mount", f"--target={program.pid}"]

    def healthy() -> None:
        assert (0, "ok: running\n", "") == ctl(
            "health", prefix=inside, env={"CONFIG_SUPERVISOR_LISTEN": listen}
        )

    wait_until(healthy)
    assert (0 if path else 4) == ctl("status", prefix=inside)[0]
    program.send(signal.SIGTERM)  # the end removes the socket, perhaps from the real /tmp
    program.wait()


def test_candidates_are_the_plain_name_and_our_own() -> None:
    container = os.stat("/proc/self/ns/mnt").st_ino

    assert [
        "/run/config-supervisor.sock",
        f"/run/config-supervisor-{container}.sock",
        f"/tmp/config-supervisor-{os.geteuid()}-{container}.sock",
    ] == socket_path.candidates()[:3]


@only_pid1
def test_root_reaches_the_supervisor_of_another_user(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`docker exec -u 0` in an image with `USER 1000`."""
    needs_root()
    needs_open_interpreter()
    monkeypatch.delenv("CONFIG_SUPERVISOR_CONTROL")
    program = run(
        "sleep", "60", options=[LISTEN], prefix=NOBODY_KNOWS, env={"CONFIG_SUPERVISOR_CONTROL": ""}
    )
    inside = ["nsenter", "-t", str(program.pid), "-m", "-p", "--", SUPERVISORCTL, "status"]

    def served() -> None:
        done = subprocess.run(inside, capture_output=True, text=True, timeout=10, check=False)
        assert 0 == done.returncode, done.stderr
        assert "running" in done.stdout

    wait_until(served)
