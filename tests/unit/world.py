"""An honest world around a service, for random histories: an app, a disk, sources, and a supervisor
that may die.

Processes end only once, orders are answered at most once, and the disk keeps its content.
"""

from __future__ import annotations

from config_supervisor.core import events as ev
from config_supervisor.core import rollout_marks
from config_supervisor.core.actions import (
    Action,
    Answer,
    Apply,
    Check,
    Kill,
    Mark,
    Recover,
    Reload,
    RollBack,
    SignalReload,
    Spawn,
    WaitReady,
)
from config_supervisor.core.life_state import Ended, Phase, Then
from config_supervisor.core.orders import Settled
from config_supervisor.core.rollout_state import Rollout, RolloutPolicy
from config_supervisor.core.service import Policy, Service, step, wake_at
from config_supervisor.core.versions import Marks
from tests.unit.consistency import flaws
from tests.unit.histories import Records, fresh


class Disk:
    """Configroot: the live version, the kept versions, the marks."""

    def __init__(self) -> None:
        self.live = ""
        self.kept: list[str] = []  # newest first
        self.marks = Marks()

    def show(self, digest: str) -> None:
        self.live = digest
        self.kept = [digest, *(one for one in self.kept if one != digest)]

    def refuses(self, digest: str) -> bool:
        """Whether a start leaves a failed version alone because there is a better version."""
        return bool(self.marks.why(digest)) and any(one in self.marks.good for one in self.kept)

    def best(self) -> str:
        return next(iter(rollout_marks.order(self.marks, self.live, tuple(self.kept))), "")


