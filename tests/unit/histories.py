"""The driver of the core: plays events into a service at given times, and keeps its orders."""

from __future__ import annotations

from typing import Any

from config_supervisor.core import events as ev
from config_supervisor.core import health
from config_supervisor.core.actions import Action, Apply, CancelReload, Mark
from config_supervisor.core.life_state import Ended, Life, LifePolicy
from config_supervisor.core.reloads import Reloads, Stage
from config_supervisor.core.rollout_state import Rollout, RolloutPolicy
from config_supervisor.core.service import Policy, Service, step, wake_at
from config_supervisor.core.source_states import SourceState
from config_supervisor.core.versions import Pace, Versions

TERM, HUP, INT, QUIT, KILL, CONT, STOP, TSTP = 15, 1, 2, 3, 9, 18, 19, 20

Orders = list[Action | Ended]

_PACE = {"reload_interval": "interval", "reload_quiet": "quiet", "reload_splay": "splay"}


def chosen(*, configured: bool = False, **options: Any) -> Policy:
    """The policy of options, as the command line has them; a rollout where it is `configured`."""
    if "reload_timeout" in options:
        options["ready_timeout"] = options["reload_timeout"]
    life = {name: options[name] for name in LifePolicy.__match_args__ if name in options}
    life.setdefault("early_signals", not configured)
    rollout = {name: options[name] for name in RolloutPolicy.__match_args__ if name in options}
    pace = {_PACE[name]: options[name] for name in _PACE if name in options}
    unknown = options.keys() - life.keys() - rollout.keys() - _PACE.keys()
    if unknown:
        raise TypeError(f"no option has these names: {unknown}")
    rules = RolloutPolicy(pace=Pace(**pace), **rollout)
    return Policy(LifePolicy(**life), rules if configured else None)


def fresh(policy: Policy) -> Service:
    """A service before its first event."""
    if policy.rollout is None:
        return Service()
    return Service(rollout=Rollout(), sources=(SourceState("configmap a/b"),))


class Records:
    """The records of a service by name."""

    state: Service

    @property
    def life(self) -> Life:
        return self.state.life

    @property
    def rollout(self) -> Rollout:
        return self.state.rollout or Rollout()

    @property
    def versions(self) -> Versions:
        return self.rollout.versions

    @property
    def reloads(self) -> Reloads:
        return self.rollout.reloads


class App(Records):
    """A service, and the orders after its events."""

    def __init__(self, **options: Any) -> None:
        self.policy = chosen(**options)
        self.state = fresh(self.policy)
        self.now = 0.0
        self.marked = 0  # orders to write the marks down

    @property
    def phase(self) -> str:
        """The phase as people see it."""
        return health.phase(self.state)

    def at(self, now: float, *events: ev.Event) -> Orders:
        """The orders after events at a time; orders to write marks down count in `marked`."""
        self.now = now
        ordered: Orders = []
        for event in events or (ev.DeadlinePassed(),):
            self.state, orders = step(self.state, event, now, self.policy)
            ordered += [order for order in orders if order != Mark()]
            self.marked += orders.count(Mark())
        return ordered

    def cancel(self) -> CancelReload:
        """The order to end the current reload."""
        return CancelReload(self.reloads.number)

    def wakes_at(self) -> float | None:
        return wake_at(self.state, self.policy)


def started(now: float = 0.0, pid: int = 7, **options: Any) -> App:
    app = App(**options)
    app.at(now, ev.Began())
    app.at(now, ev.Started(pid))
    return app


def configured(now: float = 0.0, **options: Any) -> App:
    """An app on version `a`, which is good unless a readiness check comes first."""
    app = App(configured=True, **options)
    app.at(now, ev.Began())
    app.at(now, ev.ConfigOffered("a"), ev.ConfigApplied("a", files=2, size=10))
    app.at(now, ev.Started(7))
    prove(app)
    return app


def prove(app: App) -> None:
    """The app lives through the window of its first version."""
    if app.reloads.stage is Stage.PROVING and app.reloads.deadline is not None:
        app.at(app.reloads.deadline)


def changed(app: App, now: float, digest: str) -> Orders:
    """A new version is offered and, on order, applied."""
    ordered = app.at(now, ev.ConfigOffered(digest))
    if Apply() in ordered:
        ordered += app.at(now, ev.ConfigApplied(digest))
    return ordered


def rolled_back(app: App, now: float, digest: str) -> Orders:
    """The last good version is back in place."""
    return app.at(now, ev.ConfigApplied(digest, rolled_back=True))
