"""The loop: inbox, step, perform; one deadline. It owns no policy and makes no decision."""

from __future__ import annotations

import time
from functools import partial

from . import actions as act
from . import events as ev
from . import log, machine, threads
from .spawning import SpawnError
from .state import Phase, Policy, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from .inbox import Inbox
    from .process import Processes
    from .spawning import Command

    class Sync(Protocol):
        """Puts configuration in place; each call runs in a short thread of its own and reports by event."""

        def apply(self) -> None: ...
        def recover(self) -> None: ...
        def roll_back(self, digest: str) -> None: ...

    class Reloader(Protocol):
        """Makes the app take up its configuration; as above."""

        def __call__(self, attempt: int, pid: int, *, verify_only: bool = False) -> None: ...
        def at_once(self, pid: int) -> int:
            """The signal that is the whole reload, to be sent by the main thread; 0 if it is another matter."""

        def cancel(self, attempt: int) -> None:
            """Have an attempt end soon; from the main thread, returns at once."""

    class Readiness(Protocol):
        """Finds out when the app is ready, in a short thread of its own, and reports by event."""

        def wait(self, pid: int) -> None: ...

    Observer = Callable[[ev.Event, State, State, tuple[act.Action, ...]], None]


_BEGIN_AGAIN = 1.0  # seconds between two tries to start a thread where there was none to be had


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
        self._not_begun: list[tuple[Callable[[], object], str]] = []  # for want of a thread

    def run(self) -> int:
        """Start the app, see it to its end, return the exit code."""
        for event in [
            *self._inbox.pending(),
            ev.Began(),
        ]:  # a TERM that came first means: do not start
            self.handle(event)
        while self.state.phase is not Phase.DONE:
            due = machine.wake_at(self.state, self.policy)
            if self._not_begun:
                again = time.monotonic() + _BEGIN_AGAIN
                due = again if due is None else min(due, again)
            for event in self._inbox.wait(None if due is None else due - time.monotonic()):
                self.handle(event)
            if due is not None and time.monotonic() >= due:
                self.handle(ev.DeadlinePassed())
            self._begin_again()
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
                self._begin(self.sync.apply, "apply")
            case act.RollBack(digest) if self.sync is not None:
                self._begin(partial(self.sync.roll_back, digest), "roll back")
            case act.Recover() if self.sync is not None:
                self._begin(self.sync.recover, "recover")
            case act.WaitReady(pid) if self.readiness is not None:
                self._begin(partial(self.readiness.wait, pid), "readiness")
            case act.Reload(attempt, trial) if self.reload is not None:
                self._begin_reload(self.reload, attempt, trial=trial)
            case act.CancelReload() if self.reload is not None:
                self.reload.cancel(self.state.reloads.attempt)
            case act.KillOther(signum, pid):
                self._processes.kill_other(pid, signum)
            case act.Reply(event, sent):
                event.reply(sent)
        return None

    def _begin_reload(self, reload: Reloader, attempt: int, *, trial: bool) -> None:
        pid = self.state.pid
        signum = 0 if trial else reload.at_once(pid)
        if signum:
            self._processes.kill(signum, group=False)
        self._begin(partial(reload, attempt, pid, verify_only=trial or signum > 0), "reload")

    def _begin(self, body: Callable[[], object], name: str) -> None:
        try:
            threads.start(body, name)
        except RuntimeError as error:
            if not self._not_begun:
                log.warning(
                    f"cannot start a thread ({name}): {error}; the limit of processes is reached (pids.max, ulimit -u);"
                    " it is tried again every second"
                )
            self._not_begun.append((body, name))

    def _begin_again(self) -> None:
        while self._not_begun:
            try:
                threads.start(*self._not_begun[0])
            except RuntimeError:
                return
            del self._not_begun[0]

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
