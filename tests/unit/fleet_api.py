"""The API of a simulated fleet: one Lease with compare-and-swap, watches of it, the object of
--fleet-keep; and the link of a pod to them, with its faults.

Order holds within a watch only. A write can stand though its answer is lost, or arrive after it was
given up.
"""

from __future__ import annotations

from collections.abc import Callable

from config_supervisor.core.events import Event
from config_supervisor.fleet import events as fev
from config_supervisor.fleet import lease as ledgers
from config_supervisor.fleet import orders
from config_supervisor.fleet.events import LeaseTrouble
from config_supervisor.fleet.lease import LeaseState
from tests.unit.fleet_time import Agenda, Dice

RELIST = 5.0  # seconds after which a broken watch is opened again
LAG = 2.0  # seconds, at most, of a request, an answer, an event of a watch
LATE = 20.0  # seconds, at most, of a write that was given up
STALE = 2  # revisions, at most, that the first answer of a watch may lag behind
_LOST = fev.LeaseFailed(LeaseTrouble.UNREACHABLE, "no answer", unknown=True, of_write=True)


class Api:
    """The Lease, all of its revisions, and the kept content."""

    def __init__(self, agenda: Agenda, dice: Dice) -> None:
        self.agenda = agenda
        self.dice = dice
        self.away = False
        self.revisions = [LeaseState()]
        self.kept = ("", "")  # the version in --fleet-keep: its shared name, its digest
        self.watches: list[Watch] = []
        self.judges: list[Callable[[LeaseState, LeaseState, Author], None]] = []
        self._count = 0

    @property
    def lease(self) -> LeaseState:
        return self.revisions[-1]

    def put(self, state: LeaseState, author: Author) -> LeaseState | None:
        """Write the Lease if nothing has been written since; returns the state that stands."""
        if state.resource_version != self.lease.resource_version:
            return None
        kept = {k: v for k, v in self.lease.annotations.items() if "config-supervisor/" not in k}
        return self._store(state.replace(annotations={**kept, **state.annotations}), author)

    def touch(self) -> None:
        """Another program writes an annotation of its own."""
        if self.lease.resource_version:
            noted = {**self.lease.annotations, "other": str(self._count)}
            self._store(self.lease.replace(annotations=noted), Author())

    def delete(self) -> None:
        if self.lease.resource_version:
            self._store(LeaseState(), Author(deletes=True))

    def _store(self, state: LeaseState, author: Author) -> LeaseState:
        self._count += 1
        if not author.deletes:
            state = state.replace(resource_version=str(self._count))
        for judge in self.judges:
            judge(self.lease, state, author)
        self.revisions.append(state)
        for watch in list(self.watches):
            watch.pull()
        return state


class Author:
    """Who writes, and with which orders of people in hand."""

    def __init__(
        self, pod: str = "", orders: tuple[str, ...] = (), *, deletes: bool = False
    ) -> None:
        self.pod = pod
        self.orders = orders
        self.deletes = deletes


