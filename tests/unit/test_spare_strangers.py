"""Other programs hold files of old versions, or put names into the spare: no version shows it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from config_supervisor.store.configroot import Root
from tests.disk import mode, next_tick, of, shown
from tests.unit.spare_changes import (
    Holder,
    change,
    changed,
    edit,
    mapped,
    opened,
    settled,
    spare,
)


def test_file_edited_through_an_open_file_is_not_reused(root: Root) -> None:
    """The app keeps a file open for writing, and writes to it once its version has gone."""
    change(root, of(changed(0)))
    with open(f"{root.path}/web-007/app.conf", "r+b", buffering=0) as held:
        for number in range(1, 5):
            change(root, of(changed(number)))
        held.write(b"x")
        change(root, of(changed(9)))
        assert shown(root.path) == changed(9)


@pytest.mark.parametrize("hold", [opened, mapped])
@pytest.mark.parametrize("changes", range(1, 7))
def test_held_file_is_not_reused(root: Root, hold: Holder, changes: int) -> None:
    """An edit reaches the version of the opened file, however late it comes."""
    change(root, of(changed(0)))
    with hold(f"{root.path}/web-007/app.conf") as write:
        for number in range(1, 1 + changes):
            change(root, of(changed(number)))
        write()
        assert shown(root.path) == changed(changes)
        for number in range(9, 14):
            change(root, of(changed(number)))
            assert shown(root.path) == changed(number)
            write()
            assert shown(root.path) == changed(number)


def test_file_held_by_a_reader_is_written_again(root: Root) -> None:
    """The reader may open it for writing by /proc/self/fd."""
    change(root, of(changed(0)))
    with open(f"{root.path}/web-007/app.conf", "rb") as file:
        for number in range(1, 6):
            change(root, of(changed(number)))
            live = os.stat(f"{root.path}/web-007/app.conf")
            assert not os.path.samestat(live, os.fstat(file.fileno()))


def test_file_with_another_name_is_written_again(root: Root, tmp_path: Path) -> None:
    """The app edits the other name of a file of the first version."""
    change(root, of(changed(0)))
    other = tmp_path / "other"
    os.link(f"{root.path}/web-007/app.conf", other)
    for number in range(1, 6):
        change(root, of(changed(number)))
        assert not os.path.samefile(f"{root.path}/web-007/app.conf", other)
    edit(str(other))
    assert shown(root.path) == changed(5)


def test_file_with_a_new_attribute_is_written_again(root: Root) -> None:
    change(root, of(changed(0)))
    try:
        os.setxattr(f"{root.path}/web-007/app.conf", "user.note", b"of the app")
    except OSError:
        pytest.skip(
            "needs extended attributes: mount a file system with them at the place of tests"
        )
    for number in range(1, 6):
        change(root, of(changed(number)))
        assert os.listxattr(f"{root.path}/web-007/app.conf") == []


@pytest.mark.parametrize("name", ["planted", "web-007/planted", "web-007/deep/planted"])
@pytest.mark.parametrize("at_once", [True, False])
def test_name_put_into_an_unread_spare_is_not_shown(root: Root, name: str, at_once: bool) -> None:
    """At once: within the tick of the clock in which the spare was made."""
    settled(root)
    root.show(root.stage(of(changed(4))))
    root.tidy()
    if not at_once:
        next_tick(os.path.dirname(root.path))
    planted = Path(f"{spare(root)}/{name}")
    planted.parent.mkdir(exist_ok=True)
    planted.write_bytes(b"of no version")
    next_tick(os.path.dirname(root.path))
    root.read_spare()
    change(root, of(changed(9)))
    assert shown(root.path) == changed(9)
    assert not os.path.exists(f"{root.path}/..data/{name}")


def test_mode_of_a_directory_of_the_spare_is_not_kept(root: Root) -> None:
    settled(root)
    root.show(root.stage(of(changed(4))))
    root.tidy()
    next_tick(os.path.dirname(root.path))
    os.chmod(f"{spare(root)}/web-007", 0o777)
    next_tick(os.path.dirname(root.path))
    root.read_spare()
    change(root, of(changed(9)))
    assert mode(f"{root.path}/web-007") == "0755"
