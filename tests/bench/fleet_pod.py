"""A pod of the simulated fleet: the program's own rules, in virtual time.

Real are the pauses and their jitter (`RetryPace`), the meaning of a failure and of Retry-After
(`failed_try`), the timings, and the rules for start, versions and reloads (`service.step`).
Imitated is the order of WatchList, list, watch and pause, because the real code blocks a thread;
`tests/unit/test_fleet.py` compares it with the real `KubernetesSource`. Must not know of the fleet.
"""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from config_supervisor.core import events as ev
from config_supervisor.core import service
from config_supervisor.core.actions import Action, Apply, Recover, Reload, Spawn
from config_supervisor.core.life_state import Ended
from config_supervisor.core.rollout_state import Rollout, RolloutPolicy
from config_supervisor.core.service import Policy, Service
from config_supervisor.sources.interface import Label, RestartReason
from config_supervisor.sources.kubernetes.api_errors import FailedTry, failed_try
from config_supervisor.sources.kubernetes.retry_pace import RetryPace, Timing, Tried, watch_seconds
from config_supervisor.sources.kubernetes.watch_list import Choice, Memory, Way
from tests.bench.fleet_server import Agenda, ApiServer, Capacity, HttpError, Tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from config_supervisor.sources.kubernetes.api_client import ApiClient

CLIENT = cast(
    "ApiClient", SimpleNamespace(url="https://api", hint="", user=lambda: "", credential=lambda: "")
)
LABEL = Label("configmap", "production", "web")
# Assumptions about all other durations, in seconds.
IMPORTS = (0.4, 1.4)  # from the container's start to the first request: with a CPU, with half
APPLY = 0.003  # to write and swap a version of some files
RELOAD = 5.1  # a reload by signal and its window
# The kubelet's pause before it starts a failed container again, doubling.
CRASH_FIRST = 10.0
CRASH_MOST = 300.0


@dataclass
class World:
    """Everything shared by pods."""

    capacity: Capacity = field(default_factory=Capacity)
    timing: Timing = field(default_factory=Timing)
    rules: RolloutPolicy = field(default_factory=RolloutPolicy)

    def __post_init__(self) -> None:
        self.policy = Policy(rollout=self.rules)
        self.agenda = Agenda()
        self.tally = Tally()
        self.server = ApiServer(self.agenda, self.tally, self.capacity)


class Follower:
    """Follows the object as `KubernetesSource.run` does, and offers each new content."""

    def __init__(
        self, world: World, offer: Callable[[int], None], due: float | None = None
    ) -> None:
        self._world = world
        self._offer = offer
        self._pace = RetryPace(world.timing, due)
        self._known = 0
        self._fresh = True  # the next request needs a new connection
        self._began = 0.0
        self._read = self._watching = False
        self._memory = Memory()
        self._choice = Choice(self._memory)
        self._way = Way.WATCH_LIST
        self._turn = 0  # counts tries; plans of an earlier try are void

    def start(self) -> None:
        now = self._world.agenda.now
        self._began = now
        self._read = self._watching = False
        self._way = self._choice.way(CLIENT.url, now, self._pace.spare(now))
        if self._way is Way.LIST:
            self._list()
            return
        seconds = watch_seconds(self._world.timing)
        self._request("stream", functools.partial(self._streamed, seconds), self._unstreamed)

    def stop(self) -> None:
        self._turn = -1
        self._world.server.watchers.pop(self, None)

    def changed(self, version: int) -> None:
        if version > self._known:
            self._known = version
            self._offer(version)

    def lost(self, error: Exception) -> None:
        self._ended(self._turn, error)

    def _request(
        self,
        kind: str,
        then: Callable[[], None],
        instead: Callable[[Exception], bool] = lambda _: False,
    ) -> None:
        """`instead`: what else to do after an error; False ends the try."""
        connect = self._world.timing.connect if self._fresh else None
        answered = functools.partial(self._answered, self._turn, then, instead)
        self._world.server.request(kind, answered, connect=connect)

    def _answered(
        self,
        turn: int,
        then: Callable[[], None],
        instead: Callable[[Exception], bool],
        error: Exception | None,
    ) -> None:
        if turn != self._turn:
            return
        if error is None:
            self._fresh = False
            then()
        elif not instead(error):
            self._ended(turn, error)

    def _streamed(self, seconds: int) -> None:
        self._established()
        self._watch(seconds)

    def _unstreamed(self, error: Exception) -> bool:
        failed = _failed_try(error)
        hurry = self._pace.spare(self._world.agenda.now) < float("inf")
        at_once = self._choice.no_stream(failed, hurry=hurry)
        if at_once:
            self._fresh = not failed.status
            self._way = Way.LIST
            self._list()
        return at_once

    def _list(self) -> None:
        self._request("list", self._listed)

    def _listed(self) -> None:
        self.changed(self._world.server.version)
        seconds = watch_seconds(self._world.timing)
        self._read = True
        self._request("watch", functools.partial(self._watched, seconds))

    def _watched(self, seconds: int) -> None:
        self._established()
        self._watch(seconds)  # it begins with the events since the list

    def _established(self) -> None:
        self._read = self._watching = True
        self._choice.established(self._way, CLIENT.url, self._world.agenda.now)

    def _watch(self, seconds: int) -> None:
        self._world.server.watch(self)
        self.changed(self._world.server.version)
        self._world.agenda.after(seconds, self._ended, self._turn, None)

    def _ended(self, turn: int, error: Exception | None) -> None:
        if turn != self._turn:
            return
        self._world.server.watchers.pop(self, None)
        fault = _failed_try(error) if error else None
        tried = Tried(self._began, self._world.agenda.now, self._read, fault)
        if fault is not None:
            self._learn(fault)
        delay = self._pace.after(tried)
        if fault is not None and not fault.status:
            self._fresh = True  # after a refusal the connection is kept
        self._turn += 1
        self._world.agenda.after(delay, self._again, self._turn)

    def _learn(self, fault: FailedTry) -> None:
        if self._way is Way.LIST and not self._watching:
            self._choice.no_list(fault, listed=self._read)
        if fault.restart is RestartReason.CONNECTION and fault.unsent:
            self._memory.forget(CLIENT.url)
        elif fault.restart is RestartReason.CONNECTION and self._watching:
            self._memory.broke(CLIENT.url, self._world.agenda.now)

    def _again(self, turn: int) -> None:
        if turn == self._turn:
            self.start()


