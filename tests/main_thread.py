"""The main thread's part in a reload, without its rules: it starts hooks, sends signals, keeps the
rest.

With it the threads of `reload` and `hooks` run against real processes without the whole program.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
from functools import partial

from config_supervisor.core import events as ev
from config_supervisor.process.hooks import Runner
from config_supervisor.reload.reloader import Reloader, ReloadPlan


class MainThread:
    """Stands in for the inbox and the loop. `app` gets the signals without a process."""

    def __init__(self, app: int = 0) -> None:
        self.app = app
        self.deaf = False  # to signals: the app is being stopped
        self.signals: list[tuple[int, int]] = []
        self.hooks: list[tuple[str, ...]] = []
        self.runner = Runner(self.put)
        self._events: queue.SimpleQueue[ev.Event] = queue.SimpleQueue()
        self._started: list[subprocess.Popen[bytes]] = []

    def put(self, event: ev.Event) -> None:
        match event:
            case ev.HookOrdered():
                self._start(event)
            case ev.HookAbandoned(pid):
                _end(pid)
            case ev.SignalRequested(_, signum, reply, pid):
                if not self.deaf:
                    self.signals.append((pid, signum))
                    os.kill(pid or self.app, signum)
                reply(not self.deaf)
            case _:
                self._events.put(event)

    def event(self, timeout: float = 10) -> ev.Event:
        """The next event for the rules."""
        try:
            return self._events.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"no event within {timeout} s") from None

    def quiet(self) -> bool:
        """Whether there is no further event."""
        return self._events.empty()

    def _start(self, order: ev.HookOrdered) -> None:
        self.hooks.append(order.argv)
        out = order.output
        try:
            process = subprocess.Popen(
                order.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, process_group=0
            )
        except OSError as error:
            order.report(ev.HookReport(0, 127, f"cannot start {order.argv[0]}: {error.strerror}"))
            return
        self._started.append(process)
        order.report(ev.HookReport(process.pid))
        threading.Thread(
            target=lambda: order.report(ev.HookReport(process.pid, _code(process))), daemon=True
        ).start()

    def close(self) -> None:
        for process in self._started:
            if process.poll() is None:
                _end(process.pid)
            process.wait()


def _code(process: subprocess.Popen[bytes]) -> int:
    code = process.wait()
    return code if code >= 0 else 128 - code


def _end(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


class Reloading:
    """A reload in a thread of its own, as the loop starts it."""

    def __init__(
        self, main: MainThread, plan: ReloadPlan, pid: int = 0, *, told: bool = False
    ) -> None:
        self.reloader = Reloader(plan, main.put, main.runner)
        self._main = main
        body = partial(self.reloader, 1, pid, told=told)
        threading.Thread(target=body, daemon=True).start()

    def end(self, timeout: float = 15) -> tuple[str, str]:
        """Reason and error, with others' words, of its single report; both empty for success."""
        event = self._main.event(timeout)
        assert isinstance(event, ev.ReloadFinished)
        assert (1, True) == (event.attempt, self._main.quiet())
        return event.reason, f"{event.error}: {event.words}" if event.words else event.error
