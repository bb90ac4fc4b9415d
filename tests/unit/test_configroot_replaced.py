"""The directory of generations stays the same for a run: no later link leads writes elsewhere."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

from config_supervisor.store.configroot import Modes, Root
from config_supervisor.store.safe_open import HeldDirectory
from config_supervisor.store.write_errors import ApplyError
from tests.conftest import needs_root
from tests.disk import NEW, OLD, everything, put, shown


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A foreign directory with a file whose name is a key."""
    directory = tmp_path / "victim"
    directory.mkdir()
    (directory / "a").write_text("precious")
    return directory


@pytest.mark.parametrize("level", ["etc/app", "etc"])
def test_link_in_place_of_configroot_leads_no_write_elsewhere(
    root: Root, victim: Path, tmp_path: Path, level: str
) -> None:
    """The app owns a directory on the way; root follows no link from it."""
    put(root, OLD)
    if level == "etc":
        (victim / "app").mkdir()
        (victim / "app" / "a").write_text("precious")
    before = everything(victim)
    os.rename(tmp_path / level, tmp_path / "aside")
    os.symlink(victim, tmp_path / level)
    with pytest.raises(
        ApplyError, match=f"{tmp_path / level} is a link that uid .* made"
    ) as caught:
        put(root, NEW)
    assert caught.value.reason == "write"
    root.tidy()
    assert root.live().generation is None
    assert "is a link" in root.live().fault
    assert everything(victim) == before

    os.unlink(tmp_path / level)
    os.rename(tmp_path / "aside", tmp_path / level)
    put(root, NEW)
    assert shown(root.path) == NEW


def test_link_of_another_user_is_refused_from_the_start(tmp_path: Path, victim: Path) -> None:
    """The container restarts after the app has put its link there."""
    needs_root()
    before = everything(victim)
    os.symlink(victim, tmp_path / "live")
    os.chown(tmp_path / "live", 12345, 12345, follow_symlinks=False)
    root = Root(str(tmp_path / "live"), Modes())
    for attempt in (root.prepare, lambda: put(root, OLD)):
        with pytest.raises(
            ApplyError, match="live is a link that uid 12345 made; put a directory in its place"
        ):
            attempt()
    assert everything(victim) == before


def test_link_of_our_own_is_followed_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    os.symlink("data", tmp_path / "link")
    root = Root(str(tmp_path / "link" / "app"), Modes())
    root.prepare()
    put(root, OLD)
    assert shown(tmp_path / "data" / "app") == OLD


def test_link_that_is_switched_later_is_not_followed(tmp_path: Path, victim: Path) -> None:
    """The link was followed once: writes go on to its directory of that time."""
    (tmp_path / "data").mkdir()
    os.symlink("data", tmp_path / "live")
    root = Root(str(tmp_path / "live"), Modes())
    put(root, OLD)
    os.unlink(tmp_path / "live")
    os.symlink(victim, tmp_path / "live")
    put(root, NEW)
    assert shown(tmp_path / "data") == NEW
    assert (victim / "a").read_text() == "precious"


def test_directory_made_again_is_written_again(root: Root) -> None:
    put(root, OLD)
    subprocess.run(["rm", "-r", root.path], check=True)
    os.mkdir(root.path)
    put(root, NEW)
    assert shown(root.path) == NEW
    assert [one.serial for one in root.generations()] == [1]


def test_volume_that_is_mounted_later_is_written_to(root: Root) -> None:
    needs_root()
    put(root, OLD)
    subprocess.run(["mount", "-t", "tmpfs", "none", root.path], check=True)
    try:
        put(root, NEW)
        assert shown(root.path) == NEW
    finally:
        subprocess.run(["umount", "-l", root.path], check=True)
    assert shown(root.path) == OLD
    put(root, NEW)
    assert shown(root.path) == NEW


def test_use_after_use_leaves_no_descriptor(root: Root) -> None:
    put(root, OLD)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        put(root, NEW)
        root.live()
        root.generations()
    assert len(os.listdir("/proc/self/fd")) == before


def test_directories_on_the_way_may_be_made_by_another_meanwhile(tmp_path: Path) -> None:
    """Of services whose configroots share a parent, each makes it."""
    errors: list[OSError] = []
    both = threading.Barrier(2)

    def make(name: str) -> None:
        for number in range(100):
            held = HeldDirectory(f"{tmp_path}/{number}/live/{name}", lambda _: True)
            both.wait(10)
            try:
                with held.opened(make=True):
                    pass
            except OSError as error:
                errors.append(error)

    threads = [threading.Thread(target=make, args=(name,)) for name in "ab"]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert [] == errors
