"""The program beside an app in the same pid namespace, reloaded by a signal.

Only as an ordinary process: as PID 1 of its own namespace it would not see the processes of the
test.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import needs, needs_open_interpreter, needs_root
from tests.elsewhere import Elsewhere
from tests.harness import APPS, Run, assert_state, only_process, until, wait_until
from tests.http import get, metric, port_of
from tests.sync.sidecar import Sidecar, said
from tests.sync.subject import Kube

pytestmark = only_process

# A server with a worker of its own name: it writes each configuration to a file. The worker dies of
# HUP, as workers for their parent's orders do.
SERVER = """
import os, signal, sys
config, log = sys.argv[1:]
taken = {signal.SIGHUP, signal.SIGTERM}
signal.pthread_sigmask(signal.SIG_BLOCK, taken)
worker = os.fork()
if not worker:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.pause()
for number in taken:
    signal.signal(number, lambda *_: None)
number = signal.SIGHUP
while number == signal.SIGHUP:
    with open(config) as file, open(log, "a") as out:
        out.write(f"{os.getpid()} {file.read()}\\n")
    number = signal.sigwaitinfo(taken).si_signo
os.kill(worker, signal.SIGKILL)
"""


@pytest.fixture
def sidecar(run: Run, kube: Kube, tmp_path: os.PathLike[str]) -> Sidecar:
    return Sidecar(run, kube, os.fspath(tmp_path))


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    processes = Elsewhere()
    yield processes
    processes.close()


class Server:
    """A foreign server with a worker; its contents, as (pid, content)."""

    def __init__(self, elsewhere: Elsewhere, sidecar: Sidecar, scratch: Path) -> None:
        self._elsewhere, self._file = elsewhere, sidecar.file
        self.log = scratch / "server.log"
        self.name = f"web{os.getpid()}"
        self._program = scratch / self.name
        self._program.symlink_to(os.path.realpath(sys.executable))
        self.pid = 0

    def start(self) -> int:
        """Start it, also a second time; returns once it has read its configuration."""
        self.pid = self._elsewhere.start(
            str(self._program), "-SIc", SERVER, self._file, str(self.log)
        )

        def begun() -> None:
            assert self.pid in [pid for pid, _ in self.taken()]

        wait_until(begun)
        return self.pid

    def end(self) -> None:
        os.kill(self.pid, signal.SIGTERM)
        assert_state(self.pid, "X")

    def taken(self) -> list[tuple[int, str]]:
        try:
            lines = self.log.read_text().splitlines()
        except FileNotFoundError:
            return []
        return [(int(pid), content) for pid, content in (line.split(" ", 1) for line in lines)]


@pytest.fixture
def server(elsewhere: Elsewhere, sidecar: Sidecar, tmp_path: Path) -> Server:
    return Server(elsewhere, sidecar, tmp_path)


def test_the_topmost_process_of_the_name_is_signalled(sidecar: Sidecar, server: Server) -> None:
    program = sidecar.serving(f"--reload-process={server.name}", "--reload-timeout=15s")
    until(sidecar.content, "one")
    pid = server.start()
    until(server.taken, [(pid, "one"), (pid, "one")])
    sidecar.change("two")
    until(server.taken, [(pid, "one"), (pid, "one"), (pid, "two")])
    until(lambda: metric(sidecar.port, "reloads_total", method="process"), 2)
    program.send(signal.SIGTERM)
    program.finish(0)
    assert_state(pid, "S")


@pytest.mark.parametrize("by", ["name", "pid file"])
def test_a_server_that_was_restarted_is_found_again(
    sidecar: Sidecar, server: Server, tmp_path: Path, by: str
) -> None:
    file = tmp_path / "server.pid"
    sidecar.serving(
        f"--reload-process={server.name if by == 'name' else file}", "--reload-timeout=15s"
    )
    until(sidecar.content, "one")
    first = server.start()
    file.write_text(f"{first}\n")
    until(server.taken, [(first, "one"), (first, "one")])
    server.end()
    second = server.start()
    file.write_text(f"{second}\n")
    sidecar.change("two")

    until(server.taken, [(first, "one"), (first, "one"), (second, "one"), (second, "two")])
    until(lambda: sidecar.status("reloads", "last_outcome"), "success")


def test_late_server_has_its_files_and_is_waited_for(sidecar: Sidecar, server: Server) -> None:
    program = sidecar.serving(f"--reload-process={server.name}", "--reload-timeout=300ms")
    said(program, f"no process is called {server.name}; .*shareProcessNamespace: true")
    assert ("one", "no_process") == (sidecar.content(), sidecar.status("reloads", "last_outcome"))
    assert 200 == get(sidecar.port, "/readyz")[0]
    pid = server.start()
    until(lambda: sidecar.status("reloads", "last_outcome"), "success")

    assert [(pid, "one"), (pid, "one")] == server.taken()


def test_a_process_that_does_not_catch_the_signal_survives(
    sidecar: Sidecar, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    pid = elsewhere.start("sleep", "600")
    (tmp_path / "pid").write_text(f"{pid}\n")
    program = sidecar.serving(f"--reload-process={tmp_path}/pid", "--reload-timeout=300ms")
    said(program, "does not catch SIGHUP, which would end it; .*--reload-signal")
    program.send(signal.SIGTERM)
    program.finish(0)

    assert_state(pid, "S")


def test_uid_without_the_right_to_signal_is_told_the_right_one(
    sidecar: Sidecar, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    """The program is root without CAP_KILL, as in a pod that drops all capabilities."""
    needs_root()
    needs("setpriv")
    needs_open_interpreter()
    public = os.path.realpath(sys.executable)
    pid = elsewhere.start(
        public, "-SI", os.path.join(APPS, "read_config.py"), "/nowhere", user=12345
    )
    (tmp_path / "pid").write_text(f"{pid}\n")
    sidecar.kube.create("web", {"app.conf": "one"})
    drop = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    program = sidecar.begin(f"--reload-process={tmp_path}/pid", prefix=drop)
    said(
        program,
        rf"cannot signal {tmp_path}/pid \(pid {pid}, uid 12345\): operation not permitted; "
        r"run the sidecar as the same uid \(runAsUser: 12345\)",
    )
    sidecar.port = port_of(program)
    assert ("one", "permission") == (sidecar.content(), sidecar.status("reloads", "last_outcome"))
    assert 1 == metric(sidecar.port, "reload_failures_total", method="process", reason="permission")
