"""The relay of lines beside supervisord's: time and CPU time for a megabyte of lines.

Writers send lines of 80 bytes, in blocks or each by itself, to our standard output: a pipe that is
read at once. Ours puts a tag before each line, supervisord does not.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
import time

from tests.bench import peers, procfs
from tests.bench.bench import Bench, Result
from tests.bench.candidates import OURS, PYTHON
from tests.bench.running import clean_environment

_NAMES = ("ours, with a tag", "supervisord")
_LINE = 80
_BLOCK = 819  # lines, as many as a pipe takes
_WRITERS = 2
_SLACK = 1 << 20  # bytes
_SECONDS = 60.0  # until a run has failed
# Lines of a writer by the size of its writes, in megabytes for all writers.
_SHAPES = {"relay_blocks": (_BLOCK, 400), "relay_lines": (1, 60)}
_TITLES = {
    "relay_blocks": "a MB of lines, in blocks of 64 KiB",
    "relay_lines": "a MB of lines, a write for each",
}
_WRITER = (
    "import os, sys\n"
    "total, lines = map(int, sys.argv[1:])\n"
    f"block = (b'x' * {_LINE - 1} + b'\\n') * lines\n"
    "for _ in range(total // len(block)): os.write(1, block)\n"
    "while True: os.read(0, 1)\n"
)


def relay(bench: Bench) -> list[Result]:
    """Both shapes, in turns."""
    failed = {} if peers.scripts() else {_NAMES[1]: "the installation from PyPI failed"}
    found = []
    for shape, (lines, megabytes) in _SHAPES.items():
        wall: dict[str, list[float]] = {name: [] for name in _NAMES if name not in failed}
        cpu: dict[str, list[float]] = {name: [] for name in wall}
        size = round(megabytes * min(1.0, bench.scale)) * 1_000_000
        for _ in range(bench.times(5)):
            for name, times in wall.items():
                took, used = _measure(bench, name, size, lines)
                times.append(took * 1e9 / size)
                cpu[name].append(used * 1e9 / size)
        kinds = dict(zip(_NAMES, (OURS, PYTHON), strict=True))
        note = f"{_WRITERS} services; the reader takes all at once."
        for key, what, samples in ((shape, "Time", wall), (f"{shape}_cpu", "CPU time", cpu)):
            title = f"{what} for {_TITLES[shape]}"
            found.append(Result(key, title, "ms", samples, kinds, note, failed))
    return found


def _measure(bench: Bench, name: str, size: int, lines: int) -> tuple[float, float]:
    """Seconds from the first byte to the last, and CPU seconds of the supervisor."""
    with tempfile.TemporaryDirectory(prefix="bench-relay-") as folder:
        command = _command(bench, name, folder, size // _WRITERS, lines)
        popen = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=clean_environment(),
            cwd=folder,
        )
        try:
            assert popen.stdout is not None
            began = _read(popen.stdout.fileno(), 1)
            ended = _read(popen.stdout.fileno(), size)
            return ended - began, procfs.cpu(popen.pid)
        finally:
            popen.terminate()
            popen.communicate(timeout=_SECONDS)


def _read(descriptor: int, size: int) -> float:
    """Read that many bytes of lines but a MB, which the writers may lack; the time then."""
    end = time.monotonic() + _SECONDS
    while size == 1 or size > _SLACK:
        ready = select.select([descriptor], [], [], _SECONDS)[0]
        data = os.read(descriptor, 1 << 20) if ready else b""
        size -= data.count(b"x") and len(data)
        if not data or time.monotonic() > end:
            raise OSError(f"{size} bytes of the lines did not come")
    return time.monotonic()


def _command(bench: Bench, name: str, folder: str, size: int, lines: int) -> list[str]:
    writer = os.path.join(folder, "write.py")
    with open(writer, "w", encoding="utf-8") as file:
        file.write(_WRITER)
    path = os.path.join(folder, "supervisord.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"[supervisord]\nlogfile=/dev/null\npidfile={folder}/pid\n")
        file.writelines(
            f"[program:w{number}]\ncommand={sys.executable} -S -I {writer} {size} {lines}\n"
            f"stdout_logfile=/dev/stdout\nstdout_logfile_maxbytes=0\nlog_tag=w{number}\n"
            for number in range(_WRITERS)
        )
    if name == _NAMES[0]:
        return [bench.shop.supervisor, "--services", path]
    return [os.path.join(peers.scripts(), "supervisord"), "-n", "-c", path]
