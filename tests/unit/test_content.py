"""Accepted paths, the digest of a version, and the laws of place, merge and diff."""

from __future__ import annotations

import hashlib
import hmac
import posixpath
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from config_supervisor.core.content import (
    BadPath,
    Changes,
    Entry,
    Version,
    check_path,
    diff,
    entries,
    keyed,
    merge,
    place,
    version_of,
)
from config_supervisor.core.file_permissions import PRIVATE, Permission

# Paths of all sorts, wicked ones often: slashes join the parts.
PARTS = st.one_of(
    st.sampled_from(
        ["", ".", "..", "..data", "...", ".hidden", "a", "b", "conf.d", "\0", "ä" * 128, "x" * 255]
    ),
    st.text(max_size=6),
)
PATHS = st.lists(PARTS, max_size=5).map("/".join)
# Single names without conflicts, like the keys of a ConfigMap.
KEYS = st.text("abc-_.", min_size=1, max_size=4).filter(
    lambda key: key != "." and not key.startswith("..")
)
OBJECTS = st.dictionaries(KEYS, st.binary(max_size=4), max_size=5)
SUMS = st.dictionaries(KEYS, st.sampled_from(["1", "2", "3"]), max_size=6)


def entries_of(files: dict[str, bytes]) -> dict[str, Entry]:
    return entries(files, private=False, permitted={})


def of(**files: bytes) -> Version:
    return version_of({path: Entry(data) for path, data in files.items()})


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "empty"),
        ("/etc/passwd", "absolute"),
        ("a\0b", "NUL"),
        ("a//b", "empty component"),
        ("a/", "empty component"),
        (".", "'.'"),
        ("a/./b", "'.'"),
        ("..", "reserved"),
        ("a/../b", "reserved"),
        ("..data", "reserved"),
        ("a/..b/c", "reserved"),
        ("x" * 256, "255 bytes"),
        ("ä" * 128, "255 bytes"),
        ("/".join(["x" * 99] * 41), "4000 bytes"),
        ("/".join("a" * 65), "64 deep"),
        ("a\udc80", "UTF-8"),
    ],
)
def test_a_bad_path_is_refused_and_the_message_says_why(path: str, why: str) -> None:
    with pytest.raises(BadPath, match=r"cannot use .* as a path: ") as caught:
        version_of({path: Entry(b"")})
    assert path == caught.value.path
    assert why in str(caught.value)
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "path",
    [
        ".hidden",
        "a.b",
        "a/b/c",
        "x" * 255,
        "ä" * 127 + "x",
        "a..",
        "line\nfeed",
        "/".join("a" * 64),
    ],
)
def test_an_odd_but_harmless_path_is_accepted(path: str) -> None:
    assert [path] == list(version_of({path: Entry(b"")}).files)


@pytest.mark.parametrize("deeper", ["conf/a", "conf/a/b/c"])
def test_a_file_that_is_needed_as_a_directory_is_refused(deeper: str) -> None:
    with pytest.raises(BadPath, match="also the directory of") as caught:
        version_of({deeper: Entry(b""), "conf": Entry(b"")})
    assert caught.value.path == "conf"


def test_names_that_only_begin_alike_do_not_conflict() -> None:
    assert (
        version_of({"conf": Entry(b""), "conf.d/a": Entry(b""), "conf-b/a": Entry(b"")}).count == 3
    )


@given(PATHS)
@example("a/..")
@example("a/b/../../../c")
def test_accepted_path_stays_inside(path: str) -> None:
    try:
        check_path(path)
    except BadPath:
        return
    assert posixpath.normpath(f"/root/{path}") == f"/root/{path}"
    assert posixpath.normpath(path) == path
    assert not any(part.startswith("..") for part in path.split("/"))


@given(st.dictionaries(PATHS, st.binary(max_size=3), max_size=4))
def test_version_of_any_files_is_made_or_names_the_bad_path(files: dict[str, bytes]) -> None:
    try:
        made = version_of({path: Entry(data) for path, data in files.items()})
    except BadPath as error:
        assert error.path in files
        return
    assert files == {path: entry.data for path, entry in made.files.items()}
    assert files.keys() == made.sums.keys()
    assert sum(map(len, files.values())) == made.size


