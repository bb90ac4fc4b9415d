"""Delivery without a configroot: the app reads the files of the source where they are."""

from __future__ import annotations

import queue
import threading

import pytest

from config_supervisor.core import events as ev
from config_supervisor.core.versions import Versions
from config_supervisor.sources.interface import Content, Label
from config_supervisor.store.delivery import Delivery, Destination
from config_supervisor.store.source_threads import DeclaredSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from config_supervisor.sources.interface import Sink

TIMEOUT = 10.0


class Files:
    """A source that is read once."""

    label = Label("directory", "", "/etc/app")

    def __init__(self, number: int) -> None:
        self._content = Content({f"{index}.conf": b"first" for index in range(number)})

    def run(self, sink: Sink) -> None:
        sink.read(self._content)


@pytest.mark.parametrize(("files", "at_once"), [(1, True), (101, False)])
def test_few_files_are_applied_without_another_thread(files: int, at_once: bool) -> None:
    """The start of an app, and a signal, wait for no hand-over; a large change holds up none."""
    events: queue.Queue[tuple[ev.Event, int]] = queue.Queue()
    source = DeclaredSource(lambda: Files(files))
    delivery = Delivery(
        [source],
        Destination(None, "/etc/app"),
        lambda event: events.put((event, threading.get_ident())),
        Versions,
    )
    delivery.start()
    while not isinstance(events.get(timeout=TIMEOUT)[0], ev.SourceRead):
        pass

    if not delivery.apply_at_once():
        threading.Thread(target=delivery.apply).start()  # as the loop does
    event, thread = events.get(timeout=TIMEOUT)

    assert isinstance(event, ev.ConfigApplied)
    assert at_once is (thread == threading.get_ident())
