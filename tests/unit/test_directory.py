"""A directory as a source: its content, and its notice of every kind of change."""

from __future__ import annotations

import functools
import itertools
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from config_supervisor.core.file_permissions import Permission
from tests.volume import Follower, Volume

Follow = Callable[..., Follower]


# Content


def test_all_files_below_are_read_through_links(follow: Follow, top: Path, tmp_path: Path) -> None:
    (top / "sub" / "deep").mkdir(parents=True)
    (top / "a").write_bytes(b"\0\xff\r\n")
    (top / ".hidden").write_text("h")
    (top / "empty").touch()
    (top / "sub" / "deep" / "b").write_text("b")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "c").write_text("c")
    (top / "link").symlink_to("sub/deep/b")
    (top / "dir").symlink_to("../elsewhere")
    follower = follow(top)
    follower.expect_call("contact")
    assert follower.heard.of("read") == [
        {
            "a": b"\0\xff\r\n",
            ".hidden": b"h",
            "empty": b"",
            "sub/deep/b": b"b",
            "link": b"b",
            "dir/c": b"c",
        }
    ]
    assert str(follower.source.label) == f"directory {top}"


def test_entries_without_configuration_are_skipped(follow: Follow, top: Path) -> None:
    """Names of generations, dangling and circular links, pipes."""
    (top / "..2026_01_01").mkdir()
    (top / "..2026_01_01" / "a").touch()
    (top / "..hidden").touch()
    (top / "sub").mkdir()
    (top / "sub" / "up").symlink_to("..")
    (top / "self").symlink_to("self")
    (top / "nowhere").symlink_to("missing")
    os.mkfifo(top / "pipe")
    (top / "a").write_text("1")
    follow(top).expect({"a": "1"})


def test_volume_is_read_from_its_generation(follow: Follow, tmp_path: Path) -> None:
    """Visible links come and go after the swap: reading them would tear a version."""
    volume = Volume(tmp_path / "volume")
    volume.swap({"a": "1", "sub/b": "2"})
    (volume.path / "a").unlink()
    (volume.path / "old").symlink_to("..data/old")
    (volume.path / "plain").write_text("3")
    follow(volume.path).expect({"a": "1", "sub/b": "2", "plain": "3"})


def test_visible_file_hides_that_of_the_generation(follow: Follow, tmp_path: Path) -> None:
    """As for the app."""
    volume = Volume(tmp_path / "volume")
    volume.swap({"a": "1"})
    (volume.path / "a").unlink()
    (volume.path / "a").write_text("mine")
    follow(volume.path).expect({"a": "mine"})


def test_volumes_below_a_directory_are_read_as_volumes(follow: Follow, top: Path) -> None:
    one, other = Volume(top / "one"), Volume(top / "other")
    one.swap({"a": "1"})
    other.swap({"a": "2"})
    follower = follow(top)
    follower.expect({"one/a": "1", "other/a": "2"})
    other.swap({"b": "3"})
    follower.expect({"one/a": "1", "other/b": "3"})
    assert len(follower.heard.texts) == 2


def test_time_of_the_last_change_is_reported(follow: Follow, top: Path) -> None:
    for name, seconds in (("a", 1_700_000_000), ("b", 1_700_000_001.5)):
        (top / name).touch()
        os.utime(top / name, (0, seconds))
    follow(top).expect({"a": "", "b": ""})
    follower = follow(top)
    follower.expect({"a": "", "b": ""})
    assert follower.heard.contents[0] is not None
    assert follower.heard.contents[0].changed_at == 1_700_000_001.5


def test_time_of_a_swap_counts_before_older_files(follow: Follow, tmp_path: Path) -> None:
    volume = Volume(tmp_path / "volume")
    volume.swap({"a": ""})
    os.utime(volume.path / "..data" / "a", (0, 1))
    os.utime(volume.path / "..data", (0, 1_700_000_000))
    follower = follow(volume.path)
    follower.expect({"a": ""})
    assert follower.heard.contents[0] is not None
    assert follower.heard.contents[0].changed_at == 1_700_000_000


@pytest.mark.parametrize("mode", [0o600, 0o440, 0o644, 0o755])
def test_each_file_comes_with_its_own_mode_and_group(follow: Follow, top: Path, mode: int) -> None:
    for name in "ab":
        (top / name).touch(0o644)
    (top / "b").chmod(mode)
    follower = follow(top)
    follower.expect({"a": "", "b": ""})
    assert follower.heard.contents[0] is not None
    assert follower.heard.contents[0].permitted == {
        "a": Permission(0o644, os.getgid()),
        "b": Permission(mode, os.getgid()),
    }


