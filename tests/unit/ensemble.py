"""An honest world around the conductor, for histories: processes, a clock, clients, and laws.

Processes end once, obey their stop signal unless they are deaf, and always obey KILL. The laws
about every order stand here; they use what the world has seen, not the state of the conductor.
"""

from __future__ import annotations

from typing import Any

from config_supervisor.core import events as ev
from config_supervisor.core.actions import Action, Kill, KillLeftovers, Spawn, WaitReady
from config_supervisor.core.life_state import Ended
from config_supervisor.services import conductor, event_payloads, plan_graph, service_journal
from config_supervisor.services import plan as plans
from config_supervisor.services.conductor_state import (
    AnswerOrder,
    Over,
    PlanRead,
    ReadPlan,
    Services,
    StopAllOrdered,
    UpdateOrdered,
)
from config_supervisor.services.conductor_turn import Turn
from config_supervisor.services.roster import Roster, roster
from config_supervisor.services.service_orders import OrderResult, ServiceOrder, Verb
from config_supervisor.services.supervisord_lines import lines
from config_supervisor.services.supervisord_states import State, state_of
from tests.unit.event_chain import EventChain

TERM, KILL, HUP, INT, QUIT, USR1, USR2 = 15, 9, 1, 2, 3, 10, 12
SLACK = 1e-6
_MOST_TURNS = 5000  # of one wait: more is a loop without progress


def service(name: str, *, group: str = "", **fields: Any) -> plans.Service:
    needs = tuple(
        plans.Dependency(*one) if isinstance(one, tuple) else plans.Dependency(one)
        for one in fields.pop("depends_on", ())
    )
    command = fields.pop("command", name)
    kind = fields.pop("kind", plans.Kind.PROGRAM)
    return plans.Service(
        name=name,
        group=group or name,
        program=name,
        kind=kind,
        command=command,
        words=(command,),
        depends_on=needs,
        **fields,
    )


def planned(
    *services: plans.Service,
    compatible: bool = False,
    budget: float | None = None,
    priorities: dict[str, int] | None = None,
) -> plans.Plan:
    members: dict[str, list[plans.Service]] = {}
    for one in services:
        members.setdefault(one.group, []).append(one)
    ranks = priorities or {}
    groups = [
        plans.Group(
            name, members[name][0].kind, ranks.get(name, plans.PRIORITY), tuple(members[name])
        )
        for name in members
    ]
    groups.sort(key=lambda group: group.priority)
    main = plans.Main(stop_budget=budget)
    return plans.Plan(main, tuple(groups), follows_supervisord=compatible)


class Process:
    def __init__(self, pid: int, began: float) -> None:
        self.pid = pid
        self.began = began
        self.runs = False  # its program, after exec
        self.deaf = False
        self.told_at: float | None = None  # to stop
        self.ready = False


