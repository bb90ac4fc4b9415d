"""The marks in configroot by the processes that start an app, and by an init container before."""

from __future__ import annotations

import pytest

from config_supervisor.core.versions import Marks, Versions
from config_supervisor.store.configroot import Root
from config_supervisor.store.marks_file import MarksFile

A, B, C = (letter * 64 for letter in "abc")
KILLED = Marks(good=(A,), trial=B, deaths=1)
ON_TRIAL = Marks(good=(A,), baking=B)
STOPPED = Marks(good=(A,), baking=B, orderly=B)


class Start:
    """One process on a configroot with `live` in place."""

    def __init__(self, root: Root, live: str, *, appless: bool = False) -> None:
        self.versions = Versions(live=live)
        self.file = MarksFile(root, lambda: self.versions, appless=appless)
        self.marks = self.file.begin(live) or Marks()
        self.versions = self.versions.replace(marks=self.marks)

    def end(self, live: str, **changes: object) -> None:
        """An ordered end, with a version in place; some marks have changed before."""
        self.versions = self.versions.replace(live=live, marks=self.marks.replace(**changes))
        if changes:
            self.file.write()
        self.file.end()


@pytest.mark.parametrize("found", [KILLED, ON_TRIAL, STOPPED])
def test_init_container_leaves_the_memory_of_a_trial(root: Root, found: Marks) -> None:
    """The app's container draws the same conclusion as without it."""
    root.mark(found)
    init = Start(root, B, appless=True)
    init.end(A)

    assert found == root.marks()
    app = Start(root, A)
    assert (init.marks.died, init.marks.resumed) == (app.marks.died, app.marks.resumed)


def test_init_container_counts_no_death(root: Root) -> None:
    root.mark(Marks(good=(A,)))
    Start(root, B, appless=True).end(B)

    assert (B, 1) == ((found := Start(root, B).marks).trial, found.deaths)


def test_version_of_an_init_container_is_not_suspected(root: Root) -> None:
    Start(root, "", appless=True).end(A)

    assert ("", 0) == ((found := Start(root, A).marks).trial, found.deaths)


def test_failures_of_an_init_container_are_kept(root: Root) -> None:
    root.mark(STOPPED)
    init = Start(root, A, appless=True)
    init.end(A, failed=((C, "invalid"),))

    assert STOPPED.replace(failed=((C, "invalid"),)) == root.marks()
