"""Shared by tests of files: two configurations, a swap, and a look at every file."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from config_supervisor.core.content import Changes, Entry, Version, version_of
from config_supervisor.store import file_holders
from config_supervisor.store.configroot import Generation, Root
from tests.conftest import needs_root

OLD = {"a": b"old a", "d/x": b"old x", "d/e/y": b"", "gone": b"old gone"}
NEW = {"a": b"new a", "d/x": b"old x", "d/e/y": b"new y", "extra": b"new extra", ".dot": b"\0\xff"}


def of(files: dict[str, bytes]) -> Version:
    return version_of({path: Entry(data) for path, data in files.items()})


def put(root: Root, files: dict[str, bytes]) -> Generation:
    """Write files and make them live."""
    generation = root.stage(of(files))
    swap(root, generation)
    return generation


def swap(root: Root, generation: Generation) -> Changes:
    """Make a generation live and remove the old ones, as a delivery does."""
    changes = root.show(generation)
    root.tidy()
    return changes


def next_tick(folder: str | Path) -> None:
    """Return once the clock of a file system has gone on."""
    probe = f"{folder}/probe"
    with open(probe, "w", encoding="ascii"):
        first = os.stat(probe).st_ctime_ns
    while os.stat(probe).st_ctime_ns == first:
        os.chmod(probe, 0o600)
    os.unlink(probe)


def needs_counted_holders(folder: str | os.PathLike[str]) -> None:
    """Skip a test of unchanged files on a file system where each change writes all files."""
    directory = os.open(folder, os.O_RDONLY)
    counted = file_holders.are_counted(directory)
    os.close(directory)
    if not counted:
        pytest.skip(f"needs ext4, xfs or tmpfs at {folder}: name another place with --basetemp")


def shown(path: str | Path) -> dict[str, bytes]:
    """The app's view: every file with a visible name."""
    found = {}
    for top in os.listdir(path):
        if top.startswith(".."):
            continue
        if os.path.isfile(f"{path}/{top}"):
            found[top] = Path(f"{path}/{top}").read_bytes()
        for parent, _, names in os.walk(f"{path}/{top}"):
            for name in names:
                full = os.path.join(parent, name)
                found[os.path.relpath(full, path)] = Path(full).read_bytes()
    return found


def everything(path: str | Path) -> dict[str, object]:
    """Every name below a directory with its kind and content: to compare before and after."""
    found: dict[str, object] = {}
    for parent, directories, names in os.walk(path):
        for name in directories + names:
            full = os.path.join(parent, name)
            status = os.lstat(full)
            what: object = None
            if stat.S_ISLNK(status.st_mode):
                what = os.readlink(full)
            elif stat.S_ISREG(status.st_mode):
                what = Path(full).read_bytes()
            found[os.path.relpath(full, path)] = (
                status.st_ino,
                status.st_mode,
                status.st_uid,
                what,
            )
    return found


def mode(path: str | Path) -> str:
    return f"{stat.S_IMODE(os.stat(path).st_mode):04o}"


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def as_nobody(path: Path, code: str) -> str:
    """The output of Python code as uid 65534, with `path` and the names needed by the tests."""
    needs_root()
    # All imports come first: others than root may not be allowed to read where the program is.
    head = """
        import hashlib, inotify_simple, json, os, sys
        from config_supervisor.store.configroot import Modes, Root
        from config_supervisor.store.write_errors import ApplyError
        from config_supervisor.core.content import Entry, version_of
        from config_supervisor.sources.directory.directory_source import DirectorySource
        path = sys.argv[1]
        os.setgroups([]); os.setgid(65534); os.setuid(65534)
    """
    # It ends as the program does: a closing watch must not wake a thread of a half-ended
    # interpreter.
    program = textwrap.dedent(head) + textwrap.dedent(code) + "\nsys.stdout.flush(); os._exit(0)\n"
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.returncode, done.stderr)
    return done.stdout
