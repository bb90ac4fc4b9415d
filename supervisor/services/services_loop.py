"""The loop of several services: the loop of one, with the conductor for its rules.

It performs the orders that only the conductor gives. The containment of errors is that of
`runtime.loop`.
"""

from __future__ import annotations

import os
import time

from ..core import actions as act
from ..core import events as ev
from ..core.life_state import LifePolicy
from ..core.primitives import partial
from ..core.service import Policy, Service
from ..core.upkeep_state import KillScript, RunScript
from ..runtime import last_resort, log
from ..runtime.loop import Current, Loop
from . import conductor, stop_order
from .conductor_state import (
    AnswerOrder,
    Over,
    PlanRead,
    ReadPlan,
    ReopenLogs,
    Services,
    TakeRoster,
    UpdateOrdered,
)
from .late_configuration import LateConfiguration
from .plan import Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..process.children import Processes
    from ..runtime.inbox import Inbox
    from ..runtime.loop import Parts
    from ..runtime.protocols import Order
    from .conductor_state import Out
    from .running_plan import RunningPlan
    from .service_configuration import ServiceConfiguration
    from .service_files import ServiceFiles
    from .service_scripts import ServiceScripts


class Drained(ev.Event):
    """A listener has read the last events, or had the time to: its signal is due."""

    order: act.Kill
    pid: int


class ConductorRules:
    """The conductor as the rules of a loop."""

    def step(
        self, services: Services, event: ev.Event, now: float, _: Policy
    ) -> tuple[Services, Out]:
        return conductor.step(services, event, now)

    def wake_at(self, services: Services, _: Policy) -> float | None:
        return conductor.wake_at(services)


