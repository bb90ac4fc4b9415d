"""Pools of event listeners: histories, and laws of any number of listeners and events."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from config_supervisor.services import listener_lines
from config_supervisor.services.event_pool import EventPools, Overflowed, PutBack, Sent, Told
from config_supervisor.services.listener_protocol import judged
from config_supervisor.services.plan import Group, Kind
from tests.unit.ensemble import service

UNKNOWN = (
    "a0: has entered the UNKNOWN state and will no longer receive events, this usually indicates"
    " the process violated the eventlistener protocol"
)
BAD_ANSWER = (
    "cannot send events to a:a0: its answer begins with 'hello' in place of RESULT and a length;"
    " repair the listener and restart it"
)
OK, FAIL, READY = b"RESULT 2\nOK", b"RESULT 4\nFAIL", b"READY\n"


def group(name: str, *events: str, size: int = 10, listeners: int = 1) -> Group:
    names = [f"{name}{at}" for at in range(listeners)]
    members = tuple(service(one, group=name, kind=Kind.LISTENER) for one in names)
    return Group(name, Kind.LISTENER, -1, members, frozenset(events), size)


class World:
    """Pools, and the events that each listener read."""

    def __init__(self, *groups: Group) -> None:
        self.pools = EventPools("supervisor", lambda _: judged)
        self.pools.use(groups)
        self.names = [one.identity for group in groups for one in group.services]
        self.read: dict[str, list[bytes]] = {name: [] for name in self.names}
        self.deaf: set[str] = set()
        self.told: list[Told] = []

    def up(self, *names: str) -> None:
        for name in names or self.names:
            self.pools.started(name)
            self.pools.running(name, runs=True)
            self.pools.received(name, READY)
        self.deliver()

    def tick(self, *times: int) -> None:
        for time in times:
            self.pools.publish("TICK_5", f"when:{time}")
            self.deliver()

    def answer(self, name: str, data: bytes) -> None:
        self.pools.received(name, data)
        self.deliver()

    def deliver(self, *, rested: bool = True) -> None:
        if rested:
            self.pools.forgive()
        self.pools.deliver(self._send)
        self.told += self.pools.notes()

    def _send(self, name: str, data: bytes) -> bool:
        if name in self.deaf:
            return False
        self.read[name].append(data.partition(b"when:")[2])
        return True

    def noted(self, kind: type) -> list[Any]:
        return [one.note for one in self.told if isinstance(one.note, kind)]


def test_an_event_goes_to_one_listener_of_each_pool() -> None:
    world = World(group("a", "TICK", listeners=2), group("b", "EVENT"), group("c", "PROCESS_STATE"))
    world.up()
    world.tick(1)

    assert {"a:a0": [b"1"], "a:a1": [], "b:b0": [b"1"], "c:c0": []} == world.read


def test_a_busy_listener_gets_no_event() -> None:
    world = World(group("a", "TICK_5", listeners=2))
    world.up()
    world.tick(1, 2, 3)
    assert {"a:a0": [b"1"], "a:a1": [b"2"]} == world.read

    world.answer("a:a1", OK + READY)
    assert {"a:a0": [b"1"], "a:a1": [b"2", b"3"]} == world.read


def test_events_wait_for_a_listener_that_runs() -> None:
    world = World(group("a", "TICK"))
    world.tick(1, 2)
    world.pools.started("a:a0")
    world.answer("a:a0", READY)
    assert [] == world.read["a:a0"]

    world.pools.running("a:a0", runs=True)
    world.deliver()
    assert [b"1"] == world.read["a:a0"]


def test_a_rejected_event_comes_again_first() -> None:
    world = World(group("a", "TICK"))
    world.up()
    world.tick(1, 2)
    world.answer("a:a0", FAIL + READY)

    assert [b"1", b"1"] == world.read["a:a0"]
    assert [PutBack(0, 1, 10)] == world.noted(PutBack)


def test_a_listener_rests_after_a_rejection() -> None:
    """Another one gets the event at once; a listener that rejects all does not spin."""
    world = World(group("a", "TICK", listeners=2))
    world.up()
    world.tick(1)
    world.pools.received("a:a0", FAIL + READY)
    world.deliver(rested=False)
    assert {"a:a0": [b"1"], "a:a1": [b"1"]} == world.read

    world.pools.received("a:a1", FAIL + READY)
    world.deliver(rested=False)
    assert {"a:a0": [b"1"], "a:a1": [b"1"]} == world.read

    world.deliver()
    assert {"a:a0": [b"1", b"1"], "a:a1": [b"1"]} == world.read


def test_the_event_of_a_listener_that_died_comes_again() -> None:
    world = World(group("a", "TICK", listeners=2))
    world.up()
    world.tick(1)
    world.pools.ended("a:a0")
    world.deliver()

    assert [b"1"] == world.read["a:a1"]


def test_the_oldest_event_is_dropped() -> None:
    world = World(group("a", "TICK", size=2))
    world.tick(1, 2, 3, 4)
    world.up()

    assert [b"3"] == world.read["a:a0"]
    assert [Overflowed(0, True, 2), Overflowed(1, False, 2)] == world.noted(Overflowed)


def test_a_full_pool_drops_for_a_rejected_event() -> None:
    world = World(group("a", "TICK", size=1))
    world.up()
    world.tick(1, 2)
    world.answer("a:a0", FAIL + READY)

    assert [b"1", b"1"] == world.read["a:a0"]
    assert [Overflowed(1, True, 1)] == world.noted(Overflowed)


def test_a_listener_without_input_is_passed_over() -> None:
    world = World(group("a", "TICK", listeners=2))
    world.deaf = {"a:a0"}
    world.up()
    world.tick(1)

    assert {"a:a0": [], "a:a1": [b"1"]} == world.read


def test_serials_count_wanted_events() -> None:
    world = World(group("a", "TICK_60"), group("b", "TICK"))
    world.up()
    world.tick(1)
    world.pools.publish("TICK_60", "when:60")
    world.deliver()

    assert [Sent(0), Sent(1)] == world.noted(Sent)


def test_a_pool_that_stays_keeps_its_events() -> None:
    same, other = group("a", "TICK"), group("b", "TICK")
    world = World(same, other)
    world.tick(1)
    world.pools.use([same, other.replace(buffer_size=5)])
    world.up()
    assert ([b"1"], []) == (world.read["a:a0"], world.read["b:b0"])

    world.pools.use([same], afresh=True)
    assert [0] == [len(pool.waiting) for pool in world.pools.pools]


def test_lines_of_both_modes() -> None:
    world = World(group("a", "TICK", size=1))
    world.up()
    world.tick(1, 2, 3, 4)
    world.answer("a:a0", b"hello\n")
    words = [line for told in world.told for line in listener_lines.supervisord(told, "a0")]

    assert [
        ("debug", "'a0' stdout output: b'READY\\n'"),
        ("debug", "a0: ACKNOWLEDGED -> READY"),
        ("debug", "event 0 sent to listener a0"),
        ("error", "pool a event buffer overflowed, discarding event 1"),
        ("error", "pool a event buffer overflowed, discarding event 2"),
        ("debug", "'a0' stdout output: b'hello\\n'"),
        ("warning", "a0: bad result line: 'hello'"),
        ("debug", "a0: BUSY -> UNKNOWN"),
        ("warning", UNKNOWN),
        ("debug", "rebuffering event 0 for pool a (buf size=1, max=1)"),
        ("error", "pool a event buffer overflowed, discarding event 3"),
    ] == words
    ours = [line for told in world.told for line in listener_lines.ours(told, "")]
    assert [
        "cannot keep events for a: 1 wait already, the oldest are dropped; raise buffer_size",
        BAD_ANSWER,
    ] == [text for level, text in ours if level != "debug"]


def test_lines_about_dropped_events_have_a_pace() -> None:
    dropped = listener_lines.DroppedEvents()

    assert 20 == sum(dropped.may_be_told(5 + at / 1000) for at in range(500))
    assert dropped.may_be_told(6.5)
    assert dropped.may_be_told(0.0)


DEEDS = st.one_of(
    st.tuples(st.just("tick"), st.just("")),
    st.tuples(st.sampled_from(["ok", "fail", "up", "down", "garbage"]), st.sampled_from("012")),
)


@given(st.lists(DEEDS, max_size=60), st.integers(1, 4), st.integers(1, 3))
def test_laws_of_delivery(deeds: list[tuple[str, str]], size: int, listeners: int) -> None:
    """No event comes twice but after a rejection; the order is kept; a pool is bounded."""
    world = World(group("a", "TICK", size=size, listeners=listeners))
    rejected: list[bytes] = []
    busy: dict[str, bytes] = {}
    time = 0
    seen: list[bytes] = []
    for deed, at in deeds:
        name = f"a:a{at}"
        if deed == "tick":
            time += 1
            world.tick(time)
        elif name in world.read:
            _do(world, deed, name, busy, rejected)
        for one, events in world.read.items():
            for event in events:
                assert one not in busy
                assert event not in seen or event in rejected
                if event in rejected:
                    rejected.remove(event)
                else:
                    assert all(int(event) > int(other) for other in seen)
                seen.append(event)
                busy[one] = event
            events.clear()
        assert len(world.pools.pools[0].waiting) <= size


def _do(world: World, deed: str, name: str, busy: dict[str, bytes], rejected: list[bytes]) -> None:
    event = busy.pop(name, None)
    match deed:
        case "up" | "down":
            rejected += [] if event is None else [event]
            if deed == "up":
                world.up(name)
            else:
                world.pools.ended(name)
        case "ok" if event is not None:
            world.answer(name, OK + READY)
        case "fail" if event is not None:
            rejected.append(event)
            world.answer(name, FAIL + READY)
        case _:
            rejected += [] if event is None else [event]
            world.answer(name, b"garbage\n")
    world.deliver()
