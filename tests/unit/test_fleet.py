"""The simulation of a fleet: its pods act like the real source, its server like an API server."""

from __future__ import annotations

import dataclasses
import functools
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from urllib3.exceptions import ConnectTimeoutError

from config_supervisor.sources.interface import Label
from config_supervisor.sources.kubernetes import object_follower
from config_supervisor.sources.kubernetes.credentials import Access
from config_supervisor.sources.kubernetes.kubernetes_source import KubernetesSource
from config_supervisor.sources.kubernetes.object_events import INITIAL_END
from config_supervisor.sources.kubernetes.watch_list import Memory
from tests.bench import fleet, fleet_report
from tests.bench.fleet_pod import LABEL, Follower, Pod, World
from tests.bench.fleet_runs import Setup, change, granted, outage, rollout
from tests.bench.fleet_server import Agenda, ApiServer, Capacity, HttpError, Reply, Tally

SMALL = Setup(pods=60, capacity=Capacity(rate=100, backlog=20))
END = 3000.0
Log = list[tuple[float, str, bool]]


class Told:
    """A sink for the simulation: it keeps contents, each with a throw of the dice as in
    `NewestVersion`.
    """

    def __init__(self, agenda: Agenda) -> None:
        self.versions: list[tuple[float, int]] = []
        self._agenda = agenda

    def offer(self, version: int) -> None:
        self.versions.append((round(self._agenda.now, 6), version))
        random.random()

    def read(self, content: Any, missing: str = "", saw: str = "") -> None:
        del missing, saw
        version = int(content.files["version"])
        if not self.versions or self.versions[-1][1] != version:
            self.offer(version)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None  # other reports do not count


class Noted(ApiServer):
    """A server with a log of requests: time, kind, whether over a new connection."""

    def __init__(self, world: World) -> None:
        super().__init__(world.agenda, world.tally, world.capacity)
        self.log: Log = []
        self.agenda = world.agenda
        self.refusals = 0
        self._kinds: tuple[str, ...] = ()
        world.server = self

    def request(self, kind: str, then: Reply, *, connect: float | None = None) -> None:
        self.log.append((round(self.agenda.now, 6), kind, connect is not None))
        if kind in self._kinds:
            self.refusals += 1
            self._reply(then, 0.01, HttpError(429, 2))
        else:
            super().request(kind, then, connect=connect)

    def refuse(self, *kinds: str) -> None:
        """From now on requests of these kinds get 429."""
        self._kinds = kinds


class Client:
    """The blocking parts of `ApiClient` and urllib3 in virtual time, and the stream of a watch."""

    def __init__(self, server: Noted) -> None:
        self._server = server
        self._fresh = True
        self._lines: list[bytes] = []
        self._open = False
        self._watches = 0
        self._error: Exception | None = None
        self.url, self.hint = "https://api", ""

    def get(self, _path: str, timeouts: tuple[float, float], **query: Any) -> Client:
        kind = _kind(query)
        errors: list[Exception | None] = []
        self._server.request(kind, errors.append, connect=timeouts[0] if self._fresh else None)
        self._run(lambda: bool(errors))
        if errors and errors[0]:
            self._fresh = not isinstance(errors[0], HttpError)
            raise errors[0]
        self._fresh, self._error = False, None
        now = self._server.version
        self._lines = [json.dumps(self._list()).encode()] if kind == "list" else []
        if kind == "stream":
            self._lines = [_line("ADDED", self._object(now)), _line("BOOKMARK", COMPLETE)]
        if kind != "list":
            since = int(query.get("resource_version", now))
            self._watch(since, float(query["timeout_seconds"]))
        return self

    def allow(self, _seconds: float) -> None:
        """The simulated server keeps to any bounds."""

    prolong = allow

    def read1(self, _size: int) -> bytes:
        self._run(lambda: bool(self._lines) or not self._open)
        if self._error:
            self._fresh = True
            raise self._error
        return self._lines.pop(0) if self._lines else b""

    def close(self) -> None:
        self._open = False
        self._server.watchers.pop(self, None)

    def changed(self, version: int) -> None:
        self._lines.append(_line("MODIFIED", self._object(version)))

    def lost(self, error: Exception) -> None:
        self._error, self._open = error, False

    def _watch(self, version: int, seconds: float) -> None:
        self._open = True
        self._server.watch(self)
        if self._server.version > version:
            self.changed(self._server.version)
        self._watches += 1
        self._server.agenda.after(seconds, self._end, self._watches)

    def _end(self, watch: int) -> None:
        if watch == self._watches:
            self._open = False

    def _run(self, done: Callable[[], bool]) -> None:
        while not done() and self._server.agenda.step(END):
            pass

    def _list(self) -> object:
        version = self._server.version
        return {"metadata": {"resourceVersion": str(version)}, "items": [self._object(version)]}

    @staticmethod
    def _object(version: int) -> dict[str, Any]:
        meta = {"name": LABEL.name, "creationTimestamp": "2026-01-01T00:00:00Z"}
        return {"metadata": meta, "data": {"version": str(version)}}


