"""Writing a generation, its modes, its swap, and reading it back."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from config_supervisor.core.content import Changes, Entry, version_of
from config_supervisor.core.file_permissions import PRIVATE
from config_supervisor.core.versions import Marks
from config_supervisor.store.configroot import Modes, Root
from config_supervisor.store.write_errors import ApplyError
from tests.conftest import needs_root
from tests.disk import NEW, OLD, as_nobody, everything, mode, of, put, shown, swap, umask

# Writing


def test_files_are_shown_as_the_kubelet_shows_them(root: Root) -> None:
    generation = put(root, OLD)
    assert shown(root.path) == OLD
    assert os.readlink(f"{root.path}/..data") == generation.name
    assert os.readlink(f"{root.path}/a") == "..data/a"
    assert os.readlink(f"{root.path}/d") == "..data/d"
    assert sorted(os.listdir(root.path)) == [generation.name, "..data", "a", "d", "gone"]
    assert root.live().generation == generation
    assert generation.files == of(OLD).sums
    assert generation.bytes == sum(map(len, OLD.values()))


def test_staged_generation_survives_tidying(root: Root) -> None:
    """Versions come faster than their verification: a good, an earlier, a live and a next one."""
    good, *_ = [put(root, {"a": data}) for data in (b"good", b"before", b"live")]
    staged = root.stage(of({"a": b"next"}))
    root.tidy(good.digest)

    root.show(staged)
    assert {"a": b"next"} == shown(root.path)


def test_no_link_leads_nowhere_once_a_generation_is_shown(root: Root) -> None:
    """The app reloads before old links are tidied up: nginx would fail in `include *.conf`."""
    put(root, OLD)
    root.show(root.stage(of(NEW)))

    assert set() == {
        name for name in os.listdir(root.path) if not os.path.exists(f"{root.path}/{name}")
    }


def test_update_shows_new_files_and_drops_old_links(root: Root) -> None:
    put(root, OLD)
    generation = root.stage(of(NEW))
    assert shown(root.path) == OLD
    assert shown(root.directory(generation)) == NEW
    assert swap(root, generation) == Changes((".dot", "extra"), ("a", "d/e/y"), ("gone",))
    assert shown(root.path) == NEW
    assert not os.path.lexists(f"{root.path}/gone")


def test_version_without_files_is_put_in_place(root: Root) -> None:
    put(root, OLD)
    put(root, {})
    assert shown(root.path) == {}
    assert root.live().generation is not None


def test_a_file_may_become_a_directory_and_back(root: Root) -> None:
    for files in ({"x": b"1"}, {"x/y": b"2"}, {"x": b"3"}):
        put(root, files)
        assert shown(root.path) == files


def test_a_megabyte_of_bytes_comes_back_as_it_went_in(root: Root) -> None:
    files = {"big": os.urandom(1 << 20), "empty": b"", "crlf": b"a\r\nb\n"}
    put(root, files)
    assert shown(root.path) == files


def test_links_resolve_from_another_path(root: Root, tmp_path: Path) -> None:
    put(root, OLD)
    os.rename(root.path, tmp_path / "moved")
    assert shown(tmp_path / "moved") == OLD


def test_a_relative_root_is_meant_from_where_the_process_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root = Root("etc", Modes())
    monkeypatch.chdir("/")
    put(root, OLD)
    assert shown(tmp_path / "etc") == OLD


# Generations


def test_three_generations_are_kept_newest_first(root: Root) -> None:
    made = [put(root, {"a": b"%d" % number}) for number in range(5)]
    assert root.generations() == made[:1:-1]
    assert [one.serial for one in made] == [1, 2, 3, 4, 5]
    assert len([name for name in os.listdir(root.path) if name.startswith("..2")]) == 3


def test_the_generation_to_go_back_to_outlives_many_bad_ones(root: Root) -> None:
    good = put(root, OLD)
    for number in range(5):
        bad = put(root, {"a": b"bad %d" % number})
        assert swap(root, good).removed == ()
        assert [one for one in root.generations() if one in (good, bad)] == [bad, good]
        assert root.live().generation == good
        assert shown(root.path) == OLD


def test_a_discarded_generation_leaves_nothing(root: Root) -> None:
    put(root, OLD)
    before = everything(root.path)
    root.discard(root.stage(of(NEW)))
    assert everything(root.path) == before


def test_live_generation_is_not_discarded(root: Root) -> None:
    generation = put(root, OLD)
    with pytest.raises(ApplyError, match="it is live"):
        root.discard(generation)
    assert shown(root.path) == OLD


def test_missing_generation_is_not_put_in_place(root: Root) -> None:
    put(root, OLD)
    staged = root.stage(of(NEW))
    root.discard(staged)
    before = everything(root.path)
    with pytest.raises(ApplyError, match="it is gone"):
        swap(root, staged)
    assert everything(root.path) == before


@pytest.mark.parametrize(
    "clock", [itertools.repeat(10**18), itertools.count(10**18, -(10**9) * 3600)]
)
def test_the_order_does_not_come_from_the_clock(tmp_path: Path, clock: Iterator[int]) -> None:
    """All in the same nanosecond, or on a clock with steps back of hours."""
    root = Root(str(tmp_path), Modes(), clock=clock.__next__)
    made = [put(root, {"a": b"%d" % number}) for number in range(4)]
    assert root.generations() == made[:0:-1]
    assert root.live().generation == made[3]
    assert len({one.name for one in made}) == 4


def test_next_start_finds_the_live_generation(root: Root) -> None:
    put(root, OLD)
    last = put(root, NEW)
    again = Root(root.path, Modes())
    again.prepare()
    assert again.live().generation == last
    assert again.stage(of(OLD)).serial == last.serial + 1


def test_keys_dropped_between_two_runs_are_dropped(root: Root) -> None:
    put(root, OLD)
    again = Root(root.path, Modes())
    again.prepare()
    put(again, {"a": b"1"})
    assert shown(root.path) == {"a": b"1"}
    assert [name for name in os.listdir(root.path) if not name.startswith("..")] == ["a"]


@pytest.mark.parametrize("keep", [1, 2, 3, 5])
def test_start_keeps_no_more_generations_than_wished(tmp_path: Path, keep: int) -> None:
    """Runs end before they tidy up: an init container with --once, a crashing container."""
    for number in range(8):
        root = Root(str(tmp_path / "live"), Modes(), keep=keep)
        root.prepare()
        assert len(root.generations()) <= keep
        root.show(root.stage(of({"a": b"%d" % number})))
    assert shown(root.path) == {"a": b"7"}


def test_start_after_a_restart_keeps_good_versions(tmp_path: Path) -> None:
    root = Root(str(tmp_path / "live"), Modes())
    made = [put(root, {"a": b"%d" % number}) for number in range(2)]
    root.mark(Marks(good=(made[0].digest,)))
    for number in range(2, 8):
        root = Root(root.path, Modes())
        root.prepare()
        root.show(root.stage(of({"a": b"%d" % number})))
    assert made[0] in root.generations()


def test_only_the_live_version_is_kept_once_it_is_good(tmp_path: Path) -> None:
    """An old Secret must not stay on disk."""
    root = Root(str(tmp_path / "live"), Modes(), keep=1)
    old = put(root, OLD)
    root.tidy((old.digest,))
    new = root.stage(of(NEW))
    root.show(new)
    root.tidy((old.digest,))
    assert {one.name for one in root.generations()} == {
        old.name,
        new.name,
    }  # it may have to go back
    root.tidy((new.digest, old.digest))
    assert [one.name for one in root.generations()] == [new.name]


# Reading back


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ("echo more >> a", "a differs from its manifest"),
        ("printf 'OLD A' > a", "a differs from its manifest"),
        (": > a", "a differs from its manifest"),
        ("rm ..data/a", "a is missing"),
        ("rm ..data/a; ln -s ../a-copy ..data/a", "a differs from its manifest"),
        ("rm ..data/a; mkdir ..data/a; echo > ..data/a/b", "a differs from its manifest"),
        ("rm -r ..data/d; echo > ..data/d", "d/e/y, d/x are missing"),
        ("rm ..data/a; mkfifo ..data/a", "a differs from its manifest"),
        ("truncate -s 10G ..data/a", "a differs from its manifest"),
        (": > ..data/..manifest.json", "no manifest"),
        ("echo '[]' > ..data/..manifest.json", "no manifest"),
        ("echo '{\"format\": 1}' > ..data/..manifest.json", "no manifest"),
        ('sed -i \'s/"format": 1/"format": 2/\' ..data/..manifest.json', "later release"),
        ('sed -i \'s#"a"#"../a"#\' ..data/..manifest.json', "no manifest"),
        ("rm -r ..data/", "no manifest"),
        ("rm -r ..20*", "no manifest"),
        ("rm ..data", "no configuration yet"),
    ],
)
def test_a_damaged_generation_is_not_live_and_says_why(root: Root, damage: str, why: str) -> None:
    put(root, OLD)
    subprocess.run(["sh", "-c", damage], cwd=root.path, check=False)
    assert root.live().generation is None
    assert why in root.live().fault
    put(root, NEW)
    assert root.live().generation is not None
    assert root.live().fault == ""
    assert shown(root.path) == NEW


@pytest.mark.parametrize(
    "addition",
    [
        "mkdir ..data/__pycache__; touch ..data/__pycache__/x",
        "touch ..data/d/.lock",
        "ln -s a ..data/b",
        "mkfifo ..data/p",
    ],
)
def test_file_beside_those_of_the_manifest_does_no_harm(root: Root, addition: str) -> None:
    """A validator or the app leaves compiled files or a lock."""
    generation = put(root, OLD)
    subprocess.run(["sh", "-c", addition], cwd=root.path, check=True)
    again = Root(root.path, Modes())
    again.prepare()
    assert again.live().generation == generation
    for number in range(4):
        put(again, {"a": b"%d" % number})
    assert generation.name not in os.listdir(root.path)


def test_nothing_is_live_where_nothing_is(tmp_path: Path) -> None:
    root = Root(str(tmp_path / "missing"), Modes())
    assert root.live().generation is None
    assert "no such file" in root.live().fault
    assert root.generations() == []


def test_the_manifest_can_be_read_by_others_programs(root: Root) -> None:
    put(root, {"a": b""})
    said = json.loads(Path(root.path, "..data", "..manifest.json").read_bytes())
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert said["files"] == {"a": {"sha256": empty, "size": 0, "mode": "0644"}}
    assert (said["format"], said["serial"], said["digest"]) == (1, 1, of({"a": b""}).digest)


# Modes and owner


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_modes_are_exact_whatever_the_umask_of_the_process(tmp_path: Path, mask: int) -> None:
    with umask(mask):
        root = Root(str(tmp_path), Modes(file=0o664, dir=0o2775))
        put(root, OLD)
        put(root, NEW)
    assert (mode(f"{root.path}/a"), mode(f"{root.path}/d/e/y")) == ("0664", "0664")
    assert {mode(f"{root.path}/{name}") for name in ("..data", "d", "d/e")} == {"2775"}
    assert mode(root.path) == "0700"  # it was there


def test_the_directory_itself_gets_the_mode_if_it_is_made(tmp_path: Path) -> None:
    with umask(0o077):
        Root(str(tmp_path / "etc" / "app"), Modes(dir=0o750)).prepare()
    assert mode(tmp_path / "etc" / "app") == "0750"


@pytest.mark.parametrize(
    ("mask", "file", "dir_"),
    [(0o022, "0644", "0755"), (0o027, "0640", "0750"), (0, "0666", "0777")],
)
def test_without_modes_the_given_umask_decides(
    tmp_path: Path, mask: int, file: str, dir_: str
) -> None:
    with umask(0o077):
        root = Root(str(tmp_path / "etc"), Modes(umask=mask))
        put(root, OLD)
    assert (mode(f"{root.path}/a"), mode(f"{root.path}/d/x")) == (file, file)
    assert {mode(f"{root.path}/{name}") for name in ("", "..data", "d", "d/e")} == {dir_}


def test_private_files_without_a_mode_are_for_their_owner(tmp_path: Path) -> None:
    for number, (modes, expected) in enumerate([(Modes(), "0600"), (Modes(file=0o440), "0440")]):
        root = Root(str(tmp_path / str(number)), modes)
        swap(root, root.stage(version_of({"token": Entry(b"s", PRIVATE), "open": Entry(b"o")})))
        assert mode(f"{root.path}/token") == expected
        assert mode(f"{root.path}/open") == ("0644" if number == 0 else "0440")
        assert mode(f"{root.path}/..data/..manifest.json") == "0600"


def test_inherited_set_group_bit_without_a_mode_is_kept(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o2700)
    root = Root(str(tmp_path), Modes())
    put(root, OLD)
    assert (mode(f"{root.path}/..data"), mode(f"{root.path}/d/e")) == ("2755", "2755")


def test_files_belong_to_the_owner_that_was_asked_for(tmp_path: Path) -> None:
    needs_root()
    root = Root(str(tmp_path / "etc"), Modes(file=0o4755, owner=(12345, 23456)))
    put(root, OLD)
    for name in ("", "a", "..data", "d", "d/e", "d/e/y"):
        status = os.stat(f"{root.path}/{name}")
        assert (status.st_uid, status.st_gid) == (12345, 23456)
    assert mode(f"{root.path}/a") == "4755"


def test_read_only_directories_do_not_hinder_an_ordinary_user(common: Path) -> None:
    printed = as_nobody(
        common,
        """
        root = Root(path + "/etc", Modes(file=0o444, dir=0o555))
        os.mkdir(root.path)
        for n in range(5):
            root.show(root.stage(version_of({"d/a": Entry(b"%d" % n)})))
            root.tidy()
        names = [name for name in os.listdir(root.path) if name.startswith("..2")]
        print(len(names), root.live().generation.serial, open(root.path + "/d/a").read())
        """,
    )
    assert printed.split() == ["3", "5", "4"]
