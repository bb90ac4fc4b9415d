"""What every measure has at hand: the workshop, the API server, candidates that run side by side, and
results.

A measure is a function from a `Bench` to `Result`s. It takes its samples in turns, one of each
candidate, so that what else the machine does falls on all alike. Knows nothing of targets and of how
results are shown.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence

from config_supervisor.core.record import Record
from tests.bench import candidates, running
from tests.bench.candidates import Api, Candidate, Place
from tests.bench.kube_server import KubeServer
from tests.bench.running import Moment, Run
from tests.bench.workshop import Workshop

SMALL, LARGE = 1000, 1 << 20  # bytes of an object; the second is the most that a cluster takes


class Placing(Record):
    """What candidates follow, if they follow anything, and on what kind of disk they write."""

    size: int = SMALL
    keys: int = 1
    objects: int = 1
    in_memory: bool = False


USUAL = Placing()


class Result(Record):
    """One figure of several candidates: `samples` by name, in `unit`, less is better; `kinds` says
    who they are.

    `note` is what a reader must know to judge it; `failed` names candidates that could not be
    measured, and why.
    """

    key: str
    title: str
    unit: str
    samples: dict[str, list[float]]
    kinds: dict[str, str]
    note: str = ""
    failed: dict[str, str] = {}  # noqa: RUF012 - never changed


class Live(Record):
    """A candidate that runs and whose app has started."""

    candidate: Candidate
    place: Place
    run: Run
    started: float  # ms from exec to the app's first instruction
    synced: (
        float  # ms from exec to the first sync: the app's start, or the first request that it got
    )


class Bench:
    """One run of the harness. `scale` multiplies repetitions and durations: 1 is the real run."""

    def __init__(self, shop: Workshop, kube: KubeServer, scale: float) -> None:
        self.shop, self.kube, self.scale = shop, kube, scale
        self._namespaces = 0

    def times(self, count: int, least: int = 2) -> int:
        """A number of repetitions, scaled."""
        return max(least, round(count * self.scale))

    def seconds(self, seconds: float, least: float = 2.0) -> float:
        """A duration, scaled."""
        return max(least, seconds * self.scale)

    def say(self, text: str) -> None:
        """Progress, for who waits."""
        print(f"  {text}", file=sys.stderr, flush=True)

    def api(self, placing: Placing) -> Api:
        """New objects in a namespace of their own."""
        self._namespaces += 1
        space = f"bench-{self._namespaces}"
        names = tuple(f"web-{number:03}" for number in range(placing.objects))
        for name in names:
            self.kube.order("put", space, name, placing.size, placing.keys)
        return Api(self.kube.kubeconfig, space, names)

    @contextlib.contextmanager
    def live(
        self, candidate: Candidate, where: Place, more: Sequence[tuple[str, str]] = ()
    ) -> Iterator[Live]:
        """The candidate, running at that place; the place is cleared in the end. Raises
        SilentError.
        """
        try:
            with Run(
                self.shop.app,
                candidate.command(where),
                candidates.environment(where, candidate, more),
            ) as run:
                started = synced = run.next(Moment.START).ns
                run.next(Moment.READY)
                if candidate.requests:
                    synced = run.next(Moment.REQUEST).ns
                yield Live(
                    candidate, where, run, (started - run.began) / 1e6, (synced - run.began) / 1e6
                )
        finally:
            candidates.clear(where)

    def place(self, candidate: Candidate, placing: Placing = USUAL) -> Place:
        """A place for a candidate, with objects of its own to follow if it follows any."""
        api = self.api(placing) if candidate.follows else None
        return candidates.place(self.shop, api, in_memory=placing.in_memory)

    @contextlib.contextmanager
    def side_by_side(
        self, chosen: Sequence[Candidate], placing: Placing = USUAL
    ) -> Iterator[tuple[list[Live], dict[str, str]]]:
        """All of them, running and at rest; and those that did not get there, with the reason."""
        with contextlib.ExitStack() as stack:
            lives, failed = [], {}
            for candidate in present(chosen):
                try:
                    live = stack.enter_context(self.live(candidate, self.place(candidate, placing)))
                    live.run.settle()
                    lives.append(live)
                except running.SilentError as error:
                    failed[candidate.name] = str(error)
            yield lives, failed


def present(chosen: Sequence[Candidate]) -> list[Candidate]:
    """Those that this machine has."""
    return [candidate for candidate in chosen if not candidate.missing]


def kinds(chosen: Sequence[Candidate]) -> dict[str, str]:
    return {candidate.name: candidate.kind for candidate in chosen}
