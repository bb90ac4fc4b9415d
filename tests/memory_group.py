"""A memory cgroup with a small limit, as a container has one; cgroup v1 or v2."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import until

MEMORY = 96 << 20
# Where a group is made, and its file with the limit.
_GROUPS = (
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
    ("/sys/fs/cgroup", "memory.max"),
)


class MemoryGroup:
    def __init__(self, path: Path) -> None:
        self._path = path
        # The command that makes its arguments a process of the group.
        self.enter = ["sh", "-c", f'echo 0 > {path}/cgroup.procs; exec "$@"', "sh"]

    def expect_empty(self) -> None:
        until((self._path / "cgroup.procs").read_text, expected="")


def made() -> Iterator[MemoryGroup]:
    """A group, until its processes have ended; skips where the system allows none."""
    for mount, limit in _GROUPS:
        path = Path(mount) / f"supervisor-{os.getpid()}"
        try:
            path.mkdir()
        except OSError:
            continue
        if (path / limit).exists():
            (path / limit).write_text(str(MEMORY))
            group = MemoryGroup(path)
            yield group
            group.expect_empty()
            path.rmdir()
            return
        path.rmdir()
    pytest.skip("no memory cgroup can be made here")
