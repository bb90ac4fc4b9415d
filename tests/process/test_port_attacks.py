"""Strangers at the port of metrics and probes: the app keeps its supervisor.

Each attack is bounded in connections and time, stays on 127.0.0.1, and runs in a process of its
own. Bounds of time are wide: a busy machine takes tens of milliseconds where a quiet machine takes
a millisecond.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import pytest

from tests.bench.procfs import memory, work
from tests.conftest import needs_open_interpreter, needs_root
from tests.harness import APPS, NOBODY_KNOWS, Program, Run, app, only_process, until, wait_until
from tests.http import get, metric, port_of
from tests.volume import swap_volume

pytestmark = [only_process, pytest.mark.timeout(60)]

ATTACKS = {  # kind: connections
    "headers": 18,
    "trickle": 200,
    "silence": 2000,
    "together": 2000,
    "deaf": 200,
    "flood": 20,
    "churn": 20,
}
SECONDS = 30  # an attack ends by itself, even without its test
LOOKS = 12  # checks during an attack
UNPROBED = {"churn"}  # more whole requests than the server takes: a probe waits in their queue
SIGNALS = 10  # at each check
MOST_MEMORY = 2.0  # MiB more than before
MOST_THREADS = 2  # more than before
MOST_PROBE = 1.0  # seconds: the default timeout of the kubelet
MOST_SIGNAL = 0.1  # seconds, of all but the slowest in a hundred


@contextlib.contextmanager
def attack(kind: str, place: int | str, count: int = 0) -> Iterator[None]:
    """Strangers, from here to the end of the block."""
    command = [sys.executable, "-S", "-I", os.path.join(APPS, "attack_port.py"), kind]
    command += [str(place), str(count or ATTACKS[kind]), str(SECONDS)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as strangers:
        assert strangers.stdin is not None
        assert strangers.stdout is not None
        try:
            assert "attacks\n" == strangers.stdout.readline()
            yield
            assert strangers.poll() is None
        finally:
            strangers.stdin.close()
            strangers.wait(10)


class Watched:
    """A supervisor and its app: memory, threads, and times of probes and signals."""

    def __init__(self, program: Program, port: int) -> None:
        self.program = program
        self.port = port
        for _ in range(3):  # imports of the first requests stay in memory
            get(port, "/metrics")
            get(port, "/livez")
        self.memory, self.threads = self.figures()
        self.probes: list[float] = []
        self.signals: list[float] = []

    def figures(self) -> tuple[float, int]:
        """MiB resident, and threads."""
        pid = self.program.pid
        return memory([pid]).rss, work([pid]).threads

    def probe(self) -> None:
        """Probe as the kubelet does."""
        began = time.monotonic()
        assert (200, "ok: running\n") == get(self.port, "/livez")
        self.probes.append(time.monotonic() - began)

    def forward(self) -> None:
        """Forward some signals in turn."""
        for _ in range(SIGNALS):
            sent = time.monotonic_ns()
            self.program.send(signal.SIGUSR1)
            self.signals.append((int(self.program.out.next()) - sent) / 1e9)

    def assert_unharmed(self, *, probed: bool) -> None:
        """Check repeatedly: no figure may be much greater than before."""
        for _ in range(LOOKS):
            if probed:
                self.probe()
            self.forward()
            size, running = self.figures()
            assert size <= self.memory + MOST_MEMORY
            assert running <= self.threads + MOST_THREADS
        assert max(self.probes, default=0.0) < MOST_PROBE
        assert sorted(self.signals)[len(self.signals) * 99 // 100 - 1] < MOST_SIGNAL


def watched(run: Run) -> Watched:
    program = run(*app("time_signals.py"), options=["--listen", "127.0.0.1:0"])
    port = port_of(program)
    program.expect("ready")
    return Watched(program, port)


@pytest.fixture
def open_folder() -> Iterator[str]:
    """A directory readable for every user."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield folder


@pytest.mark.parametrize("kind", ATTACKS)
def test_strangers_at_the_port_cost_next_to_nothing(run: Run, kind: str) -> None:
    """A thread for each connection would mean thousands of threads, and late signals."""
    supervisor = watched(run)
    with attack(kind, supervisor.port):
        supervisor.assert_unharmed(probed=kind not in UNPROBED)
    supervisor.program.send(signal.SIGTERM)
    supervisor.program.finish(0)


@pytest.mark.parametrize(("limit", "count"), [("--nofile=40:40", 60), ("--nproc=120:120", 300)])
def test_silent_strangers_leave_descriptors_for_a_reload(
    run: Run, open_folder: str, limit: str, count: int
) -> None:
    """Under tight limits a reload by command still needs descriptors and a process."""
    needs_root()
    needs_open_interpreter()
    volume = f"{open_folder}/volume"
    swap_volume(volume, {"app.conf": "first"})
    options = [
        "--listen=127.0.0.1:0",
        f"--config-dir={volume}",
        "--reload-exec=true",
        "--verify-window=0s",
    ]
    options += ["--reload-interval=0s"]
    program = run(
        *app("time_signals.py"), options=options, prefix=[*NOBODY_KNOWS, "prlimit", limit]
    )
    port = port_of(program)
    program.expect("ready")
    with attack("silence", port, count):
        before = work([program.pid])
        began = time.monotonic()
        for number in range(3):
            swap_volume(volume, {"app.conf": f"{number}"})
            assert 200 == get(port, "/livez")[0]
            until(lambda: metric(port, "config_last_reload_successful"), 1.0)
        until(lambda: metric(port, "reloads_total", method="exec"), 3.0)
        after = work([program.pid])
        passed = time.monotonic() - began
        assert after.cpu - before.cpu < 0.5 * passed + 0.25
        assert after.threads <= before.threads + MOST_THREADS
        assert not [line for line in program.err.seen if "cannot" in line]


@pytest.mark.parametrize(("kind", "count"), [("orders", 40), ("waits", 40), ("silence", 200)])
def test_busy_control_socket_costs_next_to_nothing(
    run: Run, tmp_path: os.PathLike[str], kind: str, count: int
) -> None:
    """Clients of the socket have our user: the app itself, or an intruder in it."""
    path = f"{tmp_path}/control.sock"
    options = ["--listen", "127.0.0.1:0", "--control", path]
    program = run(*app("time_signals.py"), options=options)
    supervisor = Watched(program, port_of(program))
    program.expect("ready")
    wait_until(lambda: exists(path))
    with attack(kind, path, count):
        supervisor.assert_unharmed(probed=True)


def exists(path: str) -> None:
    assert os.path.exists(path)
