"""One source for several services: keys, late services, failures of one, the end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

import pytest

from config_supervisor.core import events as ev
from config_supervisor.services.key_filter import KeyFilter
from config_supervisor.services.shared_sources import SharedSources, Subscription
from config_supervisor.sources.interface import Content, Failure, FailureReason, Label
from config_supervisor.store.newest_version import NewestVersion
from config_supervisor.store.source_threads import DeclaredSource, Outlets
from tests.harness import until, wait_until


class Source:
    """Reports by order of the test, from its own thread."""

    def __init__(self) -> None:
        self.label = Label("configmap", "prod", "web")
        self.orders: SimpleQueue[Callable[..., None]] = SimpleQueue()
        self.ended = threading.Event()

    def run(self, sink: object) -> None:
        try:
            while True:
                self.orders.get()(sink)
        finally:
            self.ended.set()


class Listener:
    """A service: the events that it gets."""

    def __init__(self, shared: SharedSources, declared: DeclaredSource, keys: str = "") -> None:
        self.events: list[ev.Event] = []
        newest = NewestVersion([""], {}, lambda: b"k" * 32, exact=False)
        outlets = Outlets(newest, self.put, lambda: None)
        chosen = KeyFilter("web", keys.split(), sources=1)
        self.subscription: Subscription = shared.follow(declared, 0, outlets, chosen)
        self.broken = False

    def put(self, event: ev.Event) -> None:
        if self.broken and isinstance(event, ev.SourceRead):
            raise ValueError("a mistake of this service")
        self.events.append(event)

    def offers(self) -> int:
        return sum(isinstance(one, ev.SourceRead) and one.offer is not None for one in self.events)

    def kinds(self) -> list[str]:
        return [type(one).__name__ for one in self.events]


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def declared(source: Source) -> DeclaredSource:
    return DeclaredSource(lambda: source, "", "web")


def paused(**files: str) -> Callable[..., None]:
    found = Content({name: text.encode() for name, text in files.items()}, paused=True)
    return lambda sink: sink.read(found, saw="modified")


def content(**files: str) -> Callable[..., None]:
    found = Content({name: text.encode() for name, text in files.items()})
    return lambda sink: sink.read(found, saw="modified")


def test_each_service_hears_of_a_pause(source: Source, declared: DeclaredSource) -> None:
    """Although none of the keys has changed."""
    shared = SharedSources()
    listener = Listener(shared, declared, "a")
    shared.start()
    for report in (content(a="1", b="1"), paused(a="1", b="1"), paused(a="1", b="2")):
        source.orders.put(report)
    until(lambda: listener.kinds().count("WatchSaw"), 1)

    reads = [one for one in listener.events if isinstance(one, ev.SourceRead)]
    assert [(True, False), (False, True)] == [(one.offer is not None, one.paused) for one in reads]


def test_each_service_gets_an_offer_of_its_keys(source: Source, declared: DeclaredSource) -> None:
    shared = SharedSources()
    a, b = Listener(shared, declared, "a"), Listener(shared, declared, "b")
    shared.start()
    source.orders.put(content(a="1", b="1"))
    until(lambda: (a.offers(), b.offers()), (1, 1))
    source.orders.put(content(a="1", b="2"))
    until(lambda: (a.offers(), b.offers()), (1, 2))

    assert ["SourceOpened", "SourceRead", "WatchSaw"] == a.kinds()


def test_late_service_gets_the_last_reports(source: Source, declared: DeclaredSource) -> None:
    shared = SharedSources()
    first = Listener(shared, declared)
    shared.start()
    source.orders.put(content(a="1"))
    source.orders.put(lambda sink: sink.connected())
    failure = Failure(FailureReason.UNREACHABLE, "cannot reach it")
    source.orders.put(lambda sink: sink.failed(failure, 1.0))
    until(lambda: first.kinds()[-1:], ["SourceFailed"])
    late = Listener(shared, declared)
    until(lambda: late.kinds()[-1:], ["SourceFailed"])

    assert ["SourceOpened", "WatchConnected", "SourceRead", "SourceFailed"] == late.kinds()
    source.orders.put(content(a="2"))
    until(lambda: (first.offers(), late.offers()), (2, 2))


def test_mistake_in_one_service_costs_this_one(source: Source, declared: DeclaredSource) -> None:
    shared = SharedSources()
    a, b = Listener(shared, declared), Listener(shared, declared)
    a.broken = True
    shared.start()
    source.orders.put(content(a="1"))
    until(b.offers, 1)

    assert "SourceFailed" == a.kinds()[-1]
    a.broken = False
    source.orders.put(content(a="2"))
    until(lambda: (a.offers(), b.offers()), (1, 2))


def test_failure_ends_with_the_same_content(source: Source, declared: DeclaredSource) -> None:
    shared = SharedSources()
    one = Listener(shared, declared, "a")
    shared.start()
    source.orders.put(content(a="1"))
    source.orders.put(lambda s: s.failed(Failure(FailureReason.UNREACHABLE, "gone"), 1.0))
    source.orders.put(content(a="1"))

    until(lambda: one.kinds()[-2:], ["SourceFailed", "SourceRead"])
    assert 1 == one.offers()


def test_source_ends_with_its_last_service(source: Source, declared: DeclaredSource) -> None:
    shared = SharedSources()
    a, b = Listener(shared, declared), Listener(shared, declared)
    shared.start()
    a.subscription.release()
    source.orders.put(content(a="1"))
    until(b.offers, 1)

    assert (False, []) == (source.ended.is_set(), a.events)
    assert (False, True) == (a.subscription.leads, b.subscription.leads)
    b.subscription.release()
    source.orders.put(content(a="2"))
    assert source.ended.wait(10)
    assert 1 == b.offers()


def test_pattern_without_a_key_is_told_once(
    source: Source, declared: DeclaredSource, capfd: pytest.CaptureFixture[str]
) -> None:
    shared = SharedSources()
    one = Listener(shared, declared, "a missed*")
    shared.start()
    source.orders.put(content(a="1"))
    source.orders.put(content(a="2"))
    until(one.offers, 2)

    told = ""

    def once() -> None:
        nonlocal told
        told += capfd.readouterr().err
        assert 1 == told.count("web: config_keys: no source has the key 'missed*'")

    wait_until(once)
