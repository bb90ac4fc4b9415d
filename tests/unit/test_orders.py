"""Answers to orders, after every turn of the real rules, in histories good and bad."""

from __future__ import annotations

import pytest

from config_supervisor.control import commands
from config_supervisor.control.commands import Answer
from config_supervisor.core import actions as act
from config_supervisor.core import events as ev
from config_supervisor.core.orders import Result, Settled
from config_supervisor.core.rollout_state import Rollout
from config_supervisor.core.service import Service
from config_supervisor.core.versions import Marks, Versions
from config_supervisor.store.manifest import Generation
from tests.unit.histories import App

RUNNING_ON_A: tuple[ev.Event, ...] = (
    ev.Began(),
    ev.ConfigOffered("a"),
    ev.ConfigApplied("a", files=1),
    ev.Started(7),
)
THEN_B = (ev.ConfigOffered("b"), ev.ConfigApplied("b", files=2), ev.ReloadFinished(1))


class History(App):
    """An app from turn to turn, and the answers to an order within its history."""

    def __init__(self, *events: ev.Event, **options: bool) -> None:
        usual = {"configured": True, "rollback": True, "restart": "always"}
        super().__init__(**{**usual, **options})
        self.now = 100.0
        self.after(*events)

    def after(self, *events: ev.Event) -> Answer | None:
        """The answer after these events; None if it is not decided."""
        for event in events:
            ordered = isinstance(event, ev.ReloadOrdered | ev.RollbackOrdered)
            told = event.replace(reply=print) if ordered else event
            for order in self.at(self.now + 20.0, told):  # no pace holds anything up
                if isinstance(order, act.Answer):
                    return self._said(order)
        return None

    def _said(self, order: act.Answer) -> Answer:
        match order.event:
            case ev.RollbackOrdered(digest):
                return commands.rolled_back(digest, order.settled)
        return commands.reloaded(order.settled)


# --- reload


def test_a_reload_of_what_runs_already_is_a_reload() -> None:
    history = History(*RUNNING_ON_A)

    assert history.after(ev.ReloadOrdered()) is None
    assert "reloading" == history.phase
    assert Answer(0, "reloaded on configuration a (1 file)") == history.after(ev.ReloadFinished(1))


def test_reload_of_a_held_pod_names_the_newest_version() -> None:
    settled = Settled(Result.DONE, "a" * 64, 1, barred="b" * 64)
    said = commands.reloaded(settled)

    assert 1 == said.code
    assert said.text.startswith(
        "reloaded on configuration aaaaaaaa (1 file); the fleet holds the newest, bbbbbbbb:"
    )


def test_a_reload_that_fails_says_why_and_what_follows() -> None:
    history = History(*RUNNING_ON_A, *THEN_B, ev.ConfigOffered("c"), ev.ConfigApplied("c"))

    assert "reloading" == history.phase
    answer = history.after(ev.ReloadOrdered(), ev.ReloadFinished(2, "verify", "its port is closed"))
    assert (
        Answer(1, "cannot reload: its port is closed; the last good version is put back") == answer
    )


def test_a_failure_without_a_way_back_says_why() -> None:
    history = History(*RUNNING_ON_A, rollback=False)

    answer = history.after(
        ev.ReloadOrdered(), ev.ReloadFinished(1, "no_handler", "it does not catch SIGHUP")
    )
    assert Answer(1, "cannot reload: it does not catch SIGHUP") == answer


def test_ordered_reload_of_a_rejected_version_tells_its_failure() -> None:
    history = History(
        *RUNNING_ON_A,
        ev.ConfigOffered("b"),
        ev.ConfigFailed("b", "validate", "syntax error in line 3"),
    )

    assert history.after(ev.ReloadOrdered()) is None
    assert history.versions.applying
    answer = history.after(ev.ConfigFailed("b", "validate", "syntax error in line 3"))
    assert Answer(1, "cannot reload: syntax error in line 3") == answer


@pytest.mark.parametrize("reason", ["write", "bad_key"])
def test_the_failure_before_the_order_is_not_taken_for_its_own(reason: str) -> None:
    history = History(
        *RUNNING_ON_A, ev.ConfigOffered("b"), ev.ConfigFailed("b", reason, "disk full")
    )

    assert history.after(ev.ReloadOrdered()) is None
    assert history.after(ev.ConfigApplied("b", files=2)) is None
    assert Answer(0, "reloaded on configuration b (2 files)") == history.after(ev.ReloadFinished(1))


def test_failed_reload_before_the_order_is_not_its_own() -> None:
    history = History(*RUNNING_ON_A, rollback=False)
    history.after(
        ev.ConfigOffered("b"),
        ev.ConfigApplied("b", files=2),
        ev.ReloadFinished(1, "verify", "port closed"),
    )

    assert history.after(ev.ReloadOrdered()) is None
    assert Answer(0, "reloaded on configuration b (2 files)") == history.after(ev.ReloadFinished(2))