class Ensemble:
    """The world, its services, and all that was ordered."""

    def __init__(self, *services: plans.Service, **options: Any) -> None:
        self._coming: list[tuple[Roster, plans.Plan]] = []  # of updates
        plan = planned(*services, **options)
        self.take(roster(plan), plan)
        self.state: Services = conductor.fresh(self.roster)
        self.now = 0.0
        self.next_pid = 10
        self.processes: dict[str, Process] = {}
        self.ended: dict[str, tuple[int, int, float]] = {}  # code, signal, how long it ran
        self.done: list[tuple[float, Action]] = []
        self.starts: list[tuple[float, str]] = []
        self.log: list[str] = []  # in the words of supervisord
        self.journal: list[str] = []  # in ours
        self.chain = EventChain()  # for listeners
        self.outcomes: list[str] = []  # of the next starts: missing, slow
        self.deaf_ones: set[str] = set()
        self.undying: set[str] = set()  # not even KILL ends these, as in a hung mount
        self.leaving: set[str] = set()  # services whose leftovers stay until KILL
        self.answers: list[tuple[OrderResult, ...]] = []
        self.asked = 0
        self.code: int | None = None
        self.over_at = 0.0
        self.stops_at: float | None = None  # since when all is to stop
        self._waiting: list[ev.Event] = []

    def take(self, roster_: Roster, plan: plans.Plan) -> None:
        self.plan = plan
        self.roster = roster_
        self.graph = plan_graph.graph_of(plan)
        self.as_supervisord = plan.follows_supervisord and all(
            one.retries.pace is plans.Pace.LINEAR for one in plan.services
        )

    # --- events -----------------------------------------------------------------------------------

    def tell(self, *events: ev.Event) -> list[Action | Ended]:
        """The orders after events, which are performed; reports of processes follow."""
        ordered: list[Action | Ended] = []
        for event in events:
            ordered += self._step(event)
        while self._waiting:
            ordered += self._step(self._waiting.pop(0))
        return ordered

    def _step(self, event: ev.Event) -> tuple[Action | Ended, ...]:
        if isinstance(event, ev.Started):
            process = self.processes.get(event.service)
            if process is None or process.pid != event.pid:
                return ()  # it was killed before
            process.runs = True
            process.began = self.now
        before = self.state
        self.state, orders = conductor.step(before, event, self.now)
        written = lines(event, before, self.state, orders)
        self.log += [f"{level} {text}" for level, text in written if level != "DEBG"]
        ours = service_journal.lines(event, before, self.state, orders, self.now)
        self.journal += [f"{level}: {text}" for level, text, _ in ours if level != "debug"]
        made = event_payloads.of_step(event, before, self.state)
        self.chain.take(made, strict=self.as_supervisord)
        for new, plan in self._coming:
            if new is self.state.roster:
                self.take(new, plan)
        if self.state.stopping is None:
            self.stops_at = None
        elif self.stops_at is None:
            self.stops_at = self.now
        for order in orders:
            assert not isinstance(order, Ended), "the end of a life leaves the conductor"
            self.done.append((self.now, order))
            self._perform(order)
        self._look_for_more()
        return orders

    def _look_for_more(self) -> None:
        """Level-triggered: another look at everything finds nothing to do."""
        if self.state.code is not None:
            return
        turn = Turn(self.state, self.now)
        turn.look_at(self.state.members)
        turn.conduct()
        assert () == turn.result()[1], "a change was left behind"

    def at(self, now: float, *events: ev.Event) -> list[Action | Ended]:
        """The orders until that time, and after events at that time."""
        return [*self.wait(now - self.now), *self.tell(*events)]

    def wait(self, seconds: float) -> list[Action | Ended]:
        until = self.now + seconds
        ordered: list[Action | Ended] = []
        for _ in range(_MOST_TURNS):
            due = conductor.wake_at(self.state)
            if due is None or due > until:
                self.now = max(self.now, until)
                return ordered
            self.now = max(self.now, due)
            ordered += self.tell(ev.DeadlinePassed())
        raise AssertionError(f"a deadline that never passes: {self.state.wakes}")

    # --- orders performed -------------------------------------------------------------------------

    def _perform(self, order: Action) -> None:
        match order:
            case Spawn(name):
                self._check_start(name)
                self._spawn(name)
            case Kill(signum, _, name):
                self._kill(name, signum)
            case KillLeftovers(signum, everything, _, name):
                assert not everything, "the container is not ending yet"
                if name not in self.leaving or signum == KILL:
                    self._waiting.append(ev.NothingLeft(name))
            case WaitReady(pid, name):
                assert self.processes[name].pid == pid
            case AnswerOrder(reply, results):
                reply(results)
            case ReadPlan():
                assert not self.processes, "the plan is read again before all are down"
                self._waiting.append(PlanRead(self.roster))
            case Over(code):
                self.code = code
                self.over_at = self.now

    def _spawn(self, name: str) -> None:
        self.starts.append((self.now, name))
        outcome = self.outcomes.pop(0) if self.outcomes else "runs"
        if outcome == "missing":
            self.ended[name] = 127, 0, 0.0
            error = f"can't find command '{self.roster.places[name].service.command}'"
            self._waiting.append(ev.StartFailed(127, error, service=name))
            return
        process = Process(self.next_pid, self.now)
        process.deaf = name in self.deaf_ones
        self.next_pid += 1
        self.processes[name] = process
        self._waiting.append(ev.Forked(process.pid, service=name))
        if outcome != "slow":
            self._waiting.append(self._executed(name))

    def _executed(self, name: str) -> ev.Event:
        process = self.processes[name]
        return ev.Started(process.pid, service=name)

    def _kill(self, name: str, signum: int) -> None:
        process = self.processes.get(name)
        failed = [one for one in self._waiting if isinstance(one, ev.StartFailed)]
        if process is None and any(one.service == name for one in failed):
            return  # ordered in the turn of its start, which failed
        assert process is not None, "a signal without a process"
        one = self.roster.places[name].service
        if signum == KILL:
            self._check_kill(name, process)
            if name in self.undying:
                return
            self._ends(name, 128 + KILL, KILL)
        elif signum == one.stopsignal and self._told_to_stop(name):
            if process.told_at is None:
                process.told_at = self.now
                self._check_stop(name)
            if not process.deaf:
                self._ends(name, 128 + signum, signum)

    def _told_to_stop(self, name: str) -> bool:
        return self.state.members[name].life.ordered

    def _ends(self, name: str, code: int, signum: int = 0) -> None:
        process = self.processes.pop(name)
        if process.runs:
            self.ended[name] = code, signum, self.now - process.began
        self._waiting.append(ev.Exited(process.pid, code, signum, name))

    # --- laws -------------------------------------------------------------------------------------

    def _check_start(self, name: str) -> None:
        assert self.code is None, "a start after the end"
        assert self.stops_at is None, "a start during a shutdown"
        assert name not in self.processes, "two processes of a service"
        for need in self.roster.places[name].service.depends_on:
            assert self._at(need), f"{name} starts before {need.service} is {need.condition}"

    def _at(self, need: plans.Dependency) -> bool:
        process = self.processes.get(need.service)
        place = self.roster.places.get(need.service)
        if place is None:
            return False
        one = place.service
        code, signum, ran = self.ended.get(need.service, (-1, 0, 0.0))
        completed = process is None and not signum and code in one.exitcodes
        completed = completed and ran >= one.startsecs - SLACK
        if need.condition is plans.Condition.TRIED and process is None:
            return need.service in self.ended
        if need.condition is plans.Condition.COMPLETED or (one.oneshot and completed):
            return completed
        if process is None or not process.runs or process.told_at is not None:
            return False
        if need.condition is plans.Condition.STARTED:
            return True
        if one.oneshot:
            return False
        settled = self.now - process.began >= one.startsecs - SLACK
        return settled and (process.ready or not one.readiness.check)

    def _check_stop(self, name: str) -> None:
        if self.stops_at is None:
            return
        for other in plan_graph.dependents(self.graph, name):
            assert other not in self.processes, f"{name} stops before {other}"

    def _check_kill(self, name: str, process: Process) -> None:
        if not process.runs:
            return  # nothing of it has to end well
        assert process.told_at is not None, "KILL before the stop signal"
        waited = self.now - process.told_at
        patience = self.roster.places[name].service.stopwaitsecs
        enough = patience is not None and waited >= patience - SLACK
        budget = self.roster.stop_budget
        if enough or budget is None or self.stops_at is None:
            assert enough, f"KILL after {waited}s"
            return
        left = self.stops_at + budget - self.now
        assert left <= budget / 2 + (self.roster.tiers * 1.0) + SLACK, "KILL before its time"
        assert left >= -SLACK, "KILL after the budget"

    # --- steps of a history -----------------------------------------------------------------------

    def begin(self) -> Ensemble:
        self.tell(ev.Began())
        return self

    def exit(self, name: str, code: int = 0, signum: int = 0) -> list[Action | Ended]:
        self._ends(name, 128 + signum if signum else code, signum)
        return self.tell()

    def execute(self, name: str) -> None:
        self.tell(self._executed(name))

    def is_ready(self, name: str) -> None:
        process = self.processes[name]
        process.ready = True
        self.tell(ev.AppReady(process.pid, service=name))

    def order(self, verb: Verb, *names: str, **fields: Any) -> list[Action | Ended]:
        self.asked += 1
        return self.tell(ServiceOrder(verb, names, self.answers.append, **fields))

    def stop_all(self, *, restart: bool = False) -> list[Action | Ended]:
        return self.tell(StopAllOrdered(restart))

    def update(self, plan: plans.Plan) -> list[Action | Ended]:
        self.asked += 1
        new = roster(plan)
        self._coming.append((new, plan))
        return self.tell(UpdateOrdered(new, self.answers.append))

    # --- what is seen -----------------------------------------------------------------------------

    def states(self) -> dict[str, State]:
        return {name: state_of(member) for name, member in self.state.members.items()}

    def shows(self, name: str) -> State:
        return self.states()[name]

    def running(self) -> list[str]:
        return sorted(self.processes)

    def results(self) -> list[str]:
        """The last answer, a word for each service."""
        return [one.answer.value for one in self.answers[-1]]


def spawned(orders: list[Action | Ended]) -> list[str]:
    return [one.service for one in orders if isinstance(one, Spawn)]


def killed(orders: list[Action | Ended], signum: int = TERM) -> list[str]:
    return [one.service for one in orders if isinstance(one, Kill) and one.signum == signum]
