"""Impossible and refused writes: the live files stay, and a message has the remedy."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from config_supervisor.store.configroot import Modes, Root
from config_supervisor.store.write_errors import ApplyError
from tests.conftest import needs_root
from tests.disk import NEW, OLD, as_nobody, everything, of, put, shown, swap

# Impossible writes


def test_a_full_disk_leaves_the_live_generation_alone(small: Path) -> None:
    root = Root(str(small / "etc"), Modes())
    put(root, OLD)
    before = everything(root.path)
    with pytest.raises(
        ApplyError, match=r"cannot write to .*: no space left on device; free some space"
    ) as caught:
        root.stage(of({"a": b"new", "big": b"x" * 100_000}))
    assert caught.value.reason == "write"
    assert everything(root.path) == before
    assert root.live().generation is not None
    put(root, NEW)
    assert shown(root.path) == NEW


def test_full_disk_at_any_step_keeps_the_live_files(small: Path) -> None:
    """Room for a few more inodes each time: each step of a swap fails once, until all fit."""
    root = Root(str(small / "etc"), Modes())
    put(root, OLD)
    before = everything(root.path)
    failures = 0
    for room in range(60):
        left = os.statvfs(small).f_ffree
        fillers = [small / f"filler{number}" for number in range(left - room)]
        for filler in fillers:
            filler.symlink_to("nothing")
        try:
            put(root, NEW)
        except ApplyError as error:
            assert "no space left on device" in str(error)
            failures += 1
            assert everything(root.path) == before
            assert root.live().generation is not None
        else:
            break
        finally:
            for filler in fillers:
                filler.unlink()
    assert failures == 12  # a directory, the manifest, 2 directories, 5 files, 2 links, ..data_tmp
    assert shown(root.path) == NEW


def test_a_read_only_file_system_is_named_as_such(small: Path) -> None:
    root = Root(str(small / "etc"), Modes())
    put(root, OLD)
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    again = Root(root.path, Modes())
    again.prepare()
    assert again.live().generation is not None
    with pytest.raises(ApplyError, match="read-only file system; mount a writable volume"):
        again.stage(of(NEW))
    with pytest.raises(ApplyError, match="read-only file system"):
        Root(str(small / "other"), Modes()).prepare()


def test_a_denied_permission_leaves_the_live_generation_alone(common: Path) -> None:
    needs_root()
    root = Root(str(common / "etc"), Modes())
    put(root, OLD)
    before = everything(root.path)
    printed = as_nobody(
        common,
        """
        root = Root(path + "/etc", Modes())
        root.prepare()
        try:
            root.stage(version_of({"a": Entry(b"new")}))
        except ApplyError as error:
            print(error.reason, error)
        """,
    )
    assert f"write cannot write to {root.path}: " in printed
    assert "permission denied; uid 65534 must be allowed to write there" in printed
    assert everything(root.path) == before


def test_only_root_gives_files_away(common: Path) -> None:
    printed = as_nobody(
        common,
        """
        root = Root(path, Modes(owner=(1, 1)))
        try:
            root.stage(version_of({"a": Entry(b"new")}))
        except ApplyError as error:
            print(error, os.listdir(path))
        """,
    )
    assert "a: operation not permitted; only root may give files to another user" in printed
    assert printed.strip().endswith("[]")


def test_a_file_beyond_the_limit_of_sizes_is_too_large(root: Root) -> None:
    put(root, OLD)
    before = everything(root.path)
    code = """
    import resource, sys
    from config_supervisor.store.configroot import Modes, Root
    from config_supervisor.store.write_errors import ApplyError
    from config_supervisor.core.content import Entry, version_of
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        Root(sys.argv[1], Modes()).stage(version_of({"a": Entry(b"x" * 2000)}))
    except ApplyError as error:
        print(error.reason, error)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), root.path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("too_large cannot write to ")
    assert "a: file too large; raise the limit" in done.stdout
    assert everything(root.path) == before


def test_a_root_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ApplyError, match=r"cannot prepare .*; give a directory"):
            Root(str(path), Modes()).prepare()


def test_removed_root_is_made_again(root: Root) -> None:
    put(root, OLD)
    subprocess.run(["rm", "-r", os.path.dirname(root.path)], check=True)
    put(root, NEW)
    assert shown(root.path) == NEW


# Foreign files


