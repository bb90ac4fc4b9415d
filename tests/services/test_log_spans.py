"""Offsets and lengths in the log of a service mean the same as in supervisord 4.3."""

from __future__ import annotations

import itertools
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from config_supervisor.services.log_files import LogFile
from config_supervisor.services.log_ring import BadSpanError, Ring
from tests.services.oracle import environment

TEXT = "0123456789"
OFFSETS = (-99, -10, -3, -1, 0, 1, 5, 9, 10, 11, 99)
LENGTHS = (-1, 0, 1, 4, 10, 11, 99)
SCRIPT = Path(__file__).with_name("original_spans.py")


@pytest.mark.parametrize("text", [TEXT, "", "x"])
def test_spans_are_those_of_the_original(
    text: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    python = environment(tmp_path_factory.getbasetemp().parent / "supervisor-4.3")
    path = tmp_path / "log"
    path.write_text(text)
    asked = list(itertools.product(("read", "tail"), OFFSETS, LENGTHS))
    done = subprocess.run(
        [str(python), "-I", "-W", "ignore", str(SCRIPT), str(path)],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
    )
    ring = Ring()
    ring.add(text.encode())

    original = json.loads(done.stdout)
    for log in (LogFile(str(path)), ring):
        for question, answer in zip(asked, original, strict=True):
            assert (question, answer) == (question, _ours(log, *question))


def _ours(log: LogFile | Ring, function: str, offset: int, length: int) -> Any:
    if function == "tail":
        data, size, overflow = log.tail(offset, length)
        return [data.decode(), size, overflow]
    try:
        return log.read(offset, length).decode()
    except BadSpanError:
        return {"fault": "BAD_ARGUMENTS"}