class Pod:
    """A container with the program: the kubelet starts it again when it ends."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._crashes = 0
        self._boot()

    def _boot(self) -> None:
        self._state = Service(rollout=Rollout())
        self._version = 0
        due = self._world.agenda.now + self._world.rules.initial_sync_timeout
        self._follower = Follower(self._world, self._offered, due)
        self._step(ev.Began())
        self._world.agenda.after(random.uniform(*IMPORTS), self._follower.start)

    def _offered(self, version: int) -> None:
        self._version = version
        self._step(ev.ConfigOffered(str(version), random.random()))

    def _step(self, event: ev.Event) -> None:
        now = self._world.agenda.now
        self._state, actions = service.step(self._state, event, now, self._world.policy)
        for action in actions:
            self._perform(action)
        if (wake := service.wake_at(self._state, self._world.policy)) is not None:
            self._world.agenda.after(max(0.0, wake - now), self._wake, self._state)

    def _wake(self, state: Service) -> None:
        if state is self._state:
            self._step(ev.DeadlinePassed())

    def _perform(self, action: Action | Ended) -> None:
        agenda = self._world.agenda
        tally = self._world.tally
        match action:
            case Apply():
                self._report(APPLY, ev.ConfigApplied(str(self._version)))
            case Spawn():
                tally.mark(f"version {self._version}", agenda.now)
                self._report(0.0, ev.Started(1))
            case Reload(attempt):
                tally.mark(f"version {self._version}", agenda.now)
                tally.count("reload", agenda.now)
                self._report(RELOAD, ev.ReloadFinished(attempt))
            case Recover():
                self._report(0.0, ev.ConfigFailed("", "no_generation", "nothing there"))
            case Ended():
                tally.count("exit", agenda.now)
                self._follower.stop()
                agenda.after(min(CRASH_FIRST * 2**self._crashes, CRASH_MOST), self._boot)
                self._crashes += 1

    def _report(self, delay: float, event: ev.Event) -> None:
        """Report the end of an action later, unless the container has ended by then."""
        self._world.agenda.after(delay, self._reported, self._crashes, event)

    def _reported(self, crashes: int, event: ev.Event) -> None:
        if crashes == self._crashes:
            self._step(event)


_FAILED_TRIES: dict[str, FailedTry] = {}


def _failed_try(error: Exception) -> FailedTry:
    """The program's reading of a failure; kept for each kind, since it takes 50 microseconds."""
    kind = repr(error)
    if isinstance(error, HttpError):
        kind += error.headers.get("Retry-After", "")
    if kind not in _FAILED_TRIES:
        _FAILED_TRIES[kind] = failed_try(error, CLIENT, LABEL)
    return _FAILED_TRIES[kind]