def test_change_of_a_mode_is_read_again(follow: Follow, top: Path) -> None:
    (top / "a").write_text("1")
    follower = follow(top, recheck=0.02)
    follower.expect_call("read")
    (top / "a").chmod(0o640)
    follower.expect_call("read", 2)
    assert follower.heard.contents[1] is not None
    assert follower.heard.contents[1].permitted["a"].mode == 0o640


# Swaps


def test_swap_is_one_read_of_the_whole(follow: Follow, tmp_path: Path) -> None:
    volume = Volume(tmp_path / "volume")
    contents = [
        {f"key{number}": str(number), "same": "s", "sub/x": str(number)} for number in range(5)
    ]
    volume.swap(contents[0])
    follower = follow(volume.path)
    for content in contents[1:]:
        follower.expect(contents[contents.index(content) - 1])
        volume.swap(content)
    follower.expect(contents[-1])
    assert follower.heard.texts == contents
    assert follower.heard.of("watched") == ["modified"] * 4


def test_links_after_a_swap_are_no_change(follow: Follow, tmp_path: Path) -> None:
    volume = Volume(tmp_path / "volume")
    contents = [{"a": "1"}, {"b": "2", "c/d": "2"}, {"a": "3"}]
    volume.swap(contents[0])
    follower = follow(volume.path)
    for number, content in enumerate(contents[1:], 1):
        follower.expect_call("contact", 2 * number - 1)
        volume.turn(content)
        follower.expect_call("contact", 2 * number)
        assert follower.heard.texts[-1] == content
        volume.show(content)
    follower.expect_call("contact", 2 * len(contents) - 1)
    assert follower.heard.texts == contents


def answered(follower: Follower) -> bool:
    return bool(follower.heard.of("read") or follower.heard.of("failed"))


def test_link_switched_within_a_read_tears_nothing(follow: Follow, tmp_path: Path) -> None:
    for version in "12":
        (tmp_path / version).mkdir()
        for name in range(30):
            (tmp_path / version / f"{name}").write_text(version)
    (tmp_path / "link").symlink_to("1")
    done = threading.Event()

    def switch() -> None:
        for version in itertools.cycle("21"):
            if done.wait(0.001):
                return
            os.symlink(version, tmp_path / "new")
            os.rename(tmp_path / "new", tmp_path / "link")

    switching = threading.Thread(target=switch)
    switching.start()
    followers = [follow(tmp_path / "link") for _ in range(10)]
    for follower in followers:
        follower.heard.wait_for(functools.partial(answered, follower))
    done.set()
    switching.join()
    texts = [text for follower in followers for text in follower.heard.texts]
    assert len(texts) > 3
    assert [text for text in texts if len(set((text or {}).values())) != 1] == []


def test_swaps_without_a_pause_are_read_whole(follow: Follow, tmp_path: Path) -> None:
    volume = Volume(tmp_path / "volume")
    contents = [
        {f"f{file}": str(number) for file in range(number % 4, 10)} for number in range(200)
    ]
    volume.swap(contents[0])
    follower = follow(volume.path)
    follower.expect(contents[0])
    for content in contents[1:]:
        volume.swap(content)
    follower.expect(contents[-1])
    assert [text for text in follower.heard.texts if text not in contents] == []
    assert follower.heard.of("failed") == []


def test_missing_generation_is_a_failure(follow: Follow, tmp_path: Path) -> None:
    volume = Volume(tmp_path / "volume")
    volume.swap({"a": "1"})
    follower = follow(volume.path)
    follower.expect({"a": "1"})
    os.unlink(volume.path / "..data")
    shutil.rmtree(volume.path / "..2026_01_01_00_00_00.1")
    os.symlink("..missing", volume.path / "..data")
    said = follower.expect_call("failed")
    assert "FailureReason.BAD_DATA" in str(said)
    assert "..data in it points to ..missing, which does not exist" in str(said)
    os.unlink(volume.path / "..data")
    volume.swap({"a": "2"})
    follower.expect({"a": "2"})
    assert follower.heard.texts == [{"a": "1"}, {"a": "2"}]


# Plain edits


