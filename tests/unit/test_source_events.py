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
from config_supervisor.store.source_threads import DeclaredSource, LentThreads, Outlets
from tests.harness import until
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


def events(reports: Reports, lend: Callable[[], None] = lambda: None) -> list[ev.Event]:
    """The events of a source's reports, but for its name."""
    source, found = Source(reports), list[ev.Event]()
    newest = NewestVersion([""], {}, lambda: b"key", exact=False)
    source_threads.start([DeclaredSource(lambda: source)], Outlets(newest, found.append, lend))
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


def test_thread_lends_itself_after_each_new_version() -> None:
    lent: list[int] = []
    content = Content({"a": b"1"})

    def reports(sink: Sink) -> None:
        sink.read(None)
        for one in (content, content, Content({"a": b"2"})):
            sink.read(one)
            sink.contact()

    events(reports, lambda: lent.append(threading.get_ident()))
    assert len(lent) == 2
    assert {*lent} != {threading.get_ident()}


def test_order_is_performed_in_a_waiting_thread() -> None:
    threads = LentThreads()
    performed: list[int] = []
    lending = threading.Thread(target=threads.lend)
    lending.start()
    until(lambda: threads.perform(lambda: performed.append(threading.get_ident())), True)
    lending.join(10)
    assert performed == [lending.ident]
    assert not threads.perform(lambda: performed.append(0))


def test_waiting_thread_goes_on_without_an_order() -> None:
    threads = LentThreads()
    threads.lend()
    assert not threads.perform(lambda: None)
