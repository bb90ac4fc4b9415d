"""Random histories of changes, edits, held files, rollbacks and restarts."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config_supervisor.core.content import Entry, version_of
from config_supervisor.core.file_permissions import PRIVATE, Permission
from config_supervisor.store.configroot import Modes, Root
from tests.disk import mode, shown
from tests.unit.spare_changes import (
    Holder,
    change,
    edit,
    mapped,
    opened,
)

PATHS = ("a", "b", "d/x", "d/y", "d/e/z", "f/g", "f")
CONTENTS = st.sampled_from([b"1", b"2", b"3"])
FILES = st.dictionaries(st.sampled_from(PATHS[:-1]), CONTENTS) | st.dictionaries(
    st.sampled_from(["a", "d/x", "f", "d/e/"]), CONTENTS, min_size=1
)
HOLDERS = (opened, mapped)
STEPS = st.lists(
    st.tuples(st.just("change"), FILES, st.sampled_from([None, PRIVATE, Permission(0o755)]))
    | st.tuples(st.just("one"), st.sampled_from(["a", "d/x", "d/e/z"]), CONTENTS)
    | st.tuples(st.just("edit"), st.integers(0, 3), st.integers(0, 6))
    | st.tuples(st.just("hold"), st.integers(0, 3), st.integers(0, 6), st.sampled_from(HOLDERS))
    | st.tuples(st.just("write"), st.integers(0, 3))
    | st.tuples(st.just("back"), st.integers(0, 3))
    | st.tuples(st.just("restart")),
    max_size=14,
)


class History:
    """A directory of generations, its app that edits and holds files, and all versions."""

    def __init__(self, folder: str) -> None:
        self.root = Root(f"{folder}/etc", Modes())
        self.root.prepare()
        self.files: dict[str, Entry] = {}
        self.delivered: dict[str, dict[str, bytes]] = {}
        self.held: list[tuple[str, Callable[[], object]]] = []  # of which generation, and a write
        self.end = contextlib.ExitStack()

    def change(self, files: dict[str, bytes], permission: Permission | None) -> None:
        entries = {
            path: Entry(b"", None, True) if path.endswith("/") else Entry(data, permission)
            for path, data in files.items()
        }
        self.files = entries
        version = version_of(entries)
        self.delivered[version.digest] = {
            path: data for path, data in files.items() if not path.endswith("/")
        }
        change(self.root, version)
        assert shown(self.root.path) == self.delivered[version.digest]
        for path, entry in entries.items():
            wanted = 0o777 if entry.directory else 0o666
            if entry.permission is not None:
                wanted = entry.permission.mode
            assert mode(f"{self.root.path}/{path}") == f"{wanted & ~0o022:04o}"

    def one(self, path: str, data: bytes) -> None:
        self.change({**{name: one.data for name, one in self.files.items()}, path: data}, None)

    def chosen(self, tops: list[str], age: int, number: int) -> str:
        files = [
            f"{parent}/{name}"
            for top in sorted(tops)[-age - 1 :][:1]
            for parent, _, names in os.walk(f"{self.root.path}/{top}")
            for name in sorted(names)
            if name != "..manifest.json"
        ]
        return files[number % len(files)] if files else ""

    def edit(self, age: int, number: int) -> None:
        tops = [name for name in os.listdir(self.root.path) if name.startswith("..2")]
        if path := self.chosen(tops, age, number):
            edit(path)

    def hold(self, age: int, number: int, how: Holder) -> None:
        tops = [one.name for one in self.root.generations()]
        if path := self.chosen(tops, age, number):
            top = os.path.relpath(path, self.root.path).partition("/")[0]
            self.held.append((top, self.end.enter_context(how(path))))

    def write(self, number: int) -> None:
        if self.held:
            top, write = self.held[number % len(self.held)]
            before = shown(self.root.path)
            write()
            if os.readlink(f"{self.root.path}/..data") != top:
                assert shown(self.root.path) == before

    def back(self, number: int) -> None:
        kept = self.root.generations()
        if kept and not self.root.fault(one := kept[number % len(kept)]):
            self.root.show(one)
            self.root.tidy()
            assert shown(self.root.path) == self.delivered[one.digest]

    def restart(self) -> None:
        self.root = Root(self.root.path, Modes())
        self.root.prepare()
        if live := self.root.live().generation:
            assert shown(self.root.path) == self.delivered[live.digest]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_every_version_is_shown_as_it_was_delivered(steps: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        history = History(folder)
        with history.end:
            for name, *arguments in steps:
                try:
                    getattr(history, str(name))(*arguments)
                except ValueError:  # a file in the place of a directory: no such version exists
                    continue