def test_the_digest_does_not_depend_on_the_order() -> None:
    assert of(a=b"1", b=b"2", c=b"3") == of(c=b"3", a=b"1", b=b"2")
    assert of(a=b"1", b=b"2").digest == of(b=b"2", a=b"1").digest


@pytest.mark.parametrize(
    "other",
    [
        {"a": Entry(b"1"), "b": Entry(b"3")},
        {"a": Entry(b"2"), "b": Entry(b"1")},
        {"a": Entry(b"1"), "c": Entry(b"2")},
        {"a": Entry(b"1")},
        {"a": Entry(b"12"), "b": Entry(b"")},
        {"a": Entry(b"1", PRIVATE), "b": Entry(b"2")},
        {"a": Entry(b"1", Permission(0o640, 1)), "b": Entry(b"2")},
        {"a": Entry(b"1", Permission(0o755)), "b": Entry(b"2")},
        {"ab": Entry(b"12")},
        {"a1:b": Entry(b"2")},
    ],
)
def test_the_digest_tells_paths_bytes_and_readers_apart(other: dict[str, Entry]) -> None:
    assert version_of(other).digest != of(a=b"1", b=b"2").digest


@given(OBJECTS, OBJECTS)
def test_digests_are_equal_exactly_when_contents_are(
    one: dict[str, bytes], other: dict[str, bytes]
) -> None:
    assert (one == other) == (of(**one).digest == of(**other).digest)


def test_sums_are_plain_sha256() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert of(a=b"").sums == {"a": empty}


def test_size_and_count() -> None:
    assert (of(a=b"12", b=b"345").count, of(a=b"12", b=b"345").size) == (2, 5)


def test_keys_go_below_the_subdir_and_mapped_keys_to_their_place() -> None:
    placed = place(
        entries({"a": b"1", "b": b"2"}, private=True, permitted={}),
        subdir="x/y",
        mapping={"b": "conf.d/b.conf", "elsewhere": "c"},
    )
    assert {"x/y/a": Entry(b"1", PRIVATE), "x/y/conf.d/b.conf": Entry(b"2", PRIVATE)} == placed


def test_two_keys_on_one_path_are_refused() -> None:
    with pytest.raises(BadPath, match="two keys") as caught:
        place(entries_of({"a": b"", "b": b""}), subdir="d", mapping={"b": "a"})
    assert caught.value.path == "d/a"


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", ""])
@pytest.mark.parametrize("subdir", ["", "d"])
def test_a_mapping_cannot_leave_its_place(path: str, subdir: str) -> None:
    with pytest.raises(BadPath) as caught:
        place(entries_of({"a": b""}), subdir=subdir, mapping={"a": path})
    assert caught.value.path == path


@pytest.mark.parametrize("subdir", ["..", "/etc", "a//b", "."])
def test_a_subdir_cannot_leave_the_root(subdir: str) -> None:
    with pytest.raises(BadPath):
        place(entries_of({"a": b""}), subdir=subdir, mapping={})


@given(OBJECTS, st.dictionaries(KEYS, KEYS, max_size=4))
def test_placing_keeps_every_file_or_refuses(
    files: dict[str, bytes], mapping: dict[str, str]
) -> None:
    paths = [mapping.get(key, key) for key in files]
    try:
        placed = place(entries_of(files), subdir="", mapping=mapping)
    except BadPath as error:
        assert paths.count(error.path) > 1
        return
    assert dict(zip(paths, files.values(), strict=True)) == {
        path: entry.data for path, entry in placed.items()
    }
    assert len(files) == len(placed)


def test_two_objects_with_one_path_are_refused() -> None:
    with pytest.raises(BadPath, match="two objects") as caught:
        merge([{"a": Entry(b"1")}, {"b": Entry(b"1"), "a": Entry(b"1")}])
    assert caught.value.path == "a"


