"""core.paths against `posixpath`, whose rules it keeps."""

from __future__ import annotations

import posixpath

from hypothesis import given
from hypothesis import strategies as st

from config_supervisor.core import paths

PATHS = st.text("/.ab", max_size=12)


@given(PATHS, PATHS)
def test_paths_are_taken_apart_and_joined_as_usual(folder: str, path: str) -> None:
    assert posixpath.join(folder, path) == paths.join(folder, path)
    assert posixpath.basename(path) == paths.base_name(path)
    assert posixpath.dirname(path) == paths.parent(path)


@given(PATHS, PATHS)
def test_an_absolute_path_has_no_detours(folder: str, path: str) -> None:
    directory = f"/{folder}"

    usual = posixpath.normpath(posixpath.join(directory, path))

    assert usual == paths.absolute(path, directory)
