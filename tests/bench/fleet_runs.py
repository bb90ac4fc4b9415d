"""What happens to the simulated fleet: a rollout, an outage of the API, a change; and what is seen
of it.

Must not know how it is shown.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass, field

from config_supervisor.core.state import Policy
from config_supervisor.sources.kubernetes.pace import Timing
from tests.bench.fleet_pod import Pod, World
from tests.bench.fleet_server import Capacity, Tally

SPREAD = 360.0  # seconds in which a fleet starts that is to be evenly spread
SETTLED = SPREAD + 10.0  # then all of it watches
REQUESTS = ("list", "watch")


@dataclass(frozen=True)
class Setup:
    """A fleet and its server; what is not said is the program's default."""

    pods: int = 10_000
    seed: int = 1
    capacity: Capacity = field(default_factory=Capacity)
    timing: Timing = field(default_factory=Timing)
    splay: float = 0.0

    def world(self) -> World:
        # The program draws from the module's generator, so that is the one to seed.
        random.seed(self.seed)
        return World(self.capacity, self.timing, Policy(configured=True, reload_splay=self.splay))


@dataclass(frozen=True)
class Outcome:
    """What was seen; times are seconds, `began` and `ended` virtual ones, `version` the content
    looked for.
    """

    tally: Tally
    pods: int
    began: float
    ended: float
    version: int = 1

    def series(self, *what: str, lead: float = 0) -> list[int]:
        """How often in each second, from `lead` seconds before the beginning to the end."""
        total: Counter[int] = Counter()
        for name in what:
            total.update(self.tally.per_second[name])
        return [total[second] for second in range(int(self.began - lead), int(self.ended))]

    def peak(self, *what: str, lead: float = 0) -> int:
        """The most in one second."""
        return max(self.series(*what, lead=lead), default=0)

    def total(self, *what: str) -> int:
        return sum(self.series(*what))

    def until(self, share: float) -> float | None:
        """Seconds until that share of the pods (0 to 1) ran on the version; None if it
        never did.
        """
        times = sorted(self.tally.times[f"version {self.version}"])
        needed = math.ceil(share * self.pods)
        return times[needed - 1] - self.began if len(times) >= needed else None

    def watching(self, share: float) -> float | None:
        """Seconds until that share of the pods watched at one time; None if it never did."""
        numbers = enumerate(self.series("watching"))
        return next(
            (float(second) for second, number in numbers if number >= share * self.pods), None
        )

    def hourly(self, seconds: float) -> float:
        """Requests per hour and pod within the last `seconds`."""
        return sum(self.series(*REQUESTS)[-int(seconds) :]) / self.pods * 3600 / int(seconds)


def rollout(setup: Setup, pace: float, seconds: float) -> Outcome:
    """All pods start, `pace` of them per second; looked at for `seconds`."""
    world = setup.world()
    for number in range(setup.pods):
        world.agenda.after(number / pace, Pod, world)
    world.agenda.run(seconds)
    return Outcome(world.tally, setup.pods, 0.0, seconds)


def outage(setup: Setup, how: str, away: float, seconds: float) -> Outcome:
    """The server is away for a while and returns with another content, which counts as the
    beginning.

    how: `refused` or `silent`, as `ApiServer.go_down` has it; seconds: how long the return is
    looked at.
    """
    world = _settled(setup)
    world.server.go_down(how)
    world.agenda.run(SETTLED + away)
    world.server.come_back()
    return _changed(world, setup, seconds)


def granted(setup: Setup, after: float, seconds: float) -> Outcome:
    """All pods start within a second and are refused (403), until their role is granted, which is
    the beginning.
    """
    world = setup.world()
    world.server.forbid()
    for number in range(setup.pods):
        world.agenda.after(number / setup.pods, Pod, world)
    world.agenda.run(after)
    world.server.forbid(forbidden=False)
    world.agenda.run(after + seconds)
    return Outcome(world.tally, setup.pods, after, after + seconds)


def change(setup: Setup, seconds: float) -> Outcome:
    """The object changes once, while all is well."""
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
