"""One pod of a simulated fleet: a real service, its app, its disk, its source, its clock.

The service decides; here is its honest world: an app ends once, orders are answered at most once,
the disk outlives the process. Nothing here decides about versions. Laws about single steps stand
in `fleet_laws.py`, which hears of every order and every deed.
"""

from __future__ import annotations

from collections.abc import Callable

from config_supervisor.core import actions, rollout_marks
from config_supervisor.core import events as ev
from config_supervisor.core.life_state import Ended
from config_supervisor.core.service import Policy, Service, step, wake_at
from config_supervisor.core.versions import Marks
from config_supervisor.fleet import events as fev
from config_supervisor.fleet import orders
from tests.unit.fleet_api import Author, Faults, Link
from tests.unit.fleet_setting import Content, Setting
from tests.unit.fleet_time import Clock
from tests.unit.histories import Records
from tests.unit.world import Disk

TERM = 15
AFTER_END = 10.0  # seconds, at most, until a container starts again
LONGEST = 300.0  # the same for one that has ended often


class Pod(Records):
    def __init__(
        self, name: str, clock: Clock, setting: Setting, service: Callable[[], Service]
    ) -> None:
        self.name = name
        self.clock = clock
        self.setting = setting
        self.disk = Disk()
        self.faults = Faults()
        self.trouble = ""  # why a version cannot be put in place, or the app not be reached
        self.deleted = False
        self.process = 0  # counts processes of the supervisor
        self.ends = 0  # of the container, soon after a start
        self.began = 0.0  # true time
        self.wakes: float | None = None  # true time
        self.feed = 0.0  # when the source told its last change, true time
        self.policy = Policy()
        self.shape = ""  # of its sources
        self._service = service
        self.runs = False

    # --- the process -------------------------------------------------------------------------

    def begin(self) -> None:
        """A supervisor starts, and knows only its disk."""
        self.process += 1
        self.began = self.setting.api.agenda.now
        self.runs = True
        self.state = self._service()
        self.pid = 0
        self.newest: Content | None = None  # as its source has read it
        self.prepared = False
        self.doing = ""  # apply, check, back
        self.attempt = 0  # of a reload under way
        self.open_orders: list[str] = []  # of people
        self.link = Link(self.setting.api, self.tell, self.later, self.faults)
        self.tell(ev.Began())
        self.later(self.setting.delay(4.0), self.look)

    def die(self, *, orderly: bool = False) -> None:
        """The supervisor ends, and its app; the container starts again."""
        if not self.runs:
            return
        if orderly and self.prepared:
            self.disk.marks = ended_in_order(self)
        self.setting.witness.did(self, "died", self.disk.live)
        self.runs = False
        self.wakes = None
        self.process += 1
        self.link.close()
        if not self.deleted:
            process = self.process
            pause = 1.0 + self.setting.delay(AFTER_END) + self._back_off()
            self.setting.api.agenda.after(pause, lambda: self._again(process))

    def _back_off(self) -> float:
        """The kubelet's pause before a container starts that has ended soon."""
        now = self.setting.api.agenda.now
        self.ends = 0 if now - self.began > 2 * LONGEST else self.ends + 1
        return min(10.0 * 2 ** (self.ends - 2), LONGEST) if self.ends > 1 else 0.0

    def _again(self, process: int) -> None:
        if process == self.process and not self.deleted:
            self.begin()

    def delete(self) -> None:
        self.deleted = True
        self.die()

    @property
    def now(self) -> float:
        return self.clock.local(self.setting.api.agenda.now)

    def later(self, delay: float, deed: Callable[[], None]) -> None:
        """Plan a deed of this process."""
        process = self.process

        def do() -> None:
            if process == self.process:
                deed()

        self.setting.api.agenda.after(delay, do)

    def tell(self, event: ev.Event) -> None:
        if not self.runs:
            return
        before = self.state
        self.setting.witness.heard(self, event)
        self.state, out = step(before, event, self.now, self.policy)
        self.setting.witness.stepped(self, before)
        process = self.process
        author = Author(self.name, tuple(self.open_orders))
        for order in out:
            self.setting.witness.ordered(self, order)
            if process == self.process:
                self._obey(order, author)
        self.reckon()

    def reckon(self) -> None:
        """Find out when the service wakes up."""
        due = wake_at(self.state, self.policy) if self.runs else None
        self.wakes = None if due is None else self.clock.true(due)

    # --- orders --------------------------------------------------------------------------------

    def _obey(self, order: object, author: Author) -> None:
        if self.link.obey(order, author) or self._of_app(order):
            return
        match order:
            case actions.Apply(version=version):
                self._begin_writing("apply", 3.0, lambda: self._applied(version))
            case actions.Check(version=version):
                self.later(self.setting.delay(2.0), lambda: self._checked(version))
            case actions.RollBack(digest):
                self._begin_writing("back", 1.0, lambda: self._returned(digest))
            case actions.Recover():
                self.later(self.setting.delay(1.0), lambda: self._recovered(order))
            case actions.Mark():
                self.disk.marks = self.versions.marks
            case actions.Answer(event, settled):
                assert event.reply is not None
                event.reply(settled)
            case orders.CheckTrial(number):
                self.later(self.setting.delay(2.0), lambda: self._trial_checked(number))
            case orders.Keep(version):
                self.later(self.setting.delay(2.0), lambda: self._keep(version))
            case orders.FetchKept(versions):
                self.later(self.setting.delay(2.0), lambda: self._fetch(versions))
            case orders.AnswerFleet(event, error):
                assert event.reply is not None
                event.reply(error)

    def _of_app(self, order: object) -> bool:
        match order:
            case actions.Spawn():
                assert not self.pid, "two apps at once"
                self.pid = self.process * 1000 + self.life.starts + 1
                self.later(self.setting.delay(0.2), self._started)
            case actions.Kill(signum) if signum != 0:
                pid = self.pid
                self.later(self.setting.delay(1.0), lambda: self.exit(128 + TERM, TERM, pid))
            case actions.KillLeftovers():
                self.later(self.setting.delay(0.2), lambda: self.tell(ev.NothingLeft()))
            case actions.WaitReady(pid):
                self.later(self.setting.delay(4.0), lambda: self._looked_ready(pid))
            case actions.SignalReload(attempt):
                self.later(0.0, lambda: self.tell(ev.ReloadSignalled(attempt, sent=True)))
            case actions.Reload(attempt):
                self.attempt = attempt
                self._exposed()
                self.later(1.0 + self.setting.delay(6.0), lambda: self._reloaded(attempt))
            case actions.CancelReload(attempt):
                self.later(self.setting.delay(1.0), lambda: self._superseded(attempt))
            case Ended():
                self.later(0.0, lambda: self.die(orderly=True))
            case _:
                return False
        return True

    def _begin_writing(self, what: str, most: float, deed: Callable[[], None]) -> None:
        assert not self.doing, "two versions applied at once"
        self.doing = what

        def do() -> None:
            self.doing = ""
            deed()

        self.later(self.setting.delay(most), do)

    # --- the app -------------------------------------------------------------------------------

    def fate(self) -> str:
        return self.setting.fate(self.disk.live, self)

    def _exposed(self) -> None:
        """The app meets the version in place."""
        self.setting.witness.did(self, "exposed", self.disk.live)
        fate = self.fate()
        if fate == "kills":
            self.later(0.5, self.die)

    def _bake(self) -> None:
        """Some versions run well for a while."""
        if self.fate() == "bake":
            self.later(0.4 * self.setting.bake / self.clock.rate, self._dies_of(self.disk.live))

    def _dies_of(self, version: str) -> Callable[[], None]:
        pid = self.pid

        def do() -> None:
            if version == self.disk.live:
                self.exit(1, 0, pid)

        return do

    def _started(self) -> None:
        self.tell(ev.Started(self.pid))
        if self.pid:
            self._exposed()
            self._bake()

    def _looked_ready(self, pid: int) -> None:
        if pid != self.pid:
            return
        if self.fate() == "unready":
            self.tell(ev.AppUnready(pid, "503"))
            return
        self.tell(ev.AppReady(pid))

    def _reloaded(self, attempt: int) -> None:
        if attempt != self.attempt:
            return
        self.attempt = 0
        failing = {"verify": "verify", "unready": "verify"}
        reason = self.trouble if self.trouble == "connect" else failing.get(self.fate(), "")
        if not reason:
            self._bake()
        self.tell(ev.ReloadFinished(attempt, reason, reason and f"{reason} failed"))

    def _superseded(self, attempt: int) -> None:
        if attempt == self.attempt:
            self.attempt = 0
            self.tell(ev.ReloadFinished(attempt, "superseded"))

    def exit(self, code: int, signum: int = 0, pid: int = 0) -> None:
        """The app ends, if it has not yet."""
        if self.runs and self.pid and self.pid == self.life.pid and pid in (0, self.pid):
            pid, self.pid = self.pid, 0
            self.attempt = 0
            self.tell(ev.Exited(pid, code, signum))

    def _trial_checked(self, number: int) -> None:
        passed = self.fate() != "check"
        self.tell(fev.TrialChecked(number, passed=passed, error="" if passed else "no"))

    # --- the source ----------------------------------------------------------------------------

    def look(self) -> None:
        """The source reads the present content, if it can."""
        if not self.runs or self.setting.content is None:
            return
        if self.faults.parted or self.setting.api.away:
            self.later(5.0, self.look)
            return
        self.read(self.setting.content)

    def read(self, content: Content, saw: str = "") -> None:
        """The source has read a content; a known one is no offer."""
        known = self.newest is not None and self.newest.digest == content.digest
        self.newest = content
        dice = self.setting.delay(1.0)
        secret = content.shared != content.digest
        offer = ev.ConfigOffered(content.digest, dice, secret=secret, shared=content.shared)
        self.tell(ev.SourceRead(0, present=True, offer=None if known else offer, saw=saw))

    # --- the disk ------------------------------------------------------------------------------

    def _remember(self) -> None:
        if not self.prepared:
            self.prepared = True
            self.disk.marks = rollout_marks.begun(self.disk.marks, self.disk.live)
            self.tell(ev.Remembered(self.disk.marks))

    def _refusal(self, version: str) -> str:
        """Why the newest version cannot be put in place."""
        assert self.newest is not None
        if version not in ("", self.newest.digest):
            return "overtaken"
        if self.trouble in ("write", "hook"):
            return self.trouble
        validated = self.policy.rollout is not None and self.policy.rollout.validate
        fails = self.setting.fate(self.newest.digest, self) == "validate"
        return "validate" if validated and fails else ""

    def _applied(self, version: str) -> None:
        self._remember()
        assert self.newest is not None
        digest = version or self.newest.digest
        if reason := self._refusal(version):
            self.tell(ev.ConfigFailed(digest, reason, reason))
            return
        self.setting.witness.did(self, "applied", digest)
        previous = self.disk.live
        self.disk.show(digest)
        self.tell(ev.ConfigApplied(digest, previous=previous))

    def _checked(self, version: str) -> None:
        assert self.newest is not None
        digest = version or self.newest.digest
        if reason := self._refusal(version):
            self.tell(ev.ConfigFailed(digest, reason, reason))
            return
        self.tell(ev.ConfigChecked(digest))

    def _returned(self, digest: str) -> None:
        if self.trouble == "write":
            self.tell(ev.ConfigFailed(digest, "rollback", "no space"))
            return
        self.setting.witness.did(self, "returned", digest)
        self.disk.show(digest)
        self.tell(ev.ConfigApplied(digest, rolled_back=True))

    def _recovered(self, order: actions.Recover) -> None:
        self._remember()
        marks, live = self.disk.marks, self.disk.live
        kept = tuple(self.disk.kept)
        for one in rollout_marks.order(marks, live, kept, unfailed=order.unfailed):
            if one in order.condemned or (order.proven and one not in marks.good):
                continue
            self.setting.witness.did(self, "recovered", one)
            self.disk.show(one)
            self.tell(ev.ConfigApplied(one, cached=True, previous=live))
            return
        self.tell(ev.ConfigFailed("", "no_generation", "none"))

    def _keep(self, version: str) -> None:
        if self.link.trouble or self.newest is None or self.newest.shared != version:
            self.tell(fev.KeptFailed("cannot keep it"))
            return
        self.setting.witness.did(self, "kept", version)
        self.setting.api.kept = (version, self.newest.digest)

    def _fetch(self, versions: tuple[str, ...]) -> None:
        version, digest = self.setting.api.kept
        if self.link.trouble or version not in versions:
            self.tell(fev.KeptFailed("it holds another version"))
            return
        self._remember()
        self.setting.witness.did(self, "fetched", version)
        previous = self.disk.live
        self.disk.show(digest)
        self.tell(ev.ConfigApplied(digest, cached=True, previous=previous))
        self.tell(fev.KeptFound(version))

    # --- people --------------------------------------------------------------------------------

    def order(self, verb: str, version: str) -> None:
        """A person orders something of the fleet, in this pod."""
        if not self.runs:
            return
        noted = f"{verb} {version or (self.newest.shared if self.newest else '')}"
        self.open_orders.append(noted)
        process = self.process

        def reply(error: str) -> None:
            assert process == self.process
            self.open_orders.remove(noted)
            self.setting.witness.did(self, "refused" if error else "obeyed", noted)

        self.tell(fev.FleetOrdered(verb, version, reply))


def ended_in_order(pod: Pod) -> Marks:
    """The marks after an ordered end, as `MarksFile.end` writes them."""
    versions = pod.versions
    marks = versions.marks
    proven = versions.live in ("", *marks.good, *marks.rejected)
    trial = marks.baking or ("" if proven else versions.live)
    return marks.replace(orderly=trial) if trial else pod.disk.marks
