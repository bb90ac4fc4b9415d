"""A pod's part in its fleet for people: the sentence, log lines, metrics, Events, status, page, and
the orders through the control socket.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config_supervisor.control import fleet_client
from config_supervisor.core import events as ev
from config_supervisor.core.life_state import Life, Phase
from config_supervisor.core.rollout_state import Rollout
from config_supervisor.core.service import Service
from config_supervisor.core.source_states import SourceState
from config_supervisor.core.versions import Versions
from config_supervisor.fleet.events import FleetOrdered, TrialChecked
from config_supervisor.fleet.lease import Condemned, Ledger
from config_supervisor.fleet.state import Debt, Fleet, Hold, State, Trial, Verdict
from config_supervisor.fleet.summary import sentence
from config_supervisor.observe import status, status_page
from config_supervisor.observe.fleet_events import notices
from config_supervisor.observe.journal import Journal
from config_supervisor.observe.metrics import Metrics
from tests.unit.control_socket import Served

OLD, NEW = "a" * 64, "b" * 64
LEDGER = Ledger("7", "5" * 64, trial=NEW, tries=1, holder="web-2/uid", good=(OLD,))
RESTING = Fleet(group="web", pod="web-1/uid", version=OLD, name=OLD, names=((OLD, OLD),))
ROLLOUT = Rollout(Versions(desired=NEW, live=OLD, good=OLD), running=OLD)


def pod(state: State, **fields: object) -> Service:
    fleet = RESTING.replace(
        version=NEW, name=NEW, state=state, ledger=LEDGER, shown=LEDGER, **fields
    )
    return Service(Life(Phase.RUNNING, pid=7), ROLLOUT, fleet=fleet)


AT_REST = Service(Life(Phase.RUNNING, pid=7), ROLLOUT, fleet=RESTING)


@pytest.mark.parametrize(
    ("service", "level", "text"),
    [
        (pod(State.CANARY), "info", "this pod tries configuration bbbbbbbb for the fleet"),
        (
            pod(State.WAITING),
            "info",
            "configuration bbbbbbbb is on trial at web-2; supervisorctl fleet approve lets it pass",
        ),
        (
            pod(State.PASSED),
            "info",
            "configuration bbbbbbbb has passed its trial; supervisorctl fleet approve lets it pass",
        ),
        (
            pod(State.DUE),
            "info",
            "configuration bbbbbbbb is good; this pod takes it at its place",
        ),
        (
            pod(State.CONDEMNED, reason="verify", error="condemned by web-2: verify"),
            "warning",
            (
                "configuration bbbbbbbb is condemned by web-2: verify; supervisorctl fleet approve"
                " lets it pass"
            ),
        ),
        (
            pod(State.HELD, reason=Hold.NO_CANARY),
            "warning",
            "configuration bbbbbbbb is held: no canary",
        ),
        (
            pod(State.ASKING),
            "debug",
            "configuration bbbbbbbb is new to the fleet: no pod tries it yet",
        ),
    ],
)
def test_log_has_a_line_for_a_change_of_state(service: Service, level: str, text: str) -> None:
    journal = Journal("nginx", True, "signal", "")
    lines = [
        (level, message)
        for level, message, _ in journal.lines(ev.DeadlinePassed(), AT_REST, service, 1.0)
    ]

    assert [(level, f"fleet web: {text}")] == lines
    assert [] == list(journal.lines(ev.DeadlinePassed(), service, service, 1.0))
    assert sentence(service.fleet, ROLLOUT) == text


@pytest.mark.parametrize(
    ("running", "fields"),
    [(NEW, {"state": State.DUE}), (OLD, {"state": State.CONDEMNED, "blamed": NEW})],
)
def test_log_is_quiet_about_a_known_version(running: str, fields: dict[str, Any]) -> None:
    """A canary has told its verdict in a line of its own."""
    rollout = Rollout(Versions(desired=NEW, live=running, good=running), running=running)
    service = pod(**fields).replace(rollout=rollout)
    journal = Journal("nginx", True, "signal", "")

    (line,) = journal.lines(ev.DeadlinePassed(), AT_REST.replace(rollout=rollout), service, 1.0)
    assert "debug" == line[0]


def test_held_version_that_is_in_place_is_told_so() -> None:
    """A pod starts on it if it has nothing else."""
    fleet = pod(State.HELD, error="pods with other sources use the Lease").fleet
    rollout = Rollout(Versions(desired=NEW, live=NEW), running=NEW)

    text = "configuration bbbbbbbb is in place, without a verdict: pods with other sources"
    assert f"{text} use the Lease" == sentence(fleet, rollout)


def test_log_names_the_version_of_the_verdict() -> None:
    """A newer version may come in the moment in which the verdict stands."""
    journal = Journal("nginx", True, "signal", "")
    judged = pod(State.ASKING, verdicts=(Debt(Verdict.GOOD, OLD),), judged=1)

    first, *_ = journal.lines(ev.DeadlinePassed(), pod(State.CANARY), judged, 1.0)
    assert "fleet web: this pod found configuration aaaaaaaa good" == first[1]
    ((_, note, _),) = notices(pod(State.CANARY), judged)
    assert "configuration aaaaaaaa is good for the fleet web" == note


def test_log_has_the_error_of_the_check() -> None:
    journal = Journal("nginx", True, "signal", "")
    fields = {"reason": "check", "error": "--fleet-check failed: code 3", "blamed": NEW}
    judged = pod(State.CONDEMNED, verdicts=(Debt(Verdict.BAD, NEW, "check"),), judged=1, **fields)

    first, *_ = journal.lines(ev.DeadlinePassed(), pod(State.CANARY), judged, 1.0)
    text = "this pod condemned configuration bbbbbbbb: check (--fleet-check failed: code 3)"
    assert f"fleet web: {text}" == first[1]


def test_log_tells_that_a_condemned_version_stays() -> None:
    """A pod without an older good version, or without files of its own, cannot go back."""
    journal = Journal("nginx", True, "signal", "")
    judged = pod(State.CONDEMNED, verdicts=(Debt(Verdict.BAD, NEW, "verify"),), judged=1)
    stuck = judged.replace(rollout=Rollout(Versions(desired=NEW, live=NEW), running=NEW))

    first, *_ = journal.lines(ev.DeadlinePassed(), pod(State.CANARY), stuck, 1.0)
    assert first[1].endswith("; it stays in place, without a version to go back to")


def test_failure_after_an_approval_is_no_condemnation() -> None:
    approved = LEDGER.replace(trial="", holder="", good=(NEW, OLD), hurry=NEW)
    service = pod(State.CONDEMNED, reason="verify", error="503", blamed=NEW)
    service = service.replace(fleet=service.fleet.replace(shown=approved))
    journal = Journal("nginx", True, "signal", "")

    (line,) = journal.lines(ev.DeadlinePassed(), AT_REST, service, 1.0)
    assert (
        "warning",
        (
            "fleet web: configuration bbbbbbbb fails here, although a person approved it: 503;"
            " correct it, or order supervisorctl fleet condemn"
        ),
    ) == line[:2]


@pytest.mark.parametrize(
    ("checked", "unchecked", "told"),
    [
        (
            TrialChecked(3, False, "curl ended with code 22", words="error 500"),
            "",
            ("warning", "failed: curl ended with code 22: error 500"),
        ),
        (
            TrialChecked(3, False, "curl cannot run", asked=False),
            "",
            ("warning", "could not be asked: curl cannot run"),
        ),
        (
            TrialChecked(3, False, "curl cannot run", asked=False),
            "curl cannot run",
            ("debug", "could not be asked: curl cannot run"),
        ),
        (TrialChecked(3, True), "", None),
        (TrialChecked(2, False, "late"), "", None),
    ],
)
def test_log_tells_failed_checks_of_the_trial(
    checked: TrialChecked, unchecked: str, told: tuple[str, str] | None
) -> None:
    """Each failure, and once that it cannot be asked."""
    trial = Trial(0.0, check=3, checking=True)
    before = pod(State.CANARY, trial=trial, unchecked=unchecked)
    journal = Journal("nginx", True, "signal", "")
    lines = [(level, text) for level, text, _ in journal.lines(checked, before, before, 1.0)]

    expected = [(told[0], f"fleet web: the check of the trial {told[1]}")] if told else []
    assert expected == lines


def test_metrics_show_state_holder_and_verdicts() -> None:
    current = [AT_REST]
    metrics = Metrics(lambda: current[0], "signal")

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"supervisor_fleet_{name}", labels)

    assert (1, 0) == (value("state", state="settled"), value("holder"))
    assert 0 == value("verdicts_total", verdict="bad", reason="verify")

    current.append(pod(State.CANARY))
    current[:] = current[1:]
    assert (0, 1, 1) == (
        value("state", state="settled"),
        value("state", state="canary"),
        value("holder"),
    )

    judged = pod(
        State.CONDEMNED, verdicts=(Debt(Verdict.BAD, NEW, "verify"),), judged=1, trial_seconds=12.0
    )
    metrics.observe(ev.DeadlinePassed(), current[0], judged, ())
    assert 1 == value("verdicts_total", verdict="bad", reason="verify")
    assert (1, 12) == (value("trial_seconds_count"), value("trial_seconds_sum"))


def test_metrics_without_a_fleet_have_none_of_it() -> None:
    metrics = Metrics(Service, "signal")

    assert "supervisor_fleet" not in metrics.page("")[1].decode()


def test_events_tell_of_trial_verdict_and_hold() -> None:
    canary = pod(State.CANARY)
    good = pod(State.SETTLED, verdicts=(Debt(Verdict.GOOD, NEW),), judged=1)
    bad = pod(State.CONDEMNED, verdicts=(Debt(Verdict.BAD, NEW, "check"),), judged=1)
    told = [
        *notices(AT_REST, canary),
        *notices(canary, good),
        *notices(canary, bad),
        *notices(AT_REST, pod(State.HELD, reason=Hold.FORBIDDEN)),
        *notices(AT_REST, pod(State.WAITING)),
    ]

    assert [
        ("ConfigOnTrial", False),
        ("ConfigApproved", False),
        ("ConfigCondemned", True),
        ("ConfigHeld", True),
    ] == [(reason, warning) for reason, _, warning in told]
    assert "configuration bbbbbbbb is bad for the fleet web: check" == told[2][1]


def test_status_and_page_show_the_lease() -> None:
    ledger = LEDGER.replace(bad=(Condemned("c" * 64, "verify", "web-<3"),))
    service = pod(State.CONDEMNED, reason="verify")
    fleet = service.fleet.replace(shown=ledger)
    service = service.replace(fleet=fleet, sources=(SourceState("configmap a/web"),))
    shown: dict[str, Any] = status.shown(service, 1.0, 1.0)
    page = status_page.page({"app": shown}, ("/status",), 1.0).decode()

    assert ("web", "condemned", [OLD]) == (
        shown["fleet"]["group"],
        shown["fleet"]["state"],
        shown["fleet"]["good"],
    )
    assert {"version": "c" * 64, "reason": "verify", "pod": "web-<3"} == shown["fleet"]["bad"][0]
    assert "web-&lt;3" in page
    assert "a changed version gets a trial of its own" in page
    assert "fleet" not in status.shown(service.replace(fleet=None), 1.0, 1.0)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(str(tmp_path / "control.sock"))
    yield served
    served.close()


def test_control_socket_shows_the_fleet(served: Served) -> None:
    served.core.state = pod(State.WAITING)
    answer_orders(served, "")
    code, text = served.get("/fleet")

    assert (200, "waiting") == (code, json.loads(text)["state"])
    table = fleet_client.shown([], text)
    assert "state        waiting\n" in table
    assert "good         aaaaaaaa\n" in table
    assert text == fleet_client.shown(["status", "--json"], text)


def answer_orders(served: Served, version: str) -> None:
    """Have the rules follow the orders about a version, and refuse all others."""
    put = served.core.put

    def answering(event: ev.Event) -> None:
        if isinstance(event, FleetOrdered) and event.reply is not None:
            event.reply("" if event.version == version else "the Lease is away")
        else:
            put(event)

    served.control._put = answering


def test_orders_reach_the_rules_and_are_answered(served: Served) -> None:
    served.core.state = pod(State.CONDEMNED)
    answer_orders(served, "bbbbbb")

    assert (200, "approved bbbbbb: the pods of the fleet take it without a trial") == served.post(
        "/fleet/approve?version=bbbbbb"
    )
    assert (409, "the Lease is away") == served.post("/fleet/recall")
    assert 400 == served.post("/fleet/condemn?version=nothing")[0]


def test_without_a_fleet_orders_are_refused(served: Served) -> None:
    refused = "this supervisor is in no fleet; see --fleet"

    assert (409, refused) == served.get("/fleet")
    assert (409, f"cannot approve: {refused}") == served.post("/fleet/approve")
    assert (409, f"cannot wait for that: {refused}") == served.get("/wait/fleet")


def test_wait_for_the_fleet_ends_with_a_decision(served: Served) -> None:
    served.core.state = pod(State.CONDEMNED, reason="verify")
    code, text = served.get("/wait/fleet")
    assert 409 == code
    assert text.startswith("cannot wait for that: configuration bbbbbbbb is condemned")

    served.core.state = pod(State.WAITING)
    code, text = served.get("/wait/fleet?seconds=0.01")
    assert 409 == code
    begin = "not settled in the fleet within 0.01s: configuration bbbbbbbb is on trial"
    assert text.startswith(begin)

    rollout = Rollout(Versions(desired=NEW, live=NEW, good=NEW), running=NEW)
    served.core.state = pod(State.SETTLED).replace(rollout=rollout)
    assert (200, "running on configuration bbbbbbbb") == served.get("/wait/fleet")
