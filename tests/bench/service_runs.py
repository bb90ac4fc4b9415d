"""Measures of several services: starts, rest, stops, and the cost of an event."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence

from config_supervisor.core import events as ev
from config_supervisor.services import conductor
from config_supervisor.services import roster as rosters
from config_supervisor.services.conductor_state import Services
from config_supervisor.services.plan import Group, Kind, Plan, Restart, Service
from tests.bench import candidates, procfs, resting, running
from tests.bench.bench import Bench, Result, kinds, present
from tests.bench.candidates import OURS, Candidate
from tests.bench.running import Moment
from tests.bench.service_candidates import several

FEW = 3
MANY = 35
BARE = "ours, bare init with one app"
STEP = "ours, an event of one among 100 services"
_SLOW = 400  # ms: slower candidates take fewer turns
_HUNDRED = 100
_LINGER = 1000  # ms that a service takes to end
_FIGURES = ("rss", "dirty", "threads", "switches")


def start(bench: Bench) -> list[Result]:
    """From exec to the first instruction of the last service: of three, and of many."""
    bare = Candidate(BARE, OURS, lambda at: [at.shop.supervisor, "--", at.shop.app])
    note = "Exec of the candidate to the first instruction of the last service."
    few = _begin(bench, FEW, [bare, *several(FEW)], 20)
    many = _begin(bench, MANY, several(MANY), 8)
    return [
        Result(
            "services_start", f"Exec to the last of {FEW} services", "ms", *few[:2], note, few[2]
        ),
        Result(
            "services_many", f"Exec to the last of {MANY} services", "ms", *many[:2], note, many[2]
        ),
    ]


def _begin(
    bench: Bench, count: int, chosen: Sequence[Candidate], turns: int
) -> tuple[dict[str, list[float]], dict[str, str], dict[str, str]]:
    samples: dict[str, list[float]] = {one.name: [] for one in present(chosen)}
    failed = {one.name: one.missing for one in chosen if one.missing}
    for turn in range(bench.times(turns)):
        for candidate in present(chosen):
            taken = samples[candidate.name]
            if candidate.name in failed or (turn % 4 and taken and min(taken) > _SLOW):
                continue
            place = bench.place(candidate)
            try:
                with bench.run(candidate, place) as run:
                    services = 1 if candidate.name == BARE else count
                    last = max(run.next(Moment.START).ns for _ in range(services))
                    taken.append((last - run.began) / 1e6)
            except running.SilentError as error:
                failed[candidate.name] = str(error)
            finally:
                candidates.clear(place)
    return samples, kinds(chosen), failed


def rest(bench: Bench) -> list[Result]:
    """Memory, threads and wake-ups beside three services at rest."""
    chosen = several(FEW)
    of: dict[str, dict[str, list[float]]] = {figure: {} for figure in _FIGURES}
    seconds = bench.seconds(20, 3)
    with bench.side_by_side(chosen) as (lives, failed):
        time.sleep(resting.SETTLED)
        before = [procfs.work(live.run.supervisors()) for live in lives]
        time.sleep(seconds)
        for live, was in zip(lives, before, strict=True):
            found = resting.look(live, was, seconds)
            for figure in _FIGURES:
                of[figure].setdefault(live.candidate.name, []).append(found[figure])
    failed |= {one.name: one.missing for one in chosen if one.missing}
    note = f"All processes of the candidate but {FEW} services, without a server; {seconds:.0f} s."
    return [
        Result(
            f"services_{figure}",
            f"{resting.FIGURES[figure][0]}, {FEW} services",
            resting.FIGURES[figure][1],
            of[figure],
            kinds(chosen),
            note,
            failed,
        )
        for figure in _FIGURES
    ]


def stop(bench: Bench) -> list[Result]:
    """From TERM to nothing left, with three services that need a second each."""
    chosen = several(FEW)
    samples: dict[str, list[float]] = {one.name: [] for one in present(chosen)}
    failed = {one.name: one.missing for one in chosen if one.missing}
    linger = (("BENCH_LINGER", str(_LINGER)),)
    for _ in range(bench.times(3)):
        for candidate in present(chosen):
            if candidate.name in failed:
                continue
            try:
                with bench.live(candidate, bench.place(candidate), linger) as live:
                    for _ in range(FEW - 1):
                        live.run.next(Moment.READY)
                    live.run.settle()
                    sent = live.run.signal(signal.SIGTERM)
                    samples[candidate.name].append((live.run.gone(20) - sent) / 1e6)
            except running.SilentError as error:
                failed[candidate.name] = str(error)
    note = "Each service needs a second after TERM. runit does not wait for them."
    title = f"TERM to nothing left, {FEW} services that need a second each"
    return [Result("services_stop", title, "ms", samples, kinds(chosen), note, failed)]


def event(bench: Bench) -> list[Result]:
    """The rules' time for an event of one among 100 services that run."""
    times = []
    for _ in range(bench.times(20)):
        services, pids = _running()
        for turn, (name, pid) in enumerate(pids.items()):
            new = pid + len(pids)
            crash = (ev.Exited(pid, 1, 0, name), *_up(name, new))
            began = time.perf_counter()
            for happened in crash:
                services, _ = conductor.step(services, happened, 100.0 + turn)
                conductor.wake_at(services)
            times.append((time.perf_counter() - began) / len(crash) * 1e6)
    note = "A crash with the start that follows: a third of exit, fork and exec; the median."
    title = "The rules' time for an event, 100 services"
    return [Result("services_event", title, "µs", {STEP: times}, {STEP: OURS}, note)]


def _running() -> tuple[Services, dict[str, int]]:
    """100 services with supervisord's defaults, all of them up; their pids."""
    names = [f"app{number:03}" for number in range(_HUNDRED)]
    groups = []
    for name in names:
        one = Service(name, name, name, Kind.PROGRAM, "app", ("app",), restart=Restart.ALWAYS)
        groups.append(Group(name, services=(one,)))
    plan = Plan(groups=tuple(groups), follows_supervisord=True)
    services = conductor.fresh(rosters.roster(plan))
    pids = {name: 1000 + number for number, name in enumerate(names)}
    begun: list[ev.Event] = [ev.Began()]
    begun += [event for name in names for event in _up(name, pids[name])]
    for event in begun:
        services, _ = conductor.step(services, event, 0.0)
    services, _ = conductor.step(services, ev.DeadlinePassed(), 50.0)
    return services, pids


def _up(name: str, pid: int) -> tuple[ev.Event, ev.Event]:
    return ev.Forked(pid, service=name), ev.Started(pid, service=name)
