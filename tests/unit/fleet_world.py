"""A simulated fleet: up to 7 pods with real services, one API, versions with fates, people.

`play` runs a history, a list of steps; `settle` ends all faults and waits until the fleet rests.
Nothing here decides for a pod. Laws about steps: `fleet_laws.py`; about ends: `FleetWorld.settle`.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

from config_supervisor.core import events as ev
from config_supervisor.core.life_state import LifePolicy
from config_supervisor.core.rollout_state import Rollout, RolloutPolicy
from config_supervisor.core.service import Policy, Service
from config_supervisor.core.source_states import SourceState
from config_supervisor.core.versions import Versions
from config_supervisor.fleet.policy import FleetPolicy, Role
from config_supervisor.fleet.rules import FleetRules
from config_supervisor.fleet.state import Fleet, State
from tests.unit.fleet_api import Api
from tests.unit.fleet_laws import Laws, bad, meaning
from tests.unit.fleet_pod import Pod
from tests.unit.fleet_setting import Content, Setting
from tests.unit.fleet_time import Agenda, Clock, Dice

PODS = 7
QUIET = 4 * 3600.0  # seconds after which a fleet without faults rests
STEPS = 30_000  # of all pods in one stretch of time; more would be a loop


class Setup:
    """The options of a history."""

    def __init__(self, **options: Any) -> None:
        self.pods = 3
        self.roles: tuple[str, ...] = ()  # of the first pods; the others are auto
        self.offsets: tuple[float, ...] = ()  # of the clocks
        self.rates: tuple[float, ...] = ()
        self.seed = 0
        self.bake = 30.0
        self.spread = 60.0
        self.check = False
        self.serial = False
        self.manual = False
        self.keep = False
        self.secret = False  # a digest is no name: a revert has a new one
        self.validate = False
        self.verify = True
        self.ready = False
        self.restart_to_reload = False
        self.restart = "always"
        self.strange = -1  # the pod whose sources differ from those of the others
        unknown = options.keys() - vars(self).keys()
        assert not unknown, unknown
        vars(self).update(options)

    def __repr__(self) -> str:
        plain = vars(Setup())
        told = {k: v for k, v in vars(self).items() if v != plain[k]}
        return f"Setup({', '.join(f'{k}={v!r}' for k, v in told.items())})"


class FleetWorld:
    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.agenda = Agenda()
        self.api = Api(self.agenda, Dice(setup.seed))
        self.laws = Laws(self.api)
        self.setting = Setting(self.api, self._fate, self.laws)
        self.setting.keeps = setup.keep
        self.setting.bake = setup.bake
        self.versions: list[Content] = []
        self.pods: list[Pod] = []
        self.made = 0  # pods, ever
        self.change("good")
        for _ in range(setup.pods):
            self.add_pod()

    # --- versions --------------------------------------------------------------------------------

    def _fate(self, version: str, pod: Pod) -> str:
        fate = self.laws.fates.get(version, "good")
        if fate != "some":
            return fate
        unlucky = int(hashlib.sha256(f"{version}{pod.name}".encode()).hexdigest(), 16) % 3 == 0
        return "verify" if unlucky else "good"

    def change(self, fate: str) -> None:
        """The source has a new content."""
        if fate in ("check", "validate") and not getattr(self.setup, fate):
            fate = "good"  # nothing would find out
        digest = f"{len(self.laws.fates):02x}" * 32
        if fate in ("verify", "unready") and not self.setup.verify:
            self.laws.excused.add(digest)  # a start finds nothing out
        self.laws.fates[digest] = fate
        self._publish(digest)

    def revert(self, back: int) -> None:
        """The source has an earlier content again."""
        known = list(dict.fromkeys(one.digest for one in reversed(self.versions)))
        digest = known[back % len(known)]
        if self.setting.content is not None and digest != self.setting.content.digest:
            self._publish(digest)

    def _publish(self, digest: str) -> None:
        shared = digest
        if self.setup.secret:
            shared = hashlib.sha256(f"{len(self.versions)} {digest}".encode()).hexdigest()
        elsewhere = self.laws.shared.get(digest, shared)
        self.laws.shared[digest] = shared if elsewhere == shared else ""
        self.laws.digests[shared] = digest
        content = Content(digest, shared)
        self.versions.append(content)
        self.setting.content = content
        for pod in self.pods:
            self._bring(pod, content)

    def _bring(self, pod: Pod, content: Content) -> None:
        """The watch of a pod's source tells the content; changes stay in their order."""
        lag = 0.1 + self.setting.delay(5.0)
        pod.feed = max(pod.feed, self.agenda.now + lag)

        def arrive() -> None:
            if pod.faults.parted or self.api.away:
                pod.later(5.0, pod.look)
            elif pod.newest is not None:  # else its first look comes
                pod.read(content, "modified")

        pod.later(pod.feed - self.agenda.now, arrive)

    # --- pods ------------------------------------------------------------------------------------

    def add_pod(self) -> None:
        number = self.made
        self.made += 1
        pick = number % PODS
        offset = (self.setup.offsets or (0.0,))[pick % max(1, len(self.setup.offsets))]
        rate = (self.setup.rates or (1.0,))[pick % max(1, len(self.setup.rates))]
        pod = Pod(f"pod-{number}", Clock(offset, rate), self.setting, self._service)
        pod.shape = "cafe" if number == self.setup.strange else "beef"
        pod.policy = self._policy(pod, number)
        self.pods.append(pod)
        pod.begin()

    def _policy(self, pod: Pod, number: int) -> Policy:
        setup = self.setup
        life = LifePolicy(restart=setup.restart, ready=setup.ready, leftovers=False)
        rollout = RolloutPolicy(
            validate=setup.validate,
            verify=setup.verify,
            rollback=True,
            restart_to_reload=setup.restart_to_reload,
        )
        role = setup.roles[number] if number < len(setup.roles) else "auto"
        fleet = FleetPolicy(
            name="web",
            identity=pod.name,
            shape=pod.shape,
            bake=setup.bake,
            check=setup.check,
            spread=setup.spread,
            role=Role(role),
            serial=setup.serial,
            keep=setup.keep,
            manual=setup.manual,
            duration=30.0 + 5.0 + setup.bake + 30.0,
            patience=20.0,
        )
        return Policy(life, rollout, FleetRules(fleet))

    def _service(self) -> Service:
        return Service(
            rollout=Rollout(versions=Versions(gated=True)),
            sources=(SourceState("configmap a/b"),),
            fleet=Fleet(),
        )

    # --- time ------------------------------------------------------------------------------------

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        end = self.agenda.now + seconds
        for _ in range(STEPS):
            due, pod = min(
                ((pod.wakes, at) for at, pod in enumerate(self.pods) if pod.wakes is not None),
                default=(math.inf, -1),
            )
            if min(due, self.agenda.next) > end:
                break
            if self.agenda.next <= due:
                self.agenda.do_next()
            else:
                self.agenda.now = max(self.agenda.now, due)
                self._wake(self.pods[pod])
        else:
            raise AssertionError(f"{STEPS} steps in {seconds} s")
        self.agenda.now = max(self.agenda.now, end)

    def _wake(self, pod: Pod) -> None:
        before = pod.state
        pod.tell(ev.DeadlinePassed())
        later = pod.wakes is None or pod.wakes > self.agenda.now
        assert pod.state is not before or later, f"{pod.name}: a deadline that changes nothing"

    # --- histories -------------------------------------------------------------------------------

    def play(self, steps: list[tuple[Any, ...]]) -> FleetWorld:
        for step in steps:
            self.do(*step)
        return self

    def do(self, kind: str, *values: Any) -> None:
        match kind, values:
            case "wait", (seconds,):
                self.wait(seconds)
            case "change", (fate,) if len(self.laws.fates) < 200:
                self.change(fate)
            case "revert", (back,):
                self.revert(back)
            case "poke", _:
                self._publish_again()
            case "away", (away,):
                self.api.away = away
            case "unlease", _:
                self.api.delete()
            case "touch", _:
                self.api.touch()
            case "add", _ if len(self.pods) < PODS:
                self.add_pod()
            case "canary", (deed, *more):
                holder = self.api.lease.holder
                for pod in [one for one in self.pods if one.name == holder]:
                    self._of_pod(deed, pod, *more)
            case _, (which, *more) if self.pods:
                self._of_pod(kind, self.pods[which % len(self.pods)], *more)

    def _publish_again(self) -> None:
        """The source has a new revision without new content."""
        assert self.setting.content is not None
        content = self.setting.content
        if self.setup.secret:
            return
        for pod in self.pods:
            self._bring(pod, content)

    def _of_pod(self, kind: str, pod: Pod, *values: Any) -> None:
        match kind, values:
            case "kill", (orderly,):
                pod.die(orderly=orderly)
            case "replace", _:
                self.remove(pod)
                self.add_pod()
            case "crash", (code,):
                pod.exit(code)
            case "part", (parted,):
                pod.faults.parted = parted
            case "forbid", (forbidden,):
                pod.faults.forbidden = forbidden
            case "write", (fate,):
                pod.faults.writes.append(fate)
            case "cut", _ if pod.link.watch is not None:
                pod.link.watch.cut()
            case "trouble", (trouble,):
                pod.trouble = trouble
            case "order", (verb, back):
                known = list(dict.fromkeys(one.shared for one in reversed(self.versions)))
                pod.order(verb, "" if back == 0 else known[(back - 1) % len(known)])
            case "reload", _ if pod.runs:
                pod.tell(ev.ReloadOrdered(lambda _: None))
            case "rollback", _ if pod.runs and pod.disk.live and pod.disk.kept:
                pod.tell(ev.RollbackOrdered(pod.disk.kept[-1], lambda _: None))

    def remove(self, pod: Pod) -> None:
        pod.delete()
        self.pods.remove(pod)

    # --- the end ---------------------------------------------------------------------------------

    def heal(self) -> None:
        """All faults end."""
        self.api.away = False
        for pod in self.pods:
            pod.faults.heal()
            pod.trouble = ""

    def settle(self) -> None:
        """The API works, nothing changes, and there is time: laws of the end."""
        self.heal()
        self.wait(QUIET)
        for pod in self.pods:
            self._has_come_to_rest(pod)
        self._rests()

    def _rests(self) -> None:
        """At rest no pod asks for anything."""
        quiet = [pod for pod in self.pods if pod.life.up]
        before = {pod.name: len(pod.faults.requests) for pod in quiet}
        processes = {pod.name: pod.process for pod in quiet}
        self.wait(QUIET)
        for pod in quiet:
            if pod.process != processes[pod.name]:
                continue  # its version kills it again and again
            later = pod.faults.requests[before[pod.name] :]
            assert not later, f"{pod.name} is at rest, and asks {later[:3]}"

    def _has_come_to_rest(self, pod: Pod) -> None:
        """It runs on the newest version, or holds it and tells why."""
        newest = self.setting.content
        assert newest is not None
        ledger = meaning(self.api.lease)
        condemned = newest.shared in bad(ledger)
        state: State = pod.state.fleet.state
        told = f"{pod.name} ({state}, {pod.state.fleet.reason})"
        assert not pod.open_orders, f"{told}: no answer to {pod.open_orders}"
        if not pod.life.up:
            fates = {self._fate(one, pod) for one in (newest.digest, pod.disk.live) if one}
            assert condemned or fates != {"good"}, f"{told}: no app runs"
            return
        if pod.rollout.runs_on == newest.digest:
            return
        by_hand = pod.state.fleet.reason == "rollback"
        if newest.shared in ledger.good:
            fails = self._fate(newest.digest, pod) != "good"
            left = by_hand or pod.versions.rejected == newest.digest
            assert fails or left or state is State.HELD, f"{told}: misses the good version"
        failed = condemned or by_hand or self._fate(newest.digest, pod) != "good"
        expected = (State.HELD, State.PASSED, *([State.CONDEMNED] if failed else []))
        rejected = pod.versions.rejected == newest.digest
        assert state in expected or rejected, f"{told}: neither runs nor holds the newest version"