@pytest.mark.parametrize(
    "target",
    ["/etc/passwd", "../outside", "outside", "..data", "..2026_01_01_00_00_00.000000000/a"],
)
@pytest.mark.parametrize("name", ["a", "d"])
def test_a_planted_link_is_refused_and_not_followed(root: Root, name: str, target: str) -> None:
    put(root, {"b": b"1"})
    os.symlink(target, f"{root.path}/{name}")
    before = everything(root.path)
    with pytest.raises(
        ApplyError, match=f"cannot write {root.path}/{name}: it is a link to '{target}'; remove it"
    ) as caught:
        put(root, OLD)
    assert caught.value.reason == "write"  # a state of the disk: tried again
    assert everything(root.path) == before
    os.unlink(f"{root.path}/{name}")
    put(root, OLD)
    assert shown(root.path) == OLD


@pytest.mark.parametrize(
    ("make", "why"), [("mkdir a", "a directory"), ("mkfifo a", "a special file")]
)
def test_directory_or_pipe_in_the_place_is_refused(root: Root, make: str, why: str) -> None:
    put(root, {"b": b"1"})
    subprocess.run(["sh", "-c", make], cwd=root.path, check=True)
    before = everything(root.path)
    with pytest.raises(ApplyError, match=f"/a: {why} is in its place; remove it") as caught:
        put(root, OLD)
    assert caught.value.reason == "write"
    assert everything(root.path) == before


def test_an_image_s_default_file_is_replaced(root: Root) -> None:
    Path(root.path, "a").write_bytes(b"default")
    Path(root.path, "mime.types").write_bytes(b"kept")
    put(root, OLD)
    assert shown(root.path) == {**OLD, "mime.types": b"kept"}
    assert not [name for name in os.listdir(root.path) if name.startswith(("..link", "..kept"))]


def test_default_files_stay_if_one_cannot_be_replaced(root: Root) -> None:
    """A file with a mount over it, as of a subPath, cannot be replaced: rename(2), EBUSY."""
    needs_root()
    for name in ("a", "d", "gone"):
        Path(root.path, name).write_bytes(b"default")
    subprocess.run(["mount", "--bind", f"{root.path}/d", f"{root.path}/d"], check=True)
    try:
        before = everything(root.path)
        with pytest.raises(ApplyError, match="busy"):
            put(root, OLD)
        assert everything(root.path) == before
    finally:
        subprocess.run(["umount", f"{root.path}/d"], check=True)
    put(root, OLD)
    assert shown(root.path) == OLD


def test_another_s_files_and_links_are_left_alone(root: Root) -> None:
    os.symlink("/etc", f"{root.path}/link")
    os.symlink("..data/b", f"{root.path}/alias")
    os.mkdir(f"{root.path}/..2026_01_01_00_00_00.000000000")
    Path(root.path, "..2026_01_01_00_00_00.000000000", "precious").touch()
    for number in range(5):
        put(root, {"a": b"%d" % number})
    root.prepare()
    assert os.readlink(f"{root.path}/link") == "/etc"
    assert os.readlink(f"{root.path}/alias") == "..data/b"
    assert Path(root.path, "..2026_01_01_00_00_00.000000000", "precious").exists()


def test_a_planted_generation_is_not_followed(root: Root, tmp_path: Path) -> None:
    """A link with the name of a generation must lead no write, read or removal outside."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "..manifest.json").write_text("{}")
    (outside / "precious").touch()
    os.symlink(outside, f"{root.path}/..2026_01_01_00_00_00.000000000")
    put(root, OLD)
    os.symlink(outside, f"{root.path}/..data/planted")
    for number in range(4):
        put(root, {"a": b"%d" % number})
    root.prepare()
    assert (outside / "precious").exists()
    assert (outside / "..manifest.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("make", "why"),
    [
        ("mkdir ..data", "no link"),
        ("touch ..data", "no link"),
        ("ln -s /etc ..data", "'/etc'"),
        ("ln -s sub ..data; mkdir sub", "'sub'"),
        # As the kubelet leaves it: the random suffix may be as long as ours, without a manifest.
        (
            (
                "mkdir ..2026_01_01_00_00_00.123456789; touch ..2*/a; ln -s ..2* ..data; ln -s"
                " ..data/a a"
            ),
            "a volume is mounted",
        ),
        ("touch ..2026_01_01_00_00_00.123456789; ln -s ..2* ..data", "did not write"),
        ("ln -s ..2*/.. ..data; mkdir ..2026_01_01_00_00_00.123456789", "did not write"),
    ],
)
def test_directory_with_a_foreign_swap_is_refused(root: Root, make: str, why: str) -> None:
    staged = root.stage(of(OLD))
    subprocess.run(
        ["sh", "-c", make.replace("..2*", "..2026_01_01_00_00_00.123456789")],
        cwd=root.path,
        check=True,
    )
    before = everything(root.path)
    with pytest.raises(ApplyError, match=r"cannot use .*remove") as caught:
        root.prepare()
    assert why in str(caught.value)
    with pytest.raises(ApplyError, match="cannot use "):
        swap(root, staged)
    assert everything(root.path) == before
