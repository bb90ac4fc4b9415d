"""The truth table of the probes: docs/health.md, row by row."""

from __future__ import annotations

import os
import re

import pytest

from config_supervisor.core import events as ev
from config_supervisor.core.health import live, ready
from tests.unit.histories import TERM, App, changed, configured

PAGE = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "health.md")


def waiting() -> App:
    app = App(configured=True)
    app.at(0, ev.Began())
    return app


def not_ready_yet() -> App:
    app = App(ready=True)
    app.at(0, ev.Began(), ev.Started(7))
    return app


def unready() -> App:
    app = configured(ready=True)
    app.at(30, ev.AppUnready(7, "not ready within 30s: 503"))
    return app


def reloading() -> App:
    app = configured()
    changed(app, 100, "b")
    return app


def failed(*, rollback: bool, unhealthy: bool) -> App:
    app = configured(rollback=rollback, unhealthy_on_failure=unhealthy)
    changed(app, 100, "b")
    app.at(101, ev.ReloadFinished(1, "verify", "no"))
    if rollback:
        app.at(101, ev.ConfigApplied("a", rolled_back=True))
        app.at(102, ev.ReloadFinished(2))
    return app


def out_of_contact() -> App:
    app = configured()
    app.at(1, ev.SourceFailed(0, "unreachable", "no route"), ev.SourceRead(0, present=False))
    return app


def stopping() -> App:
    app = configured()
    app.at(1, ev.SignalReceived(TERM))
    return app


def down() -> App:
    app = configured(restart="always", leftovers=False)
    app.at(1, ev.Exited(7, 1))
    return app


def sidecar() -> App:
    app = App(configured=True, sidecar=True)
    app.at(0, ev.Began(), ev.ConfigOffered("a"), ev.ConfigApplied("a"))
    app.at(30, ev.ReloadFinished(1, "connect", "refused"))
    return app


ROWS = [
    ("waiting for the first configuration", waiting(), True, False),
    ("started, `--ready` has not passed yet", not_ready_yet(), True, False),
    ("started, `--ready` has not passed in its time", unready(), True, False),
    ("running", configured(), True, True),
    ("reloading", reloading(), True, True),
    (
        "running, the last reload failed and was rolled back",
        failed(rollback=True, unhealthy=True),
        True,
        True,
    ),
    (
        "running, the last reload failed and was not rolled back",
        failed(rollback=False, unhealthy=False),
        True,
        True,
    ),
    ("the API server is unreachable, the source is missing", out_of_contact(), True, True),
    ("stopping, ending leftovers", stopping(), True, False),
    ("the app ended and will be started again", down(), True, False),
    ("a sidecar whose files are in place, whatever its target does", sidecar(), True, True),
]


@pytest.mark.parametrize(("name", "app", "alive", "is_ready"), ROWS, ids=[row[0] for row in ROWS])
def test_probes_answer_as_the_page_says(name: str, app: App, alive: bool, is_ready: bool) -> None:
    with open(PAGE, encoding="utf-8") as file:
        row = re.search(rf"^\| {re.escape(name)} \| (.*) \| (.*) \|$", file.read(), re.MULTILINE)

    assert row is not None
    assert (alive, is_ready) == (live(app.state, app.policy).ok, ready(app.state).ok)
    assert (alive, is_ready) == (row[1].startswith("ok"), row[2] == "ok")


def test_failed_reload_is_unhealthy_with_the_option() -> None:
    app = failed(rollback=False, unhealthy=True)

    assert (False, True) == (live(app.state, app.policy).ok, ready(app.state).ok)
