"""A version in the keep object of a fleet: it comes back with the same digest, or not at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_supervisor.core.content import DIRECTORY, BadPath, Entry, check_path, version_of
from config_supervisor.core.file_permissions import PRIVATE, Permission
from config_supervisor.sources.kubernetes.api_errors import BadDataError
from config_supervisor.sources.kubernetes.kept_object import (
    FILES,
    LIMIT,
    NOTES_LIMIT,
    VERSION,
    KeepError,
    Kept,
    filled,
    kept_in,
)
from tests.fake_kube_kinds import validate


def empty(kind: str = "ConfigMap") -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": "web-keep", "labels": {"team": "blue"}}}


def written(files: dict[str, Entry], *, private: bool = False) -> dict[str, Any]:
    """The object as it crosses the wire."""
    body = filled(empty(), Kept("v1", files), private=private)
    validate("secrets" if private else "configmaps", body)
    again: dict[str, Any] = json.loads(json.dumps(body))
    return again


def proper(path: str) -> bool:
    try:
        check_path(path)
    except BadPath:
        return False
    return True


PATHS = st.text("ab/.-_ ä0", min_size=1, max_size=12).filter(proper)
PERMISSIONS = (
    st.none() | st.just(PRIVATE) | st.builds(Permission, st.integers(0, 0o777), st.integers(-1, 5))
)
ENTRIES = st.builds(Entry, st.binary(max_size=20), PERMISSIONS)


@given(st.dictionaries(PATHS, ENTRIES, max_size=6), st.booleans())
def test_version_comes_back_as_it_was_kept(files: dict[str, Entry], private: bool) -> None:
    assert Kept("v1", files) == kept_in(written(files, private=private), private=private)


def test_empty_directory_comes_back() -> None:
    files = {"a": Entry(b"x"), "empty/": DIRECTORY, "conf.d/b": Entry(b"y")}
    kept = kept_in(written(files), private=False)
    assert version_of(files).digest == version_of(kept.files).digest


def test_plain_files_are_plain_keys() -> None:
    """A person reads them with kubectl."""
    body = written({"nginx.conf": Entry(b"daemon off;\n"), "logo": Entry(b"\xff")})
    assert {"nginx.conf": "daemon off;\n"} == body["data"]
    assert {"logo": "/w=="} == body["binaryData"]
    assert {VERSION: "v1", FILES: "{}"} == body["metadata"]["annotations"]
    assert {"team": "blue"} == body["metadata"]["labels"]


def test_key_for_a_path_is_no_other_file() -> None:
    files = {"file-0": Entry(b"a"), "x/y": Entry(b"b"), "file-1": Entry(b"c")}
    assert files == dict(kept_in(written(files), private=False).files)


def test_next_version_replaces_the_last_whole() -> None:
    first = filled(empty(), Kept("v1", {"a": Entry(b"1"), "b": Entry(b"\xff")}), private=False)
    second = filled(first, Kept("v2", {"c": Entry(b"2")}), private=False)
    assert Kept("v2", {"c": Entry(b"2")}) == kept_in(second, private=False)


def test_object_of_something_else_is_left_alone() -> None:
    """As the source itself, given by mistake."""
    body = {**empty(), "data": {"nginx.conf": "x"}}
    with pytest.raises(KeepError, match="content of something else"):
        filled(body, Kept("v1", {"a": Entry(b"1")}), private=False)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a": Entry(b"x" * LIMIT), "b": Entry(b"x")}, "has 1,048,577 bytes, and an object holds"),
        ({"x/" + "y" * 200 + str(n): Entry(b"") for n in range(NOTES_LIMIT // 200)}, "paths and"),
    ],
)
def test_version_that_is_too_large_is_refused(files: dict[str, Entry], words: str) -> None:
    with pytest.raises(KeepError, match=words):
        filled(empty(), Kept("v1", files), private=False)


def test_version_of_just_the_limit_is_kept() -> None:
    written({"a": Entry(b"x" * LIMIT)})


def noted(notes: object) -> dict[str, Any]:
    text = notes if isinstance(notes, str) else json.dumps(notes)
    return {"metadata": {"annotations": {VERSION: "v1", FILES: text}}, "data": {"a": "1"}}


FOREIGN: dict[str, Any] = {
    "list": [],
    "no metadata": {},
    "metadata": {"metadata": []},
    "version": {"metadata": {"annotations": {VERSION: 5}}},
    "no json": noted("{"),
    "notes": noted([]),
    "note": noted({"a": 5}),
    "mode": noted({"a": {"mode": "rwx"}}),
    "mode as number": noted({"a": {"mode": 5}}),
    "group": noted({"a": {"mode": "0644", "gid": {}}}),
    "deep": noted("[" * 100_000),
    "value": {**noted({}), "data": {"a": 5}},
    "data": {**noted({}), "data": 5},
}


@pytest.mark.parametrize("shape", FOREIGN)
def test_foreign_shape_is_bad_data(shape: str) -> None:
    with pytest.raises(BadDataError):
        kept_in(FOREIGN[shape], private=False)


def test_object_without_a_version_keeps_none() -> None:
    assert Kept("") == kept_in(empty(), private=False)
