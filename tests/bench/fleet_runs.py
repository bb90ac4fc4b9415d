"""The courses of the simulated fleet: a rollout, an outage of the API, a change; and the outcome.

Must not know how an outcome is shown.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass, field

from config_supervisor.core.rollout_state import RolloutPolicy
from config_supervisor.core.versions import Pace
from config_supervisor.sources.kubernetes.retry_pace import Timing
from tests.bench.fleet_pod import Pod, World
from tests.bench.fleet_server import Capacity, Tally

SPREAD = 360.0  # seconds for the starts of an evenly spread fleet
SETTLED = SPREAD + 10.0  # then all pods watch
REQUESTS = ("list", "watch", "stream")


@dataclass(frozen=True)
class Setup:
    """A fleet and its server; the defaults are the program's."""

    pods: int = 10_000
    seed: int = 1
    capacity: Capacity = field(default_factory=Capacity)
    timing: Timing = field(default_factory=Timing)
    splay: float = 0.0
    streams: bool = True  # the server has WatchList

    def world(self) -> World:
        # The program draws from the generator of `random`.
        random.seed(self.seed)
        world = World(self.capacity, self.timing, RolloutPolicy(pace=Pace(splay=self.splay)))
        world.server.streams = self.streams
        return world


@dataclass(frozen=True)
class Outcome:
    """The course of a run: `began` and `ended` in virtual seconds; `version` is the new content."""

    tally: Tally
    pods: int
    began: float
    ended: float
    version: int = 1

    def series(self, *what: str, lead: float = 0) -> list[int]:
        """Counts of each second, from `lead` seconds before the beginning to the end."""
        total: Counter[int] = Counter()
        for name in what:
            total.update(self.tally.per_second[name])
        return [total[second] for second in range(int(self.began - lead), int(self.ended))]

    def peak(self, *what: str, lead: float = 0) -> int:
        """The highest count of a second."""
        return max(self.series(*what, lead=lead), default=0)

    def total(self, *what: str) -> int:
        return sum(self.series(*what))

    def until(self, share: float) -> float | None:
        """Seconds until this share of the pods (0 to 1) ran on the version; None for never."""
        times = sorted(self.tally.times[f"version {self.version}"])
        needed = math.ceil(share * self.pods)
        return times[needed - 1] - self.began if len(times) >= needed else None

    def watching(self, share: float) -> float | None:
        """Seconds until this share of the pods watched at the same time; None for never."""
        numbers = enumerate(self.series("watching"))
        return next(
            (float(second) for second, number in numbers if number >= share * self.pods), None
        )

    def hourly(self, seconds: float) -> float:
        """Requests per hour and pod within the last `seconds`."""
        return sum(self.series(*REQUESTS)[-int(seconds) :]) / self.pods * 3600 / int(seconds)


def rollout(setup: Setup, pace: float, seconds: float) -> Outcome:
    """All pods start, `pace` of them per second; the run takes `seconds`."""
    world = setup.world()
    for number in range(setup.pods):
        world.agenda.after(number / pace, Pod, world)
    world.agenda.run(seconds)
    return Outcome(world.tally, setup.pods, 0.0, seconds)


def outage(setup: Setup, how: str, away: float, seconds: float) -> Outcome:
    """The server is away, and returns with another content: the beginning of the outcome.

    how: `refused` or `silent`, as in `ApiServer.go_down`; seconds: from the return to the end.
    """
    world = _settled(setup)
    world.server.go_down(how)
    world.agenda.run(SETTLED + away)
    world.server.come_back()
    return _changed(world, setup, seconds)


def granted(setup: Setup, after: float, seconds: float) -> Outcome:
    """All pods start within a second and get 403 until the grant of their role: the beginning."""
    world = setup.world()
    world.server.forbid()
    for number in range(setup.pods):
        world.agenda.after(number / setup.pods, Pod, world)
    world.agenda.run(after)
    world.server.forbid(forbidden=False)
    world.agenda.run(after + seconds)
    return Outcome(world.tally, setup.pods, after, after + seconds)


def change(setup: Setup, seconds: float) -> Outcome:
    """The object changes once, without any fault."""
    return _changed(_settled(setup), setup, seconds)


def _settled(setup: Setup) -> World:
    world = setup.world()
    for number in range(setup.pods):
        world.agenda.after(SPREAD * number / setup.pods, Pod, world)
    world.agenda.run(SETTLED)
    return world


def _changed(world: World, setup: Setup, seconds: float) -> Outcome:
    began = world.agenda.now
    world.server.change()
    world.agenda.run(began + seconds)
    return Outcome(world.tally, setup.pods, began, began + seconds, world.server.version)
