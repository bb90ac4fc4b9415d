"""What holds in every history: random events, then a check of what the machine ordered."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor import events as ev
from supervisor.actions import Action, Apply, CancelReload, Done, Kill, Recover, Reload, RollBack, Spawn, WaitReady
from supervisor.machine import step, wake_at
from supervisor.state import Phase, Policy, SourceState, State, stale

POLICIES = st.builds(
    Policy,
    configured=st.booleans(),
    restart=st.sampled_from(["never", "on-failure", "always"]),
    leftovers=st.booleans(),
    ready=st.booleans(),
    rollback=st.booleans(),
    restart_to_reload=st.booleans(),
    group=st.booleans(),
    is_init=st.booleans(),
    stop_delay=st.sampled_from([0.0, 3.0]),
    stop_timeout=st.sampled_from([None, 5.0]),
    reload_interval=st.sampled_from([0.0, 10.0]),
    reload_quiet=st.sampled_from([0.0, 1.0]),
    reload_splay=st.sampled_from([0.0, 5.0]),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.floats(0, 70)),
        st.tuples(st.just("signal"), st.sampled_from([1, 2, 3, 10, 18, 20])),
        st.tuples(st.just("exit"), st.sampled_from([0, 1, 137])),
        st.tuples(st.just("offer"), st.sampled_from("abcd")),
        st.tuples(st.just("applied"), st.sampled_from(["", "write", "bad_key", "validate"])),
        st.tuples(st.just("reloaded"), st.sampled_from(["", "no_handler", "verify", "http_status"])),
        st.tuples(st.just("ready"), st.none()),
        st.tuples(st.just("order"), st.booleans()),
        st.tuples(st.just("left"), st.none()),
        st.tuples(st.just("missing"), st.booleans()),
    ),
    max_size=60,
)


class World:
    """An honest world around the machine: processes end only once, orders are answered at most once."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.state = State(sources=(SourceState("configmap a/b"),))
        self.now = 0.0
        self.pid = 0
        self.next_pid = 10
        self.applying: str | None = None  # "" for the newest, else the version to put back
        self.reloading = 0
        self.ready = False
        self.newest = ""
        self.disk = [""]  # what can be put back
        self.code: int | None = None
        self.ordered: list[Action] = []
        self.told_to_stop = False
        self.ordered_rollback = False

    def tell(self, event: ev.Event) -> None:
        self.state, actions = step(self.state, event, self.now, self.policy)
        for action in actions:
            self.ordered.append(action)
            self.check(action)
        if Spawn() in actions:
            self.pid = self.next_pid
            self.next_pid += 1
            self.ready = not self.policy.ready
            self.tell(ev.Started(self.pid))
        if Recover() in actions:
            self.disk.append("old")
            self.tell(ev.ConfigApplied("old", cached=True))

    def check(self, action: Action) -> None:
        match action:
            case Kill():
                assert self.pid, "a signal without an app"
            case Spawn():
                assert not self.pid, "two apps at once"
                assert not self.told_to_stop, "a start after a stop"
                assert self.code is None, "a start after the end"
            case Apply() | RollBack():
                assert self.applying is None, "two versions applied at once"
                assert not self.reloading, "a swap during a reload"
                assert not self.told_to_stop, "a swap after a stop"
                self.applying = action.digest if isinstance(action, RollBack) else ""
                if isinstance(action, RollBack):
                    assert self.policy.rollback or self.ordered_rollback, "a rollback that nobody wants"
            case Reload(attempt):
                assert self.pid, "a reload without an app"
                assert self.ready, "a reload of an app that is not ready"
                assert not self.reloading, "two reloads at once"
                self.reloading = attempt
            case WaitReady(pid):
                assert self.pid == pid
            case CancelReload():
                pass
            case Done(code):
                self.code = code
                assert not self.pid, "the end before the app's"

    def play(self, kind: str, value: object) -> None:
        match kind, value:
            case "wait", float(seconds):
                self.wait(seconds)
            case "signal", int(signum):
                self.tell(ev.SignalReceived(signum))
            case "exit", int(code) if self.pid:
                self.exit(code)
            case "offer", str(digest) if self.policy.configured:
                self.newest = digest
                self.tell(ev.ConfigOffered(digest, 0.5))
            case "applied", str(reason) if self.applying is not None:
                self.applied(reason)
            case "ready", _ if self.pid and not self.ready:
                self.ready = True
                self.tell(ev.AppReady(self.pid))
            case "order", bool(back) if self.policy.configured and self.state.config.live:
                self.ordered_rollback = self.ordered_rollback or back
                self.tell(ev.RollbackOrdered(self.disk[-1]) if back else ev.ReloadOrdered())
            case "reloaded", str(reason) if self.reloading:
                attempt, self.reloading = self.reloading, 0
                self.tell(ev.ReloadFinished(attempt, reason))
            case "left", _:
                self.tell(ev.NothingLeft())
            case "missing", bool(present):
                self.tell(ev.SourceRead(0, present=present))

    def exit(self, code: int) -> None:
        pid, self.pid = self.pid, 0
        self.reloading = 0  # the thread's report will be stale
        self.tell(ev.Exited(pid, code))

    def applied(self, reason: str) -> None:
        back, self.applying = self.applying, None
        if back:
            reason = "rollback" if reason else ""
        digest = back or self.newest
        if reason:
            self.tell(ev.ConfigFailed(digest, reason, reason))
        else:
            self.disk.append(digest)
            self.tell(ev.ConfigApplied(digest, rolled_back=bool(back)))

    def wait(self, seconds: float) -> None:
        """Time passes; deadlines on the way are told as the loop would."""
        end = self.now + seconds
        for _ in range(1000):
            due = wake_at(self.state, self.policy)
            if due is None or due > end:
                break
            assert due >= self.now or self.state.phase is Phase.DONE or due <= self.now
            self.now = max(self.now, due)
            before = self.state
            if self.state.phase is Phase.RELOADING and self.state.deadline == due:
                self.reloading = 0  # given up
            self.tell(ev.DeadlinePassed())
            later = wake_at(self.state, self.policy)
            assert self.state != before or later is None or later > self.now, "a deadline that changes nothing spins"
        self.now = max(self.now, end)

    def settle(self) -> None:
        """Everything works from now on, and there is time."""
        for _ in range(150):
            self.play("ready", None)
            if self.state.replacing and self.pid:
                self.exit(0)  # the app was told to stop, so that it starts again
            if self.applying is not None:
                self.applied("")
            elif self.reloading:
                self.play("reloaded", "")
            self.tell(ev.NothingLeft())
            self.wait(1)


