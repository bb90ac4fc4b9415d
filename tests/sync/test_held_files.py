"""An app holds a file of an old version: its edit reaches no other version."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness import Run, app, until
from tests.sync.reloading import Reloading

CONTENT = "as delivered"
SHARED_MEMORY = "/dev/shm"


@pytest.fixture(params=["disk", "memory"])
def scratch(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system with times of change for mapped pages, and one without."""
    if request.param == "disk":
        yield tmp_path
        return
    folder = tempfile.mkdtemp(dir=SHARED_MEMORY)
    yield Path(folder)
    shutil.rmtree(folder)


class Changing:
    """A program that follows two files, of which `app.conf` changes."""

    def __init__(self, run: Run, scratch: Path) -> None:
        self._subject = Reloading(run, scratch)
        self._subject.volume.swap({"app.conf": "one", "other": CONTENT})
        self._program = self._subject.running_on_volume()
        self._changes = 0
        self.other = f"{self._subject.root}/other"

    def change(self) -> None:
        """Change a file; return once the version is good and nothing is left to do."""
        self._changes += 1
        text = f"change {self._changes}"
        self._subject.volume.swap({"app.conf": text, "other": CONTENT})
        self._program.expect(f"config: {text}")
        self._subject.until_metric(self._changes, "reloads_total", method="signal")
        until(lambda: len(os.listdir(f"/proc/{self._program.pid}/task")), 4)


@contextlib.contextmanager
def held(path: str, how: str) -> Iterator[Callable[[], None]]:
    """Another process holds the file; gives the call that lets it write."""
    with subprocess.Popen(
        app("hold_file.py", path, how), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"holding\n"
        into, out = holder.stdin, holder.stdout

        def write() -> None:
            into.write(b"\n")
            into.flush()
            assert out.readline() == b"written\n"

        yield write
        into.close()


@pytest.mark.parametrize("how", ["descriptor", "mapping"])
def test_held_file_never_becomes_live_again(run: Run, scratch: Path, how: str) -> None:
    program = Changing(run, scratch)
    with held(program.other, how) as write:
        first = os.stat(program.other)
        for _ in range(6):
            program.change()
            assert not os.path.samestat(os.stat(program.other), first)
        write()
        assert Path(program.other).read_text(encoding="ascii") == CONTENT
        program.change()
        assert Path(program.other).read_text(encoding="ascii") == CONTENT


@pytest.mark.parametrize("how", ["descriptor", "mapping"])
def test_edit_of_a_superfluous_file_is_not_shown(run: Run, scratch: Path, how: str) -> None:
    """The file is superfluous after the third change: it was moved and read when it changes."""
    program = Changing(run, scratch)
    with held(program.other, how) as write:
        for _ in range(3):
            program.change()
        write()
        program.change()
        assert Path(program.other).read_text(encoding="ascii") == CONTENT
