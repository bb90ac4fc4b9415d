"""The tools of every measure: the workshop, the API server, running candidates, results.

A measure is a function from a `Bench` to `Result`s. It takes its samples in turns, a sample of each
candidate, so other work of the machine falls on all alike. It must not know targets, nor how
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

# Bytes of an object; a cluster takes no larger object
SMALL = 1000
LARGE = 1 << 20


class Placing(Record):
    """The objects for candidates that follow some, and the kind of disk for their files."""

    size: int = SMALL
    keys: int = 1
    objects: int = 1
    in_memory: bool = False


USUAL = Placing()


class Result(Record):
    """A figure of several candidates: `samples` by name, in `unit`, less is better.

    `kinds` has the kind by name; `note` helps the reader to judge; `failed` has the reason by name
    of each candidate without samples.
    """

    key: str
    title: str
    unit: str
    samples: dict[str, list[float]]
    kinds: dict[str, str]
    note: str = ""
    failed: dict[str, str] = {}  # noqa: RUF012 - never changed


class Live(Record):
    """A running candidate whose app has started."""

    candidate: Candidate
    place: Place
    run: Run
    started: float  # ms from exec to the app's first instruction
    # ms from exec to the first sync: the start of the app, or the first request to it.
    synced: float


class Bench:
    """A run of the harness. `scale` multiplies repetitions and durations: 1 is the real run."""

    def __init__(self, shop: Workshop, kube: KubeServer, scale: float) -> None:
        self.shop = shop
        self.kube = kube
        self.scale = scale
        self._namespaces = 0

    def times(self, count: int, least: int = 2) -> int:
        """A number of repetitions, scaled."""
        return max(least, round(count * self.scale))

    def seconds(self, seconds: float, least: float = 2.0) -> float:
        """A duration, scaled."""
        return max(least, seconds * self.scale)

    def say(self, text: str) -> None:
        """Print progress."""
        print(f"  {text}", file=sys.stderr, flush=True)

    def api(self, placing: Placing) -> Api:
        """New objects in a namespace of their own."""
        self._namespaces += 1
        space = f"bench-{self._namespaces}"
        names = tuple(f"web-{number:03}" for number in range(placing.objects))
        for name in names:
            self.kube.order("put", space, name, placing.size, placing.keys)
        return Api(self.kube.kubeconfig, self.kube.account, self.kube.port, space, names)

    @contextlib.contextmanager
    def live(
        self, candidate: Candidate, where: Place, more: Sequence[tuple[str, str]] = ()
    ) -> Iterator[Live]:
        """The candidate, running at a place, which is cleared in the end. Raises SilentError."""
        try:
            with self.run(candidate, where, more) as run:
                started = synced = run.next(Moment.START).ns
                run.next(Moment.READY)
                if candidate.requests:
                    synced = run.next(Moment.REQUEST).ns
                yield Live(
                    candidate, where, run, (started - run.began) / 1e6, (synced - run.began) / 1e6
                )
        finally:
            candidates.clear(where)

    def run(
        self,
        candidate: Candidate,
        where: Place,
        more: Sequence[tuple[str, str]] = (),
        options: Sequence[str] = (),
    ) -> Run:
        """Start the candidate, with `options` as its first arguments and `more` variables."""
        program, *arguments = candidate.command(where)
        return Run(
            self.shop.app,
            [program, *options, *arguments],
            candidates.environment(where, candidate, more),
            where.api.account if candidate.in_pod and where.api else "",
        )

    def place(self, candidate: Candidate, placing: Placing = USUAL) -> Place:
        """A place for a candidate, with objects of its own if it follows any."""
        api = self.api(placing) if candidate.follows else None
        return candidates.place(self.shop, api, in_memory=placing.in_memory)

    @contextlib.contextmanager
    def side_by_side(
        self, chosen: Sequence[Candidate], placing: Placing = USUAL
    ) -> Iterator[tuple[list[Live], dict[str, str]]]:
        """The candidates, running and at rest; and the reasons of those that failed to start."""
        with contextlib.ExitStack() as stack:
            lives = []
            failed = {}
            for candidate in present(chosen):
                try:
                    live = stack.enter_context(self.live(candidate, self.place(candidate, placing)))
                    live.run.settle()
                    lives.append(live)
                except running.SilentError as error:
                    failed[candidate.name] = str(error)
            yield lives, failed


def present(chosen: Sequence[Candidate]) -> list[Candidate]:
    """The candidates that this machine has."""
    return [candidate for candidate in chosen if not candidate.missing]


def kinds(chosen: Sequence[Candidate]) -> dict[str, str]:
    return {candidate.name: candidate.kind for candidate in chosen}
