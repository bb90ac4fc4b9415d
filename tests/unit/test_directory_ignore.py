"""Entries beside configuration: left out by name, limited in number, and reported."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from config_supervisor.runtime import log
from config_supervisor.sources.directory.inotify import Watch
from config_supervisor.sources.directory.tree import Ignored, Tree
from tests.volume import Follower, Volume

Follow = Callable[..., Follower]


@pytest.fixture
def told(capfd: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """The lines of our log since the last call."""

    def read() -> str:
        log.flush()
        return capfd.readouterr().err

    return read


@pytest.mark.parametrize(
    "name",
    [
        "lost+found/x",
        ".git/HEAD",
        "__pycache__/a.pyc",
        ".a.swp",
        "a~",
        ".#a",
        "#a#",
        "access.log",
        "logs/a.log",
    ],
)
def test_traces_of_editors_and_programs_are_left_out(follow: Follow, top: Path, name: str) -> None:
    (top / name).parent.mkdir(parents=True, exist_ok=True)
    (top / name).write_text("x")
    (top / "a").write_text("1")
    follower = follow(top)
    follower.expect({"a": "1"})
    (top / name).write_text("changed")
    (top / "a").write_text("22")
    follower.expect({"a": "22"})
    assert follower.heard.texts == [{"a": "1"}, {"a": "22"}]


def test_key_of_a_volume_is_read_whatever_its_name(follow: Follow, tmp_path: Path) -> None:
    """Its keys were chosen by a person."""
    volume = Volume(tmp_path / "volume")
    volume.swap({"a.swp": "1", "x.log": "2"})
    follow(volume.path).expect({"a.swp": "1", "x.log": "2"})


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        (["*.tmp"], {"a", "d/b", "logs/x", "x.y"}),
        (["logs", "*.tmp"], {"a", "d/b", "x.y"}),
        (["d/*", "*.tmp"], {"a", "logs/x", "x.y"}),
        (["logs/*", "[a-c]", "*.tmp"], {"x.y"}),
        (["?.?", "*.tmp", "d/"], {"a", "logs/x"}),
        (["!*.log", "*.tmp", "logs", "d"], {"a", "x.y", "z.log"}),
    ],
)
def test_patterns_leave_out_names_and_paths(
    follow: Follow, top: Path, patterns: list[str], left: set[str]
) -> None:
    for name in ("a", "d/b", "logs/x", "x.y", "new.tmp", "z.log"):
        (top / name).parent.mkdir(exist_ok=True)
        (top / name).touch()
    follow(top, ignore=patterns).expect(dict.fromkeys(left, ""))


def test_patterns_leave_out_keys_of_a_volume(follow: Follow, tmp_path: Path) -> None:
    volume = Volume(tmp_path / "volume")
    volume.swap({"a": "1", "b.tmp": "2"})
    follow(volume.path, ignore=["*.tmp"]).expect({"a": "1"})


def test_ignored_directory_is_not_opened(follow: Follow, top: Path) -> None:
    """It may be closed to us, like lost+found, or hold any number of files."""
    (top / "lost+found").symlink_to("/proc/self/task/../../1/root/nowhere")
    (top / "many").mkdir()
    for number in range(20_001):
        os.mkfifo(top / "many" / str(number)) if number < 10 else None
    (top / "big").write_bytes(b"")
    os.truncate(top / "big", 70 << 20)
    (top / "a").write_text("1")
    follow(top, ignore=["big", "many"]).expect({"a": "1"})


def test_limit_of_bytes_names_the_largest_file_and_a_remedy(follow: Follow, top: Path) -> None:
    (top / "a").write_text("1")
    (top / "logs").mkdir()
    (top / "logs" / "access").touch()
    os.truncate(top / "logs" / "access", 70 << 20)
    said = str(follow(top).expect_call("failed"))
    assert "it has more than 64 MiB (logs/access alone has 70.0 MiB)" in said
    assert "--ignore" in said


def test_number_of_names_is_limited(follow: Follow, top: Path) -> None:
    """Names without configuration count too: pipes, dangling links."""
    (top / "a").write_text("1")
    for number in range(20_001):
        os.symlink("nowhere", top / f"link{number}")
    assert "it has more than 20000 names" in str(follow(top).expect_call("failed"))


def test_name_outside_of_utf8_is_skipped_with_one_warning(
    follow: Follow, top: Path, told: Callable[[], str]
) -> None:
    (top / "a").write_text("1")
    with open(os.fsencode(top) + b"/\xff.conf", "w", encoding="utf-8") as file:
        file.write("2")
    os.mkdir(os.fsencode(top) + b"/\xfe")
    with open(os.fsencode(top) + b"/\xfe/b", "w", encoding="utf-8") as file:
        file.write("3")
    follower = follow(top)
    follower.expect({"a": "1"})
    (top / "a").write_text("22")
    follower.expect({"a": "22"})
    text = told()
    assert text.count("its name is not valid UTF-8; rename it") == 2
    assert r"\udcff.conf" in text


def test_file_that_differs_between_two_looks_is_named(top: Path) -> None:
    """The failure of a directory that keeps changing names the file."""
    looks = []
    for text in ("1", "22"):
        (top / "a").write_text("1")
        (top / "access\x1b_log").write_text(text)
        looks.append(Tree(str(top), Watch(waiting=True), Ignored()))
        looks[-1].walk()
    assert looks[0].differs(looks[1]) == f"{top}/'access\\x1b_log'"


# Without files


def test_emptied_volume_counts_as_missing(follow: Follow, tmp_path: Path) -> None:
    """As after the deletion of an optional ConfigMap."""
    volume = Volume(tmp_path / "volume")
    volume.swap({"a": "1"})
    follower = follow(volume.path)
    follower.expect({"a": "1"})
    volume.swap({})
    follower.expect(None)
    assert follower.heard.missing[-1] == "holds no files"
    volume.swap({"a": "2"})
    follower.expect({"a": "2"})
    assert follower.heard.texts == [{"a": "1"}, None, {"a": "2"}]


def test_volume_empty_at_start_counts_as_missing(follow: Follow, tmp_path: Path) -> None:
    volume = Volume(tmp_path / "volume")
    volume.swap({})
    follower = follow(volume.path)
    follower.expect(None)
    volume.swap({"a": "2"})
    follower.expect({"a": "2"})


def test_plain_directory_without_files_is_a_warning(
    follow: Follow, top: Path, told: Callable[[], str]
) -> None:
    """A directory filled by people may be empty by intention: it is a configuration."""
    follower = follow(top)
    follower.expect({})
    assert f"directory {top} holds no files" in told()
    (top / "a").write_text("1")
    follower.expect({"a": "1"})
    (top / "a").unlink()
    follower.expect({})
    assert told().count(f"directory {top} holds no files") == 1


def test_emptied_volume_among_others_keeps_its_last_files(
    follow: Follow, top: Path, told: Callable[[], str]
) -> None:
    one, other = Volume(top / "one"), Volume(top / "other")
    one.swap({"a": "1", "d/b": "1"})
    other.swap({"a": "2"})
    follower = follow(top)
    follower.expect({"one/a": "1", "one/d/b": "1", "other/a": "2"})
    one.swap({})
    other.swap({"a": "3"})
    follower.expect({"one/a": "1", "one/d/b": "1", "other/a": "3"})
    assert told().count(f"{top}/one holds no files; its last files stay") == 1
    one.swap({"c": "4"})
    follower.expect({"one/c": "4", "other/a": "3"})


def test_volume_empty_from_the_start_is_a_warning(
    follow: Follow, top: Path, told: Callable[[], str]
) -> None:
    one, other = Volume(top / "one"), Volume(top / "other")
    one.swap({})
    other.swap({"a": "2"})
    follow(top).expect({"other/a": "2"})
    assert f"{top}/one holds no files; the configuration is without them" in told()
