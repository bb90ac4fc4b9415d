"""A world around the conductor for services with a configuration each: sources, a disk, processes.

A version is called `SERVICE NUMBER KIND`; the kind decides its fate. Reports come after the time
that such work takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from config_supervisor.core import actions as act
from config_supervisor.core import events as ev
from config_supervisor.core.outcomes import ApplyFailure, Outcome
from config_supervisor.core.rollout_state import RolloutPolicy
from config_supervisor.core.service import Policy
from config_supervisor.core.source_states import SourceState
from config_supervisor.services import conductor, service_policy
from config_supervisor.services import plan as plans
from config_supervisor.services.conductor_state import AnswerOrder, Services
from config_supervisor.services.roster import roster
from config_supervisor.services.service_orders import ServiceOrder, Verb
from tests.unit.ensemble import HUP, KILL, TERM, planned, service

GOOD, INVALID, REFUSED, FATAL = "good", "invalid", "refused", "fatal"
KINDS = (GOOD, INVALID, REFUSED, FATAL)
_WORK, _START, _LIFE, _RELOAD = 0.05, 0.02, 0.1, 0.2  # seconds; a death falls into a reload
_OF_CONFIGURATION = (
    ev.ConfigOffered,
    ev.ConfigApplied,
    ev.ConfigFailed,
    ev.ConfigChecked,
    ev.ReloadFinished,
    ev.ReloadSignalled,
)
_MOST_TURNS = 20000


def kind_of(version: str) -> str:
    return version.rpartition(" ")[2]


class App:
    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.version = ""  # which it runs on


class ConfiguredWorld:
    def __init__(self, names: Sequence[str], rules: Sequence[RolloutPolicy]) -> None:
        endless = plans.Retries(None, plans.Pace.EXPONENTIAL)
        some = [service(name, startsecs=0, retries=endless) for name in names]
        policies = {
            one.identity: Policy(service_policy.life_policy(one), rule)
            for one, rule in zip(some, rules, strict=True)
        }
        sources = {name: (SourceState(f"configmap {name}"),) for name in names}
        self.state: Services = conductor.fresh(roster(planned(*some), policies, sources))
        self.now = 0.0
        self.newest: dict[str, str] = {}
        self.live: dict[str, str] = dict.fromkeys(names, "")
        self.apps: dict[str, App] = {}
        self.done: list[tuple[str, act.Action]] = []  # by service
        self._pid = 100
        self._number = 0
        self._due: list[tuple[float, Callable[[], None]]] = []
        self.tell(ev.Began())

    # --- steps ------------------------------------------------------------------------------------

    def offer(self, name: str, kind: str) -> str:
        self._number += 1
        version = f"{name} {self._number} {kind}"
        self.newest[name] = version
        self.tell(ev.ConfigOffered(version, service=name))
        return version

    def crash(self, name: str) -> None:
        if name in self.apps:
            self._ends(name, self.apps[name].pid, 1)

    def order(self, verb: Verb, name: str) -> None:
        self.tell(ServiceOrder(verb, (name,)))

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        for _ in range(_MOST_TURNS):
            wake = conductor.wake_at(self.state)
            times = [at for at, _ in self._due] + ([] if wake is None else [wake])
            due = min(times, default=until + 1)
            if due > until:
                self.now = until
                return
            self.now = max(self.now, due)
            ready = [one for one in self._due if one[0] <= self.now]
            self._due = [one for one in self._due if one[0] > self.now]
            for _, deed in ready:
                deed()
            self.tell(ev.DeadlinePassed())
        raise AssertionError("a deadline that never passes")

    def tell(self, event: ev.Event) -> None:
        self.state, orders = conductor.step(self.state, event, self.now)
        names = {getattr(order, "service", "") for order in orders}
        if isinstance(event, _OF_CONFIGURATION):
            assert names <= {event.service}, f"{event} touches {names}"
        for order in orders:
            assert isinstance(order, act.Action)
            self.done.append((getattr(order, "service", ""), order))
            self._perform(order)

    def _later(self, seconds: float, deed: Callable[[], None]) -> None:
        self._due.append((self.now + seconds, deed))

    # --- deeds ------------------------------------------------------------------------------------

    def _perform(self, order: act.Action) -> None:
        match order:
            case act.Spawn(name):
                self._fork(name)
            case act.Kill(signum, _, name) if signum in (TERM, KILL) and name in self.apps:
                pid = self.apps[name].pid
                self._later(_WORK, lambda: self._ends(name, pid, 128 + signum, signum))
            case act.KillLeftovers(service=name):
                self._later(0, lambda: self.tell(ev.NothingLeft(name)))
            case act.Apply(name):
                self._later(_WORK, lambda: self._apply(name))
            case act.Check(name):
                self._later(_WORK, lambda: self._check(name))
            case act.RollBack(version, name):
                self._later(_WORK, lambda: self._show(name, version, back=True))
            case act.SignalReload(attempt, _, _, name):
                self._take_up(name)
                sent = name in self.apps
                self._later(0, lambda: self.tell(ev.ReloadSignalled(attempt, sent, name)))
            case act.Reload(attempt, told, name):
                if not told:
                    self._take_up(name)
                self._later(_RELOAD, lambda: self._reloaded(name, attempt))
            case act.CancelReload(attempt, name):
                end = ev.ReloadFinished(attempt, Outcome.SUPERSEDED, service=name)
                self._later(0, lambda: self.tell(end))
            case AnswerOrder(reply, results):
                reply(results)

    def _fork(self, name: str) -> None:
        assert name not in self.apps, "two processes of a service"
        self._pid += 1
        app = self.apps[name] = App(self._pid)
        self.tell(ev.Forked(app.pid, service=name))
        self._later(_START, lambda: self._start(name, app))

    def _start(self, name: str, app: App) -> None:
        if self.apps.get(name) is app:
            self.tell(ev.Started(app.pid, service=name))
            self._take_up(name)

    def _take_up(self, name: str) -> None:
        app = self.apps.get(name)
        if app is None or kind_of(self.live[name]) == REFUSED:
            return
        app.version = self.live[name]
        if kind_of(app.version) == FATAL:
            self._later(_LIFE, lambda: self._ends(name, app.pid, 1))

    def _ends(self, name: str, pid: int, code: int, signum: int = 0) -> None:
        app = self.apps.get(name)
        if app is not None and app.pid == pid:
            del self.apps[name]
            self.tell(ev.Exited(pid, code, signum, name))

    def _apply(self, name: str) -> None:
        version = self.newest[name]
        if kind_of(version) == INVALID:
            self._refuse(name, version)
        else:
            self._show(name, version, back=False)

    def _check(self, name: str) -> None:
        version = self.newest[name]
        if kind_of(version) == INVALID:
            self._refuse(name, version)
        else:
            self.tell(ev.ConfigChecked(version, name))

    def _refuse(self, name: str, version: str) -> None:
        self.tell(ev.ConfigFailed(version, ApplyFailure.VALIDATE, "it is invalid", "", name))

    def _show(self, name: str, version: str, *, back: bool) -> None:
        before = self.live[name]
        self.live[name] = version
        self.tell(ev.ConfigApplied(version, rolled_back=back, previous=before, service=name))

    def _reloaded(self, name: str, attempt: int) -> None:
        member = self.state.members[name]
        if name not in self.apps or member.service.rollout is None:
            return
        target = member.service.rollout.reloads.target
        failed = self.apps[name].version != target
        outcome = Outcome.VERIFY if failed else Outcome.NONE
        self.tell(ev.ReloadFinished(attempt, outcome, "it is refused", self.now, service=name))

    # --- what is seen -----------------------------------------------------------------------------

    def done_for(self, name: str, kind: type[act.Action] = act.Action) -> list[act.Action]:
        return [order for whom, order in self.done if whom == name and isinstance(order, kind)]

    def runs_on(self, name: str) -> str:
        return self.apps[name].version if name in self.apps else ""


POLICIES = [
    RolloutPolicy(
        validate=True,
        verify=verify,
        reload_signal=0 if by_restart else HUP,
        restart_to_reload=by_restart,
        rollback=True,
        initial_sync_timeout=1e6,
    )
    for verify in (False, True)
    for by_restart in (False, True)
]
