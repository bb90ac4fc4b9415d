"""The course of a reload: the look before it, the verification in its window, the cancellation, the
report.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable

from config_supervisor.core import events as ev
from config_supervisor.process.pid_lookup import PidLookup
from config_supervisor.reload import url
from config_supervisor.reload.attempt import Attempt
from config_supervisor.reload.checks import Check, CheckedApp, CheckFailed, CommandCheck
from config_supervisor.reload.http_request import HttpRequest
from config_supervisor.reload.methods.exec import Exec
from config_supervisor.reload.methods.http import Http
from config_supervisor.reload.methods.process import Process
from config_supervisor.reload.methods.signal import Signal
from config_supervisor.reload.reloader import Reloader, ReloadPlan
from tests.answering import Answering, answer, hang
from tests.harness import wait_until
from tests.main_thread import MainThread, Reloading


class Diary:
    """A log of the calls of a method and a check, and the failures that the check plays."""

    def __init__(self, *, unseen: int = 0, passes: int = 0, noes: int = 0) -> None:
        self.lines: list[str] = []
        self.times: list[float] = []
        self.unseen, self.passes, self.noes = unseen, passes, noes

    def note(self, line: str) -> None:
        self.lines.append(line)
        self.times.append(time.monotonic())

    def __call__(self, attempt: Attempt) -> None:
        self.note(f"reload {attempt.pid}")


class Asked(Check):
    def __init__(self, diary: Diary, word: str) -> None:
        self._diary, self._word = diary, word

    def before(self, subject: CheckedApp, seconds: float) -> Check:
        assert 1 <= seconds <= 10
        self._diary.note(f"before {subject.pid}")
        self._diary.unseen -= 1
        if self._diary.unseen >= 0:
            raise CheckFailed("no answer")
        return Asked(self._diary, "change")

    def once(self, subject: CheckedApp, seconds: float) -> None:
        assert seconds >= 1
        self._diary.note(f"{self._word} {subject.pid}")
        self._diary.passes -= 1
        if self._diary.passes >= 0:
            return
        self._diary.noes -= 1
        if self._diary.noes >= 0:
            raise CheckFailed(f"no {self._diary.noes}")


def plan(diary: Diary, window: float = 0, timeout: float = 10) -> ReloadPlan:
    return ReloadPlan(diary, Asked(diary, "state"), window, timeout)


def test_reload_looks_reloads_and_verifies_in_order(main: MainThread) -> None:
    diary = Diary()

    assert ("", "") == Reloading(main, plan(diary), 7).end()
    assert ["before 7", "reload 7", "change 7"] == diary.lines


def test_started_app_is_verified_by_its_state_only(main: MainThread) -> None:
    diary = Diary()

    assert ("", "") == Reloading(main, plan(diary), 7, told=True).end()
    assert ["state 7"] == diary.lines


def test_look_before_waits_for_an_answer(main: MainThread) -> None:
    diary = Diary(unseen=2)

    assert ("", "") == Reloading(main, plan(diary)).end()
    assert ["before 0", "before 0", "before 0", "reload 0", "change 0"] == diary.lines


def test_app_without_look_before_is_not_reloaded(main: MainThread) -> None:
    diary = Diary(unseen=1000)

    expected = "verify", "it could not be verified, so it was not reloaded: no answer"
    assert expected == Reloading(main, plan(diary, timeout=0.3)).end()
    assert {"before 0"} == set(diary.lines)


def test_passed_verification_is_repeated_at_the_end(main: MainThread) -> None:
    diary = Diary()

    assert ("", "") == Reloading(main, plan(diary, window=0.6)).end()
    assert ["before 0", "reload 0", "change 0", "change 0"] == diary.lines
    assert 0.6 <= diary.times[3] - diary.times[1] < 2


def test_verification_that_passes_only_at_first_fails(main: MainThread) -> None:
    """Old workers of uWSGI answer for a second, and then new workers without an application."""
    diary = Diary(passes=1, noes=1000)
    reason, error = Reloading(main, plan(diary, window=0.3)).end()

    assert "verify" == reason
    assert (
        f"the verification passed at first, but not at the end of its window: no {diary.noes}"
        == error
    )


def test_verification_may_miss_at_the_end(main: MainThread) -> None:
    diary = Diary(passes=1, noes=2)

    assert ("", "") == Reloading(main, plan(diary, window=0.3)).end()
    assert 4 == diary.lines.count("change 0")


def test_window_passes_without_a_verification(main: MainThread) -> None:
    diary = Diary()

    assert ("", "") == Reloading(main, ReloadPlan(diary, window=0.3)).end()
    assert 0.3 <= time.monotonic() - diary.times[0] < 2


def test_verification_is_retried_within_the_window(main: MainThread) -> None:
    diary = Diary(noes=2)

    assert ("", "") == Reloading(main, plan(diary, window=2)).end()
    assert 4 == diary.lines.count("change 0"), "refused twice, passed, and passed at the end"
    assert 0.2 < diary.times[3] - diary.times[2] < 1


def test_verification_that_never_passes_fails_with_last_words(
    main: MainThread,
) -> None:
    diary = Diary(noes=1000)
    reason, error = Reloading(main, plan(diary, window=0.6)).end()

    assert "verify" == reason
    assert f"the verification did not pass: no {diary.noes}" == error
    assert 3 <= diary.lines.count("change 0") <= 4


def test_empty_window_leaves_one_try_of_verification(main: MainThread) -> None:
    passing = ReloadPlan(Diary(), CommandCheck(["true"]), 0)
    failing = ReloadPlan(Diary(), CommandCheck(["sh", "-c", "echo bad; exit 3"]), 0)

    assert ("", "") == Reloading(main, passing).end()
    assert ("verify", "the verification did not pass: sh ended with code 3: bad") == Reloading(
        main, failing
    ).end()


def test_internal_failure_is_reported(main: MainThread) -> None:
    def broken(attempt: Attempt) -> None:
        raise RuntimeError(f"broken {attempt.pid}")

    reason, error = Reloading(main, ReloadPlan(broken), 3).end()

    assert ("internal", "internal error: RuntimeError('broken 3')") == (reason, error)


# --- giving up ------------------------------------------------------------------------------------


def given_up(main: MainThread, plan: ReloadPlan, when: Callable[[], object], pid: int = 0) -> float:
    """Seconds from the cancellation to the report of a superseded reload."""
    reloading = Reloading(main, plan, pid)
    when()
    began = time.monotonic()
    reloading.reloader.cancel(1)
    reason, error = reloading.end()
    assert ("superseded", "it was given up: there is a newer version, or the app ends") == (
        reason,
        error,
    )
    return time.monotonic() - began


def some(items: object) -> None:
    assert items


def test_cancel_ends_wait_for_handler(main: MainThread) -> None:
    with subprocess.Popen(["sleep", "60"]) as deaf:
        assert given_up(main, ReloadPlan(Signal(1)), lambda: None, deaf.pid) < 1
        assert ([], None) == (main.signals, deaf.poll())
        deaf.kill()


def test_cancel_ends_wait_for_other_process(main: MainThread) -> None:
    assert given_up(main, ReloadPlan(Process(PidLookup("no-such-process"), 1)), lambda: None) < 1


def test_cancel_ends_hanging_request(main: MainThread) -> None:
    with Answering(hang) as server:
        method = Http(HttpRequest("POST", url.parse(server.url())), (range(200, 300),))
        assert given_up(main, ReloadPlan(method), server.connected.acquire) < 1


def test_cancel_ends_wait_for_the_next_request(main: MainThread) -> None:
    with Answering(answer("503 No", "", "Retry-After: 9")) as server:
        method = Http(HttpRequest("POST", url.parse(server.url())), (range(200, 300),))
        assert given_up(main, ReloadPlan(method), server.gone.acquire) < 1


def test_cancel_ends_command(main: MainThread) -> None:
    assert (
        given_up(
            main,
            ReloadPlan(Exec(["sleep", "60"], "/")),
            lambda: wait_until(lambda: some(main.hooks)),
        )
        < 1
    )


def test_cancel_ends_window(main: MainThread) -> None:
    diary = Diary()
    assert (
        given_up(
            main, plan(diary, window=10), lambda: wait_until(lambda: some(len(diary.lines) == 3))
        )
        < 1
    )


def test_cancel_ends_verification(main: MainThread) -> None:
    slow = ReloadPlan(Diary(), CommandCheck(["sleep", "60"]), 60)
    assert given_up(main, slow, lambda: wait_until(lambda: some(main.hooks))) < 1


def test_cancel_ends_look_before(main: MainThread) -> None:
    diary = Diary(unseen=1000)
    assert given_up(main, plan(diary), lambda: wait_until(lambda: some(diary.lines))) < 1
    assert {"before 0"} == set(diary.lines)


def test_cancel_before_the_thread_begins_prevents_reload(
    main: MainThread,
) -> None:
    diary = Diary()
    reloader = Reloader(plan(diary), main.put, main.runner)
    reloader.cancel(4)
    reloader(4, 0)
    reloader(5, 0)

    first, second = main.event(), main.event()
    assert isinstance(first, ev.ReloadFinished)
    assert (4, "superseded") == (first.attempt, first.reason)
    assert isinstance(second, ev.ReloadFinished)
    assert (5, "") == (second.attempt, second.reason)
    assert ["before 0", "reload 0", "change 0"] == diary.lines


def test_cancel_leaves_later_reloads_alone(main: MainThread) -> None:
    diary = Diary()
    reloader = Reloader(plan(diary, window=0.5), main.put, main.runner)
    for attempt in (1, 2):
        threading.Thread(target=reloader, args=(attempt, attempt), daemon=True).start()
    wait_until(lambda: some({"change 1", "change 2"} <= set(diary.lines)))
    reloader.cancel(1)

    ends = [main.event(), main.event()]
    assert [(1, "superseded"), (2, "")] == [
        (end.attempt, end.reason) for end in ends if isinstance(end, ev.ReloadFinished)
    ]


def test_ten_thousand_reloads_leave_nothing_behind(main: MainThread) -> None:
    reloader = Reloader(ReloadPlan(Diary()), main.put, main.runner)
    for attempt in range(1, 10_001):
        reloader(attempt, 0)
        end = main.event()
        assert isinstance(end, ev.ReloadFinished)
        assert (attempt, "", True) == (end.attempt, end.reason, end.delivered is not None)

    assert {} == reloader._running


def test_delivery_is_timed_before_the_window(main: MainThread) -> None:
    began = time.monotonic()
    Reloader(ReloadPlan(Diary(), window=0.2), main.put, main.runner)(1, 0)
    end = main.event()

    assert isinstance(end, ev.ReloadFinished)
    assert end.delivered is not None
    assert began <= end.delivered <= time.monotonic() - 0.2


def test_failed_method_has_delivered_nothing(main: MainThread) -> None:
    failing = Exec(["false"], "/")
    Reloader(ReloadPlan(failing), main.put, main.runner)(1, 0)
    end = main.event()

    assert isinstance(end, ev.ReloadFinished)
    assert ("exec", None) == (end.reason, end.delivered)
