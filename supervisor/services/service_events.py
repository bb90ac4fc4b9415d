"""Events for listeners: the part of the program that hears of services and feeds the listeners.

It turns the steps of the loop into events, gives each listener its pipes, and answers for the
results. Without a listener it does nothing and imports nothing. Pools and pipes belong to the
thread of `listener_relay`; nothing here blocks.
"""

from __future__ import annotations

import os
import time

from ..core.errors import is_shortage
from ..core.primitives import partial
from ..runtime import log
from .conductor_state import PlanRead
from .plan import Kind, Sink
from .service_files import NOTHING, Contribution, FilePart

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ..core import events as ev
    from .conductor_state import Out, Services
    from .event_pool import EventPools, Told
    from .listener_protocol import Judge, Outcome
    from .listener_relay import ListenerRelay
    from .listener_results import Source
    from .plan import Group, Service
    from .roster import Roster
    from .running_plan import RunningPlan
    from .service_logs import ServiceLogs

_IN, _OUT = 0, 1
_STOPPING = "PROCESS_STATE_STOPPING"


class ServiceEvents(FilePart):
    """For the main thread, but for the three functions that other parts call."""

    def __init__(self, running: RunningPlan, server: str, logs: ServiceLogs) -> None:
        """`server`: the name of the supervisor in events."""
        self._running = running
        self._logs = logs
        self._server = server
        self._wanted: frozenset[str] = frozenset()
        self._shown: frozenset[Source] = frozenset()  # on our standard output in any case
        self._listeners: dict[str, Group] = {}  # by identity
        self._relay: ListenerRelay | None = None
        self._pools: EventPools | None = None
        self._opened: dict[str, tuple[int, ...]] = {}  # theirs, then ours, until the fork
        self._drains: list[Callable[[], object]] = []  # ordered in this step
        self.observers: tuple[Any, ...] = (self._observe,)  # of services, as this loop has them
        self._try_use(running.roster)

    # --- from other parts, in any thread ----------------------------------------------------------

    def log_data(self, identity: str, channel: str, pid: int, data: bytes) -> None:
        """A program wrote these bytes; many waiting ones are dropped."""
        from . import event_payloads

        place = self._running.roster.places.get(identity)
        if place is None or f"{event_payloads.LOG}_{channel.upper()}" not in self._wanted:
            return
        stream = place.service.stdout if channel == "stdout" else place.service.stderr
        if stream.events:
            made = event_payloads.log_data(place.service, channel, pid, data)
            self._publish(made, size=len(data))

    def captured(self, identity: str, channel: str, pid: int, data: bytes) -> None:
        """A program wrote a text between the tokens of the capture mode."""
        from . import event_payloads

        place = self._running.roster.places.get(identity)
        if place is not None and self._wanted:
            self._publish(event_payloads.communication(place.service, channel, pid, data))

    def remote_communication(self, kind: str, data: str) -> None:
        """A client sent an event."""
        from . import event_payloads

        self._publish(event_payloads.remote_communication(kind, data))

    # --- the pipes of a start ---------------------------------------------------------------------

    def open(self, identity: str) -> Contribution:
        place = self._running.roster.places.get(identity)
        if place is None or place.service.kind is not Kind.LISTENER:
            return NOTHING
        if self._relay is None or identity not in self._listeners:
            self._use(self._running.roster)  # the loop has taken it up in this step
        if self._relay is None:
            return NOTHING
        read, into = os.pipe2(os.O_CLOEXEC)
        try:
            out, write = os.pipe2(os.O_CLOEXEC)
        except OSError:
            _close((read, into))
            raise
        for ours in (into, out):
            os.set_blocking(ours, False)
        self._opened[identity] = (read, write, into, out)
        return Contribution(streams={_IN: read, _OUT: write})

    def started(self, identity: str, pid: int) -> None:
        del pid
        opened = self._opened.pop(identity, None)
        if opened is None or self._relay is None:
            return
        read, write, into, out = opened
        _close((read, write))
        self._relay.attach(identity, into, out)

    def failed(self, identity: str) -> None:
        _close(self._opened.pop(identity, ()))

    def ended(self, identity: str) -> None:
        if self._relay is not None and identity in self._listeners:
            self._relay.ended(identity)

    def drain(self, identity: str, until: float, done: Callable[[], None]) -> bool:
        if self._relay is None or identity not in self._listeners:
            return False
        self._drains.append(partial(self._relay.drain, identity, until, done))
        return True

    # --- the steps of the loop --------------------------------------------------------------------

    def _observe(self, event: ev.Event, before: Services, after: Services, _: Out) -> None:
        """Give the events of a step to the listeners."""
        afresh = isinstance(event, PlanRead)
        if afresh or after.roster is not before.roster:
            self._try_use(after.roster, afresh=afresh)
        if self._relay is None or self._pools is None:
            return
        from . import event_payloads
        from .supervisord_states import State

        made = tuple(event_payloads.of_step(event, before, after))
        if self._drains:
            # A listener hears of all stops but its own, as in supervisord.
            for one in made:
                if one[0] != _STOPPING:
                    self._publish(one)
            for drain in self._drains:
                drain()
            self._drains = []
            made = tuple(one for one in made if one[0] == _STOPPING)
        for name in after.changed:
            if name in self._listeners and name in after.members:
                runs = event_payloads.shown_state(after.members[name]) is State.RUNNING
                self._relay.post(partial(self._pools.running, name, runs=runs))
        for one in made:
            self._publish(one)

    def _publish(self, made: tuple[str, str], *, size: int = 0) -> None:
        """`size`: bytes of an event that may be lost."""
        name, payload = made
        if name in self._wanted and self._relay is not None and self._pools is not None:
            order = partial(self._pools.publish, name, payload)
            if size:
                self._relay.post_data(order, size)
            else:
                self._relay.post(order)

    def _try_use(self, roster: Roster, *, afresh: bool = False) -> None:
        """Without a descriptor for the relay, each start of a listener tries it again."""
        try:
            self._use(roster, afresh=afresh)
        except OSError as error:
            if not is_shortage(error):
                raise

    def _use(self, roster: Roster, *, afresh: bool = False) -> None:
        """Raises OSError."""
        groups = [group for group in roster.groups.values() if group.kind is Kind.LISTENER]
        if self._relay is None and not groups:
            return
        from . import event_names

        if self._relay is None or self._pools is None:
            self._begin()
        self._listeners = {one.identity: group for group in groups for one in group.services}
        self._shown = frozenset(_shown(roster))
        self._wanted = frozenset().union(*(event_names.covered(one.events) for one in groups))
        if self._relay is not None and self._pools is not None:
            self._relay.post(partial(self._pools.use, tuple(groups), afresh=afresh))

    def _begin(self) -> None:
        from . import listener_lines
        from .event_pool import EventPools
        from .listener_relay import ListenerRelay

        follows = self._running.roster.follows_supervisord
        self._lines = listener_lines.supervisord if follows else listener_lines.ours
        self._dropped = listener_lines.DroppedEvents()
        self._pools = EventPools(self._server, self._judge)
        self._relay = ListenerRelay(self._pools, self._say)
        self._logs.watch(self.log_data)
        self._logs.watch_captured(self.captured)
        try:
            self._relay.start()
        except RuntimeError as error:
            log.error(
                f"cannot send events to listeners: {error}; raise the limit of processes",
                event="listeners_failed",
            )

    # --- in the thread of the relay ---------------------------------------------------------------

    def _say(self, told: Told) -> None:
        from .event_pool import Overflowed
        from .listener_protocol import Received

        again = isinstance(told.note, Overflowed) and not told.note.first
        if again and not self._dropped.may_be_told(time.monotonic()):
            return
        if isinstance(told.note, Received) and not log.wanted("debug"):
            return  # it may be long
        name = told.listener.rpartition(":")[2]
        for level, message in self._lines(told, name):
            log.write(level, message, event="event_listener", service=told.listener)

    def _judge(self, group: Group) -> Judge:
        from . import listener_protocol

        return self._print if group.tags_output else listener_protocol.judged

    def _print(self, result: bytes) -> Outcome:
        from . import listener_results
        from .listener_protocol import Outcome

        try:
            data = listener_results.output(result, self._shown)
        except ValueError:
            return Outcome.FAILED
        try:
            self._logs.write_output(data)
        except OSError:
            pass  # our standard output is closed
        return Outcome.PROCESSED


def _shown(roster: Roster) -> Iterator[Source]:
    for place in roster.places.values():
        one = place.service
        for channel, sink in (("stdout", one.stdout.sink), ("stderr", _errors(one))):
            if sink is Sink.AUTO:
                yield one.group, one.name, channel


def _errors(service: Service) -> Sink:
    return service.stdout.sink if service.redirect_stderr else service.stderr.sink


def _close(files: tuple[int, ...]) -> None:
    for file in files:
        os.close(file)
