"""The driver of a fleet for histories: pods with real services, and one Lease, where all is told at
once. The time passes by `until`, and by `tick` for each event.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from config_supervisor.core import actions as act
from config_supervisor.core import events as ev
from config_supervisor.core.life_state import LifePolicy
from config_supervisor.core.reload_windows import ReloadWindow
from config_supervisor.core.rollout_state import Rollout, RolloutPolicy
from config_supervisor.core.service import Policy, Service, step, wake_at
from config_supervisor.core.source_states import SourceState
from config_supervisor.core.versions import Marks, Versions
from config_supervisor.fleet import events as fe
from config_supervisor.fleet import orders as deeds
from config_supervisor.fleet.lease import LeaseState, Ledger, read, written
from config_supervisor.fleet.policy import FleetPolicy, fresh
from config_supervisor.fleet.rules import FleetRules
from config_supervisor.fleet.state import Fleet

SHAPE = "beef"
# From one to two o'clock; the clock of the driver begins at midnight.
WINDOWS = (ReloadWindow(frozenset(range(7)), 60, 120, dt.UTC),)


class Lease:
    """The Lease on the server, with its watches."""

    def __init__(self) -> None:
        self.state = LeaseState()
        self.revision = 10
        self.writes = 0
        self.followers: list[Pod] = []

    @property
    def ledger(self) -> Ledger:
        found = read(self.state)
        assert isinstance(found, Ledger)
        return found

    def put(self, state: LeaseState) -> None:
        """A state that stands: all watches tell it."""
        self.revision += 1
        self.state = state.replace(resource_version=str(self.revision))
        for pod in tuple(self.followers):
            pod.tell(fe.LeaseRead(self.state))

    def write(self, **changes: Any) -> None:
        """A write of another hand."""
        self.put(written(self.ledger.replace(**changes)))

    def delete(self) -> None:
        self.revision += 1
        self.state = LeaseState()
        for pod in tuple(self.followers):
            pod.tell(fe.LeaseRead(self.state))


class Pod:
    """A pod: its service, its disk, its app, its link to the Lease."""

    def __init__(self, group: Group, name: str, **options: Any) -> None:
        self.group = group
        self.name = name
        chosen = {"bake": 30.0, "spread": 60.0, "patience": 20.0, **group.options, **options}
        self.rules = FleetRules(FleetPolicy("web", name, chosen.pop("shape", SHAPE), **chosen))
        windows = group.windows if chosen.get("windows") else ()
        rollout = RolloutPolicy(verify=True, rollback=True, windows=windows)
        self.policy = Policy(LifePolicy(restart="always"), rollout, self.rules)
        self.kept: tuple[str, ...] = ()  # versions on disk that are marked as good
        self.unmarked: tuple[str, ...] = ()  # versions on disk without a mark
        self.newest = ""
        self.fates: dict[str, str] = {}  # outcomes of reloads; "wait" for none yet
        self.trouble: fe.LeaseFailed | None = None  # of each request
        self.orders: list[Any] = []
        self.answers: list[str] = []
        self.applied: list[str] = []
        self.refusal = ""  # of an apply
        self.remembered: Marks | None = None  # told before the first version is in place
        self.readonly = False  # it may not write the Lease
        self.deaf = False  # no answer to a write comes back
        self.mute: set[type[Any]] = set()  # orders to the link on which nothing follows
        self.begin()

    def begin(self) -> None:
        self.state = Service(
            rollout=Rollout(versions=Versions(gated=True)),
            sources=(SourceState("configmap a/b"),),
            fleet=fresh(self.rules.policy),
        )
        self.tell(ev.Began())

    @property
    def fleet(self) -> Fleet:
        found: Fleet = self.state.fleet
        return found

    @property
    def rollout(self) -> Rollout:
        return self.state.rollout or Rollout()

    @property
    def seen(self) -> tuple[str, str]:
        """The state for people, and the version on which the app runs."""
        return str(self.fleet.state), self.rollout.runs_on

    def offer(self, digest: str, shared: str | None = None) -> None:
        self.newest = digest
        self.tell(ev.ConfigOffered(digest, shared=digest if shared is None else shared))

    def tell(self, event: ev.Event) -> None:
        """Events come one after another, whichever deed makes them."""
        queue = self.group.queue
        queue.append((self, event))
        if len(queue) > 1:
            return
        while queue:
            pod, next_event = queue[0]
            pod.take(next_event)
            del queue[0]

    def take(self, event: ev.Event) -> None:
        self.group.now += self.group.tick
        self.state, orders = step(self.state, event, self.group.now, self.policy)
        for order in orders:
            self.orders.append(order)
            self.perform(order)

    def perform(self, order: Any) -> None:
        match order:
            case deeds.ReadLease() | deeds.FollowLease() | deeds.LeaveLease() | deeds.WriteLease():
                self.link(order)
            case deeds.AnswerFleet(_, error):
                self.answers.append(error)
            case deeds.CheckTrial(number):
                asked = not self.group.unasked
                passed = asked and self.group.checks
                error = self.group.unasked or ("" if passed else "error 500")
                self.tell(fe.TrialChecked(number, passed, error, asked))
            case deeds.FetchKept(versions):
                self.fetch(versions)
            case _:
                self.do(order)

    def do(self, order: Any) -> None:
        """A deed for the rollout or the life."""
        versions = self.rollout.versions
        if self.remembered is not None and isinstance(order, act.Apply | act.Recover):
            self.tell(ev.Remembered(self.remembered))
            self.remembered = None
        match order:
            case act.Apply(version=version) if self.refusal:
                self.tell(ev.ConfigFailed(version or self.newest, self.refusal, "no"))
            case act.Apply(version=version):
                self.show(version or self.newest)
            case act.Recover(condemned=condemned, good=known):
                kept = (*self.kept, *(one for one in self.unmarked if one in known))
                good = [one for one in kept if one not in condemned]
                if good:
                    self.tell(ev.ConfigApplied(good[0], cached=True))
                else:
                    self.tell(ev.ConfigFailed("", "no_generation", "none"))
            case act.RollBack(digest=digest):
                self.tell(ev.ConfigApplied(digest, rolled_back=True, previous=versions.live))
            case act.ReadClock():
                self.tell(ev.ClockRead(self.group.now))
            case act.Spawn():
                self.tell(ev.Started(7))
            case act.Reload(attempt=attempt):
                fate = self.fates.get(versions.live, self.group.fates.get(versions.live, ""))
                if fate != "wait":
                    self.tell(ev.ReloadFinished(attempt, fate, fate))

    def show(self, digest: str) -> None:
        self.applied.append(digest)
        self.tell(ev.ConfigApplied(digest, previous=self.rollout.versions.live))

    def fetch(self, versions: tuple[str, ...]) -> None:
        version = self.group.keep
        if version in versions:
            self.tell(ev.ConfigApplied(version, cached=True))
            self.tell(fe.KeptFound(version))
        else:
            self.tell(fe.KeptFailed("holds another version"))

    def link(self, order: Any) -> None:
        lease = self.group.lease
        if isinstance(order, deeds.LeaveLease):
            lease.followers.remove(self)
            return
        short = self.trouble is not None and self.trouble.reason == fe.LeaseTrouble.SHORTAGE
        if isinstance(order, deeds.FollowLease) and not short:
            lease.followers.append(self)
        if type(order) in self.mute:
            return
        if self.trouble is not None:
            self.tell(self.trouble.replace(of_write=isinstance(order, deeds.WriteLease)))
        elif not isinstance(order, deeds.WriteLease):
            self.tell(fe.LeaseRead(lease.state))
        elif order.ledger.resource_version != lease.state.resource_version:
            self.tell(fe.LeaseConflict())
        elif self.readonly:
            self.tell(fe.LeaseFailed("forbidden", "no right", of_write=True))
        else:
            lease.writes += 1
            lease.put(written(order.ledger))
            lost = fe.LeaseFailed("unreachable", "cut", unknown=True, of_write=True)
            self.tell(lost if self.deaf else fe.LeaseWritten(lease.state))


class Group:
    """The pods of a fleet, by their places: the first asks first."""

    def __init__(self, pods: int = 3, good: tuple[str, ...] = (), **options: Any) -> None:
        self.options = options
        self.now = 0.0
        self.tick = 0.0
        self.windows = WINDOWS
        self.lease = Lease()
        self.keep = ""
        self.checks = True
        self.unasked = ""  # why checks cannot be asked
        self.fates: dict[str, str] = {}
        self.queue: list[tuple[Pod, ev.Event]] = []
        if good:
            self.lease.write(shape=SHAPE, good=good)
        self.pods = [Pod(self, f"web-{number}") for number in range(pods)]

    def offer(self, digest: str) -> None:
        for pod in self.pods:
            pod.offer(digest)

    def of(self, version: str) -> tuple[Pod, list[Pod]]:
        """The canary of a version, and the others."""
        canary = canary_of(self, version)
        return canary, [pod for pod in self.pods if pod is not canary]

    def until(self, end: float) -> None:
        """Let time pass; each deadline is told as the loop would."""
        for _ in range(2000):
            due, pod = min(
                (
                    (due, number)
                    for number, pod in enumerate(self.pods)
                    if (due := wake_at(pod.state, pod.policy)) is not None
                ),
                default=(end + 1, 0),
            )
            if due > end:
                break
            self.now = max(self.now, due)
            self.pods[pod].tell(ev.DeadlinePassed())
        else:
            raise AssertionError("a deadline that changes nothing")
        self.now = max(self.now, end)

    def seen(self) -> list[tuple[str, str]]:
        return [pod.seen for pod in self.pods]


def settled(pods: int = 3, **options: Any) -> Group:
    """A fleet at rest on version `a`, which is good; the time is 1000."""
    group = Group(pods, ("a",), **options)
    group.offer("a")
    group.until(1000.0)
    for pod in group.pods:
        pod.kept = ("a",)
        pod.orders.clear()
        pod.applied.clear()
    assert [("settled", "a")] * pods == group.seen()
    return group


def canary_of(group: Group, version: str) -> Pod:
    """The pod that has the trial of a version."""
    assert group.lease.ledger.trial == version, group.lease.ledger
    return next(pod for pod in group.pods if pod.name == group.lease.ledger.holder)
