"""Each reload method in the whole program: the app, the retries, the log and the metrics."""

from __future__ import annotations

import os
import time

import pytest

from tests.harness import Program, Run, app, state, wait_until
from tests.http import status
from tests.servers import free_port
from tests.sync.reloading import Reloading


@pytest.fixture
def subject(run: Run, tmp_path: os.PathLike[str]) -> Reloading:
    return Reloading(run, tmp_path)


def failures(subject: Reloading, method: str, reason: str) -> float | None:
    return subject.metric("reload_failures_total", method=method, reason=reason)


# --- signal ---------------------------------------------------------------------------------------


def test_chosen_signal_reloads(subject: Reloading) -> None:
    command = [
        "sh",
        "-c",
        'trap "exit 7" TERM; trap "echo got it" USR1; echo ready; while :; do read -r _; done',
    ]
    program = subject.running("--reload-signal=USR1", command=command)
    subject.change("two")
    program.type("\n")
    program.expect("got it")
    program.err.expect("reloaded sh")

    assert 1 == subject.metric("reloads_total", method="signal")


# --- http -----------------------------------------------------------------------------------------


def served(subject: Reloading, *options: str, userinfo: str = "") -> Program:
    """The program on a running HTTP server."""
    port = free_port()
    url = f"--reload-http=http://{userinfo}127.0.0.1:{port}/reload"
    return subject.running(url, *options, command=app("obey_http.py", port, subject.file))


def test_request_reloads_and_its_answer_counts(subject: Reloading) -> None:
    program = served(subject)
    subject.change("two")
    program.expect("config: two")
    program.err.expect("reloaded")

    assert ["config: one", "ready", "asked: two", "config: two"] == program.out.seen
    assert (1, 1) == (
        subject.metric("reloads_total", method="http"),
        subject.metric("config_last_reload_successful"),
    )
    subject.stop()


def test_user_and_password_are_sent_and_never_logged(subject: Reloading) -> None:
    program = served(subject, "--no-rollback", "--log-level=debug", userinfo="carol:sesame@")
    subject.change("refuse 403 no entry")
    program.expect("^with: Basic Y2Fyb2w6c2VzYW1l$")  # RFC 7617: base64 of carol:sesame
    program.err.expect("error: cannot reload .*403")

    said = "\n".join([*program.err.seen, str(status(subject.port))])
    assert (False, False) == ("sesame" in said, "Y2Fyb2" in said)


def test_refusal_is_final_and_logged_with_its_body(subject: Reloading) -> None:
    program = served(subject)
    subject.change("refuse 422 line 7 is wrong")
    program.err.expect(
        "error: cannot reload .*422 .*line 7 is wrong.*; rolling back to configuration"
    )
    program.expect("config: one")
    program.err.expect("reloaded")

    assert ["asked: refuse 422 line 7 is wrong", "asked: one", "config: one"] == program.out.seen[
        2:
    ]
    assert (2, 1) == (
        subject.metric("reloads_total", method="http"),
        failures(subject, "http", "http_status"),
    )


def test_busy_server_is_asked_again_after_retry_after(subject: Reloading) -> None:
    program = served(subject)
    subject.change("busy 1")
    program.expect("asked: busy 1")
    began = time.monotonic()
    program.expect("asked: busy 1")
    assert time.monotonic() - began > 0.9
    program.expect("config: busy 1")
    program.err.expect("reloaded")

    assert (1, 0) == (
        subject.metric("reloads_total", method="http"),
        failures(subject, "http", "http_status"),
    )


def test_request_without_answer_times_out(subject: Reloading) -> None:
    program = served(subject, "--reload-timeout=400ms")
    began = time.monotonic()
    subject.change("hang")
    program.expect("asked: hang")
    program.err.expect("error: cannot reload .*; rolling back to configuration")
    assert time.monotonic() - began < 2
    program.expect("config: one")

    assert 1 == failures(subject, "http", "timeout")


@pytest.mark.parametrize("content", ["hang", "broken", "busy 25"])
def test_newer_version_ends_retries_of_an_older_version(subject: Reloading, content: str) -> None:
    """Else all three would go on for the 30 s of --reload-timeout."""
    program = served(subject)
    subject.change(content)
    program.expect(f"asked: {content}")
    began = time.monotonic()
    subject.change("three")
    program.expect("config: three")
    assert time.monotonic() - began < 2
    program.err.expect("reloaded")

    assert (2, 0, 0) == (
        subject.metric("reloads_total", method="http"),
        subject.metric("config_rollbacks_total"),
        subject.metric("config_stale"),
    )


# --- exec -----------------------------------------------------------------------------------------


def test_command_reload_sees_the_live_directory(subject: Reloading) -> None:
    out = f"{subject.scratch}/seen"
    program = subject.running(f"--reload-exec=sh -c 'echo {{dir}} $(cat {{dir}}/app.conf) >>{out}'")
    subject.change("two")
    program.err.expect("reloaded")

    with open(out, encoding="utf-8") as file:
        assert f"{subject.root} two\n" == file.read()
    assert ["config: one", "ready"] == program.out.seen
    assert 1 == subject.metric("reloads_total", method="exec")


