"""The loop: inbox, step, perform; a single deadline. It owns no policy and makes no decision."""

from __future__ import annotations

import time

from ..core import actions as act
from ..core import events as ev
from ..core import service as rules
from ..core.errors import CANNOT_RUN, RulesFailed, SpawnError
from ..core.life_state import Ended
from ..core.primitives import partial
from ..core.record import Record
from . import log, signals, threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from ..core.service import Policy, Service
    from ..process.children import Processes
    from ..process.spawning import Command
    from .inbox import Inbox
    from .protocols import FleetDeeds, Observer, Order, Readiness, Reloader, Rules, Sync

    Commands = Callable[[str], Command]  # of a service, by its name; raises SpawnError

_AGAIN = 1.0  # seconds between two tries to start a thread, or to see the children
_PAUSE = 0.1  # seconds after a failed wait
# Events that the rules must not miss: the app's end, or a stop, would go unseen.
_VITAL = (
    ev.Began,
    ev.SignalReceived,
    ev.Forked,
    ev.StartFailed,
    ev.Exited,
    ev.NothingLeft,
    ev.DeadlinePassed,
)


class Current:
    """The service as it is now: the loop replaces it, never changes it, and any thread reads it."""

    def __init__(self, state: Any, policy: Policy) -> None:
        self.state: Service = state
        self.policy = policy


class Parts(Record):
    """Everything beside the loop and its processes; a bare init has an observer."""

    sync: Sync | None = None
    reload: Reloader | None = None
    readiness: Readiness | None = None
    fleet: FleetDeeds | None = None
    observers: tuple[Observer, ...] = ()
    at_end: tuple[Callable[[], None], ...] = ()  # called when the service has ended


