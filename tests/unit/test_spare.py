"""A change writes the changed files only, and no version ever shows bytes of another."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from config_supervisor.core.content import Entry, version_of
from config_supervisor.core.file_permissions import PRIVATE
from config_supervisor.store.configroot import Modes, Root
from tests.conftest import needs_root
from tests.disk import mode, of, shown
from tests.unit.spare_changes import (
    CHANGED,
    MANY,
    change,
    changed,
    edit,
    inodes,
    settled,
    spare,
)


def test_change_of_one_file_writes_it_alone(root: Root) -> None:
    settled(root)
    before = inodes(spare(root))
    generation = root.stage(of(changed(4)))
    after = inodes(root.directory(generation))
    assert {path for path in after if after[path] != before.get(path)} == {CHANGED}
    assert len(after) == 1 + len(MANY)


def test_no_file_belongs_to_two_generations(root: Root) -> None:
    settled(root)
    change(root, of(changed(4)))
    found = [inodes(root.directory(one)).values() for one in root.generations()]
    found.append(inodes(spare(root)).values())
    every = [inode for one in found for inode in one]
    assert len(every) == len({*every})


def test_spare_holds_files_of_the_live_version_only(root: Root) -> None:
    """No content stays on disk beyond the versions that are kept."""
    settled(root)
    held = inodes(spare(root)).keys() - {"..manifest.json"}
    assert held == MANY.keys() - {CHANGED}


def test_start_removes_the_spare(root: Root) -> None:
    settled(root)
    left = spare(root)
    Root(root.path, Modes()).prepare()
    assert not os.path.exists(left)


def test_spare_goes_when_an_earlier_version_is_put_back(root: Root) -> None:
    settled(root)
    left = spare(root)
    root.show(root.generations()[-1])
    root.tidy()
    assert not os.path.exists(left)


def test_version_without_shared_files_leaves_no_spare(root: Root) -> None:
    for number in range(5):
        change(root, of({"a": b"%d" % number}))
    assert {one.name for one in root.generations()} == {
        name for name in os.listdir(root.path) if name.startswith("..2")
    }


def replace(path: str) -> None:
    Path(f"{path}.new").write_bytes(Path(path).read_bytes()[:-1] + b"x")
    os.rename(f"{path}.new", path)


def replace_by_link(path: str) -> None:
    os.unlink(path)
    os.symlink("/etc/hostname", path)


def replace_by_directory(path: str) -> None:
    os.unlink(path)
    os.mkdir(path)


def remove_all(path: str) -> None:
    os.unlink(path)
    os.rmdir(os.path.dirname(path))


@pytest.mark.parametrize(
    "damage",
    [
        edit,
        replace,
        replace_by_link,
        replace_by_directory,
        remove_all,
        os.unlink,
        lambda path: os.chmod(path, 0o666),
        lambda path: os.link(path, f"{os.path.dirname(path)}.other"),
        lambda path: Path(f"{path}.bak").touch(),
        lambda path: Path(f"{os.path.dirname(path)}.bak").touch(),
    ],
)
def test_touched_file_of_the_spare_is_written_again(
    root: Root, damage: Callable[[str], None]
) -> None:
    settled(root)
    damage(f"{spare(root)}/web-007/app.conf")
    change(root, of(changed(9)))
    assert shown(root.path) == changed(9)
    assert mode(f"{root.path}/web-007/app.conf") == "0644"
    assert os.stat(f"{root.path}/web-007/app.conf").st_nlink == 1


@pytest.mark.parametrize("damage", [edit, replace, os.unlink])
def test_file_edited_by_the_app_is_not_reused(root: Root, damage: Callable[[str], None]) -> None:
    """The app edits every version that it gets; each new version arrives as it was delivered."""
    for number in range(8):
        change(root, of(changed(number)))
        assert shown(root.path) == changed(number)
        damage(f"{root.path}/web-007/app.conf")


def test_spare_that_was_not_read_is_not_used(root: Root) -> None:
    """Within a tick of the clock an edit may not show in the inode."""
    for number in range(4):
        root.show(root.stage(of(changed(number))))
        root.tidy()
    edit(f"{spare(root)}/web-007/app.conf")
    change(root, of(changed(9)))
    assert shown(root.path) == changed(9)


def test_replaced_spare_is_not_followed(root: Root, tmp_path: Path) -> None:
    """Another user may write to configroot."""
    settled(root)
    left = spare(root)
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "app.conf").write_bytes(b"victim")
    os.rename(left, f"{left}.moved")
    os.mkdir(left)
    for path in MANY:
        os.symlink(victim, f"{left}/{os.path.dirname(path)}")
    change(root, of(changed(9)))
    assert shown(root.path) == changed(9)
    assert (victim / "app.conf").read_bytes() == b"victim"


def test_reader_of_an_old_directory_sees_no_newer_version(root: Root) -> None:
    settled(root)
    directory = os.open(f"{root.path}/..data/web-007", os.O_RDONLY)
    try:
        for number in range(4, 9):
            change(root, of({**changed(number), "web-007/app.conf": b"%d" % number}))
            assert os.listdir(directory) in (["app.conf"], [])
            if os.listdir(directory):
                file = os.open("app.conf", os.O_RDONLY, dir_fd=directory)
                assert os.read(file, 100) == b"7"
                os.close(file)
        assert os.listdir(directory) == []
    finally:
        os.close(directory)


def test_changed_permission_writes_the_file_again(root: Root) -> None:
    settled(root)
    files = {path: Entry(data) for path, data in changed(3).items()}
    files["web-007/app.conf"] = files["web-007/app.conf"].replace(permission=PRIVATE)
    change(root, version_of(files))
    assert mode(f"{root.path}/web-007/app.conf") == "0600"
    assert mode(f"{root.path}/web-008/app.conf") == "0644"


def test_modes_and_owner_of_reused_files_are_exact(tmp_path: Path) -> None:
    needs_root()
    root = Root(str(tmp_path / "etc"), Modes(0o640, 0o750, (1234, 4321)))
    root.prepare()
    settled(root)
    before = inodes(spare(root))
    generation = change(root, of(changed(4)))
    top = root.directory(generation)
    assert inodes(top)["web-007/app.conf"] == before["web-007/app.conf"]
    for path in (top, f"{top}/web-007", f"{top}/web-042"):
        assert mode(path) == "0750"
        assert (os.stat(path).st_uid, os.stat(path).st_gid) == (1234, 4321)
    for path in ("web-007/app.conf", CHANGED):
        assert mode(f"{top}/{path}") == "0640"
        assert os.stat(f"{top}/{path}").st_uid == 1234


# Random histories