@given(st.lists(OBJECTS, max_size=4))
def test_merging_keeps_every_file_or_refuses(objects: list[dict[str, bytes]]) -> None:
    parts = [{key: Entry(data) for key, data in files.items()} for files in objects]
    together = [key for part in parts for key in part]
    try:
        merged = merge(parts)
    except BadPath as error:
        assert together.count(error.path) > 1
        return
    assert sorted(together) == sorted(merged)
    assert all(merged[key] == entry for part in parts for key, entry in part.items())


def test_file_and_directory_of_the_same_path_are_refused() -> None:
    with pytest.raises(BadPath, match="also the directory"):
        version_of(merge([{"a": Entry(b"")}, {"a/b": Entry(b"")}]))


@given(SUMS, SUMS)
def test_diff_turns_the_old_version_into_the_new(old: dict[str, str], new: dict[str, str]) -> None:
    changes = diff(old, new)
    made = {path: old[path] for path in old if path not in changes.removed}
    made |= {path: new[path] for path in changes.added + changes.changed}
    assert new == made
    assert bool(changes) == (old != new)
    assert not set(changes.added) & old.keys()
    assert set(changes.changed) <= old.keys() & new.keys()
    assert diff(new, old) == Changes(changes.removed, changes.changed, changes.added)
    assert all(
        list(paths) == sorted(paths) for paths in (changes.added, changes.changed, changes.removed)
    )


def test_changes_are_told_in_one_short_line() -> None:
    new = {"nginx.conf": "2", **dict.fromkeys("abdef", "1"), "line\nfeed": "1"}
    assert (
        str(diff({"nginx.conf": "1", "c": "1"}, new))
        == "changed nginx.conf; added a, b (+4 more); removed c"
    )
    assert str(diff({}, {"line\nfeed": "1"})) == "added 'line\\nfeed'"
    assert str(diff(new, new)) == "nothing changed"


def test_an_init_that_syncs_nothing_does_not_load_libcrypto() -> None:
    code = "import config_supervisor.core.content, sys\n"
    code += "print(sorted({'hashlib', '_hashlib', 'typing', 're'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@given(st.binary(min_size=1, max_size=64), st.binary(max_size=200))
def test_keyed_is_hmac_sha256(key: bytes, data: bytes) -> None:
    assert keyed(key, data) == hmac.digest(key, data, "sha256")


def test_digest_is_keyed_with_a_secret_only() -> None:
    def digest(permission: Permission | None, key: bytes, *, secret: bool = False) -> str:
        return version_of({"a": Entry(b"1", permission)}, lambda: key, secret=secret).digest

    assert digest(None, b"1") == digest(None, b"2") == version_of({"a": Entry(b"1")}).digest
    assert digest(Permission(0o644), b"1") == digest(None, b"2")
    assert digest(PRIVATE, b"1") != digest(PRIVATE, b"2")
    assert digest(Permission(0o640), b"1") != digest(Permission(0o640), b"2")
    assert digest(None, b"1", secret=True) != digest(None, b"2", secret=True)
    assert (
        digest(PRIVATE, b"1")
        == digest(PRIVATE, b"1")
        != version_of({"a": Entry(b"1", PRIVATE)}).digest
    )


def test_unchanged_entries_are_not_summed_up_again() -> None:
    """A change of one object among many costs a sum for each of its files alone."""
    same = Entry(b"same")
    files = {"a": same, "b": Entry(b"old")}
    marked = Version(files, "", {"a": "00" * 32, "b": "00" * 32})
    found = version_of({"a": same, "b": Entry(b"new"), "c": same}, before=marked)
    assert found.sums == {
        "a": "00" * 32,
        "b": hashlib.sha256(b"new").hexdigest(),
        "c": hashlib.sha256(b"same").hexdigest(),
    }


def test_version_before_does_not_change_the_next() -> None:
    same = Entry(b"same")
    before = version_of({"a": same, "b": Entry(b"old"), "d/e": same})
    files = {"a": same, "b": Entry(b"new"), "d/e": Entry(b"same")}
    assert version_of(files, before=before) == version_of(files)
