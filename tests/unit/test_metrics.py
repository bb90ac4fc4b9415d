"""Histories in the metrics: the real machine, the real registry, given times."""

from __future__ import annotations

import os
import re
import time
from typing import Any

import pytest

from config_supervisor.core import events as ev
from config_supervisor.core.service import Service
from config_supervisor.fleet.state import Fleet
from config_supervisor.observe.metrics import Metrics
from tests import service_metrics
from tests.unit.histories import App


class Counted(App):
    """An app with metrics of its turns."""

    def __init__(self, **options: Any) -> None:
        super().__init__(configured=True, **options)
        self.metrics = Metrics(lambda: self.state, "signal")

    def turn(self, *events: ev.Event) -> None:
        for event in events:
            before = self.state
            orders = self.at(time.monotonic(), event)
            self.metrics.observe(event, before, self.state, tuple(orders))

    def start(self, changed_at: float | None = None, *, cached: bool = False) -> None:
        """The app starts on version `a`."""
        applied = ev.ConfigApplied("a", cached=cached, changed_at=changed_at)
        self.turn(ev.Began(), *([] if cached else [ev.ConfigOffered("a")]), applied, ev.Started(7))

    def change(self, digest: str, ago: float) -> None:
        """A version, changed `ago` seconds before, is put in place."""
        self.turn(ev.ConfigOffered(digest), ev.ConfigApplied(digest, changed_at=time.time() - ago))

    def finish(self, reason: str = "", *, ago: float | None = None) -> None:
        """The last reload ends, `ago` seconds after its delivery to the app."""
        delivered = None if ago is None else time.monotonic() - ago
        self.turn(ev.ReloadFinished(self.reloads.number, reason, delivered=delivered))

    def seen(self, histogram: str) -> tuple[float, float]:
        """The number of observations in a histogram, and their mean."""
        name = f"supervisor_{histogram}_seconds"
        count = self.metrics.registry.get_sample_value(f"{name}_count") or 0.0
        return count, (self.metrics.registry.get_sample_value(f"{name}_sum") or 0.0) / (
            count or 1.0
        )


def test_delivery_and_proof_are_counted_apart() -> None:
    """The window of a verification, 5 s, must not count as delivery."""
    app = Counted()
    app.start()
    app.change("b", ago=12)
    app.finish(ago=5)

    assert app.seen("config_propagation") == pytest.approx((1, 7), abs=0.5)
    assert app.seen("reload_verification") == pytest.approx((1, 5), abs=0.5)
    assert 1 == app.seen("reload_duration")[0]
    assert app.seen("reload_duration")[1] < 0.5


def test_version_that_was_held_is_no_propagation() -> None:
    app = Counted()
    app.start()
    offer = ev.ConfigOffered("b")
    app.turn(ev.SourceOpened(0, "configmap", "a", "b"))
    app.turn(ev.SourceRead(0, present=True, offer=offer, paused=True))
    assert 1 == app.metrics.registry.get_sample_value("supervisor_config_held", {"reason": "pause"})
    app.turn(ev.SourceRead(0, present=True))
    app.turn(ev.ConfigApplied("b", changed_at=time.time() - 9))
    app.finish(ago=0)
    assert 0 == app.seen("config_propagation")[0]

    app.change("c", ago=7)
    app.finish(ago=0)
    assert app.seen("config_propagation") == pytest.approx((1, 7), abs=0.5)


def test_first_version_of_a_start_is_no_propagation() -> None:
    """The change was made before this container: after a restart its age says nothing."""
    app = Counted()
    app.start(changed_at=time.time() - 2551)

    assert 0 == app.seen("config_propagation")[0]


def test_version_that_replaces_an_earlier_run_is_no_propagation() -> None:
    app = Counted()
    app.start(cached=True)
    app.change("b", ago=2551)
    app.finish(ago=0)
    assert 0 == app.seen("config_propagation")[0]
    app.turn(ev.DeadlinePassed())
    app.change("c", ago=3)
    app.turn(ev.ReloadOrdered())
    app.finish(ago=0)

    assert app.seen("config_propagation") == pytest.approx((1, 3), abs=0.5)


def test_same_version_ordered_again_is_no_propagation() -> None:
    app = Counted()
    app.start()
    app.change("b", ago=1)
    app.finish(ago=0)
    app.turn(ev.ReloadOrdered())
    app.finish(ago=0)

    assert 1 == app.seen("config_propagation")[0]
    assert 2 == app.seen("reload_duration")[0]


def test_failure_before_delivery_has_no_proof() -> None:
    app = Counted()
    app.start()
    app.change("b", ago=1)
    app.finish("connect")

    assert (1, 0, 0) == tuple(
        app.seen(name)[0]
        for name in ("reload_duration", "reload_verification", "config_propagation")
    )


def test_failed_proof_is_timed_and_propagates_nothing() -> None:
    app = Counted()
    app.start()
    app.change("b", ago=1)
    app.finish("verify", ago=4)

    assert app.seen("reload_verification") == pytest.approx((1, 4), abs=0.5)
    assert 0 == app.seen("config_propagation")[0]


def test_version_put_back_is_no_propagation() -> None:
    app = Counted(rollback=True)
    app.start()
    app.finish(ago=0)
    app.change("b", ago=1)
    app.finish("verify", ago=0)
    app.turn(ev.ConfigApplied("a", rolled_back=True))
    app.finish(ago=0)

    assert 0 == app.seen("config_propagation")[0]


def test_order_during_a_reload_does_not_lengthen_it() -> None:
    """An order resets the pace of reloads, not the beginning of the reload under way."""
    app = Counted()
    app.start()
    app.change("b", ago=1)
    app.turn(ev.ReloadOrdered())
    app.finish(ago=0)

    assert app.seen("reload_duration") == pytest.approx((1, 0), abs=0.5)


def test_every_help_of_a_metric_stands_alone() -> None:
    """A dashboard shows it without the line above."""
    ours = [
        family
        for family in Counted().metrics.registry.collect()
        if family.name.startswith(("supervisor_", "reloader_"))
    ]

    assert len(ours) > 30
    for family in ours:
        words = re.findall(r"[\w']+", family.documentation)
        assert family.documentation[:1].isupper(), family.name
        assert len(words) > 2, family.name
        assert set() == {"it", "its", "their", "they", "them"} & set(words), family.name


def test_documentation_has_the_help_of_every_metric() -> None:
    path = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "metrics.md")
    with open(path, encoding="utf-8") as file:
        rows = re.findall(r"^\| `(\w+)(?:\{.*\})?` \| (.*) \|$", file.read(), re.MULTILINE)
    metrics = Metrics(lambda: Service(fleet=Fleet()), "signal")
    helps = {
        family.name + ("_total" if family.type == "counter" else ""): family.documentation
        for family in metrics.registry.collect()
    }
    ours = {name: text for name, text in helps.items() if re.match("supervisor_|reloader_", name)}

    assert {**ours, **service_metrics.helps()} == dict(rows)
