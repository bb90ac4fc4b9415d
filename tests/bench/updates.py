"""Measures of change: an update accepted by the API server until the app is signalled, or gets its
reload request.

The API server's own share, and that of TLS, shows in a reader that does nothing but read. The
memory that big updates leave behind, and what thousands of reloads do to it, are measured here too.
"""

from __future__ import annotations

import os
import signal
import time

from tests.bench import candidates, procfs, running
from tests.bench.bench import LARGE, SMALL, Bench, Live, Placing, Result, kinds, present
from tests.bench.candidates import Candidate
from tests.bench.running import Moment
from tests.bench.workshop import HERE

TITLE = "Update accepted to app signalled"
READER = Candidate(
    "the API server itself, to a bare reader",
    candidates.FLOOR,
    lambda at: [
        at.shop.python,
        "-I",
        os.path.join(HERE, "read_only.py"),
        *_followed(at),
        at.shop.app,
    ],
    follows=True,
)
NOTE = (
    "With many objects a change comes 0.1 s after the last, and the first four are left out. With"
    " 1 MiB it comes 0.4 s after the last: ours takes three of these a second, so that a stream of"
    " them holds up no signal."
    " Accepted: the new version is in the server's store and rendered, and no byte is sent yet."
    " The figure of k8s-sidecar ends with the app's receipt of its request. The reader reads the"
    " watch and sends HUP at the end of the line."
)

# The first change finds everything cold; with many objects the first changes write all files, and
# so does a change that comes too soon after another.
_COLD = 4
_BETWEEN = 0.1  # seconds
# Ours reads on later after a big event: see EventRate in sources/kubernetes/watch_stream.py.
_BETWEEN_LARGE = 0.4


def _followed(at: candidates.Place) -> list[str]:
    assert at.api is not None
    return [at.api.kubeconfig, at.api.namespace, at.api.names[0]]


def update(bench: Bench, live: Live, placing: Placing) -> float:
    """Change the candidate's first object; ms until its app hears of it."""
    assert live.place.api is not None
    live.run.forget()
    api = live.place.api
    accepted: int = bench.kube.order("put", api.namespace, api.names[0], placing.size, placing.keys)
    if live.candidate.requests:
        return (live.run.next(Moment.REQUEST).ns - accepted) / 1e6
    return (live.run.next(Moment.SIGNAL, 20, int(signal.SIGHUP)).ns - accepted) / 1e6


def small(bench: Bench) -> list[Result]:
    """Objects of 1,000 bytes: 1, 10 and 100 of them; and a swap in a mounted directory."""
    turns = {1: 200, 10: 60, 100: 30}
    found = [
        _series(bench, f"update_small_{count}", turns[count], Placing(objects=count))
        for count in turns
    ]
    return [*found, _swaps(bench)]


def large(bench: Bench) -> list[Result]:
    """Objects of 1 MiB, in one key and in 200, on disk and on tmpfs."""
    return [
        _series(
            bench,
            f"update_1MiB_{keys}_{'tmpfs' if memory else 'disk'}",
            30,
            Placing(LARGE, keys, in_memory=memory),
        )
        for keys in (1, 200)
        for memory in (False, True)
    ]


def _series(bench: Bench, key: str, turns: int, placing: Placing) -> Result:
    chosen = candidates.followers() + ([READER] if placing.objects == 1 else [])
    with bench.side_by_side(chosen, placing) as (lives, failed):
        samples: dict[str, list[float]] = {live.candidate.name: [] for live in lives}
        _wait_for_watches(bench, lives, placing.objects)
        for turn in range(-_COLD if placing.objects > 1 else -1, bench.times(turns)):
            for live in lives:
                if live.candidate.name in failed:
                    continue
                try:
                    took = update(bench, live, placing)
                except running.SilentError as error:
                    failed[live.candidate.name] = str(error)
                else:
                    if turn >= 0:
                        samples[live.candidate.name].append(took)
                    time.sleep(_pause(placing))
    return Result(
        key, f"{TITLE}: {_described(placing)}", "ms", samples, kinds(chosen), NOTE, failed
    )


