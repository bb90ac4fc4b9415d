"""Directories for tests of files."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from config_supervisor.store.configroot import Modes, Root
from tests.conftest import needs, needs_root
from tests.volume import Follower


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """A prepared, empty directory for generations."""
    root = Root(str(tmp_path / "etc" / "app"), Modes())
    root.prepare()
    return root


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 64 KiB and 60 inodes."""
    needs_root()
    needs("mount")
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=60", "small", str(tmp_path)], check=True
    )
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """An empty directory with a parent of its own."""
    path = tmp_path / "top"
    path.mkdir()
    return path


@pytest.fixture
def follow() -> Iterator[Callable[..., Follower]]:
    """Starts sources, and ends them in the end."""
    followers: list[Follower] = []

    def start(
        path: Path | str, recheck: float = 60.0, head_start: float = 0.0, ignore: Sequence[str] = ()
    ) -> Follower:
        followers.append(Follower(path, recheck, head_start, ignore))
        return followers[-1]

    yield start
    for follower in followers:
        follower.end()
