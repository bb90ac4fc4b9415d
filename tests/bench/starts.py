"""Measures of starts, stops and health checks: exec to the app, exec to the first sync, TERM to
gone.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Sequence

from tests.bench import candidates, running
from tests.bench.bench import Bench, Result, kinds, present
from tests.bench.candidates import Candidate


def start(bench: Bench) -> list[Result]:
    """From exec to the app's first instruction; fewer rounds for slow candidates."""
    chosen = [_bare_app(), *candidates.inits()]
    note = (
        "Exec of the candidate to the first instruction of the app's main. runit waits a second by"
        " design."
    )
    return [_begin(bench, "start", "Exec to the app's first instruction", chosen, note)]


def first_sync(bench: Bench) -> list[Result]:
    """From exec to the first configuration applied and, but for the sidecar, the app started."""
    chosen = [*candidates.followers(), candidates.LIST_AND_EXEC]
    note = (
        "Exec to the app's first instruction, which follows the write of the first list; for"
        " k8s-sidecar, which is no init, to its first reload request. 'list and exec' imports"
        " `kubernetes`, lists an object through the DynamicClient, writes it and execs the"
        " app."
    )
    return [_begin(bench, "first_sync", "Exec to first configuration applied", chosen, note)]


def _bare_app() -> Candidate:
    return Candidate("the app alone", "floor", lambda at: [at.shop.app])


def _begin(bench: Bench, key: str, title: str, chosen: Sequence[Candidate], note: str) -> Result:
    samples: dict[str, list[float]] = {candidate.name: [] for candidate in present(chosen)}
    failed: dict[str, str] = {
        candidate.name: candidate.missing for candidate in chosen if candidate.missing
    }
    for turn in range(bench.times(40 if key == "start" else 20)):
        for candidate in present(chosen):
            taken = samples[candidate.name]
            if candidate.name in failed or (
                turn % 8 and taken and min(taken) > 400 and key == "start"
            ):
                continue
            try:
                with bench.live(candidate, bench.place(candidate)) as live:
                    taken.append(live.synced)
            except running.SilentError as error:
                failed[candidate.name] = str(error)
    return Result(key, title, "ms", samples, kinds(chosen), note, failed)


def stop(bench: Bench) -> list[Result]:
    """From TERM at PID 1 to the end of its namespace, with an app that ends at once."""
    chosen = [*candidates.inits(), *candidates.followers()[:2]]
    samples: dict[str, list[float]] = {candidate.name: [] for candidate in present(chosen)}
    failed: dict[str, str] = {
        candidate.name: candidate.missing for candidate in chosen if candidate.missing
    }
    codes: dict[str, int] = {}
    for turn in range(bench.times(12)):
        for candidate in present(chosen):
            if candidate.name in failed or (
                turn >= bench.times(4) and min(samples[candidate.name], default=0) > 100
            ):
                continue
            try:
                with bench.live(candidate, bench.place(candidate)) as live:
                    live.run.settle()
                    sent = live.run.signal(signal.SIGTERM)
                    samples[candidate.name].append((live.run.gone(20) - sent) / 1e6)
                    codes[candidate.name] = live.run.code()
            except running.SilentError as error:
                failed[candidate.name] = str(error)
    said = ", ".join(f"{name} {code}" for name, code in codes.items())
    note = f"The app ends at once, with code 42. Exit codes seen: {said}. runit kills the app."
    return [Result("stop", "TERM to nothing left", "ms", samples, kinds(chosen), note, failed)]


def health(bench: Bench) -> list[Result]:
    """The time of a health check by command, exec to exit, beside an idle interpreter."""
    chosen = [
        candidate for candidate in [*candidates.inits(), candidates.OURS_API] if candidate.status
    ]
    nothing = "floor, an idle interpreter"
    with bench.side_by_side(chosen) as (lives, failed):
        samples: dict[str, list[float]] = {
            nothing: [],
            **{live.candidate.name: [] for live in lives},
        }
        for _ in range(bench.times(20)):
            samples[nothing].append(_run([bench.shop.python, "-I", "-c", ""]))
            for live in lives:
                assert live.candidate.status is not None
                samples[live.candidate.name].append(_run(live.candidate.status(live.place)))
    note = "`supervisorctl health` through the control socket; the peers' own status commands."
    of = {**kinds(chosen), nothing: "floor"}
    return [Result("health", "A health check by command", "ms", samples, of, note, failed)]


def _run(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(
        command, check=True, capture_output=True, timeout=30, env=running.clean_environment()
    )
    return (time.perf_counter() - began) * 1000
