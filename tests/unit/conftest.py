"""Directories that tests of files start from."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.files import Modes, Root
from tests.conftest import needs, needs_root


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """A prepared, empty directory for generations."""
    root = Root(str(tmp_path / "etc" / "app"), Modes())
    root.prepare()
    return root


@pytest.fixture
def common() -> Iterator[Path]:
    """A directory that everybody may reach and write to, unlike tmp_path."""
    path = tempfile.mkdtemp()
    os.chmod(path, 0o777)  # noqa: S103 - other users take part
    yield Path(path)
    shutil.rmtree(path)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 64 KiB and 60 inodes."""
    needs_root()
    needs("mount")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=60", "small", str(tmp_path)], check=True)
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)