def play(policy: Policy, steps: list[tuple[str, object]]) -> World:
    world = World(policy)
    world.tell(ev.Began())
    for kind, value in steps:
        world.play(kind, value)
    return world


@given(POLICIES, STEPS)
@settings(max_examples=400, deadline=None)
def test_every_history_can_be_ended_and_then_ends_with_the_apps_code(
    policy: Policy, steps: list[tuple[str, object]]
) -> None:
    world = play(policy, steps)
    world.tell(ev.SignalReceived(15))
    world.told_to_stop = True
    world.reloading = 0
    if world.pid:
        world.exit(7)
        world.tell(ev.NothingLeft())
        assert 7 == world.code
    else:
        world.tell(ev.NothingLeft())
    world.wait(100)
    if world.pid:  # it was started just before, by a deadline that had passed
        world.exit(7)
        world.tell(ev.NothingLeft())

    assert world.code is not None
    assert Phase.DONE is world.state.phase


@given(POLICIES.filter(lambda p: p.configured), STEPS)
@settings(max_examples=200, deadline=None)
def test_after_quiet_the_app_runs_on_the_newest_version_that_can_be_written(
    policy: Policy, steps: list[tuple[str, object]]
) -> None:
    world = play(policy, steps)
    world.settle()
    if not world.pid or not world.newest:
        return

    assert Phase.RUNNING is world.state.phase
    if world.newest != world.state.config.rejected:
        assert (world.newest, False) == (world.state.config.running, stale(world.state))
        assert "success" == world.state.reloads.outcome
    assert world.state.config.live == world.state.config.running
    assert wake_at(world.state, policy) is None


@given(POLICIES, STEPS)
@settings(max_examples=200, deadline=None)
def test_every_event_has_an_answer_in_every_phase(policy: Policy, steps: list[tuple[str, object]]) -> None:
    reply = ev.SignalRequested(1, 1, lambda _: None)
    world = play(policy, steps)
    everything: list[ev.Event] = [
        ev.Began(),
        ev.ChildrenChanged(),
        ev.Stopped(10, 20),
        ev.OrphanReaped(3),
        ev.NothingLeft(),
        ev.DeadlinePassed(),
        ev.ConfigFailed("", "no_generation", "none"),
        reply,
        ev.SourceOpened(0, "configmap", "a", "b"),
        ev.SourceContacted(0),
        ev.SourceFailed(0, "forbidden", "no", 1.0),
        ev.WatchConnected(0, up=True),
        ev.WatchSaw(0, "added"),
        ev.WatchRestarted("gone"),
    ]
    for event in everything:
        after, actions = step(world.state, event, world.now, policy)
        assert isinstance(after, State)
        assert world.pid or not any(isinstance(action, Kill | Reload) for action in actions)
