"""Missing, replaced, linked and unreadable directories."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import needs_root
from tests.disk import as_nobody
from tests.volume import Follower

Follow = Callable[..., Follower]


# The way to the directory


def test_missing_directory_is_reported_and_awaited(follow: Follow, tmp_path: Path) -> None:
    path = tmp_path / "not" / "yet"
    follower = follow(path)
    follower.expect(None)
    path.parent.mkdir()
    path.mkdir()
    follower.expect({})
    (path / "a").write_text("1")
    follower.expect({"a": "1"})
    shutil.rmtree(path.parent)
    follower.expect(None)
    path.mkdir(parents=True)
    (path / "a").write_text("1")
    follower.expect({"a": "1"})
    watched = follower.heard.of("watched")
    assert (watched[0], watched[-1]) == (
        "added",
        "added" if watched[-2] == "deleted" else "modified",
    )
    assert watched.count("added") == 2
    assert watched.count("deleted") == 1


@pytest.mark.parametrize(
    "replace",
    [
        "mv top old; mv new top",
        "rm -r top; mv new top",
        "rm -r top; mkdir top; echo 2 > top/a",
        "mv top old; ln -s new top",
        "mv top old; mkdir -p top; mv new/a top; rmdir new",
    ],
)
def test_replaced_directory_is_followed(
    follow: Follow, top: Path, tmp_path: Path, replace: str
) -> None:
    (top / "a").write_text("1\n")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "a").write_text("2\n")
    follower = follow(top)
    follower.expect({"a": "1\n"})
    subprocess.run(["sh", "-c", replace], cwd=tmp_path, check=True)
    follower.expect({"a": "2\n"})
    (top / "a").write_text("3")
    follower.expect({"a": "3"})


def test_directory_in_use_can_be_replaced(follow: Follow, top: Path) -> None:
    """The kernel reports the removal of an inode only after its last user has gone."""
    follower = follow(top)
    follower.expect({})
    descriptor = os.open(top, os.O_RDONLY)
    try:
        top.rmdir()
        follower.expect(None)
        top.mkdir()
        follower.expect({})
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    "name", ["link", "link/", "./link/.", "link/../../link", "up/link", "parents/v1/../../link/"]
)
def test_switched_link_is_followed(follow: Follow, tmp_path: Path, name: str) -> None:
    for version in ("v1", "v2"):
        (tmp_path / "parents" / version).mkdir(parents=True)
        (tmp_path / "parents" / version / "a").write_text(version)
    (tmp_path / "link").symlink_to("parents/v1")
    (tmp_path / "up").symlink_to(".")
    follower = follow(f"{tmp_path}/{name}")
    follower.expect({"a": "v1"})
    (tmp_path / "new").symlink_to(tmp_path / "parents" / "v2")
    os.rename(tmp_path / "new", tmp_path / "link")
    follower.expect({"a": "v2"})
    (tmp_path / "parents" / "v2" / "a").write_text("3")
    follower.expect({"a": "3"})


def test_link_on_the_way_and_moved_ancestor_are_followed(follow: Follow, tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        (tmp_path / version / "sub" / "conf").mkdir(parents=True)
        (tmp_path / version / "sub" / "conf" / "a").write_text(version)
    (tmp_path / "current").symlink_to("v1")
    follower = follow(tmp_path / "current" / "sub" / "conf")
    follower.expect({"a": "v1"})
    (tmp_path / "new").symlink_to("v2")
    os.rename(tmp_path / "new", tmp_path / "current")
    follower.expect({"a": "v2"})
    os.rename(tmp_path / "v2", tmp_path / "v3")
    follower.expect(None)
    os.rename(tmp_path / "v1", tmp_path / "v2")
    follower.expect({"a": "v1"})


def test_moved_ancestor_is_noticed(follow: Follow, tmp_path: Path) -> None:
    (tmp_path / "x" / "y" / "z").mkdir(parents=True)
    follower = follow(tmp_path / "x" / "y" / "z")
    follower.expect({})
    os.rename(tmp_path / "x", tmp_path / "moved")
    follower.expect(None)
    os.rename(tmp_path / "moved", tmp_path / "x")
    follower.expect({})


def test_relative_path_starts_at_the_first_directory(
    follow: Follow, top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (top / "a").write_text("1")
    monkeypatch.chdir(top.parent)
    follower = follow("top")
    monkeypatch.chdir("/")
    follower.expect({"a": "1"})
    (top / "a").write_text("22")
    follower.expect({"a": "22"})
    assert str(follower.source.label) == "directory top"


# Unreadable


def test_file_in_place_of_the_directory_is_a_failure(follow: Follow, top: Path) -> None:
    (top / "a").write_text("1")
    follower = follow(top / "a")
    said = str(follower.expect_call("failed"))
    assert "FailureReason.CONFIG" in said
    assert f"cannot read {top}/a: it is not a directory; give the directory of the file" in said
    (top / "a").unlink()
    follower.expect(None)


def test_too_many_files_fail_until_they_are_fewer(follow: Follow, top: Path) -> None:
    (top / "many").mkdir()
    for number in range(100):
        os.mknod(top / "many" / str(number))
        (top / str(number)).symlink_to("many")
    follower = follow(top)
    said = str(follower.expect_call("failed"))
    assert "FailureReason.BAD_DATA" in said
    assert "it has more than 10000 files; give a directory with configuration only" in said
    subprocess.run(["sh", "-c", "rm ?? ?; rm -r many; echo 1 > a"], cwd=top, check=True)
    follower.expect({"a": "1\n"})


@pytest.mark.parametrize("make", ["truncate -s 65M big", "truncate -s 33M a b"])
def test_too_many_bytes_fail_unread(follow: Follow, top: Path, make: str) -> None:
    subprocess.run(["sh", "-c", make], cwd=top, check=True)
    follower = follow(top)
    said = str(follower.expect_call("failed"))
    assert "it has more than 64 MiB" in said
    subprocess.run(["sh", "-c", "rm *; echo 1 > a"], cwd=top, check=True)
    follower.expect({"a": "1\n"})


def test_content_is_reported_again_after_a_failure(follow: Follow, top: Path) -> None:
    (top / "a").write_text("1")
    follower = follow(top)
    follower.expect({"a": "1"})
    subprocess.run(["truncate", "-s", "65M", "big"], cwd=top, check=True)
    follower.expect_call("failed")
    (top / "big").unlink()
    follower.expect_call("read", 2)
    assert follower.heard.texts == [{"a": "1"}, {"a": "1"}]


def test_maze_of_links_fails_in_time(follow: Follow, top: Path) -> None:
    """Each level has ten links to the next: a million ways, and no file at all."""
    for level in range(6):
        (top / f"{level}").mkdir()
        for way in range(10):
            (top / f"{level}" / f"{way}").symlink_to(f"../{level + 1}")
    said = str(follow(top).expect_call("failed"))
    assert "it has more than 2000 directories" in said


def test_denied_permission_has_a_remedy_and_is_retried(common: Path) -> None:
    needs_root()
    (common / "a").write_text("1")
    (common / "a").chmod(0)
    printed = as_nobody(
        common,
        """
        class Sink:
            def read(self, content, **_): print("read", content.files); raise SystemExit
            def connected(self): pass
            def contact(self): pass
            def watched(self, kind): pass
            def failed(self, failure, retry_in):
                print(failure.reason, failure.message, failure.fatal, retry_in)
                os.rename(path + "/b", path + "/a")
        open(path + "/b", "w").write("2")
        source = DirectorySource(path)
        source.run(Sink())
        """,
    )
    advice = "let uid 65534 read it (in a pod: fsGroup, defaultMode), or leave it out with --ignore"
    message = f"cannot read {common}/a: permission denied; {advice}"
    assert printed.splitlines() == [f"forbidden {message} False 5.0", "read {'a': b'2'}"]


def test_closed_directory_is_retried_without_an_event(common: Path) -> None:
    needs_root()
    (common / "top").mkdir(0o700)
    (common / "top" / "a").write_text("1")
    printed = as_nobody(
        common,
        """
        class Sink:
            tries = 0
            def read(self, content, **_): print("read", content and content.files)
            def connected(self): pass
            def contact(self): pass
            def failed(self, failure, retry_in):
                self.tries += 1
                if self.tries == 3:
                    print(failure.reason, retry_in)
                    raise SystemExit
        source = DirectorySource(path + "/top", recheck=0.01)
        source.run(Sink())
        """,
    )
    assert printed.splitlines() == ["forbidden 0.01"]
