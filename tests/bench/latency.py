"""Measures of signals: from just before kill(2) to the app's handler; at rest, while importing,
while updates stream.

A signal at a time, at random moments, each waited for. The machine's scheduler adds time under
load; tini, without load of its own beside a candidate with updates, shows how much.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Sequence

from tests.bench import candidates, running
from tests.bench.bench import LARGE, Bench, Live, Placing, Result, kinds
from tests.bench.candidates import Candidate
from tests.bench.running import Moment, Run

# Seconds between two signals, at random: they must not fall into step with anything.
LONGEST_PAUSE = 0.002
TITLE = "Signal to the app's handler"
BESIDE_IMPORT = "tini, beside the API role"
BESIDE_STREAM = "tini, beside a floor with updates"


def probe(run: Run) -> float:
    """Send USR1 to PID 1; ms until the app's handler."""
    sent = run.signal(signal.SIGUSR1)
    took = run.next(Moment.SIGNAL, 10, int(signal.SIGUSR1)).ns - sent
    time.sleep(random.uniform(0, LONGEST_PAUSE))
    return took / 1e6


def _command(live: Live) -> float:
    """The same by the peer's own command."""
    assert live.candidate.sender is not None
    command = live.candidate.sender(live.place, "USR1")
    began = time.monotonic_ns()
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return (live.run.next(Moment.SIGNAL, 10, int(signal.SIGUSR1)).ns - began) / 1e6


def at_rest(bench: Bench) -> list[Result]:
    """All candidates run; each gets ten signals in turn."""
    chosen = [*candidates.inits(), candidates.OURS_API, candidates.FLOOR_API]
    with bench.side_by_side(chosen) as (lives, failed):
        samples: dict[str, list[float]] = {live.candidate.name: [] for live in lives}
        for turn in range(bench.times(100)):
            for live in lives:
                if live.candidate.sender is None:
                    samples[live.candidate.name] += [probe(live.run) for _ in range(10)]
                elif turn < bench.times(20):
                    samples[live.candidate.name].append(_command(live))
    note = (
        "s6, runit, supervisord and circus forward no signal as PID 1: their own commands send it."
    )
    failed |= {candidate.name: candidate.missing for candidate in chosen if candidate.missing}
    return [Result("signal_rest", f"{TITLE}, at rest", "ms", samples, kinds(chosen), note, failed)]


def importing(bench: Bench) -> list[Result]:
    """While a thread imports: `kubernetes` in the API role, `prometheus_client` in the directory
    role.
    """
    api = candidates.OURS_API
    directory = candidates.OURS_DIRECTORY
    tini = bystander(BESIDE_IMPORT)
    chosen = [api, directory, *([tini] if tini else [])]
    samples: dict[str, list[float]] = {candidate.name: [] for candidate in chosen}
    with bench.side_by_side([tini] if tini else []) as (beside, failed):
        for _ in range(bench.times(12)):
            found = _import_kubernetes(bench, beside)
            for candidate, taken in zip((api, tini), found, strict=True):
                if candidate is not None:
                    samples[candidate.name] += taken
            with bench.live(directory, bench.place(directory)) as live:
                end = time.monotonic() + 0.3
                while time.monotonic() < end:
                    samples[directory.name].append(probe(live.run))
    note = (
        "API role: started a second time on its files with --initial-sync-timeout=1ms, so that the"
        " app starts at once while the sync thread imports `kubernetes`; signals from the app's"
        " start to the first request at the API server. tini shows what the scheduler adds"
        " meanwhile. Directory role: the first 0.3 s of the app, while metrics and HTTP are"
        " imported."
    )
    return [
        Result(
            "signal_import", f"{TITLE}, while importing", "ms", samples, kinds(chosen), note, failed
        )
    ]


def _import_kubernetes(bench: Bench, beside: Sequence[Live]) -> tuple[list[float], list[float]]:
    """Latencies of ours while it imports, and of the candidates beside it, in turns."""
    candidate = candidates.OURS_API
    ours = []
    theirs = []
    where = bench.place(candidate)
    assert where.api is not None
    try:
        with bench.run(candidate, where) as run:
            run.next(Moment.START)
        seen = len(bench.kube.order("asked", where.api.namespace))
        with bench.run(candidate, where, options=["--initial-sync-timeout=1ms"]) as run:
            run.next(Moment.READY)
            end = time.monotonic() + 20
            while (
                len(bench.kube.order("asked", where.api.namespace)) == seen
                and time.monotonic() < end
            ):
                ours += [probe(run) for _ in range(20)]
                theirs += [probe(live.run) for live in beside for _ in range(10)]
    finally:
        candidates.clear(where)
    return ours, theirs


def bystander(name: str) -> Candidate | None:
    """Tini under another name, where it is installed."""
    tini = next(one for one in candidates.inits() if one.name == "tini")
    return None if tini.missing else tini.replace(name=name)


def streaming(bench: Bench) -> list[Result]:
    """While objects of 1 MiB arrive without a pause: in one key, and in 200."""
    return [_stream(bench, 1), _stream(bench, 200)]


def _stream(bench: Bench, keys: int) -> Result:
    tini = bystander(BESIDE_STREAM)
    pairs = [
        (candidates.OURS_API, candidates.OURS_API),
        (candidates.FLOOR_API, candidates.FLOOR_API),
    ]
    pairs += [(tini, candidates.FLOOR_API)] if tini else []
    samples: dict[str, list[float]] = {probed.name: [] for probed, _ in pairs}
    versions = dict.fromkeys(samples, 0)
    chosen = [probed for probed, _ in pairs]
    with bench.side_by_side(chosen, Placing(LARGE, keys)) as (lives, failed):
        found = {live.candidate.name: live for live in lives}
        for _ in range(bench.times(4)):
            for probed, streamed in pairs:
                if probed.name in found and streamed.name in found:
                    taken, count = _probe_under(
                        bench, found[probed.name].run, found[streamed.name], keys
                    )
                    samples[probed.name] += taken
                    versions[probed.name] += count
    sent = ", ".join(f"{name} {count}" for name, count in versions.items())
    note = (
        "The API server changes the object as soon as the last version is sent; it runs at nice"
        f" 10, so its rendering delays no candidate. Versions sent: {sent}. Ours writes, swaps and"
        " reloads each."
    )
    title = f"{TITLE}, while 1 MiB in {keys} key{'s'[: keys > 1]} streams in"
    return Result(f"signal_stream_{keys}", title, "ms", samples, kinds(chosen), note, failed)


def _probe_under(bench: Bench, probed: Run, streamed: Live, keys: int) -> tuple[list[float], int]:
    assert streamed.place.api is not None
    seconds = bench.seconds(5)
    taken = []
    _be_nice(bench.kube.pid, 10)
    bench.kube.begin(
        "stream", streamed.place.api.namespace, streamed.place.api.names[0], LARGE, keys, seconds
    )
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            taken.append(probe(probed))
            streamed.run.forget() if streamed.run is not probed else None
    except running.SilentError as error:
        bench.say(str(error))
    count: int = bench.kube.end()
    _be_nice(bench.kube.pid, 0)
    return taken, count


def _be_nice(pid: int, value: int) -> None:
    # In Linux a priority belongs to a thread: sched(7).
    for task in os.listdir(f"/proc/{pid}/task"):
        os.setpriority(os.PRIO_PROCESS, int(task), value)
