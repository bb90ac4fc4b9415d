"""The counter of processes that the kernel killed for lack of memory, and its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_supervisor.core import events as ev
from config_supervisor.process import oom_kills
from config_supervisor.services.plan import Restart
from config_supervisor.services.service_memory import MemoryWatch
from config_supervisor.services.service_orders import Verb
from tests.unit.ensemble import KILL, TERM, Ensemble, service

# As of Linux 6.1 (memory.events) and 5.10 (memory.oom_control).
UNIFIED = "low 0\nhigh 0\nmax 117\noom 4\noom_kill {}\noom_group_kill 0\n"
LEGACY = "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"


@pytest.mark.parametrize("text", [UNIFIED, LEGACY])
def test_counter_is_read_from_both_versions(text: str) -> None:
    assert 3 == oom_kills.parse(text.format(3))


def test_an_old_kernel_has_no_counter() -> None:
    assert oom_kills.parse("oom_kill_disable 0\nunder_oom 1\n") is None


@given(st.text(), st.integers(0, 10**20))
def test_counter_is_found_in_any_text(text: str, number: int) -> None:
    clean = text.replace("oom_kill", "")

    assert number == oom_kills.parse(f"{clean}\noom_kill {number}\n{clean}")
    assert oom_kills.parse(clean) is None


def test_a_file_at_the_root_is_found(tmp_path: Path) -> None:
    """As a container of cgroup v2 with a namespace of its own has it."""
    assert "" == oom_kills.find(str(tmp_path))
    (tmp_path / "memory.events").write_text(UNIFIED.format(0))

    found = oom_kills.find(str(tmp_path))
    assert f"{tmp_path}/memory.events" == found.replace("//", "/")


class World:
    """Two services, and the counter of their cgroup."""

    def __init__(self, place: Path, **fields: Any) -> None:
        self.file = place / "memory.events"
        self.count(0)
        self.told: list[str] = []
        self.watch = MemoryWatch(self.told.append, str(self.file))
        self.ensemble = Ensemble(
            service("web", startsecs=0, restart=Restart.ALWAYS, **fields),
            service("db", startsecs=0, restart=Restart.ALWAYS),
        )
        step = self.ensemble._step

        def watched(event: ev.Event) -> tuple[object, ...]:
            before = self.ensemble.state
            orders = step(event)
            self.watch.observe(event, before, self.ensemble.state, orders)
            return orders

        self.ensemble._step = watched  # type: ignore[method-assign, assignment]
        self.ensemble.begin()

    def count(self, number: int) -> None:
        self.file.write_text(UNIFIED.format(number))


def test_a_kill_with_a_grown_counter_is_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.count(1)
    world.ensemble.exit("web", 137, KILL)

    assert ["web"] == world.told
    assert {"web"} == world.watch.short
    world.ensemble.wait(2)
    assert set() == world.watch.short


def test_a_kill_by_a_person_is_not_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.ensemble.exit("web", 137, KILL)

    assert [] == world.told


def test_another_signal_is_not_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.count(1)
    world.ensemble.exit("web", 143, TERM)
    world.ensemble.exit("db", 137)

    assert [] == world.told


def test_two_ends_need_two_counts(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.count(1)
    world.ensemble.exit("web", 137, KILL)
    world.ensemble.exit("db", 137, KILL)

    assert ["web"] == world.told


def test_a_kill_before_another_start_is_told(tmp_path: Path) -> None:
    """The kernel is faster than this supervisor, which handles the start of the other first."""
    world = World(tmp_path)
    world.ensemble.exit("db", 1)
    world.count(1)
    world.ensemble.wait(2)
    assert 2 == world.ensemble.state.members["db"].life.starts
    world.ensemble.exit("web", 137, KILL)

    assert ["web"] == world.told


def test_a_kill_before_a_life_is_not_told_of_it(tmp_path: Path) -> None:
    """A child of the service was killed, then the service ended and started again."""
    world = World(tmp_path)
    world.count(1)
    world.ensemble.exit("web", 1)
    world.ensemble.wait(2)
    world.ensemble.exit("web", 137, KILL)

    assert [] == world.told


def test_our_own_kill_is_not_told(tmp_path: Path) -> None:
    """A child of the service was killed for lack of memory meanwhile."""
    world = World(tmp_path, stopwaitsecs=1)
    world.ensemble.deaf_ones.add("web")
    world.ensemble.processes["web"].deaf = True
    world.ensemble.order(Verb.STOP, "web")
    world.count(1)
    world.ensemble.wait(5)

    assert "web" not in world.ensemble.processes
    assert [] == world.told


def test_without_a_counter_nothing_is_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.file.unlink()
    world.ensemble.exit("web", 137, KILL)

    assert [] == world.told