class Loop:
    """Runs a service to its end. A role of several services has other rules, and more deeds."""

    rules: Rules = rules

    def __init__(
        self, inbox: Inbox, processes: Processes, commands: Commands, current: Current, parts: Parts
    ) -> None:
        self.inbox = inbox
        self.processes = processes
        self._commands = commands
        self.current = current
        self._parts = parts
        self.policy = current.policy
        self.faults = log.Faults()
        self._ended: Ended | None = None
        self._hooks: dict[int, Callable[[ev.HookReport], None]] = {}
        self._not_begun: list[tuple[Callable[[], object], str]] = []  # until a thread can be had
        self._again_at: float | None = None  # when to look at the children once more
        self._deeds = self._table()
        # The rules are pure: while the service stays the same, so do its deadline and its answer
        # to a signal that changes nothing. Most signals meet a service at rest.
        self._same: Service | None = None
        self._deadline: float | None = None
        self._answers: dict[int, tuple[Order, ...]] = {}

    def run(self) -> int:
        """Start the app, see it to its end, return the exit code."""
        try:
            # A TERM that came first means: do not start.
            for event in (*self.inbox.pending(), ev.Began()):
                self.handle(event)
            while self._ended is None:
                self._turn()
            code = self._ended.code
        except RulesFailed as failure:
            code = self.run_without_rules(failure.event)
        self.processes.kill_hooks()
        for clean_up in self._parts.at_end:
            self._try("clean up", clean_up)
        return code

    def run_without_rules(self, event: ev.Event | None) -> int:
        from .last_resort import LastResort

        return LastResort(self).run(event)

    def _turn(self) -> None:
        due = self._due()
        events = self.arrived(due)
        self._look()  # first: a program that runs by now takes the signals
        for event in events:
            self.handle(event)
        if due is not None:
            self._pass(due)
        self._look()
        if self._not_begun:
            self._begin_again()

    def _pass(self, due: float) -> None:
        """Do the work of a time that has come."""
        now = time.monotonic()
        if self._again_at is not None and now >= self._again_at:
            self._again_at = None
            self.handle(ev.ChildrenChanged())
        if now >= due:
            self.handle(ev.DeadlinePassed())

    def _due(self) -> float | None:
        if self.current.state is not self._same:
            self._meet(self.current.state)
        look_at = self.processes.look_at()
        if look_at is None and self._again_at is None and not self._not_begun:
            return self._deadline
        begin_at = time.monotonic() + _AGAIN if self._not_begun else None
        times = (self._deadline, begin_at, self._again_at, look_at)
        return min((one for one in times if one is not None), default=None)

    def _meet(self, service: Service) -> None:
        """Forget the answers about an earlier service, and ask for the next deadline."""
        try:
            self._deadline = self.rules.wake_at(service, self.policy)
        except Exception as error:
            self.faults.say("tell the next deadline", error)
            raise RulesFailed(None) from error
        self._same = service
        self._answers = {}

    def arrived(self, due: float | None) -> Sequence[ev.Event]:
        """The events until that time."""
        try:
            return self.inbox.wait(None if due is None else due - time.monotonic())
        except OSError as error:
            self.faults.say("wait for signals", error)
            time.sleep(_PAUSE)  # so that a lasting error does not spin
            return [ev.ChildrenChanged()]

    def handle(self, event: ev.Event) -> None:
        """A turn; the reports of its actions are handled before the inbox is read again."""
        if isinstance(event, ev.SignalReceived):
            self._step(event)
        elif isinstance(event, ev.ChildrenChanged):
            self._look()
            for one in self.reaped():
                self.handle(one)
        elif not self.served(event):
            self._step(event)

    def reaped(self) -> Iterator[ev.Event]:
        """The ends of our children."""
        try:
            yield from self.processes.reap()
        except OSError as error:
            self.faults.say("look for processes that have ended", error)
            self._again_at = time.monotonic() + _AGAIN

    def _look(self) -> None:
        for event in self.processes.look():
            self.handle(event)

    def served(self, event: ev.Event) -> bool:
        """Serve an event of a thread that needs no rules; whether the rules have no part in it."""
        match event:
            case ev.HookOrdered():
                self._start_hook(event)
            case ev.HookAbandoned(pid):
                self._try("end a hook", partial(self.processes.kill_hook, pid))
            case ev.HookExited(pid, code, error):
                self._try("end what a hook left behind", partial(self.processes.end_strays, pid))
                report = self._hooks.pop(pid, None)
                if report is not None:
                    self._try(
                        "report a hook's end", partial(report, ev.HookReport(pid, code, error))
                    )
            case ev.Probed(reply):
                self._try("answer a probe", reply)
                return False
            case _:
                return False
        return True

    def _step(self, event: ev.Event) -> None:
        before = self.current.state
        orders = self._ask(event, before)
        if orders is None:
            return
        # First the deed: a signal is on its way before it is counted or logged.
        reports = [report for action in orders if (report := self.perform(action)) is not None]
        for observe in self._parts.observers:
            try:
                observe(event, before, self.current.state, orders)
            except Exception as error:  # no failure of metrics or log may end the app
                self.faults.say(f"observe {type(event).__name__}", error)
        for report in reports:
            self.handle(report)

    def _ask(self, event: ev.Event, before: Service) -> tuple[Order, ...] | None:
        """Replace the service by the rules; their orders, None if they failed."""
        signum = 0
        if isinstance(event, ev.SignalReceived) and before is self._same:
            signum = event.signum
            if signum in self._answers:
                return self._answers[signum]
        try:
            after, orders = self.rules.step(before, event, time.monotonic(), self.policy)
        except Exception as error:
            self.faults.say(f"handle {type(event).__name__}", error)
            if isinstance(event, _VITAL):
                raise RulesFailed(event) from error
            return None
        self.current.state = after
        if signum and after is before:
            self._answers[signum] = orders
        return orders

    def perform(self, action: Order) -> ev.Event | None:
        """Perform an action; an error stays in it, and its report is a failure."""
        deed = self._deeds.get(type(action))
        if deed is None:
            return None
        try:
            return deed(action)
        except Exception as error:  # the outer edge of an action: the app goes on
            why = self.faults.say(_deed(action), error)
            return _failure(action, why, self.service(action))

    def service(self, _: Order) -> Service:
        """The service that an order is about."""
        return self.current.state

    def _table(self) -> dict[type[Order], Callable[[Any], ev.Event | None]]:
        """The deed for each order; none for parts that the role lacks."""
        own: dict[type[Order], Callable[[Any], ev.Event | None]] = {
            Ended: self._end,
            act.Kill: self._kill,
            act.KillOther: lambda order: self.processes.kill_other(order.pid, order.signum),
            act.KillLeftovers: self._kill_leftovers,
            act.Spawn: self._spawn,
            act.Suspend: lambda _: self.processes.suspend_ourselves(),
            act.TakeForeground: lambda order: self.processes.take_foreground(order.service),
            act.SignalReload: self._signal_reload,
            act.Reply: lambda order: order.event.reply(order.sent),
            act.Answer: lambda order: order.event.reply(order.settled),
        }
        return {**own, **self._of_parts()}

    def _of_parts(self) -> dict[type[Order], Callable[[Any], ev.Event | None]]:
        deeds: dict[type[Order], Callable[[Any], ev.Event | None]] = {}
        if (sync := self._parts.sync) is not None:
            deeds |= {
                act.Apply: lambda order: self._apply(sync, order),
                act.Check: lambda o: self._begin(partial(sync.check, o.version), "check"),
                act.Mark: lambda _: self._begin(sync.mark, "marks"),
                act.Recover: lambda o: self._begin(partial(sync.recover, o), "recover"),
                act.ReadClock: lambda order: ev.ClockRead(time.time(), order.service),
                act.RollBack: lambda o: self._begin(partial(sync.roll_back, o.digest), "roll back"),
            }
        if (readiness := self._parts.readiness) is not None:
            deeds[act.WaitReady] = lambda o: self._begin(partial(readiness.wait, o.pid), "ready")
        if (reload := self._parts.reload) is not None:
            deeds[act.Reload] = lambda order: self._begin_reload(reload, order)
            deeds[act.CancelReload] = lambda order: reload.cancel(order.attempt)
        if (fleet := self._parts.fleet) is not None:
            deeds |= dict.fromkeys(fleet.orders, fleet.perform)
        return deeds

    def _end(self, ended: Ended) -> None:
        self._ended = ended

    def _kill(self, order: act.Kill) -> None:
        self.processes.kill(order.service, order.signum, group=order.group)

    def _kill_leftovers(self, order: act.KillLeftovers) -> ev.Event | None:
        return self.processes.kill_leftovers(
            order.service, order.signum, everything=order.everything, told=order.told
        )

    def _apply(self, sync: Sync, order: act.Apply) -> None:
        if not sync.apply_at_once(order.version):
            self._begin(partial(sync.apply, order.version), "apply")

    def _begin_reload(self, reload: Reloader, order: act.Reload) -> None:
        pid = self.service(order).life.pid
        self._begin(partial(self._reload, reload, order, pid), "reload")

    def _try(self, what: str, deed: Callable[[], object]) -> None:
        try:
            deed()
        except Exception as error:  # as in `perform`
            self.faults.say(what, error)

    def _signal_reload(self, order: act.SignalReload) -> ev.Event:
        sent = True
        if order.checked:
            sent = self.processes.signal_if_caught(order.service, order.signum)
        else:
            self.processes.kill(order.service, order.signum, group=False)
        return ev.ReloadSignalled(order.attempt, sent, order.service)

    def _reload(self, reload: Reloader, order: act.Reload, pid: int) -> None:
        """In a thread. A reload reports its own failures, but not those of its imports."""
        try:
            reload(order.attempt, pid, told=order.told)
        except Exception as error:  # the outer edge of the thread
            from ..core.outcomes import Outcome

            why = self.faults.say("reload the app", error)
            end = ev.ReloadFinished(order.attempt, Outcome.INTERNAL, why, service=order.service)
            self.inbox.put(end)

    def _begin(self, body: Callable[[], object], name: str) -> None:
        try:
            threads.start(body, name)
        except Exception as error:  # RuntimeError is usual
            if not self._not_begun:
                log.warning(
                    f"cannot start a thread ({name}): {error}; the limit of processes is reached"
                    " (pids.max, ulimit -u); the supervisor tries again every second",
                    event="thread_failed",
                )
            self._not_begun.append((body, name))

    def _begin_again(self) -> None:
        while self._not_begun:
            try:
                threads.start(*self._not_begun[0])
            except Exception:  # it was said the first time
                return
            del self._not_begun[0]

    def _start_hook(self, order: ev.HookOrdered) -> None:
        try:
            command = self._commands(order.service).replace(argv=order.argv)
            pid = self.processes.spawn_hook(command, order.output)
        except Exception as error:  # SpawnError is usual
            code = error.code if isinstance(error, SpawnError) else CANNOT_RUN
            order.report(ev.HookReport(0, code, str(error)))
            return
        self._hooks[pid] = order.report
        order.report(ev.HookReport(pid))

    def _spawn(self, order: act.Spawn) -> ev.Event:
        try:
            return self.start(order.service)
        except SpawnError as error:
            return ev.StartFailed(error.code, str(error), error.short, order.service)

    def start(self, service: str) -> ev.Forked:
        """Start the program of a service. Raises SpawnError."""
        return self.processes.spawn(self._commands(service), service)


def _deed(action: Order) -> str:
    service = getattr(action, "service", ev.APP)
    whom = "the app" if service == ev.APP else service
    match action:
        case act.Kill(signum):
            return f"send {signals.name(signum)} to {whom}"
        case act.Spawn():
            return f"start {whom}"
    return f"perform {type(action).__name__}"


def _failure(action: Order, why: str, state: Service) -> ev.Event | None:
    """The report after a failed action, which the rules await."""
    match action:
        case act.Spawn(service):
            return ev.StartFailed(CANNOT_RUN, why, True, service)
        case act.Apply(name) | act.Check(name) if state.rollout is not None:
            return ev.ConfigFailed(state.rollout.versions.desired, "write", why, "", name)
        case act.RollBack(digest, name):
            return ev.ConfigFailed(digest, "rollback", why, "", name)
        case act.SignalReload(attempt):
            return ev.ReloadSignalled(attempt, False, action.service)
        case act.Reload(attempt):
            from ..core.outcomes import Outcome

            return ev.ReloadFinished(attempt, Outcome.INTERNAL, why, service=action.service)
    return None
