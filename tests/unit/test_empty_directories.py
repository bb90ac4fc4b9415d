"""Empty directories are part of a version: an app's `include_dir` needs them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from config_supervisor.core.content import DIRECTORY, Entry, merge, place, version_of
from config_supervisor.store.configroot import Generation, Modes, Root
from tests.disk import swap
from tests.volume import Follower, Volume

Follow = Callable[..., Follower]

FILE = {"a": Entry(b"1")}


def put(root: Root, *directories: str) -> Generation:
    generation = root.stage(version_of({**FILE, **dict.fromkeys(directories, DIRECTORY)}))
    swap(root, generation)
    return generation


def told(follower: Follower) -> tuple[str, ...]:
    content = follower.heard.contents[-1]
    assert content is not None
    return tuple(content.directories)


# Reading


def test_directories_without_files_are_read(follow: Follow, top: Path) -> None:
    for name in ("conf.d", "deep/er", "full", "logs", ".git"):
        (top / name).mkdir(parents=True)
    (top / "full" / "a").write_text("1")
    (top / "logs" / "access.log").write_text("1")
    (top / "link").symlink_to(top / "conf.d")
    follower = follow(top)
    follower.expect({"full/a": "1"})
    assert told(follower) == ("conf.d/", "deep/er/", "link/", "logs/")


def test_directory_that_comes_and_goes_is_read_again(follow: Follow, top: Path) -> None:
    (top / "a").write_text("1")
    follower = follow(top)
    follower.expect_call("read")
    (top / "conf.d").mkdir()
    follower.expect_call("read", 2)
    assert told(follower) == ("conf.d/",)
    (top / "conf.d").rmdir()
    follower.expect_call("read", 3)
    assert told(follower) == ()


def test_directory_that_loses_its_last_file_stays(follow: Follow, top: Path) -> None:
    (top / "conf.d").mkdir()
    (top / "conf.d" / "a").write_text("1")
    follower = follow(top)
    follower.expect({"conf.d/a": "1"})
    (top / "conf.d" / "a").unlink()
    follower.expect({})
    assert told(follower) == ("conf.d/",)


def test_volume_has_no_directories_of_its_own(follow: Follow, tmp_path: Path) -> None:
    volume = Volume(tmp_path / "volume")
    volume.swap({"a": "1", "d/b": "2"})
    follower = follow(volume.path)
    follower.expect({"a": "1", "d/b": "2"})
    assert told(follower) == ()


# Comparing


def test_digest_tells_directories_apart() -> None:
    made = [
        version_of({**FILE, **dict.fromkeys(names, DIRECTORY)})
        for names in ((), ("d/",), ("d/e/",), ("d/", "e/"))
    ]
    assert len({one.digest for one in made}) == 4
    assert {(one.count, one.size) for one in made} == {(1, 1)}


def test_directory_with_files_is_no_entry() -> None:
    """A source may have it empty, and another a file in it."""
    parts = [
        {"d/": DIRECTORY, "x/": DIRECTORY, "x/y/": DIRECTORY},
        {"d/a": Entry(b""), "x/y/": DIRECTORY},
    ]
    made = version_of(merge(parts))
    assert [*made.files] == ["d/a", "x/y/"]
    assert made == version_of({"d/a": Entry(b""), "x/y/": DIRECTORY})


@pytest.mark.parametrize("path", ["a/", "/", "../", "d//", "a/b/"])
def test_directory_at_a_bad_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="cannot use"):
        version_of({"a": Entry(b""), path: DIRECTORY})


def test_directory_goes_below_the_subdir() -> None:
    assert place({"d/": DIRECTORY}, subdir="x", mapping={}) == {"x/d/": DIRECTORY}


# Writing


def test_directory_is_written_and_read_back(root: Root) -> None:
    generation = put(root, "conf.d/", "deep/er/")
    assert os.listdir(f"{root.path}/conf.d") == os.listdir(f"{root.path}/deep/er") == []
    assert os.readlink(f"{root.path}/conf.d") == "..data/conf.d"
    again = Root(root.path, Modes())
    again.prepare()
    assert again.live().generation == generation
    assert generation.count == 1


def test_directory_that_goes_loses_its_link(root: Root) -> None:
    put(root, "conf.d/")
    assert str(swap(root, root.stage(version_of(FILE)))) == "removed conf.d/"
    assert not os.path.lexists(f"{root.path}/conf.d")


@pytest.mark.parametrize("put_there", [None, "", "file"])
def test_generation_without_its_directory_is_damaged(root: Root, put_there: str | None) -> None:
    generation = put(root, "conf.d/")
    directory = Path(root.directory(generation), "conf.d")
    shutil.rmtree(directory)
    if put_there is not None:
        directory.write_text(put_there)
    assert root.live().generation is None
    assert "conf.d/ is missing" in root.live().fault


def test_file_in_an_empty_directory_does_no_harm(root: Root) -> None:
    generation = put(root, "conf.d/")
    Path(root.directory(generation), "conf.d", "lock").touch()
    assert root.live().generation == generation
