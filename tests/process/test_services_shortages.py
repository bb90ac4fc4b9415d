"""Descriptors that are short at the start: probes, clients, readiness and logs come later, and the
services run.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.conftest import needs
from tests.harness import Run, only_process, until
from tests.http import get
from tests.process.controlled import ctl
from tests.process.rpc_clients import served, unix_section
from tests.process.services import section, written
from tests.servers import free_port


def code_of(port: int, path: str) -> int:
    """The status of a page; 0 without an answer."""
    try:
        return get(port, path)[0]
    except OSError:
        return 0


@only_process
@pytest.mark.parametrize("call", ["socket", "eventfd2", "epoll_create1", "pipe2"])
@pytest.mark.parametrize("error", ["EMFILE", "ENFILE"])
def test_a_shortage_at_the_start_costs_no_part(
    run: Run, tmp_path: Path, call: str, error: str
) -> None:
    """The first two of these calls of each thread fail."""
    port = free_port()
    socket = tmp_path / "control.sock"
    listener = "[eventlistener:hears]\ncommand = sleep 1000\nevents = TICK_3600\n"
    monitors = unix_section(tmp_path / "monitors.sock")
    told = section("told", "newline=3", "wait", ready="fd:3", stdout_logfile="AUTO")
    file = written(tmp_path, [told, listener, monitors])
    inject = ["-e", f"trace={call}", "-e", f"inject={call}:error={error}:when=1..2"]
    program = run(
        options=[f"--listen=127.0.0.1:{port}", f"--control={socket}", "--services", file],
        prefix=[needs("strace"), "-D", "-f", "-o", "/dev/null", *inject],
    )
    program.err.expect("told is ready")

    until(lambda: code_of(port, "/livez"), expected=200)
    assert 200 == code_of(port, "/metrics")
    until(lambda: "RUNNING" in ctl(f"--socket={socket}", "status", "told")[1], expected=True)
    assert served(tmp_path / "monitors.sock").supervisor.getPID() == program.pid
    program.send(signal.SIGTERM)
    program.finish(0)