@pytest.mark.parametrize(
    ("edit", "files"),
    [
        ("echo 2 > a", {"a": "2\n"}),
        ("echo 2 >> a", {"a": "12\n"}),
        ("echo 2 > b", {"a": "1", "b": "2\n"}),
        ("echo 2 > new; mv new a", {"a": "2\n"}),
        ("echo 2 > ../new; mv ../new a", {"a": "2\n"}),
        ("rm a", {}),
        ("mv a ..", {}),
        ("mv a b", {"b": "1"}),
        ("ln a b", {"a": "1", "b": "1"}),
        ("ln -s a b", {"a": "1", "b": "1"}),
        ("ln -s /dev/null b; ln -sfn a b", {"a": "1", "b": "1"}),
        ("mkdir -p x/y/z; echo 2 > x/y/z/b", {"a": "1", "x/y/z/b": "2\n"}),
        ("mkdir ../x; echo 2 > ../x/b; mv ../x .", {"a": "1", "x/b": "2\n"}),
        ("mkdir ../x; echo 2 > ../x/b; ln -s ../x .", {"a": "1", "x/b": "2\n"}),
        ("truncate -s 0 a", {"a": ""}),
    ],
)
def test_plain_edit_is_read(follow: Follow, top: Path, edit: str, files: dict[str, str]) -> None:
    (top / "a").write_text("1")
    follower = follow(top)
    follower.expect({"a": "1"})
    subprocess.run(["sh", "-c", edit], cwd=top, check=True)
    follower.expect(files)
    assert follower.heard.of("watched")[-1] == "modified"


def test_directory_added_later_is_watched(follow: Follow, top: Path) -> None:
    follower = follow(top)
    follower.expect({})
    (top / "x" / "y").mkdir(parents=True)
    (top / "x" / "y" / "a").write_text("1")
    follower.expect({"x/y/a": "1"})
    (top / "x" / "y" / "a").write_text("22")
    follower.expect({"x/y/a": "22"})
    shutil.rmtree(top / "x")
    follower.expect({})


def test_targets_of_links_are_watched(follow: Follow, top: Path, tmp_path: Path) -> None:
    for version in "12":
        (tmp_path / version).mkdir()
        (tmp_path / version / "file").write_text(version)
    (tmp_path / "current").symlink_to("1")
    (top / "a").symlink_to("../current/file")
    (top / "b").symlink_to("../missing")
    follower = follow(top)
    follower.expect({"a": "1"})
    (tmp_path / "new").symlink_to("2")
    os.rename(tmp_path / "new", tmp_path / "current")
    follower.expect({"a": "2"})
    (tmp_path / "2" / "other").write_text("3")
    os.rename(tmp_path / "2" / "other", tmp_path / "2" / "file")
    follower.expect({"a": "3"})
    (tmp_path / "missing").symlink_to("1/file")
    follower.expect({"a": "3", "b": "1"})


def test_steps_of_an_editor_are_one_change(follow: Follow, top: Path) -> None:
    """Vim moves the file away, writes a new file and removes the old: no step is a version."""
    (top / "a").write_text("0")
    follower = follow(top)
    follower.expect({"a": "0"})
    for number in range(1, 4):
        os.rename(top / "a", top / "a~")
        (top / "a").write_text(str(number))
        os.unlink(top / "a~")
        follower.expect({"a": str(number)})
    assert follower.heard.texts == [{"a": str(number)} for number in range(4)]


def test_last_of_many_edits_is_read(follow: Follow, top: Path) -> None:
    (top / "a").write_text("0000")
    follower = follow(top)
    for number in range(5_000):
        (top / "a").write_text(f"{number:04d}")
    follower.expect({"a": "4999"})


def test_edit_without_a_mark_is_read(follow: Follow, top: Path) -> None:
    """Same size and same mtime, as after two writes within a tick of the clock."""
    (top / "a").write_text("one")
    status = os.stat(top / "a")
    os.utime(top / "a", ns=(0, status.st_mtime_ns + 10**12))
    follower = follow(top)
    follower.expect({"a": "one"})
    with open(top / "a", "r+") as file:
        file.write("two")
        file.flush()
        os.utime(top / "a", ns=(0, status.st_mtime_ns + 10**12))
    follower.expect({"a": "two"})


def test_recheck_finds_edits_of_an_open_file(follow: Follow, top: Path) -> None:
    (top / "a").write_text("1")
    follower = follow(top, recheck=0.05)
    follower.expect({"a": "1"})
    with open(top / "a", "a") as file:
        file.write("2")
        file.flush()
        follower.expect({"a": "12"})
    assert follower.heard.of("watched") == []


def test_nothing_new_is_no_read(follow: Follow, top: Path) -> None:
    """Neither after re-checks, nor after a hidden name or the close of an unchanged file."""
    (top / "a").write_text("1")
    os.utime(top / "a", (0, 1))
    follower = follow(top, recheck=0.02)
    follower.expect({"a": "1"})
    follower.expect_call("contact", 5)
    (top / "..hidden").write_text("x")
    with open(top / "a", "a"):
        pass
    contacts = len(follower.heard.of("contact"))
    follower.expect_call("contact", contacts + 5)
    (top / "..new").write_text("2")
    os.rename(top / "..new", top / "a")
    follower.expect({"a": "2"})
    assert follower.heard.texts[:2] == [{"a": "1"}, {"a": "2"}]