COMPLETE = {"metadata": {"annotations": {INITIAL_END: "true"}}}


def _line(kind: str, obj: object) -> bytes:
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


def _kind(query: dict[str, Any]) -> str:
    """The kind of a request for the simulated server."""
    if "send_initial_events" in query:
        return "stream"
    return "watch" if "watch" in query else "list"


class Clock:
    """The module `time` in virtual time, which ends a source at END."""

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda

    def monotonic(self) -> float:
        return self._agenda.now

    def sleep(self, seconds: float) -> None:
        self._agenda.run(min(END, self._agenda.now + seconds))
        if self._agenda.now >= END:
            raise SystemExit


def _history(how: str, streams: bool) -> tuple[World, Noted, Told]:
    """The world of a client: refusals, breaks, an outage, and changes between them."""
    random.seed(7)
    world = World(Capacity(rate=10, backlog=2))
    server = Noted(world)
    server.streams = streams
    agenda = world.agenda
    agenda.after(0.15 if streams else 0.25, server.change)  # after the list and before the watch
    agenda.after(200, server.refuse, "list", "stream")
    agenda.after(400, server.refuse, "watch", "stream")
    agenda.after(550, server.refuse)
    agenda.after(650, server.change)
    for again in range(12):  # breaks young watches
        agenda.after(700 + 2 * again, server.go_down, "refused")
        agenda.after(700.1 + 2 * again, server.come_back)
    agenda.after(1000, server.go_down, how)
    agenda.after(1600, server.come_back)
    agenda.after(1600, server.change)
    agenda.after(1700, server.go_down, "refused")
    agenda.after(1700.1, server.come_back)
    agenda.after(2500, server.change)
    return world, server, Told(agenda)


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("how", ["refused", "silent"])
def test_simulated_pod_asks_when_the_real_source_does(
    how: str, streams: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, real, heard = _history(how, streams)
    monkeypatch.setattr(object_follower, "MEMORY", Memory())
    source = KubernetesSource(Label(LABEL.kind, LABEL.namespace, LABEL.name), Access())
    monkeypatch.setattr(object_follower, "time", Clock(world.agenda))
    monkeypatch.setattr(object_follower, "open_client", lambda *_: Client(real))
    with pytest.raises(SystemExit):
        source.run(heard)

    world, simulated, learnt = _history(how, streams)
    Follower(world, learnt.offer).start()
    world.agenda.run(END)

    assert {"stream", "list", "watch"} == {kind for _, kind, _ in real.log}
    assert {True, False} == {fresh for _, _, fresh in real.log}
    assert 10 < real.refusals
    assert real.log == simulated.log
    assert [1, 2, 3, 4, 5] == [version for _, version in heard.versions]
    assert heard.versions == learnt.versions


@pytest.mark.parametrize(("streams", "least", "most"), [(True, 10, 14), (False, 20, 30)])
def test_fleet_at_rest_makes_few_requests_per_hour(
    streams: bool, least: float, most: float
) -> None:
    """A request per cycle of 240 to 360 s, or two at a server without WatchList."""
    outcome = rollout(dataclasses.replace(SMALL, streams=streams), pace=20, seconds=1500)

    assert 60 == len(outcome.tally.times["version 1"])
    assert least < outcome.hourly(900) < most


@pytest.mark.parametrize(("away", "most"), [(20, 5), (60, 5), (600, 30)])
def test_fleet_has_the_change_of_an_outage_soon(away: float, most: float) -> None:
    """Within seconds after a short outage; spread over half a minute after a long one."""
    outcome = outage(SMALL, "refused", away, 120)

    first, last = outcome.until(1 / 60), outcome.until(1)
    assert first is not None
    assert last is not None
    assert 0 < first < last < most + 1
    assert last - 2 < (outcome.watching(1) or 0) < last + 2
    assert 0 < outcome.total("connection")


@pytest.mark.parametrize("after", [30, 45, 50, 55, 58])
def test_role_granted_late_starts_every_pod(after: float) -> None:
    outcome = granted(SMALL, after, 60)

    assert 60 == len(outcome.tally.times["version 1"])
    assert 0 == outcome.total("exit")
    assert (outcome.until(1) or 60) < 6


def test_splay_spreads_the_reloads_of_a_change() -> None:
    at_once, spread = change(SMALL, 100), change(dataclasses.replace(SMALL, splay=60), 100)

    assert 60 == at_once.total("reload") == spread.total("reload")
    assert 60 == at_once.peak("reload")
    assert 10 > spread.peak("reload")
    assert 30 < (spread.until(1) or 0) < 62


def test_same_seed_gives_the_same_fleet() -> None:
    first, again = change(SMALL, 100), change(SMALL, 100)
    other = change(dataclasses.replace(SMALL, seed=2), 100)

    assert first.tally == again.tally
    assert first.tally != other.tally


def test_pod_without_content_ends_and_starts_again() -> None:
    world = SMALL.world()
    world.server.go_down("refused")
    Pod(world)
    world.agenda.run(65)
    assert {60: 1} == world.tally.per_second["exit"]

    world.server.come_back()
    world.agenda.run(120)

    assert 1 == len(world.tally.times["version 1"])
    assert 70 < world.tally.times["version 1"][0]


def test_overloaded_server_refuses_and_asks_for_more_time() -> None:
    agenda, tally = Agenda(), Tally()
    server = ApiServer(agenda, tally, Capacity(rate=10, backlog=5))
    answers: list[tuple[int, Exception | None]] = []
    for second in range(12):
        for _ in range(20):
            agenda.after(second, server.request, "list", functools.partial(_note, answers, second))
    agenda.run(20)

    served = [second for second, error in answers if error is None]
    asked = [error.headers["Retry-After"] for _, error in answers if isinstance(error, HttpError)]
    assert 12 * 5 == len(served)
    assert 12 * 15 == len(asked) == tally.per_second["refused"].total()
    assert ["1", "2", "4", "8"] == list(dict.fromkeys(asked))


def _note(
    answers: list[tuple[int, Exception | None]], second: int, error: Exception | None
) -> None:
    answers.append((second, error))


def test_slow_connections_time_out() -> None:
    agenda, tally = Agenda(), Tally()
    server = ApiServer(agenda, tally, Capacity(handshakes=10))
    errors: list[Exception | None] = []
    for _ in range(100):
        server.request("list", errors.append, connect=5)
    agenda.run(20)

    assert 50 == errors.count(None)
    assert 50 == sum(isinstance(error, ConnectTimeoutError) for error in errors)


def test_figures_replace_the_text_between_the_marks(tmp_path: Path) -> None:
    path = tmp_path / "FLEET.md"
    path.write_text(
        f"before\n{fleet_report.BEGIN}\nold\n{fleet_report.END}\nafter\n", encoding="utf-8"
    )

    fleet_report.renew(str(path), "new")

    text = path.read_text(encoding="utf-8")
    assert ["before", "new", "after"] == [
        line for line in text.splitlines() if line and not line.startswith("<!--")
    ]
    path.write_text("no marks", encoding="utf-8")
    with pytest.raises(ValueError, match="needs the lines"):
        fleet_report.renew(str(path), "new")
    assert "no marks" == path.read_text(encoding="utf-8")


def test_every_run_has_its_place_in_the_tables() -> None:
    base = dataclasses.replace(SMALL, pods=12)
    plans = fleet.plans(base)
    outcomes = {
        name: [scenario(setup, *arguments)] for name, (scenario, setup, arguments) in plans.items()
    }

    text = fleet_report.figures(outcomes, base.seed)

    assert "12 pods, seed 1" in text
    assert "never" not in text
    assert len(outcomes) < len([line for line in text.splitlines() if line.startswith("| ")])
