"""The loop: inbox, step, perform; one deadline. It owns no policy and makes no decision."""

from __future__ import annotations

import os
import time
from functools import partial

from ..core import actions as act
from ..core import events as ev
from ..core import service as rules
from ..core.errors import SpawnError
from ..core.life_state import Ended
from . import log, signals, threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..core.service import Policy, Service
    from ..process.children import Processes
    from ..process.spawning import Command
    from .inbox import Inbox
    from .protocols import Observer, Readiness, Reloader, Sync


_AGAIN = 1.0  # seconds until what failed for want of something is tried again
# Events that the rules must hear of. Without them an app would be stranded: its end, or a stop,
# would go unseen.
_PAUSE = 0.1  # seconds after a failed wait
_VITAL = (
    ev.Began,
    ev.SignalReceived,
    ev.Forked,
    ev.StartFailed,
    ev.Exited,
    ev.NothingLeft,
    ev.DeadlinePassed,
)


class RulesFailed(Exception):
    """The rules raised an error for an event that it must not miss."""

    def __init__(self, event: ev.Event | None) -> None:
        super().__init__(f"{event!r}")
        self.event = event


class Faults:
    """Errors that were not expected, contained where they happen: one line for each kind, no
    exception.
    """

    def __init__(self) -> None:
        self._said: set[tuple[str, str, int]] = set()

    def say(self, what: str, error: BaseException) -> str:
        """Log that `what` ("cannot" stands before it) failed, the first time; returns the sentence.
        Never raises.
        """
        number = error.errno or 0 if isinstance(error, OSError) else 0
        why = os.strerror(number).lower() if number else f"internal error: {error!r}"
        kind, sentence = (what, type(error).__name__, number), f"cannot {what}: {why}"
        if kind not in self._said:
            self._said.add(kind)
            try:
                log.error(f"{sentence}; all else goes on", event="internal_error")
            except Exception:  # there is nowhere left to say it
                pass
        return sentence


