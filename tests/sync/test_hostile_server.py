"""The whole program on a hostile or broken API server: PID 1 stays small, and signals pass."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.fake_kube import FakeKube
from tests.harness import Program, Run, app, only_process, until, wait_until
from tests.harness import status as process_status
from tests.http import metric, port_of
from tests.sync.subject import Subject

MEBI = 1 << 20
BOOKMARK = (
    b'{"type":"BOOKMARK","object":{"kind":"ConfigMap","metadata":{"resourceVersion":"1001"}}}\n'
)

pytestmark = only_process  # memory and latency are those of the same code as for PID 1


@pytest.fixture
def subject(run: Run, fake: FakeKube, tmp_path: os.PathLike[str]) -> Subject:
    return Subject(run, fake, os.fspath(tmp_path))


def most_memory(program: Program) -> int:
    """The largest resident size so far, in bytes."""
    return int(process_status(str(program.pid))["VmHWM"].split()[0]) << 10


def _above(value: float | None, least: float) -> None:
    assert value is not None
    assert value > least


def running(subject: Subject, fake: FakeKube) -> Program:
    fake.create("web", {"app.conf": "one"})
    program = subject.start("--reload-signal=HUP", command=app("print_signals.py"))
    program.expect("ready")
    until(fake.watchers, 1)
    return program


@pytest.mark.parametrize(
    "body", [b"[" + b"[]," * (3 * MEBI), b'{"a":' * 20_000, b" " * (12 * MEBI)]
)
def test_hostile_list_costs_little_memory(subject: Subject, fake: FakeKube, body: bytes) -> None:
    """14 MiB of `[],` once cost 400 MiB, which ends PID 1 in a small container."""
    program = running(subject, fake)
    before = most_memory(program)
    fake.answer_next("read", 200, body, times=2)
    fake.cut("clean")
    until(lambda: len(fake.asked("read", 200)), 4)
    until(fake.watchers, 1)
    assert most_memory(program) - before < 40 * MEBI


def test_flood_of_watch_events_delays_no_signal(subject: Subject, fake: FakeKube) -> None:
    """90,000 bookmarks in a row once delayed signals by seconds, and cost 117 MiB."""
    program = running(subject, fake)
    before = most_memory(program)
    fake.inject(BOOKMARK * 90_000)
    port = port_of(program)
    wait_until(lambda: _above(metric(port, "watch_events_total", type="bookmark"), 50))
    delays = []
    for _ in range(30):
        sent = time.monotonic()
        program.send(signal.SIGUSR1)
        program.expect(str(int(signal.SIGUSR1)))
        delays.append(time.monotonic() - sent)
    assert sorted(delays)[len(delays) // 2] < 0.1
    assert most_memory(program) - before < 25 * MEBI