def test_a_version_that_cannot_be_written_is_a_failure() -> None:
    history = History(*RUNNING_ON_A, ev.ConfigOffered("b"))

    answer = history.after(ev.ReloadOrdered(), ev.ConfigFailed("b", "write", "disk full"))
    assert Answer(1, "cannot reload: disk full") == answer


def test_order_within_a_reload_is_answered_with_it() -> None:
    history = History(*RUNNING_ON_A, ev.ConfigOffered("b"), ev.ConfigApplied("b", files=2))

    assert "reloading" == history.phase
    assert history.after(ev.ReloadOrdered()) is None
    assert Answer(0, "reloaded on configuration b (2 files)") == history.after(ev.ReloadFinished(1))


def test_a_reload_that_a_newer_version_overtook_is_not_the_end() -> None:
    history = History(*RUNNING_ON_A, ev.ReloadOrdered(), ev.ConfigOffered("b"))

    assert history.after(ev.ReloadFinished(1, "superseded"), ev.ConfigApplied("b", files=2)) is None
    assert Answer(0, "reloaded on configuration b (2 files)") == history.after(ev.ReloadFinished(2))


def test_for_an_app_that_is_down_a_start_is_the_reload() -> None:
    history = History(*RUNNING_ON_A, ev.Exited(7, 1), ev.NothingLeft())

    assert "backoff" == history.phase
    assert history.after(ev.ReloadOrdered()) is None
    assert Answer(0, "reloaded on configuration a (1 file)") == history.after(
        ev.DeadlinePassed(), ev.Started(8)
    )


def test_a_restart_is_a_reload_and_its_stop_no_end() -> None:
    history = History(*RUNNING_ON_A, restart_to_reload=True)

    assert history.after(ev.ReloadOrdered(), ev.Exited(7, 0)) is None
    assert Answer(0, "reloaded on configuration a (1 file)") == history.after(
        ev.NothingLeft(), ev.Started(8)
    )


@pytest.mark.parametrize("order", [ev.ReloadOrdered(), ev.RollbackOrdered("z")])
def test_nobody_waits_for_an_app_that_is_ending(
    order: ev.ReloadOrdered | ev.RollbackOrdered,
) -> None:
    history = History(*RUNNING_ON_A, order)

    answer = history.after(ev.SignalReceived(15))
    assert Answer(1, "the app is ending, and the supervisor with it") == answer


def test_orders_are_answered_once_and_each() -> None:
    answers: list[str] = []
    app = App(configured=True, rollback=True)
    app.at(0, *RUNNING_ON_A)
    first = ev.ReloadOrdered(lambda settled: answers.append(settled.result))
    second = ev.ReloadOrdered(lambda settled: answers.append(settled.result))
    assert [] == [order for order in app.at(20, first, second) if isinstance(order, act.Answer)]

    told = app.at(
        30, ev.ReloadFinished(1, "superseded"), ev.ReloadFinished(2), ev.ReloadFinished(2)
    )
    assert [first, second] == [order.event for order in told if isinstance(order, act.Answer)]
    assert () == app.rollout.orders


def test_rollback_within_a_reload_answers_the_reload() -> None:
    history = History(*RUNNING_ON_A, *THEN_B, ev.ReloadOrdered())

    answer = history.after(ev.RollbackOrdered("a"))
    assert Answer(1, "cannot reload: a rollback to another version was ordered") == answer


def test_reload_without_an_answer_of_its_verification_is_done() -> None:
    """A verification that could not be asked is no verdict; the app took the reload."""
    history = History(*RUNNING_ON_A, verify=True)
    history.after(ev.ReloadFinished(1))

    answer = history.after(ev.ReloadOrdered(), ev.ReloadFinished(2, "unverified", "sh cannot run"))
    assert Answer(0, "reloaded on configuration a (1 file)") == answer


# --- rollback


def test_rollback_is_done_once_the_app_runs_on_the_version() -> None:
    history = History(*RUNNING_ON_A, *THEN_B)

    assert history.after(ev.RollbackOrdered("a")) is None
    assert history.after(ev.ConfigApplied("a", files=1, rolled_back=True)) is None
    assert Answer(0, "rolled back to configuration a (1 file)") == history.after(
        ev.ReloadFinished(2)
    )


def test_a_rollback_in_the_middle_of_a_reload_waits_for_its_own() -> None:
    history = History(
        *RUNNING_ON_A, ev.ConfigOffered("b"), ev.ConfigApplied("b"), ev.RollbackOrdered("a")
    )

    assert history.after(ev.ReloadFinished(1, "superseded")) is None
    assert history.after(ev.ConfigApplied("a", files=1, rolled_back=True)) is None
    assert Answer(0, "rolled back to configuration a (1 file)") == history.after(
        ev.ReloadFinished(2)
    )


