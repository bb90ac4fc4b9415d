"""Thousands of reloads without growth, by `make test-endurance`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.harness import Run, only_process, status
from tests.sync.reloading import Reloading

pytestmark = pytest.mark.endurance

_BATCHES, _BATCH = 10, 1000


def sizes(pid: int) -> tuple[int, int, int]:
    """Memory in KiB, open files, threads."""
    said = status(pid)
    return int(said["VmRSS"].split()[0]), len(os.listdir(f"/proc/{pid}/fd")), int(said["Threads"])


@pytest.mark.timeout(1800)
@only_process
def test_ten_thousand_reloads_leave_nothing_behind(run: Run, tmp_path: Path) -> None:
    """In a single mode: both modes grow alike. Each cycle validates, reloads by signal and
    verifies.
    """
    subject = Reloading(run, tmp_path)
    program = subject.running("--validate=true", "--verify=true", "--verify-window=0s")
    grown = []
    for batch in range(_BATCHES):
        for number in range(_BATCH):
            subject.change(f"{batch}.{number}")
            program.expect(f"config: {batch}.{number}$")
            program.err.expect("reloaded")
        grown.append(sizes(program.pid))

    assert _BATCHES * _BATCH == subject.metric("reloads_total", method="signal")
    memory, files, threads = zip(*grown, strict=True)
    assert max(memory[2:]) - memory[1] < 1024, grown
    assert max(files) - min(files) <= 2, grown
    assert max(threads) - min(threads) <= 2, grown
