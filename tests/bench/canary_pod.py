"""A pod of a fleet with a canary, and the Lease that the pods share, in virtual time.

Real are all rules: `service.step` with the rollout, its gate and the fleet. Imitated are the ways:
the watch on the source, the link to the Lease, the reload and its verification, whose end is the
fate of the version in this pod. Must not know of the courses and their report.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from config_supervisor.core import events as ev
from config_supervisor.core import service
from config_supervisor.core.actions import (
    Action,
    Apply,
    Reload,
    RollBack,
    SignalReload,
    Spawn,
)
from config_supervisor.core.life_state import Ended
from config_supervisor.core.outcomes import Outcome
from config_supervisor.core.rollout_state import Rollout, RolloutPolicy
from config_supervisor.core.service import Policy, Service
from config_supervisor.core.versions import Pace, Versions
from config_supervisor.fleet import events as fe
from config_supervisor.fleet import lease
from config_supervisor.fleet.lease import LeaseState, Ledger
from config_supervisor.fleet.orders import FollowLease, LeaveLease, ReadLease, WriteLease
from config_supervisor.fleet.policy import FleetPolicy, fresh
from config_supervisor.fleet.rules import FleetRules
from config_supervisor.fleet.state import State
from config_supervisor.sources.kubernetes.retry_pace import Timing
from tests.bench.fleet_server import Agenda, ApiServer, Capacity, Tally

APPLY = 0.003  # seconds to write and swap a version of some files
VERIFY = 5.1  # from the reload signal to the verdict of the pod's own verification
OLD, NEW = "a" * 64, "b" * 64  # versions
SHAPE = "5" * 64

Fate = Callable[[int, bool], bool]  # of NEW in a pod, by its number; whether it is the canary


class LeaseServer(ApiServer):
    """An API server with the Lease of the fleet too: compare-and-swap, and watches on it."""

    def __init__(self, agenda: Agenda, tally: Tally, capacity: Capacity) -> None:
        super().__init__(agenda, tally, capacity)
        written = lease.written(Ledger(shape=SHAPE, good=(OLD,)))
        self.state = written.replace(resource_version="1")
        self.followers: dict[FleetPod, None] = {}

    def read(self, then: Callable[[LeaseState], None], connect: float | None) -> None:
        def answered(error: Exception | None) -> None:
            if error is None:
                then(self.state)

        self.request("lease", answered, connect=connect)

    def follow(self, pod: FleetPod, connect: float | None) -> None:
        def established(error: Exception | None) -> None:
            if error is None and pod.follows:
                self.followers[pod] = None
                pod.tell(fe.LeaseRead(self.state))

        self.request("lease", established, connect=connect)

    def write(self, pod: FleetPod, ledger: Ledger) -> None:
        def answered(error: Exception | None) -> None:
            if error is not None:
                return
            if ledger.resource_version != self.state.resource_version:
                pod.tell(fe.LeaseConflict())
                return
            number = int(self.state.resource_version) + 1
            self.state = lease.written(ledger).replace(resource_version=str(number))
            if NEW in ledger.good or ledger.sentence_on(NEW) is not None:
                self._tally.mark("verdict", self._agenda.now)
            pod.tell(fe.LeaseWritten(self.state))
            for position, follower in enumerate(self.followers):
                delay = self._capacity.latency + position / self._capacity.fanout
                self._agenda.after(delay, self._send, follower, self.state)

        self.request("lease write", answered)

    def _send(self, follower: FleetPod, state: LeaseState) -> None:
        if follower in self.followers:
            follower.tell(fe.LeaseRead(state))


@dataclass
class FleetWorld:
    """Everything shared by the pods; `fleet` is None for pods that do not know of each other."""

    fate: Fate
    fleet: FleetPolicy | None
    splay: float = 0.0
    capacity: Capacity = field(default_factory=Capacity)
    timing: Timing = field(default_factory=Timing)

    def __post_init__(self) -> None:
        self.agenda = Agenda()
        self.tally = Tally()
        self.server = LeaseServer(self.agenda, self.tally, self.capacity)
        self.rules = RolloutPolicy(
            validate=False,
            verify=True,
            reload_signal=1,
            rollback=True,
            pace=Pace(interval=0.0, splay=self.splay),
        )


class FleetPod:
    """A pod at rest on OLD, until the source has NEW."""

    def __init__(self, world: FleetWorld, number: int) -> None:
        self._world = world
        self.number = number
        self.follows = False
        self._connected = False
        self._newest = OLD
        fleet = world.fleet
        if fleet is not None:
            fleet = fleet.replace(identity=f"web-{number}/{random.getrandbits(128):032x}")
        rules = FleetRules(fleet) if fleet else None
        self._policy = Policy(rollout=world.rules, fleet=rules)
        self._state = Service(
            rollout=Rollout(Versions(gated=fleet is not None)),
            fleet=fresh(fleet) if fleet else None,
        )
        self._settle()

    def _settle(self) -> None:
        self.tell(ev.Began())
        self.tell(fe.LeaseRead(self._world.server.state))
        self.offer(OLD)
        self.tell(ev.ConfigApplied(OLD))
        self.tell(ev.Started(1))
        self.tell(ev.ReloadFinished(1))

    def offer(self, version: str, dice: float = 0.0) -> None:
        """The source has a version."""
        self._newest = version
        self.tell(ev.ConfigOffered(version, dice, shared=version))

    def tell(self, event: ev.Event) -> None:
        now = self._world.agenda.now
        self._state, actions = service.step(self._state, event, now, self._policy)
        for action in actions:
            self._perform(action)
        if self._newest != OLD:
            wake = service.wake_at(self._state, self._policy)
            if wake is not None:
                self._world.agenda.after(max(0.0, wake - now), self._wake, self._state)

    def _wake(self, state: Service) -> None:
        if state is self._state:
            self.tell(ev.DeadlinePassed())

    def _perform(self, action: Action | Ended) -> None:
        world = self._world
        if self._newest == OLD:
            return  # `_settle` answers
        match action:
            case Apply():
                self._report(APPLY, ev.ConfigApplied(self._newest, previous=OLD))
            case RollBack(digest):
                self._report(APPLY, ev.ConfigApplied(digest, rolled_back=True, previous=NEW))
            case SignalReload(attempt):
                self._report(0.0, ev.ReloadSignalled(attempt, sent=True))
            case Reload(attempt):
                self._reload(attempt)
            case Spawn():
                self._report(0.0, ev.Started(1))
            case ReadLease():
                world.server.read(lambda state: self.tell(fe.LeaseRead(state)), self._connect())
            case FollowLease():
                self.follows = True
                world.server.follow(self, self._connect())
            case LeaveLease():
                self.follows = False
                world.server.followers.pop(self, None)
            case WriteLease(ledger):
                world.server.write(self, ledger)

    def _connect(self) -> float | None:
        """The patience with a new connection; None for the one that there is."""
        first = not self._connected
        self._connected = True
        return self._world.timing.connect if first else None

    def _reload(self, attempt: int) -> None:
        world = self._world
        rollout = self._state.rollout
        if rollout is None or rollout.versions.live != NEW:
            self._report(VERIFY, ev.ReloadFinished(attempt))
            return
        fleet = self._state.fleet
        world.tally.mark("reloaded", world.agenda.now)
        if world.fate(self.number, fleet is not None and fleet.state is State.CANARY):
            world.tally.mark("hurt", world.agenda.now)
            self._report(VERIFY, ev.ReloadFinished(attempt, Outcome.VERIFY, "it does not work"))
        else:
            self._report(VERIFY, ev.ReloadFinished(attempt))

    def _report(self, delay: float, event: ev.Event) -> None:
        self._world.agenda.after(delay, self.tell, event)

    @property
    def runs_on(self) -> str:
        rollout = self._state.rollout
        return rollout.runs_on if rollout is not None else ""