def test_command_exit_code_is_its_own_among_orphans(subject: Reloading) -> None:
    """The supervisor reaps the orphans of the command, and takes none for the command."""
    orphans = 'for n in 1 2 3 4 5; do (sh -c "sleep 0 & exit 0" &); done'
    program = subject.running(
        "--no-rollback", f"--reload-exec=sh -c '{orphans}; echo oh dear >&2; exit 42'"
    )
    subject.change("two")
    program.err.expect("error: cannot reload .*: sh ended with code 42: oh dear$")

    assert (1, 0) == (
        failures(subject, "exec", "exec"),
        subject.metric("config_last_reload_successful"),
    )
    assert (subject.metric("orphans_reaped_total") or 0) >= 1
    subject.stop()


def test_hanging_command_is_killed_with_its_group(subject: Reloading) -> None:
    pids = f"{subject.scratch}/pids"
    command = f"sh -c 'sleep 3600 & readlink /proc/self >>{pids}; sleep 3600'"
    program = subject.running("--no-rollback", "--reload-timeout=300ms", f"--reload-exec={command}")
    subject.change("two")
    program.err.expect("error: cannot reload ")
    assert 1 == failures(subject, "exec", "timeout")

    def only_the_app() -> None:
        assert 1 == subject.metric("app_processes")
        assert len(subject.run.left()) == (2 if subject.run.mode == "process" else 3), (
            subject.program.story()
        )

    wait_until(only_the_app)


# --- restart --------------------------------------------------------------------------------------


def test_restart_stops_app_and_starts_it_on_new_files(
    subject: Reloading,
) -> None:
    program = subject.running("--reload-restart", "--stop-signal=USR2")
    old = program.app
    subject.change("two")
    program.expect("got SIGUSR2")
    program.expect("config: two")
    program.expect("ready")
    program.err.expect("reloaded")

    assert ["config: one", "ready", "got SIGUSR2", "config: two", "ready"] == program.out.seen
    assert "X" == state(old)
    shown = status(subject.port)
    assert (2, 1, "running") == tuple(shown["app"][name] for name in ("starts", "exits", "phase"))
    assert (1, 1, 0) == (
        subject.metric("reloads_total", method="restart"),
        subject.metric("config_last_reload_successful"),
        subject.metric("config_stale"),
    )
    subject.stop()


def test_restart_reload_is_not_logged_as_a_backoff(subject: Reloading) -> None:
    program = subject.running("--reload-restart")
    subject.change("two")
    program.err.expect("reloaded")

    assert [] == [
        line for line in program.err.seen if "starting it again in" in line or "warning" in line
    ]


def test_restart_onto_version_that_ends_the_app_rolls_back(subject: Reloading) -> None:
    program = subject.running("--reload-restart")
    subject.change("exit 3")
    program.expect("config: exit 3")
    program.expect("config: one")
    program.expect("ready")
    program.err.expect("back in place")
    program.err.expect("started")

    assert 1 == program.out.seen.count("config: exit 3")
    assert (1, 1, 1) == (
        subject.metric("config_rollbacks_total"),
        failures(subject, "restart", "child_exited"),
        subject.metric("config_stale"),
    )
    subject.change("two")
    program.expect("config: two")
    subject.until_metric(1, "config_last_reload_successful")
    subject.stop()


def test_restart_kills_app_after_stop_timeout(
    subject: Reloading,
) -> None:
    command = [
        "sh",
        "-c",
        f"trap '' TERM; cat {subject.file}; echo; echo ready; while :; do read -r _; done",
    ]
    program = subject.running("--reload-restart", "--stop-timeout=200ms", command=command)
    subject.change("two")
    program.err.expect("did not end in time: killing it")
    program.expect("two")
    program.expect("ready")
    program.err.expect("reloaded")


# --- notify ---------------------------------------------------------------------------------------


def reporting(subject: Reloading, *options: str) -> Program:
    command = app("report_reloads.py", subject.file)
    return subject.running("--reload-notify", *options, command=command)


def test_a_reload_is_done_once_the_app_reports_its_end(subject: Reloading) -> None:
    program = reporting(subject)
    subject.change("two")
    program.expect("config: two")
    program.err.expect("reloaded")

    assert (1, 1) == (
        subject.metric("reloads_total", method="notify"),
        subject.metric("config_last_reload_successful"),
    )


@pytest.mark.parametrize("line", ["stuck", "early"])
def test_a_reload_without_its_report_has_failed(subject: Reloading, line: str) -> None:
    """An end that began before the signal, or has no begin, is not the end of this reload."""
    program = reporting(subject, "--reload-timeout=1s")
    subject.change(line)
    program.expect(f"config: {line}")
    program.err.expect("has not reported the end of the reload")

    assert 1 == failures(subject, "notify", "timeout")
