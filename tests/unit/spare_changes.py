"""Shared by the tests of the spare: changes as a delivery makes them, and an app's edits."""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Callable, Iterator

from config_supervisor.core.content import Version
from config_supervisor.store.configroot import Generation, Root
from tests.disk import needs_counted_holders, next_tick, of

Holder = Callable[[str], contextlib.AbstractContextManager[Callable[[], object]]]

MANY = {f"web-{number:03}/app.conf": b"%d" % number for number in range(100)}
CHANGED = "web-042/app.conf"


def change(root: Root, version: Version) -> Generation:
    """Put a version in place, and prepare the next change as a delivery does."""
    generation = root.stage(version)
    root.show(generation)
    root.tidy()
    next_tick(os.path.dirname(root.path))
    root.read_spare()
    return generation


def changed(number: int, files: dict[str, bytes] = MANY) -> dict[str, bytes]:
    return {**files, CHANGED: b"change %d" % number}


def settled(root: Root, files: dict[str, bytes] = MANY) -> None:
    """Enough changes to make a generation superfluous."""
    needs_counted_holders(root.path)
    for number in range(4):
        change(root, of(changed(number, files)))


def inodes(folder: str) -> dict[str, int]:
    return {
        os.path.relpath(f"{parent}/{name}", folder): os.stat(f"{parent}/{name}").st_ino
        for parent, _, names in os.walk(folder)
        for name in names
    }


def spare(root: Root) -> str:
    """The directory of the spare, the only one that is no generation."""
    needs_counted_holders(root.path)
    known = {one.name for one in root.generations()}
    (found,) = {n for n in os.listdir(root.path) if n.startswith("..2")} - known
    return f"{root.path}/{found}"


def edit(path: str) -> None:
    """In place, with the same size, and with the old times."""
    times = os.stat(path)
    with open(path, "r+b") as file:
        file.write(b"x")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@contextlib.contextmanager
def opened(path: str) -> Iterator[Callable[[], object]]:
    """Hold a file open for writing; gives the call that writes to it."""
    with open(path, "r+b", buffering=0) as file:
        yield lambda: os.pwrite(file.fileno(), b"x", 0)


@contextlib.contextmanager
def mapped(path: str) -> Iterator[Callable[[], object]]:
    """Hold a file by a mapping alone, with a dirty page."""
    others = set(os.listdir("/proc/self/fd"))
    with open(path, "r+b") as file:
        memory = mmap.mmap(file.fileno(), 0)
    memory[0:1] = memory[0:1]
    with open(os.devnull, "rb") as null:
        for name in set(os.listdir("/proc/self/fd")) - others:
            with contextlib.suppress(OSError):
                if os.path.samefile(f"/proc/self/fd/{name}", path):
                    os.dup2(null.fileno(), int(name), inheritable=False)  # the module's own
    with memory:
        yield lambda: memory.__setitem__(0, ord("x"))