class Watch:
    """A watch of the Lease; opened again by itself when it breaks."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._api = link.api
        self._told = 0  # the last revision that was told
        self._listed = False
        self._pulling = False
        self.open = True
        link.later(self._api.dice.delay(LAG), self.list)

    def list(self) -> None:
        """Begin with the present state, or one a little older; but time never goes back, neither
        for this watch nor after an answer to the pod.
        """
        if not self.open:
            return
        self._link.count("list")
        if trouble := self._link.trouble:
            self._broken(trouble)
            return
        newest = len(self._api.revisions) - 1
        stale = STALE if self._api.dice.chance(0.3) else 0
        self._told = max(newest - stale, self._told, self._link.known)
        self._listed = True
        self._tell()
        self.pull()

    def pull(self) -> None:
        """A revision is on its way, if one has not been told."""
        behind = self._told < len(self._api.revisions) - 1
        if self.open and self._listed and behind and not self._pulling:
            self._pulling = True
            self._link.later(self._api.dice.delay(LAG), self._next)

    def _next(self) -> None:
        self._pulling = False
        if not self.open or not self._listed:
            return
        if trouble := self._link.trouble:
            self._broken(trouble)
            return
        if self._told < len(self._api.revisions) - 1:  # else it was listed again
            self._told += 1
            self._tell()
        self.pull()

    def _tell(self) -> None:
        self._link.know(self._api.revisions[self._told])
        self._link.tell(fev.LeaseRead(self._api.revisions[self._told]))

    def cut(self) -> None:
        """The connection ends, without a fault."""
        if self.open and self._listed:
            self._listed = False
            self._link.later(self._api.dice.delay(RELIST), self.list)

    def _broken(self, trouble: LeaseTrouble) -> None:
        self._listed = False
        self._link.tell(fev.LeaseFailed(trouble, "no answer"))
        self._link.later(RELIST, self.list)


class Link:
    """The link of one process to the API: what `LeaseLink` is to a real pod."""

    def __init__(
        self,
        api: Api,
        tell: Callable[[Event], None],
        later: Callable[[float, Callable[[], None]], None],
        faults: Faults,
    ) -> None:
        """`later` forgets its deeds when the process ends."""
        self.api = api
        self.tell = tell
        self.later = later
        self.faults = faults
        self.watch: Watch | None = None
        self.known = 0  # the newest revision that was told

    @property
    def trouble(self) -> LeaseTrouble | None:
        if self.api.away or self.faults.parted:
            return LeaseTrouble.UNREACHABLE
        return LeaseTrouble.FORBIDDEN if self.faults.forbidden else None

    def know(self, state: LeaseState) -> None:
        """A state is told."""
        index = next(at for at, one in enumerate(self.api.revisions) if one is state)
        self.known = max(self.known, index)

    def count(self, kind: str) -> None:
        """Note a request."""
        self.faults.requests.append((self.api.agenda.now, kind))

    def obey(self, order: object, author: Author) -> bool:
        """Perform an order of the fleet's rules, if it is about the Lease."""
        match order:
            case orders.ReadLease():
                self.later(self.api.dice.delay(LAG), self._get)
            case orders.FollowLease():
                if self.watch is None:
                    self.watch = Watch(self)
                    self.api.watches.append(self.watch)
            case orders.LeaveLease():
                self.close()
            case orders.WriteLease(ledger):
                self._put(ledgers.written(ledger), author)
            case _:
                return False
        return True

    def close(self) -> None:
        """End the watch; also at the end of the process."""
        if self.watch is not None:
            self.watch.open = False
            self.api.watches.remove(self.watch)
            self.watch = None

    def _get(self) -> None:
        self.count("get")
        state, trouble = self.api.lease, self.trouble
        self.later(self.api.dice.delay(LAG), lambda: self._got(state, trouble))

    def _got(self, state: LeaseState, trouble: LeaseTrouble | None) -> None:
        if trouble := trouble or self.trouble:
            self.tell(fev.LeaseFailed(trouble, "no answer"))
            return
        self.know(state)
        self.tell(fev.LeaseRead(state))

    def _put(self, state: LeaseState, author: Author) -> None:
        """The request goes on its way even if the process ends meanwhile."""
        delay = self.api.dice.delay(LAG)
        match self.faults.take_write():
            case "late":
                self.api.agenda.after(delay + LATE / 2, lambda: self._arrived(state, author))
                self.later(delay, self._unknown)
            case "dropped":
                self.later(delay, self._unknown)
            case "unheard":
                self.api.agenda.after(delay, lambda: self._arrived(state, author))
                self.later(2 * delay, self._unknown)
            case _:
                self.api.agenda.after(delay, lambda: self._arrived(state, author, self._answered))

    def _arrived(
        self,
        state: LeaseState,
        author: Author,
        answer: Callable[[Event], None] | None = None,
    ) -> None:
        self.count("put")
        answer = answer or (lambda _: None)
        if trouble := self.trouble:
            answer(fev.LeaseFailed(trouble, "no answer", of_write=True))
            return
        stands = self.api.put(state, author)
        if stands is None:
            answer(fev.LeaseConflict())
        else:
            answer(fev.LeaseWritten(stands))

    def _answered(self, event: Event) -> None:
        def arrive() -> None:
            lost = self.trouble is LeaseTrouble.UNREACHABLE
            failed = isinstance(event, fev.LeaseFailed)
            if lost and not failed:
                self.tell(_LOST)
            else:
                if isinstance(event, fev.LeaseWritten):
                    self.know(event.state)
                self.tell(event)

        self.later(self.api.dice.delay(LAG), arrive)

    def _unknown(self) -> None:
        self.tell(_LOST)


class Faults:
    """The faults between one pod and the API, and a count of its requests."""

    def __init__(self) -> None:
        self.parted = False
        self.forbidden = False
        self.writes: list[str] = []  # the fates of the next writes: unheard, dropped, late
        self.requests: list[tuple[float, str]] = []

    def take_write(self) -> str:
        return self.writes.pop(0) if self.writes else ""

    def heal(self) -> None:
        self.parted = self.forbidden = False
        self.writes.clear()
