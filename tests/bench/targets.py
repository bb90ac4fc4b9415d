"""The targets of the program, as ratios where a fast machine could flatter, and their verdicts.

A target is a sentence, a limit, and a figure from the tables of a run. Without its tables a target
is "not measured".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from config_supervisor.core.record import Record
from tests.bench import candidates, latency, scraping, service_candidates, service_runs
from tests.bench.tables import Table, grid, number

Tables = Mapping[str, Table]
BARE = "ours, bare init"
FLOOR = "floor, bare init"
TINI = "tini"
DIRECTORY = candidates.OURS_DIRECTORY.name
API = candidates.OURS_API.name
FLOOR_API = candidates.FLOOR_API.name
STREAMS = ("signal_stream_1", "signal_stream_200")
SIDECAR = candidates.SIDECAR.name
EXEC = candidates.LIST_AND_EXEC.name
ROLES = (BARE, DIRECTORY, API)
SERVICES = service_candidates.OURS_SERVICES
SUPERVISORD = service_candidates.SUPERVISORD
BESIDE = "supervisord"


class Target(Record):
    """`measured` and `limit` give numbers in `unit`; NaN without a table or a candidate."""

    text: str
    unit: str
    measured: Callable[[Tables], float]
    limit: Callable[[Tables], float]
    inclusive: bool = True  # "at most", not "under"
    # A candidate with its figure of the same run: milliseconds alone flatter.
    beside: tuple[str, Callable[[Tables], float]] | None = None

    def row(self, tables: Tables) -> list[str]:
        """The line of the target in the table."""
        measured = self.measured(tables)
        limit = self.limit(tables)
        if math.isnan(measured) or math.isnan(limit):
            verdict = "not measured"
        else:
            verdict = (
                "met"
                if measured < limit or (self.inclusive and measured == limit)
                else "**missed**"
            )
        other = ""
        if self.beside is not None and not math.isnan(value := self.beside[1](tables)):
            other = f"{self.beside[0]} {number(value)} {self.unit}"
        return [
            self.text,
            *(f"{number(value)} {self.unit}".strip() for value in (limit, measured)),
            other,
            verdict,
        ]


def render(tables: Tables) -> str:
    """The table of all targets."""
    return grid(
        ["target", "limit", "measured", "in the same run", ""],
        [target.row(tables) for target in TARGETS],
    )


def _median(key: str, name: str) -> Callable[[Tables], float]:
    return lambda tables: tables[key].median(name) if key in tables else math.nan


def _ratio(key: str, name: str, to: str) -> Callable[[Tables], float]:
    return lambda tables: _median(key, name)(tables) / _median(key, to)(tables)


def _whole(key: str, words: str, measured: Callable[[Tables], float]) -> Callable[[Tables], float]:
    """NaN unless the table's title has these words: a shortened run is no proof here."""
    return lambda tables: (
        measured(tables) if key in tables and words in tables[key].title else math.nan
    )


def _at(limit: float) -> Callable[[Tables], float]:
    return lambda _: limit


def _worst(figure: str, keys: tuple[str, ...], names: tuple[str, ...]) -> Callable[[Tables], float]:
    """The greatest of a figure (median, p99, most) over several roles and tables; NaN where a table
    is missing.
    """

    def worst(tables: Tables) -> float:
        found = [
            tables[key].figure(figure, name) if key in tables else math.nan
            for key in keys
            for name in names
        ]
        return math.nan if any(map(math.isnan, found)) else max(found)

    return worst


def _worst_ratio(key: str, names: tuple[str, ...], to: str) -> Callable[[Tables], float]:
    return lambda tables: _worst("median", (key,), names)(tables) / _median(key, to)(tables)


