"""Stops, deaths and broken surroundings amid a change: the app's code, files and last change."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from config_supervisor.store.configroot import Modes, Root
from tests.answering import Answering, hang
from tests.conftest import needs, needs_root
from tests.disk import put
from tests.fake_kube import FakeKube
from tests.harness import Program, Run, app, status, until, wait_until
from tests.sync.reloading import Reloading
from tests.sync.subject import Subject

HOUR = 3600 * 10**9  # nanoseconds


@pytest.fixture
def subject(run: Run, tmp_path: os.PathLike[str]) -> Reloading:
    return Reloading(run, tmp_path)


# --- a stop at any moment: the app's code, soon, and nothing left (the fixture looks) -------------


def test_a_stop_during_a_validation(subject: Reloading) -> None:
    subject.running(subject.validate())
    subject.change("hang")
    until(subject.validated, ["one", "hang"])
    subject.stop()

    assert ["config: one", "ready", "got SIGTERM"] == subject.program.out.seen


def test_a_stop_during_the_first_validation(subject: Reloading) -> None:
    """There is no app yet: the exit code is that of the signal."""
    subject.change("hang")
    subject.start(subject.validate())
    until(subject.validated, ["hang"])
    subject.stop(143)

    assert [] == subject.program.out.seen


@pytest.mark.parametrize("pace", ["--reload-splay=1000h", "--reload-quiet=1h"])
def test_a_stop_while_a_change_waits_for_its_time(subject: Reloading, pace: str) -> None:
    subject.running(pace)
    subject.change("two")
    subject.until_metric(1, "config_stale")
    subject.stop()

    assert ["config: one", "ready", "got SIGTERM"] == subject.program.out.seen


def test_a_stop_while_a_change_waits_for_the_interval(subject: Reloading) -> None:
    program = subject.running("--reload-interval=1h")
    subject.change("two")
    program.expect("config: two")
    program.err.expect("reloaded")
    subject.change("three")
    subject.until_metric(1, "config_stale")
    subject.stop()

    assert ["config: two", "got SIGTERM"] == program.out.seen[2:]


def test_a_stop_while_a_reload_waits_for_a_handler(subject: Reloading) -> None:
    subject.running(command=app("obey_config.py", subject.file, "deaf"))
    subject.change("two")
    until(subject.phase, "reloading")
    subject.stop()


def test_a_stop_while_the_app_gets_ready(subject: Reloading) -> None:
    subject.running("--ready=sleep 3600")
    subject.change("two")
    subject.until_metric(1, "config_stale")
    subject.stop()


@pytest.mark.parametrize(
    "option",
    ["--reload-exec=sleep 3600", "--verify=sleep 3600", "--verify=false", "--verify-window=1h"],
)
def test_a_stop_during_a_reload_or_its_verification(subject: Reloading, option: str) -> None:
    subject.running("--verify-window=1h", option)
    subject.change("two")
    until(subject.phase, "reloading")
    until(lambda: subject.metric("config_updates_total"), 2)
    subject.stop()


def test_a_stop_during_a_request_that_is_not_answered(subject: Reloading) -> None:
    with Answering(hang) as server:
        subject.running(f"--reload-http={server.url()}")
        subject.change("two")
        assert server.connected.acquire(timeout=10)
        subject.stop()


def test_a_stop_during_a_rollback(subject: Reloading) -> None:
    """The bad version was refused, and the app hangs in the reload of the good version."""
    program = subject.running(
        "--reload-exec=sh -c 'grep -q bad {dir}/app.conf && exit 1; sleep 3600'"
    )
    subject.change("bad")
    program.err.expect("back in place")
    until(lambda: subject.metric("reloads_total", method="exec"), 2)
    subject.stop()


def test_a_stop_while_the_app_is_being_replaced(subject: Reloading) -> None:
    """It stops slowly for a reload by restart; after a TERM to us it is not started again."""
    slowly = "trap : TERM; echo stopping; while ! read -r _; do :; done; exit 7"
    command = ["sh", "-c", f'trap "{slowly}" TERM; echo ready; while :; do sleep 0.01; done']
    program = subject.running("--reload-restart", "--log-level=debug", command=command)
    subject.change("two")
    program.expect("stopping")
    program.send(15)
    program.err.expect("got SIGTERM")
    program.type("go on\n")
    program.finish(7)

    assert ["ready", "stopping"] == program.out.seen


def test_a_stop_while_the_app_waits_to_be_started_again(subject: Reloading) -> None:
    subject.change("exit 3")
    program = subject.start("--restart=always")
    program.err.expect("starting it again in 2s")
    subject.stop(3, within=1)


# --- what happens to the app ----------------------------------------------------------------------


def test_app_killed_in_a_reload_starts_on_the_good_version(
    subject: Reloading,
) -> None:
    program = subject.running("--verify-window=1h")
    pid = program.app
    subject.change("two")
    program.expect("config: two")
    os.kill(pid, signal.SIGKILL)
    program.err.expect("ended by a signal, code 137, .*rolling back to configuration")
    program.expect("config: one")
    program.expect("ready")

    assert 1 == subject.metric("config_rollbacks_total")
    subject.stop()


def test_app_killed_in_a_reload_without_rollback_ends_us(
    subject: Reloading,
) -> None:
    program = subject.running("--verify-window=1h", "--no-rollback")
    subject.change("two")
    program.expect("config: two")
    os.kill(program.app, signal.SIGKILL)
    program.finish(137)


def test_app_killed_in_a_validation_ends_us_with_its_code(
    subject: Reloading,
) -> None:
    """The version has not reached the app: there is nothing to go back to."""
    program = subject.running(subject.validate())
    pid = program.app
    subject.change("hang")
    until(subject.validated, ["one", "hang"])
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    program.finish(137)

    assert time.monotonic() - began < 2


# --- what happens to the files --------------------------------------------------------------------


def test_removed_configroot_is_made_again_by_a_change(subject: Reloading) -> None:
    program = subject.running()
    subject.remove_root()
    subject.change("two")
    program.expect("config: two")
    subject.remove_root()
    subject.change("three")
    program.expect("config: three")

    assert [] == subject.errors()


def test_disk_that_fills_while_staging_changes_nothing(
    run: Run, tmp_path: os.PathLike[str]
) -> None:
    needs_root()
    small = os.path.join(tmp_path, "small")
    os.mkdir(small)
    subprocess.run([needs("mount"), "-t", "tmpfs", "-o", "size=128k", "none", small], check=True)
    try:
        subject = Reloading(run, tmp_path)
        subject.root = os.path.join(small, "live")
        subject.file = os.path.join(subject.root, "app.conf")
        subject.options[1] = f"--configroot={subject.root}"
        program = subject.running(subject.validate())
        before = subject.live()
        subject.volume.swap({"app.conf": "two", "big": "x" * 300_000})
        program.err.expect(
            "cannot write .*: no space left on device.*; configuration [0-9a-f]+ stays"
        )
        assert before == subject.live()
        subject.until_metric(1, "config_apply_failures_total", reason="write")
        assert 1 == subject.metric("config_stale")
        subject.change("three")
        program.expect("config: three")
        assert (["config: one", "ready", "config: three"], ["one", "three"]) == (
            program.out.seen,
            subject.validated(),
        )
    finally:
        run.kill_left()
        subprocess.run(["umount", "-l", small], check=True)  # an ending process may still hold it


def test_a_clock_that_was_set_back_changes_no_order(subject: Reloading) -> None:
    """An earlier run wrote names of an hour to come: the new names sort before them."""
    ahead = Root(subject.root, Modes(), clock=lambda: time.time_ns() + HOUR)
    for content in (b"older", b"old"):
        put(ahead, {"app.conf": content})
    program = subject.running()
    subject.change("two")
    program.expect("config: two")
    program.err.expect("reloaded")
    subject.change("exit 3")
    program.expect("config: exit 3")
    program.expect("config: two")
    program.expect("ready")
    program.err.expect("back in place")
    kept = [f"{subject.root}/{one.name}/app.conf" for one in ahead.generations()]  # newest first
    assert ["exit 3", "two", "one"] == [Path(path).read_text() for path in kept]
    subject.stop()

    program = subject.start("--initial-sync-timeout=100ms", f"--config-dir={subject.scratch}/none")
    program.expect("config: two")


# --- what happens to the source -------------------------------------------------------------------


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seconds", [0, pytest.param(60, marks=pytest.mark.slow)])
def test_api_server_away_amid_changes_loses_none_of_them(
    run: Run, fake: FakeKube, tmp_path: os.PathLike[str], seconds: int
) -> None:
    """For a moment; and, in the slow lane, for a minute with grown pauses between the tries."""
    subject = Subject(run, fake, os.fspath(tmp_path))
    program = subject.running("--reload-interval=0s", "--verify-window=0s", "--control=off")
    for number in range(50):
        subject.change(f"change {number}")
    program.expect("config: change 49")
    until(lambda: subject.metric("config_stale"), 0)
    before = subject.reloads() or 0
    fake.down()
    for number in range(50, 100):
        subject.change(f"change {number}")
    until(lambda: subject.metric("watch_connected"), 0)
    assert (before, {"app.conf": b"change 49"}) == (subject.reloads(), subject.live())
    ends = time.monotonic() + seconds

    def over() -> None:
        assert time.monotonic() >= ends

    wait_until(over, timeout=seconds + 5)
    fake.up()
    program.expect("config: change 99", timeout=15 + seconds)
    until(lambda: subject.metric("config_stale"), 0)

    assert (before + 1, {"app.conf": b"change 99"}) == (subject.reloads(), subject.live())
    assert ["config: change 49", "config: change 99"] == program.out.seen[-2:]


def memory(program: Program) -> int:
    """KiB in use by the supervisor."""
    return int(status(program.pid)["VmRSS"].split()[0])


def test_storm_of_changes_is_few_reloads_of_the_newest(
    run: Run, fake: FakeKube, tmp_path: os.PathLike[str]
) -> None:
    """200 changes, then 200 more: the second storm must not double the memory of the first."""
    subject = Subject(run, fake, os.fspath(tmp_path))
    program = subject.running("--reload-interval=400ms", "--verify-window=0s", "--control=off")
    storm(subject, program, "first")
    grown = memory(program)
    began, reloads = time.monotonic(), subject.reloads() or 0
    storm(subject, program, "second")
    most = 2 + (time.monotonic() - began) / 0.4

    assert 1 <= (subject.reloads() or 0) - reloads <= most
    assert memory(program) - grown < 1500, "KiB"
    assert len(subject.generations()) <= 4


def storm(subject: Subject, program: Program, name: str) -> None:
    """Enough changes to come one by one: each question about the metrics takes milliseconds."""
    for number in range(200):
        subject.change(f"{name} {number}")
        if number % 4 == 0:
            assert subject.metric("watch_connected") == 1
    program.expect(f"config: {name} 199")
    until(lambda: subject.metric("config_stale"), 0)