class World(Records):
    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.rules = policy.rollout or RolloutPolicy()
        self.disk = Disk()
        self.now = 0.0
        self.next_pid = 10
        self.newest = ""
        self.seen: set[str] = set()  # versions seen to work
        self.barred: dict[
            str, str
        ] = {}  # versions that failed, and the newest content of that time
        self.told_to_stop = False
        self.ordered: list[Action | Ended] = []
        self.answered: list[Settled] = []
        self._begin()

    def _begin(self) -> None:
        """A supervisor starts, and knows only its disk."""
        self.state = fresh(self.policy)
        self.pid = 0
        self.doing: str | None = (
            None  # a thread that writes: apply, check, or the version to put back
        )
        self.checking = False
        self.reloading = 0
        self.ready = self.late = False
        self.ready_since = 0.0
        self.code: int | None = None
        self.prepared = self.chosen = False
        self.ordered_rollback = False
        self.catches = True  # the app has a handler for the reload signal

    def tell(self, event: ev.Event) -> None:
        before = self.state
        self.state, actions = step(before, event, self.now, self.policy)
        self.look(before)
        for action in actions:
            self.ordered.append(action)
            self.check(action)
        if Mark() in actions:
            self.disk.marks = self.versions.marks
        if Spawn() in actions:
            self.pid = self.next_pid
            self.next_pid += 1
            self.ready, self.late, self.ready_since = not self.policy.life.ready, False, self.now
            self.tell(ev.Started(self.pid))
        if Recover() in actions:
            self.recover()
        for action in actions:
            if isinstance(action, SignalReload):
                self.tell(ev.ReloadSignalled(action.attempt, self.catches))

    def look(self, before: Service) -> None:
        """Laws about every step."""
        assert [] == flaws(self.state, self.policy)
        was = (before.rollout or Rollout()).reloads
        reloads, running = self.reloads, self.rollout.runs_on
        if reloads.outcome == "success" != was.outcome:
            lived = (
                self.ready
                and self.now - self.ready_since > self.rules.verify_window - 1e-6
                and not self.rules.verify
            )
            seen = running in self.seen or running in self.disk.marks.good or lived
            assert seen, f"success was claimed before {running!r} was seen to work"
            self.seen.add(running)
        if reloads.failed > was.failed and self.versions.returning:
            self.barred[reloads.target] = self.newest

    def check(self, action: Action | Ended) -> None:
        match action:
            case Kill():
                assert self.pid, "a signal without an app"
            case Spawn():
                assert not self.pid, "two apps at once"
                assert not self.told_to_stop, "a start after a stop"
                assert self.code is None, "a start after the end"
            case Apply() | RollBack():
                assert self.doing is None, "two versions applied at once"
                assert not self.reloading, "a swap during a reload"
                assert not self.told_to_stop, "a swap after a stop"
                self.doing = action.digest if isinstance(action, RollBack) else ""
                if isinstance(action, RollBack):
                    assert self.rules.rollback or self.ordered_rollback, (
                        "a rollback that was not asked for"
                    )
                else:
                    assert not self.checking, "a version applied while it is validated"
            case Check():
                assert self.reloading, "a version checked that could be applied"
                assert self.rules.validate, "a check without a validation"
                assert not self.checking, "two checks at once"
                self.checking = True
            case SignalReload():
                assert self.pid, "a reload signal without an app"
                assert not self.rules.verify, "a reload signal before the verification looked"
            case Reload(attempt):
                assert self.pid, "a reload without an app"
                assert self.ready or self.late, "a reload of an app that may become ready in time"
                assert not self.reloading, "two reloads at once"
                self.reloading = attempt
            case WaitReady(pid):
                assert self.pid == pid
            case Answer(event, settled):
                assert event.reply is not None
                event.reply(settled)
            case Ended(code):
                self.code = code
                assert not self.pid, "the end before the app's"

    def play(self, kind: str, value: object) -> None:  # noqa: C901, PLR0912 - the table of steps
        match kind, value:
            case "wait", float(seconds):
                self.wait(seconds)
            case "signal", int(signum):
                self.tell(ev.SignalReceived(signum))
            case "exit", int(code) if self.pid:
                self.exit(code)
            case "offer", str(digest) if self.policy.rollout is not None:
                self.offer(digest)
            case "applied", str(reason) if self.doing is not None:
                self.applied(reason)
            case "checked", str(reason) if self.checking:
                self.checked(reason)
            case "ready", _ if self.pid and not self.ready:
                self.ready, self.ready_since = True, self.now
                self.tell(ev.AppReady(self.pid))
            case "unready", bool(asked) if self.life.phase is Phase.STARTING and self.pid:
                self.late = True
                self.tell(ev.AppUnready(self.pid, "503", asked))
            case "order", bool(back) if self.policy.rollout is not None and self.versions.live:
                self.order(back)
            case "reloaded", str(reason) if self.reloading:
                self.reloaded(reason)
            case "catches", bool(catches):
                self.catches = catches
            case "left", _:
                self.tell(ev.NothingLeft())
            case "missing", bool(present):
                self.tell(ev.SourceRead(0, present=present))
            case "die", bool(orderly) if not self.told_to_stop and self.policy.rollout is not None:
                self.die(orderly)

    def offer(self, digest: str) -> None:
        self.newest = digest
        self.tell(ev.ConfigOffered(digest, 0.5))

    def order(self, back: bool) -> None:
        self.ordered_rollback = self.ordered_rollback or back
        if back:
            self.tell(ev.RollbackOrdered(self.disk.kept[-1], self.answered.append))
        else:
            self.barred.pop(self.newest, None)
            self.tell(ev.ReloadOrdered(self.answered.append))

    def reloaded(self, reason: str) -> None:
        attempt, self.reloading = self.reloading, 0
        if not reason:
            self.seen.add(self.reloads.target)
        self.tell(ev.ReloadFinished(attempt, reason))

    def exit(self, code: int) -> None:
        pid, self.pid = self.pid, 0
        self.reloading = 0  # the thread's report will be stale
        self.tell(ev.Exited(pid, code))

    def applied(self, reason: str) -> None:
        back, self.doing = self.doing, None
        self.remember()
        if back:
            if reason:
                self.tell(ev.ConfigFailed(back, "rollback", reason))
                return
            self.disk.show(back)
            self.tell(ev.ConfigApplied(back, rolled_back=True))
            return
        if (
            not reason
            and not self.chosen
            and self.rules.rollback
            and self.disk.refuses(self.newest)
        ):
            reason, self.chosen = "failed", True
        if reason:
            self.tell(ev.ConfigFailed(self.newest, reason, reason))
            return
        self.try_out(self.newest)
        previous = self.disk.live
        self.disk.show(self.newest)
        self.chosen = True
        self.tell(ev.ConfigApplied(self.newest, previous=previous))

    def try_out(self, digest: str) -> None:
        """A failed version is tried again only after another offer, or on order."""
        since = self.barred.pop(digest, None)
        better = any(one in self.disk.marks.good and one != digest for one in self.disk.kept)
        assert since is None or not better or self.versions.rejected != digest, (
            f"{digest} was tried twice"
        )

    def checked(self, reason: str) -> None:
        self.checking = False
        self.tell(
            ev.ConfigFailed(self.newest, reason, reason)
            if reason
            else ev.ConfigChecked(self.newest)
        )

    def remember(self) -> None:
        if self.prepared or not self.rules.rollback:
            return
        self.prepared = True
        self.disk.marks = rollout_marks.begun(self.disk.marks, self.disk.live)
        self.tell(ev.Remembered(self.disk.marks))

    def recover(self) -> None:
        self.remember()
        best = self.disk.best() if self.rules.rollback else self.disk.live
        if not best:
            self.tell(ev.ConfigFailed("", "no_generation", "none"))
            return
        previous = self.disk.live
        self.disk.show(best)
        self.tell(ev.ConfigApplied(best, cached=True, previous=previous))

    def die(self, orderly: bool) -> None:
        """The supervisor ends with its container; both start again, and so do the sources."""
        config = self.versions
        if (
            orderly
            and self.rules.rollback
            and config.live not in ("", *config.marks.good, *config.marks.rejected)
        ):
            self.disk.marks = config.marks.replace(orderly=config.live)
        self._begin()
        self.tell(ev.Began())
        if self.newest:
            self.tell(ev.ConfigOffered(self.newest, 0.5))

    def wait(self, seconds: float) -> None:
        """Time passes; deadlines on the way are told as the loop would."""
        end = self.now + seconds
        for _ in range(1000):
            due = wake_at(self.state, self.policy)
            if due is None or due > end:
                break
            self.now = max(self.now, due)
            before = self.state
            if due in (self.life.deadline, self.reloads.deadline):
                self.reloading = 0  # given up, if any
                self.late = self.late or before.life.phase is Phase.STARTING
            self.tell(ev.DeadlinePassed())
            later = wake_at(self.state, self.policy)
            assert self.state != before or later is None or later > self.now, (
                "a deadline that changes nothing spins"
            )
        self.now = max(self.now, end)

    def settle(self) -> None:
        """Everything works from now on, and there is time."""
        for _ in range(200):
            self.play("ready", None)
            if self.life.then is Then.REPLACE and self.pid:
                self.exit(0)  # told to stop for its restart
            if self.checking:
                self.checked("")
            if self.doing is not None:
                self.applied("")
            elif self.reloading:
                self.reloaded("")
            self.tell(ev.NothingLeft())
            self.wait(1)


def play(policy: Policy, steps: list[tuple[str, object]]) -> World:
    """The world after a history."""
    world = World(policy)
    world.tell(ev.Began())
    for kind, value in steps:
        world.play(kind, value)
    return world
