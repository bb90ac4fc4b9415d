"""Plays histories into the machine: events at given times, and what was ordered."""

from __future__ import annotations

from typing import Any

from config_supervisor.core import events as ev
from config_supervisor.core.actions import Action, Apply, Mark
from config_supervisor.core.machine import step, wake_at
from config_supervisor.core.state import Policy, SourceState, State

TERM, HUP, INT, QUIT, KILL, CONT, STOP, TSTP = 15, 1, 2, 3, 9, 18, 19, 20


class App:
    """Plays events into the machine and keeps what it ordered."""

    def __init__(self, **policy: Any) -> None:
        self.policy = Policy(**policy)
        self.state = (
            State(sources=(SourceState("configmap a/b"),)) if self.policy.configured else State()
        )
        self.now = 0.0
        self.marked = 0  # times that marks were to be written down

    def at(self, now: float, *events: ev.Event) -> list[Action]:
        """The actions that follow from events at a time; those that write marks down stand in
        `marked` instead.
        """
        self.now = now
        ordered: list[Action] = []
        for event in events or (ev.DeadlinePassed(),):
            self.state, actions = step(self.state, event, now, self.policy)
            ordered += [action for action in actions if action != Mark()]
            self.marked += actions.count(Mark())
        return ordered

    def wakes_at(self) -> float | None:
        return wake_at(self.state, self.policy)


def started(now: float = 0.0, pid: int = 7, **policy: Any) -> App:
    app = App(**policy)
    app.at(now, ev.Began())
    app.at(now, ev.Started(pid))
    return app


def configured(now: float = 0.0, **policy: Any) -> App:
    """An app that runs on version `a`, which is good unless its readiness is to be told first."""
    app = App(configured=True, **policy)
    app.at(now, ev.Began())
    app.at(now, ev.ConfigOffered("a"), ev.ConfigApplied("a", files=2, size=10))
    app.at(now, ev.Started(7))
    prove(app)
    return app


def prove(app: App) -> None:
    """The app lives through the window of its first version."""
    if app.state.reloads.proven_at is not None:
        app.at(app.state.reloads.proven_at)


def changed(app: App, now: float, digest: str) -> list[Action]:
    """A new version is offered and, if that was ordered, applied."""
    ordered = app.at(now, ev.ConfigOffered(digest))
    if Apply() in ordered:
        ordered += app.at(now, ev.ConfigApplied(digest))
    return ordered


def rolled_back(app: App, now: float, digest: str) -> list[Action]:
    """The last good version is back in place."""
    return app.at(now, ev.ConfigApplied(digest, rolled_back=True))
