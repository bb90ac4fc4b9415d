"""The reports of a source on their way to the rules: an event, and a wake-up, per change."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from config_supervisor.core import events as ev
from config_supervisor.core.actions import Apply
from config_supervisor.sources.interface import Content, Label
from config_supervisor.store import source_threads
from config_supervisor.store.newest_version import NewestVersion
from config_supervisor.store.source_threads import DeclaredSource
from tests.unit.histories import configured

if TYPE_CHECKING:
    from config_supervisor.sources.interface import Sink

Reports = Callable[["Sink"], None]


class Source:
    """A source that makes its reports and ends."""

    def __init__(self, reports: Reports) -> None:
        self.label = Label("configmap", "shop", "web")
        self._reports, self.ended = reports, threading.Event()

    def run(self, sink: Sink) -> None:
        self._reports(sink)
        self.ended.set()


def events(reports: Reports) -> list[ev.Event]:
    """The events of a source's reports, but for its name."""
    source, found = Source(reports), list[ev.Event]()
    newest = NewestVersion([""], {}, lambda: b"key", exact=False)
    source_threads.start([DeclaredSource(lambda: source)], newest, found.append)
    assert source.ended.wait(10)
    return [event for event in found if not isinstance(event, ev.SourceOpened)]


def test_change_of_content_is_one_event() -> None:
    """It carries the contact, the watch event and the offered version."""
    first, second = Content({"a": b"1"}), Content({"a": b"2"})

    def reports(sink: Sink) -> None:
        sink.read(first)
        sink.read(second, saw="modified")
        sink.read(second)

    changed = events(reports)
    assert [ev.SourceRead] * 3 == [type(event) for event in changed]
    assert ["", "modified", ""] == [getattr(event, "saw", None) for event in changed]
    offers = [getattr(event, "offer", None) for event in changed]
    assert [True, True, False] == [isinstance(offer, ev.ConfigOffered) for offer in offers]
    assert offers[0] != offers[1]


def test_missing_object_is_one_event() -> None:
    gone = ev.SourceRead(0, present=False, missing="holds no files", saw="deleted")
    assert [gone] == events(lambda sink: sink.read(None, "holds no files", saw="deleted"))


def test_version_offered_by_a_read_is_applied() -> None:
    """The rules take the state of the source and the version from the same event."""
    app = configured()
    app.at(1, ev.SourceFailed(0, "unreachable", "no route"))
    assert [Apply()] == app.at(100, ev.SourceRead(0, present=True, offer=ev.ConfigOffered("b")))
    assert ("", True) == (app.state.sources[0].trouble, app.state.sources[0].present)