def _pause(placing: Placing) -> float:
    """Seconds between two changes of one candidate after the other."""
    if placing.size == LARGE:
        return _BETWEEN_LARGE / len(candidates.followers())
    return _BETWEEN if placing.objects > 1 else 0.0


def _described(placing: Placing) -> str:
    if placing.size == SMALL:
        return "1,000 bytes" + (
            f", {placing.objects} objects followed" if placing.objects > 1 else ""
        )
    where = "tmpfs" if placing.in_memory else "disk"
    return f"1 MiB in {placing.keys} key{'s'[: placing.keys > 1]}, on {where}"


def _wait_for_watches(bench: Bench, lives: list[Live], objects: int) -> None:
    for live in lives:
        assert live.place.api is not None
        wanted = 1 if live.candidate.requests else objects
        end = time.monotonic() + 20
        while bench.kube.order("watchers", live.place.api.namespace) < wanted:
            if time.monotonic() > end:
                why = f"{live.candidate.name} does not watch its {objects} objects"
                raise running.SilentError(f"{why}\n{live.run.words()}")
            time.sleep(0.05)


def _swaps(bench: Bench) -> Result:
    """The directory role: from the kubelet's swap of `..data` to the signal."""
    candidate = candidates.OURS_DIRECTORY
    samples: list[float] = []
    with bench.side_by_side([candidate]) as (lives, failed):
        for live in lives:
            mounted = os.path.join(live.place.folder, "mounted")
            for turn in range(bench.times(200)):
                live.run.forget()
                swapped = _swap(mounted, turn)
                samples.append(
                    (live.run.next(Moment.SIGNAL, 20, int(signal.SIGHUP)).ns - swapped) / 1e6
                )
    title = "Swap of a mounted directory to app signalled"
    note = "Without the kubelet's own 60 to 90 s before the swap."
    return Result(
        "update_directory", title, "ms", {candidate.name: samples}, kinds([candidate]), note, failed
    )


def _swap(mounted: str, turn: int) -> int:
    """The kubelet's steps: a directory, a link, a rename; the time before the rename, in ns."""
    name = f"..{turn}"
    os.mkdir(os.path.join(mounted, name))
    with open(os.path.join(mounted, name, "app.conf"), "w", encoding="utf-8") as file:
        file.write(f"{turn}\n")
    os.symlink(name, os.path.join(mounted, "..data_tmp"))
    now = time.monotonic_ns()
    os.rename(os.path.join(mounted, "..data_tmp"), os.path.join(mounted, "..data"))
    return now


def memory_after(bench: Bench) -> list[Result]:
    """Resident memory at rest after 20 updates of 1 MiB in 200 keys."""
    samples: dict[str, list[float]] = {
        candidate.name: [] for candidate in present(candidates.followers())
    }
    placing = Placing(LARGE, 200, in_memory=True)
    with bench.side_by_side(candidates.followers(), placing) as (lives, failed):
        _wait_for_watches(bench, lives, 1)
        for live in lives:
            for _ in range(20):
                update(bench, live, placing)
            samples[live.candidate.name].append(_resident(live))
    title = "RSS at rest after 20 updates of 1 MiB in 200 keys"
    return [
        Result(
            "memory_after_1MiB", title, "MiB", samples, kinds(candidates.followers()), "", failed
        )
    ]


def growth(bench: Bench) -> list[Result]:
    """Growth of the resident memory over 10,000 reloads of a 100 KiB object."""
    candidate = candidates.OURS_API
    placing = Placing(100 << 10, in_memory=True)
    samples: list[float] = []
    reloads = bench.times(10_000, 600)
    warm = 500
    with bench.side_by_side([candidate], placing) as (lives, failed):
        _wait_for_watches(bench, lives, 1)
        for live in lives:
            for _ in range(warm):
                update(bench, live, placing)
            first = _resident(live)
            for _ in range(reloads - warm):
                update(bench, live, placing)
            samples.append(_resident(live) - first)
    title = f"Growth of RSS from reload {warm} to reload {reloads:,}, an object of 100 KiB"
    return [
        Result("growth", title, "MiB", {candidate.name: samples}, kinds([candidate]), "", failed)
    ]


def _resident(live: Live) -> float:
    live.run.settle()
    return procfs.memory([live.run.pid]).rss