def test_a_generation_that_cannot_be_put_back_is_a_failure() -> None:
    history = History(*RUNNING_ON_A, *THEN_B)

    answer = history.after(
        ev.RollbackOrdered("a"), ev.ConfigFailed("a", "rollback", "no generation has it any more")
    )
    assert Answer(1, "cannot roll back to configuration a: no generation has it any more") == answer


def test_a_rollback_whose_reload_fails_says_so() -> None:
    history = History(*RUNNING_ON_A, *THEN_B, rollback=False)

    answer = history.after(
        ev.RollbackOrdered("a"),
        ev.ConfigApplied("a", rolled_back=True),
        ev.ReloadFinished(2, "verify", "port closed"),
    )
    words = "configuration a is in place again, but the app does not run on it: port closed"
    assert Answer(1, words) == answer


def test_a_newer_version_ends_the_wait_for_a_rollback() -> None:
    history = History(*RUNNING_ON_A, *THEN_B, ev.RollbackOrdered("a"), ev.ConfigOffered("c"))

    answer = history.after(ev.ConfigApplied("a", rolled_back=True), ev.ConfigApplied("c"))
    assert answer is not None
    assert (1, "a newer version came meanwhile") == (answer.code, answer.text[-30:])


# --- waiting


def test_ready_is_what_readyz_says() -> None:
    history = History(ev.Began())

    assert commands.waited(commands.GOALS["ready"], history.state) is None
    history.after(*RUNNING_ON_A[1:])
    assert Answer(0, "running") == commands.waited(commands.GOALS["ready"], history.state)


def test_synced_means_that_the_app_runs_on_the_newest_version() -> None:
    history = History(*RUNNING_ON_A)

    assert Answer(0, "running on configuration a") == commands.waited(
        commands.synced, history.state
    )
    history.after(ev.ConfigOffered("b"))
    assert commands.waited(commands.synced, history.state) is None
    history.after(ev.ConfigFailed("b", "validate", "syntax error"))
    assert "the newest configuration is b; syntax error" == commands.synced(history.state).reason


# --- generations


def generation(digest: str, serial: int) -> Generation:
    return Generation(f"..2030_01_02_03_04_{serial:02d}.000000000", serial, digest, {}, 0)


KEPT = [generation("c", 3), generation("b", 2), generation("a", 1)]


@pytest.mark.parametrize(
    ("live", "back", "digest"), [("c", 1, "b"), ("c", 2, "a"), ("b", 1, "a"), ("gone", 1, "c")]
)
def test_steps_are_counted_from_what_is_live(live: str, back: int, digest: str) -> None:
    assert digest == commands.earlier(KEPT, Versions(live=live), str(back))


def test_steps_go_over_failed_and_equal_versions() -> None:
    kept = [
        generation("c", 5),
        generation("b", 4),
        generation("c", 3),
        generation("b", 2),
        generation("a", 1),
    ]
    config = Versions(live="c", marks=Marks().failing("b", "no"))

    assert "a" == commands.earlier(kept, config, "1")
    assert isinstance(commands.earlier(kept, config, "2"), Answer)
    assert [0, None, None, None, 1] == [
        one["number"] for one in commands.listed(kept, Service(rollout=Rollout(config)))
    ]
    assert ["failed"] == commands.listed(kept, Service(rollout=Rollout(config)))[1]["marks"]


def test_rollback_named_version_may_have_failed() -> None:
    version = "12ab34" + "0" * 58
    config = Versions(live="c", marks=Marks().failing(version, "no"))

    assert version == commands.earlier(
        [generation("c", 2), generation(version, 1)], config, "12ab34"
    )
    for wrong in ("12ab3f", "12ab3"):
        assert isinstance(
            commands.earlier([generation("c", 2), generation(version, 1)], config, wrong), Answer
        )


@pytest.mark.parametrize(
    ("kept", "live", "back", "words"),
    [
        (KEPT, "c", 3, "2 earlier are kept that did not fail"),
        (KEPT, "a", 1, "0 earlier are kept"),
        (KEPT, "", 1, "nothing is in place yet"),
        ([], "a", 1, "with --configroot"),
        ([generation("a", 2), generation("a", 1)], "a", 1, "0 earlier are kept"),
    ],
)
def test_there_may_be_nothing_to_go_back_to(
    kept: list[Generation], live: str, back: int, words: str
) -> None:
    answer = commands.earlier(kept, Versions(live=live), str(back))

    assert isinstance(answer, Answer)
    assert (1, True) == (answer.code, words in answer.text), answer


def test_generations_left_by_a_rollback_are_newer() -> None:
    history = History(*RUNNING_ON_A, *THEN_B, ev.RollbackOrdered("a"))
    history.after(ev.ConfigApplied("a", rolled_back=True), ev.ReloadFinished(2))
    listed = commands.listed(KEPT, history.state)

    assert [(None, []), (None, ["failed", "rejected"]), (0, ["live", "running", "good"])] == [
        (one["number"], one["marks"]) for one in listed
    ]