class ServicesLoop(Loop):
    """Runs the services of a plan to the end of all."""

    rules = ConductorRules()

    def __init__(
        self,
        inbox: Inbox,
        processes: Processes,
        plan: RunningPlan,
        files: ServiceFiles,
        parts: Parts,
    ) -> None:
        self.plan = plan
        self._files = files
        self._scripts: ServiceScripts | None = None
        self._start_error: Callable[[int, str, str], str] | None = None
        if plan.roster.follows_supervisord:
            from .supervisord_states import start_error

            self._start_error = start_error
        current = Current(conductor.fresh(plan.roster), Policy())
        self.configuration = LateConfiguration(inbox.put, lambda: self.services, processes)
        self.configuration.begin(plan.roster, plan.command)
        observers = (*parts.observers, self._files.observe, self.configuration.observe)
        # First the processes that are left: they may still use what the others clean up.
        at_end = (self._end_leftovers, self.configuration.end, self._files.end, *parts.at_end)
        parts = parts.replace(observers=observers, at_end=at_end)
        super().__init__(inbox, processes, plan.command, current, parts)

    @property
    def services(self) -> Services:
        state: Any = self.current.state
        found: Services = state
        return found

    def service(self, order: Order) -> Service:
        member = self.services.members.get(getattr(order, "service", ""))
        return Service() if member is None else member.service

    def add_observer(self, observer: Any) -> None:
        """One more observer of services, before the loop runs."""
        self._parts = self._parts.replace(observers=(*self._parts.observers, observer))

    def handle(self, event: ev.Event) -> None:
        if isinstance(event, ev.StartFailed) and self._start_error is not None:
            word = self.plan.word(event.service)
            event = event.replace(error=self._start_error(event.code, word, event.error))
        if isinstance(event, UpdateOrdered) and not self.plan.takes(event.roster):
            if event.reply is not None:  # all services have started again since, from the file
                event.reply(())
            return
        super().handle(event)

    def served(self, event: ev.Event) -> bool:
        if isinstance(event, Drained):
            member = self.services.members.get(event.order.service)
            if member is not None and member.life.pid == event.pid:
                self._try("stop a listener", partial(super()._kill, event.order))
            return True
        return super().served(event)

    def _kill(self, order: act.Kill) -> None:
        """Send a signal; a listener reads the last events before the stop of all signals it."""
        member = self.services.members[order.service]
        if self.services.roster.places[order.service].service.kind is Kind.LISTENER:
            until = stop_order.drained_by(self.services.stopping, member, order, time.monotonic())
            done = partial(self.inbox.put, Drained(order, member.life.pid))
            if until is not None and self._files.drain(order.service, until, done):
                return
        super()._kill(order)

    def start(self, service: str) -> ev.Forked:
        command = self.plan.command(service)
        return self._files.start(service, command, self.processes.spawn)

    def run_without_rules(self, event: ev.Event | None) -> int:
        from .services_last_resort import ServicesLastResort

        return ServicesLastResort(self, self.services).run(event)

    def _of_parts(self) -> dict[type[Order], Callable[[Any], Any]]:
        return {
            **super()._of_parts(),
            Over: self._end,
            act.WaitReady: self._wait_ready,
            AnswerOrder: lambda order: order.reply(order.results),
            TakeRoster: lambda order: self.configuration.take(order.roster),
            ReadPlan: lambda _: self._read_plan(),
            ReopenLogs: lambda _: self.plan.reopen_logs(),
            RunScript: self._run_script,
            KillScript: self._kill_script,
            **self._of_rollouts(),
        }

    def perform(self, action: Order) -> ev.Event | None:
        if type(action) not in self._deeds:
            self._deeds |= self.configuration.deeds()
        return super().perform(action)

    def _of_rollouts(self) -> dict[type[Order], Callable[[Any], Any]]:
        """The deeds for versions; each is about the service of its order."""

        def of(order: Any) -> ServiceConfiguration:
            return self.configuration.of(order.service)

        def begin(order: Any, deed: Callable[[], None]) -> None:
            self._begin(deed, f"{type(order).__name__.lower()} {order.service}")

        return {
            act.Apply: lambda order: self._apply(of(order).delivery, order),
            act.Check: lambda order: begin(order, partial(of(order).delivery.check, order.version)),
            act.Mark: lambda order: begin(order, of(order).delivery.mark),
            act.Recover: lambda order: begin(order, partial(of(order).delivery.recover, order)),
            act.ReadClock: lambda order: ev.ClockRead(time.time(), order.service),
            act.RollBack: lambda order: begin(
                order, partial(of(order).delivery.roll_back, order.digest)
            ),
            act.Reload: lambda order: self._begin_reload(of(order).reloader, order),
            act.CancelReload: lambda order: of(order).reloader.cancel(order.attempt),
        }

    def _read_plan(self) -> PlanRead:
        try:
            return PlanRead(self.plan.read_again())
        except Exception as error:  # as in `perform`; the conductor waits for a plan
            self.faults.say("read the file again", error)
            return PlanRead(self.plan.roster)

    def _run_script(self, order: RunScript) -> None:
        if self._scripts is None:
            from .service_scripts import ServiceScripts

            self._scripts = ServiceScripts(
                self.processes, self.plan.command, self.inbox.put, self._files
            )
        service = self.services.roster.places[order.service].service
        self._scripts.run(order, service, self._hooks.__setitem__)

    def _kill_script(self, order: KillScript) -> None:
        if self._scripts is not None:
            self._scripts.kill(order)

    def _wait_ready(self, order: act.WaitReady) -> None:
        readiness = self.plan.readiness(order.service, self.inbox.put)
        self._begin(partial(readiness.wait, order.pid), f"ready {order.service}")

    def _end_leftovers(self) -> None:
        """End all processes that are left, as at the end of a single app.

        Supervisord leaves the daemons of its programs alone; with PID 1 they end in any case.
        """
        services = self.services
        stopping = services.stopping
        told = stop_order.summary(services)
        if told:
            log.info(told, event="stopped")
        if services.roster.follows_supervisord and os.getpid() != 1:
            return
        seconds = LifePolicy().leftovers_timeout
        if stopping is not None and stopping.until is not None:
            seconds = min(seconds, max(0.0, stopping.until - time.monotonic()))
        started = tuple(self.processes.services())
        # Where orphans come to us, those of one service are those of all.
        last_resort.end_leftovers(self, started[:1] if self.processes.adopts else started, seconds)