TARGETS = (
    Target("exec to app, bare init, to the floor", "x", _ratio("start", BARE, FLOOR), _at(0.9)),
    Target(
        "exec to app, directory role, to the floor",
        "x",
        _ratio("start", DIRECTORY, FLOOR),
        _at(1),
    ),
    Target(
        "first configuration applied, to list and exec",
        "x",
        _ratio("first_sync", API, EXEC),
        _at(0.6),
    ),
    Target("RSS at rest, bare init", "MiB", _median("rest_rss", BARE), _at(15)),
    Target("RSS at rest, directory + metrics", "MiB", _median("rest_rss", DIRECTORY), _at(26)),
    Target("RSS at rest, API + metrics", "MiB", _median("rest_rss", API), _at(32)),
    Target("private dirty at rest, API + metrics", "MiB", _median("rest_dirty", API), _at(19)),
    Target(
        "growth over 10,000 reloads of 100 KiB",
        "MiB",
        _whole("growth", "10,000", _median("growth", API)),
        _at(1),
        inclusive=False,
    ),
    Target(
        "wake-ups at rest, bare init", "per s", _worst("most", ("rest_switches",), (BARE,)), _at(0)
    ),
    Target(
        "wake-ups at rest, directory + metrics",
        "per s",
        _worst("most", ("rest_switches",), (DIRECTORY,)),
        _at(0),
    ),
    Target(
        "wake-ups at rest, API + metrics, within a watch",
        "per s",
        _median("rest_switches", API),
        _at(0),
    ),
    Target(
        "signal to handler at rest, the slowest role, to tini",
        "x",
        _worst_ratio("signal_rest", ROLES, TINI),
        _at(1.8),
    ),
    Target(
        "p99 of it, the slowest role",
        "ms",
        _worst("p99", ("signal_rest",), ROLES),
        _at(2),
        inclusive=False,
        beside=("tini", _worst("p99", ("signal_rest",), (TINI,))),
    ),
    Target(
        "longest while importing `kubernetes`",
        "ms",
        _worst("most", ("signal_import",), (API,)),
        _at(10),
        inclusive=False,
        beside=("tini", _worst("most", ("signal_import",), (latency.BESIDE_IMPORT,))),
    ),
    Target(
        "longest while 1 MiB objects stream in, to tini",
        "x",
        lambda tables: (
            _worst("most", STREAMS, (API,))(tables)
            / _worst("most", STREAMS, (latency.BESIDE_STREAM,))(tables)
        ),
        _at(1.2),
    ),
    Target(
        "CPU time of a scrape with 200 processes",
        "ms",
        _median("scrape_cpu", DIRECTORY),
        _at(20),
    ),
    Target(
        "signal to handler while such scrapes follow each other, p99 above tini's",
        "ms",
        lambda tables: (
            _worst("p99", ("signal_scrape",), (DIRECTORY,))(tables)
            - _worst("p99", ("signal_scrape",), (scraping.BESIDE_SCRAPES,))(tables)
        ),
        _at(2),
        beside=("tini", _worst("p99", ("signal_scrape",), (scraping.BESIDE_SCRAPES,))),
    ),
    Target(
        "20,000 orphans, to tini",
        "x",
        _whole("orphans_time", "20,000", _ratio("orphans_time", BARE, TINI)),
        _at(1.2),
    ),
    Target("nothing left after the last orphan", "ms", _median("orphans_after", BARE), _at(1)),
    Target(
        "TERM to gone, the slowest role",
        "ms",
        _worst("median", ("stop",), ROLES),
        _at(5),
        beside=("the floor", _median("stop", FLOOR)),
    ),
    Target(
        "small update to signal, median, to the floor",
        "x",
        _ratio("update_small_1", API, FLOOR_API),
        _at(1.5),
    ),
    Target(
        "small update to signal, p99",
        "ms",
        _worst("p99", ("update_small_1",), (API,)),
        _at(5),
        inclusive=False,
        beside=("the floor", _worst("p99", ("update_small_1",), (FLOOR_API,))),
    ),
    Target(
        "small update, to k8s-sidecar",
        "x",
        _ratio("update_small_1", API, SIDECAR),
        _at(1 / 1.5),
    ),
    Target(
        "100 objects, one changes, to one object",
        "x",
        lambda tables: (
            _median("update_small_100", API)(tables) / _median("update_small_1", API)(tables)
        ),
        _at(1.5),
    ),
    Target(
        "1 MiB in 200 keys on disk, to k8s-sidecar",
        "x",
        _ratio("update_1MiB_200_disk", API, SIDECAR),
        _at(1),
    ),
    Target(
        "1 MiB in 200 keys on tmpfs, to k8s-sidecar",
        "x",
        _ratio("update_1MiB_200_tmpfs", API, SIDECAR),
        _at(1),
    ),
    Target("RSS at rest after it", "MiB", _median("memory_after_1MiB", API), _at(42)),
    Target("API requests at rest", "per hour", _median("requests", API), _at(14)),
    Target(
        "exec to the last of 3 services",
        "ms",
        _median("services_start", SERVICES),
        _at(60),
        beside=(BESIDE, _median("services_start", SUPERVISORD)),
    ),
    Target(
        "exec to the last of 3 services, to a bare init",
        "x",
        _ratio("services_start", SERVICES, service_runs.BARE),
        _at(3),
    ),
    Target(
        "exec to the last of 35 services",
        "ms",
        _median("services_many", SERVICES),
        _at(400),
        beside=(BESIDE, _median("services_many", SUPERVISORD)),
    ),
    Target(
        "RSS at rest, 3 services",
        "MiB",
        _median("services_rss", SERVICES),
        _at(16),
        beside=(BESIDE, _median("services_rss", SUPERVISORD)),
    ),
    Target(
        "wake-ups at rest, 3 services",
        "per s",
        _worst("most", ("services_switches",), (SERVICES,)),
        _at(0),
        beside=(BESIDE, _median("services_switches", SUPERVISORD)),
    ),
    Target(
        "TERM to gone, 3 services that need a second each",
        "ms",
        _median("services_stop", SERVICES),
        _at(1050),
        beside=(BESIDE, _median("services_stop", SUPERVISORD)),
    ),
    Target(
        "an event with 100 services",
        "µs",
        _median("services_event", service_runs.STEP),
        _at(20),
    ),
)