class Loop:
    """Runs one service to its end. `state` is replaced, never changed: any thread may read it."""

    def __init__(
        self, inbox: Inbox, processes: Processes, command: Command, policy: Policy
    ) -> None:
        self.state = rules.Service()
        self._ended: Ended | None = None
        self.observers: list[Observer] = []
        self.sync: Sync | None = None
        self.reload: Reloader | None = None
        self.readiness: Readiness | None = None
        self.faults = Faults()
        self._hooks: dict[int, Callable[[ev.HookReport], None]] = {}
        self.inbox, self.processes = inbox, processes
        self.command, self.policy = command, policy
        self.at_end: list[Callable[[], None]] = []
        self._not_begun: list[tuple[Callable[[], object], str]] = []  # for want of a thread
        self._again_at: float | None = None  # when to look once more for what could not be seen

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
            from .last_resort import LastResort

            code = LastResort(self).run(failure.event)
        self.processes.kill_hooks()
        for clean_up in self.at_end:
            self._try("clean up", clean_up)
        return code

    def _turn(self) -> None:
        due = self._due()
        events = self.arrived(due)
        self._look()  # first: a program that runs by now takes the signals that came
        for event in events:
            self.handle(event)
        now = time.monotonic()
        if self._again_at is not None and now >= self._again_at:
            self._again_at = None
            self.handle(ev.ChildrenChanged())
        if due is not None and now >= due:
            self.handle(ev.DeadlinePassed())
        self._look()
        self._begin_again()

    def _due(self) -> float | None:
        try:
            due = rules.wake_at(self.state, self.policy)
        except Exception as error:
            self.faults.say("tell the next deadline", error)
            raise RulesFailed(None) from error
        begin_at = time.monotonic() + _AGAIN if self._not_begun else None
        times = (due, begin_at, self._again_at, self.processes.look_at())
        return min((one for one in times if one is not None), default=None)

    def arrived(self, due: float | None) -> list[ev.Event]:
        """What arrives until that time."""
        try:
            return self.inbox.wait(None if due is None else due - time.monotonic())
        except OSError as error:
            self.faults.say("wait for signals", error)
            time.sleep(_PAUSE)  # so that an error that stays does not spin
            return [ev.ChildrenChanged()]

    def handle(self, event: ev.Event) -> None:
        """One turn: what an action itself reports is handled before the inbox is read again."""
        if isinstance(event, ev.ChildrenChanged):
            self._look()
            for one in self.reaped():
                self.handle(one)
        elif not self.served(event):
            self._step(event)

    def reaped(self) -> Iterator[ev.Event]:
        """What became of our children."""
        try:
            yield from self.processes.reap()
        except OSError as error:
            self.faults.say("look for processes that have ended", error)
            self._again_at = time.monotonic() + _AGAIN

    def _look(self) -> None:
        for event in self.processes.look():
            self.handle(event)

    def served(self, event: ev.Event) -> bool:
        """Do what an event asks of the main thread, whatever the rules are; whether that is all
        there is to it.
        """
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
        before = self.state
        try:
            self.state, orders = rules.step(before, event, time.monotonic(), self.policy)
        except Exception as error:
            self.faults.say(f"handle {type(event).__name__}", error)
            if isinstance(event, _VITAL):
                raise RulesFailed(event) from error
            return
        # First the deed: a signal is on its way before it is counted or logged.
        reports = [report for action in orders if (report := self.perform(action)) is not None]
        for observe in self.observers:
            try:
                observe(event, before, self.state, orders)
            except Exception as error:  # no failure of metrics or log may end the app
                self.faults.say(f"observe {type(event).__name__}", error)
        for report in reports:
            self.handle(report)

    def perform(self, action: act.Action | Ended) -> ev.Event | None:
        """Perform an action; an error in it stays in it, and its report is that of a failure."""
        try:
            return self._do(action)
        except Exception as error:  # the outer edge of an action: the app goes on
            why = self.faults.say(_deed(action), error)
            return _failure(action, why, self.state)

    def _do(self, action: act.Action | Ended) -> ev.Event | None:  # noqa: C901, PLR0912 - the table of actions
        match action:
            case Ended():
                self._ended = action
            case act.Kill(signum, group, service):
                self.processes.kill(service, signum, group=group)
            case act.Spawn(service):
                return self._spawn(service)
            case act.Suspend():
                self.processes.suspend_ourselves()
            case act.TakeForeground(service):
                self.processes.take_foreground(service)
            case act.KillLeftovers(signum, everything, told, service):
                return self.processes.kill_leftovers(
                    service, signum, everything=everything, told=told
                )
            case act.Apply() if self.sync is not None:
                self._begin(self.sync.apply, "apply")
            case act.Check() if self.sync is not None:
                self._begin(self.sync.check, "check")
            case act.Mark() if self.sync is not None:
                self._begin(self.sync.mark, "marks")
            case act.RollBack(digest) if self.sync is not None:
                self._begin(partial(self.sync.roll_back, digest), "roll back")
            case act.Recover() if self.sync is not None:
                self._begin(self.sync.recover, "recover")
            case act.WaitReady(pid) if self.readiness is not None:
                self._begin(partial(self.readiness.wait, pid), "readiness")
            case act.SignalReload():
                return self._signal_reload(action)
            case act.Reload(attempt, told) if self.reload is not None:
                pid = self.state.life.pid
                self._begin(partial(self._reload, self.reload, attempt, pid, told=told), "reload")
            case act.CancelReload(attempt) if self.reload is not None:
                self.reload.cancel(attempt)
            case act.KillOther(signum, pid):
                self.processes.kill_other(pid, signum)
            case act.Reply(event, sent):
                event.reply(sent)
        return None

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

    def _reload(self, reload: Reloader, attempt: int, pid: int, *, told: bool) -> None:
        """In a thread. A reload reports its own failures, but for what it needs to begin."""
        try:
            reload(attempt, pid, told=told)
        except Exception as error:  # the outer edge of the thread
            from ..core.outcomes import Outcome

            why = self.faults.say("reload the app", error)
            self.inbox.put(ev.ReloadFinished(attempt, Outcome.INTERNAL, why))

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
            pid = self.processes.spawn_hook(self.command.replace(argv=order.argv), order.output)
        except Exception as error:  # SpawnError is usual
            code = error.code if isinstance(error, SpawnError) else 125
            order.report(ev.HookReport(0, code, str(error)))
            return
        self._hooks[pid] = order.report
        order.report(ev.HookReport(pid))

    def _spawn(self, service: str) -> ev.Event:
        try:
            return self.processes.spawn(self.command, service)
        except SpawnError as error:
            return ev.StartFailed(error.code, str(error), error.short, service)


def _deed(action: act.Action | Ended) -> str:
    match action:
        case act.Kill(signum):
            return f"send {signals.name(signum)} to the app"
        case act.Spawn():
            return "start the app"
    return f"perform {type(action).__name__}"


def _failure(action: act.Action | Ended, why: str, state: Service) -> ev.Event | None:
    """The report that the rules wait for after an action that failed."""
    match action:
        case act.Spawn(service):
            return ev.StartFailed(125, why, True, service)
        case act.Apply() | act.Check() if state.rollout is not None:
            return ev.ConfigFailed(state.rollout.versions.desired, "write", why)
        case act.RollBack(digest):
            return ev.ConfigFailed(digest, "rollback", why)
        case act.SignalReload(attempt):
            return ev.ReloadSignalled(attempt, False, action.service)
        case act.Reload(attempt):
            from ..core.outcomes import Outcome

            return ev.ReloadFinished(attempt, Outcome.INTERNAL, why, service=action.service)
    return None
