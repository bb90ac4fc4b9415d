"""A delivery's orders in turn, on a real disk: checks, applications, rollbacks."""

from __future__ import annotations

import os
import queue
from pathlib import Path

from config_supervisor.core import events as ev
from config_supervisor.core.actions import Recover
from config_supervisor.core.versions import Versions
from config_supervisor.sources.interface import Content, Label
from config_supervisor.store.configroot import Modes, Root
from config_supervisor.store.delivery import Delivery, Destination
from config_supervisor.store.source_threads import DeclaredSource
from tests.disk import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from config_supervisor.sources.interface import Sink


class Told:
    """A source that reads what a test tells it."""

    label = Label("configmap", "default", "web")

    def __init__(self) -> None:
        self.sinks: queue.SimpleQueue[Sink] = queue.SimpleQueue()

    def run(self, sink: Sink) -> None:
        self.sinks.put(sink)


def test_version_after_a_rollback_to_a_checked_one_goes_live(tmp_path: Path) -> None:
    """The checked version is live then, and no litter of the check."""
    events: queue.SimpleQueue[ev.Event] = queue.SimpleQueue()
    source = Told()
    root = Root(os.fspath(tmp_path / "live"), Modes())
    destination = Destination(root, root.path, check=lambda _, __: None)
    delivery = Delivery([DeclaredSource(lambda: source)], destination, events.put, Versions)
    delivery.start()
    sink = source.sinks.get(timeout=10)

    def next_of(kind: type[ev.Event]) -> ev.Event:
        while not isinstance(event := events.get(timeout=10), kind):
            assert not isinstance(event, ev.ConfigFailed), event
        return event

    sink.read(Content({"a": b"1"}))
    delivery.apply()
    next_of(ev.ConfigApplied)
    sink.read(Content({"a": b"2"}))
    delivery.check()
    checked = next_of(ev.ConfigChecked)
    assert isinstance(checked, ev.ConfigChecked)
    delivery.roll_back(checked.digest)
    next_of(ev.ConfigApplied)
    sink.read(Content({"a": b"3"}))
    delivery.apply()
    next_of(ev.ConfigApplied)

    assert {"a": b"3"} == shown(root.path)


def test_held_version_is_not_reported_as_lacking(tmp_path: Path) -> None:
    """A fleet may hold the version of a source that was read in time."""
    events: queue.SimpleQueue[ev.Event] = queue.SimpleQueue()
    source = Told()
    root = Root(os.fspath(tmp_path / "live"), Modes())
    destination = Destination(root, root.path)
    delivery = Delivery([DeclaredSource(lambda: source)], destination, events.put, Versions)
    delivery.start()
    source.sinks.get(timeout=10).read(Content({"a": b"1"}))
    delivery.recover(Recover(proven=True))

    while not isinstance(event := events.get(timeout=10), ev.ConfigFailed):
        pass
    assert event.error.startswith(f"{root.path} holds no intact configuration of an earlier run")
