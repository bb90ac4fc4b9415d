"""The loop: inbox, step, perform; one deadline. It owns no policy and makes no decision."""

from __future__ import annotations

import time
from functools import partial

from . import actions as act
from . import events as ev
from . import log, machine, threads
from .process import Command, Processes, SpawnError
from .state import Phase, Policy, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from .inbox import Inbox

    class Sync(Protocol):
        """Puts configuration in place; each call runs in a short thread of its own and reports by event."""

        def apply(self) -> None: ...
        def recover(self) -> None: ...
        def roll_back(self, digest: str) -> None: ...

    class Reloader(Protocol):
        """Makes the app take up its configuration; as above."""

        def __call__(self, attempt: int, pid: int, *, verify_only: bool = False) -> None: ...
        def cancel(self, attempt: int) -> None:
            """Have an attempt end soon; from the main thread, returns at once."""

    class Readiness(Protocol):
        """Finds out when the app is ready, in a short thread of its own, and reports by event."""

        def wait(self, pid: int) -> None: ...

    Observer = Callable[[ev.Event, State, State, tuple[act.Action, ...]], None]


class Loop:
    """Runs one app to its end. `state` is replaced, never changed: any thread may read it."""

    def __init__(self, inbox: Inbox, processes: Processes, command: Command, policy: Policy) -> None:
        self.state = State()
        self.observers: list[Observer] = []
        self.sync: Sync | None = None
        self.reload: Reloader | None = None
        self.readiness: Readiness | None = None
        self._hooks: dict[int, Callable[[ev.HookReport], None]] = {}
        self._inbox, self._processes = inbox, processes
        self._command, self.policy = command, policy
        self.at_end: list[Callable[[], None]] = []

    def run(self) -> int:
        """Start the app, see it to its end, return the exit code."""
        for event in [
            *self._inbox.pending(),
            ev.Began(),
        ]:  # a TERM that came first means: do not start
            self.handle(event)
        while self.state.phase is not Phase.DONE:
            due = machine.wake_at(self.state, self.policy)
            for event in self._inbox.wait(None if due is None else due - time.monotonic()):
                self.handle(event)
            if due is not None and time.monotonic() >= due:
                self.handle(ev.DeadlinePassed())
        self._processes.kill_hooks()
        for clean_up in self.at_end:
            clean_up()
        return self.state.exit_code

    def handle(self, event: ev.Event) -> None:
        """One turn: what an action itself reports is handled before the inbox is read again."""
        match event:
            case ev.ChildrenChanged():
                for one in self._processes.reap():
                    self.handle(one)
                return
            case ev.HookOrdered():
                self._start_hook(event)
                return
            case ev.HookAbandoned(pid):
                self._processes.kill_hook(pid)
                return
            case ev.HookExited(pid, code):
                self._hooks.pop(pid)(ev.HookReport(pid, code))
                return
            case ev.Probed(reply):
                reply()
        before = self.state
        self.state, orders = machine.step(before, event, time.monotonic(), self.policy)
        # First the deed: a signal is on its way before it is counted or logged.
        reports = [report for action in orders if (report := self._perform(action)) is not None]
        for observe in self.observers:
            try:
                observe(event, before, self.state, orders)
            except Exception as error:  # noqa: BLE001 - no failure of metrics or log may end the app
                log.error(f"cannot observe {type(event).__name__}: {error!r}")
        for report in reports:
            self.handle(report)

    def _perform(self, action: act.Action) -> ev.Event | None:  # noqa: C901, PLR0912 - the table of actions
        match action:
            case act.Kill(signum, group):
                self._processes.kill(signum, group=group)
            case act.Spawn():
                return self._spawn()
            case act.Suspend():
                self._processes.suspend_ourselves()
            case act.TakeForeground():
                self._processes.take_foreground()
            case act.KillLeftovers(signum, everything):
                self._processes.kill_leftovers(signum, everything=everything)
            case act.Apply() if self.sync is not None:
                threads.start(self.sync.apply, "apply")
            case act.RollBack(digest) if self.sync is not None:
                threads.start(partial(self.sync.roll_back, digest), "roll back")
            case act.Recover() if self.sync is not None:
                threads.start(self.sync.recover, "recover")
            case act.WaitReady(pid) if self.readiness is not None:
                threads.start(partial(self.readiness.wait, pid), "readiness")
            case act.Reload(attempt, trial) if self.reload is not None:
                threads.start(partial(self.reload, attempt, self.state.pid, verify_only=trial), "reload")
            case act.CancelReload() if self.reload is not None:
                self.reload.cancel(self.state.reloads.attempt)
            case act.KillOther(signum, pid):
                self._processes.kill_other(pid, signum)
            case act.Reply(event, sent):
                event.reply(sent)
        return None

    def _start_hook(self, order: ev.HookOrdered) -> None:
        try:
            pid = self._processes.spawn_hook(self._command.replace(argv=order.argv), order.output)
        except SpawnError as error:
            order.report(ev.HookReport(0, error.code, str(error)))
            return
        self._hooks[pid] = order.report
        order.report(ev.HookReport(pid))

    def _spawn(self) -> ev.Event:
        try:
            return self._processes.spawn(self._command)
        except SpawnError as error:
            return ev.StartFailed(error.code, str(error))
