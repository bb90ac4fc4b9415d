"""A version that fails: the app is back on the last good version, without a crash loop."""

from __future__ import annotations

import os
import time

import pytest

from tests.harness import Run, app, until
from tests.http import status
from tests.sync.reloading import Reloading

VERIFY = "--verify=sh -c '! grep -q bad {dir}/app.conf'"


@pytest.fixture
def subject(run: Run, tmp_path: os.PathLike[str]) -> Reloading:
    return Reloading(run, tmp_path)


def content_of(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def edit(path: str) -> None:
    """In place."""
    with open(path, "r+", encoding="utf-8") as file:
        file.write("edited")


# --- the app dies ---------------------------------------------------------------------------------


def test_app_that_dies_of_a_version_starts_on_the_good_one(subject: Reloading) -> None:
    """With `--restart never`: the death is the version's, not the app's."""
    program = subject.running("--restart=never")
    subject.change("exit 3")
    program.err.expect(
        "error: cannot reload .*it ended, with code 3, .*; rolling back to configuration"
    )
    program.expect("config: one")
    program.expect("ready")
    program.err.expect("back in place")
    program.err.expect("started")

    assert ["config: one", "ready", "config: exit 3", "config: one", "ready"] == program.out.seen
    assert "one" == content_of(subject.file)
    assert (1, 0, 1, 1) == (
        subject.metric("config_rollbacks_total"),
        subject.metric("config_last_reload_successful"),
        subject.metric("config_stale"),
        subject.metric("reload_failures_total", method="signal", reason="child_exited"),
    )
    assert (2, 1) == tuple(status(subject.port)["app"][name] for name in ("starts", "exits"))
    subject.stop(7)


def test_start_on_the_good_version_tells_no_delay(
    subject: Reloading,
) -> None:
    program = subject.running("--restart=never")
    subject.change("exit 3")
    program.err.expect("back in place")
    program.err.expect("started")

    assert [] == [line for line in program.err.seen if "starting it again in" in line]


def test_deadly_version_is_not_tried_again_but_the_next_is(subject: Reloading) -> None:
    program = subject.running()
    subject.change("exit 3")
    program.expect("config: exit 3")
    program.expect("ready")
    program.err.expect("back in place")
    program.err.expect("started")
    subject.change("exit 3")
    subject.change("two")
    program.expect("config: two")
    program.err.expect("reloaded")

    assert ["config: exit 3", "config: one", "ready", "config: two"] == program.out.seen[2:]
    assert (1, 1, 0) == (
        subject.metric("config_rollbacks_total"),
        subject.metric("config_last_reload_successful"),
        subject.metric("config_stale"),
    )


def test_return_of_the_good_version_ends_the_failure(
    subject: Reloading,
) -> None:
    program = subject.running()
    subject.change("exit 3")
    program.expect("config: exit 3")
    program.expect("ready")
    program.err.expect("back in place")
    program.err.expect("started")
    reloads = subject.metric("reloads_total", method="signal")
    subject.change("one")
    subject.until_metric(1, "config_last_reload_successful")

    assert (0, reloads) == (
        subject.metric("config_stale"),
        subject.metric("reloads_total", method="signal"),
    )


def test_edited_good_version_is_passed_over(subject: Reloading) -> None:
    """The app edits its file in place; an older good version is on disk as it was delivered."""
    program = subject.running("--restart=never")
    subject.until_good(1)
    subject.change("two")
    program.expect("config: two")
    subject.until_good(2)
    edit(subject.file)
    subject.change("exit 3")
    program.err.expect("warning: cannot use generation .* differs from its manifest")
    program.err.expect("back in place")
    program.expect("config: one")
    assert "one" == content_of(subject.file)


def test_edited_good_version_is_better_than_none(subject: Reloading) -> None:
    program = subject.running("--restart=never")
    subject.until_good(1)
    edit(subject.file)
    subject.change("exit 3")
    program.err.expect("warning: cannot use generation .* differs from its manifest")
    program.err.expect("back in place")
    program.expect("config: edited")


def test_bad_first_version_ends_the_app_and_us(subject: Reloading) -> None:
    subject.change("exit 3")
    program = subject.start()
    program.finish(3)

    assert ["config: exit 3"] == program.out.seen


@pytest.mark.parametrize(("options", "code"), [((), 4), (("--ok-exit-code=4",), 0)])
def test_app_that_dies_of_the_good_version_too_ends_us(
    subject: Reloading, options: tuple[str, ...], code: int
) -> None:
    broken = f"{subject.scratch}/broken"
    command = [
        "sh",
        "-c",
        f"test -e {broken} && exit 4; exec {' '.join(app('obey_config.py', subject.file))}",
    ]
    program = subject.running(*options, command=command)
    with open(broken, "w", encoding="utf-8"):
        pass
    subject.change("exit 3")
    program.finish(code)

    assert ["config: one", "ready", "config: exit 3"] == program.out.seen
    assert "one" == content_of(subject.file)


def test_death_without_a_good_version_on_disk_counts(subject: Reloading) -> None:
    program = subject.running()
    subject.remove_root()
    subject.change("exit 3")
    program.err.expect(
        "error: cannot put configuration .* back: no generation in .* has it any more"
    )
    program.finish(3)


@pytest.mark.parametrize("how", ["--no-rollback", "without a configroot"])
def test_death_in_the_window_without_rollback_ends_us(subject: Reloading, how: str) -> None:
    file = subject.file
    if how != "--no-rollback":
        file = f"{subject.volume.path}/app.conf"
        subject.options = [
            option for option in subject.options if not option.startswith("--configroot")
        ]
    options = [how] if how == "--no-rollback" else []
    program = subject.running(*options, command=app("obey_config.py", file))
    subject.change("exit 3")
    program.finish(3)

    assert (["config: exit 3"], "exit 3") == (program.out.seen[2:], content_of(file))


def test_app_under_restart_goes_back_and_does_not_loop(
    subject: Reloading,
) -> None:
    program = subject.running("--restart=always")
    subject.change("exit 3")
    program.expect("config: exit 3")
    program.expect("config: one")
    program.expect("ready")
    program.err.expect("back in place")
    program.err.expect("started")
    subject.change("two")
    program.expect("config: two")

    assert ["config: exit 3", "config: one", "ready", "config: two"] == program.out.seen[2:]


# --- the verification says no ---------------------------------------------------------------------


def test_unverified_version_is_rolled_back_and_reloaded(subject: Reloading) -> None:
    program = subject.running(VERIFY)
    pid = program.app
    subject.change("bad")
    program.err.expect(
        "error: cannot reload .*verification did not pass: sh ended with code 1; rolling back to"
    )
    program.err.expect("configuration .* is back in place: changed app.conf")
    program.expect("config: one")
    program.err.expect("reloaded")

    assert (pid, "one") == (program.app, content_of(subject.file))
    assert (2, 1, 1, 0, 1) == (
        subject.metric("reloads_total", method="signal"),
        subject.metric("reload_failures_total", method="signal", reason="verify"),
        subject.metric("config_rollbacks_total"),
        subject.metric("config_last_reload_successful"),
        subject.metric("config_stale"),
    )
    subject.change("bad")
    subject.change("two")
    program.expect("config: two")
    subject.until_metric(1, "config_last_reload_successful")
    assert ["config: one", "ready", "config: bad", "config: one", "config: two"] == program.out.seen
    assert (0, 1) == (subject.metric("config_stale"), subject.metric("config_rollbacks_total"))
    subject.stop()


def test_a_verification_is_tried_again_within_the_window(subject: Reloading) -> None:
    tries, taken_up = f"{subject.scratch}/tries", f"{subject.scratch}/taken-up"
    program = subject.running(
        f"--verify=sh -c 'echo >>{tries}; test -e {taken_up}'", "--verify-window=1s"
    )
    subject.change("two")
    until(lambda: os.path.exists(tries), expected=True)
    with open(taken_up, "w", encoding="utf-8"):
        pass
    program.err.expect("reloaded")

    assert (1, 0, []) == (
        subject.metric("config_last_reload_successful"),
        subject.metric("config_rollbacks_total"),
        subject.errors(),
    )


def test_a_newer_version_ends_the_window_of_an_older_one(subject: Reloading) -> None:
    program = subject.running("--verify-window=1h")
    subject.change("two")
    program.expect("config: two")
    subject.change("three")
    program.expect("config: three")

    assert (2, 0) == (
        subject.metric("reloads_total", method="signal"),
        subject.metric("config_rollbacks_total"),
    )


def test_no_rollback_keeps_the_files_and_tries_again(subject: Reloading) -> None:
    program = subject.running(VERIFY, "--no-rollback")
    subject.change("bad")
    program.err.expect("error: cannot reload .*verification did not pass: sh ended with code 1$")

    assert "bad" == content_of(subject.file)
    assert (0, 0, 1) == (
        subject.metric("config_rollbacks_total"),
        subject.metric("config_last_reload_successful"),
        subject.metric("config_stale"),
    )
    program.expect("config: bad")
    program.expect("config: bad")  # after 2 s
    subject.change("two")
    program.expect("config: two")
    subject.until_metric(1, "config_last_reload_successful")


def test_reload_without_a_good_version_on_disk_is_retried(
    subject: Reloading,
) -> None:
    program = subject.running("--reload-exec=false")
    subject.remove_root()
    subject.change("two")
    program.err.expect("error: cannot put configuration .* back")
    began = time.monotonic()
    until(lambda: (subject.metric("reloads_total", method="exec") or 0) >= 2, expected=True)

    assert time.monotonic() - began > 1.5
    subject.stop()


# --- probes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "livez"),
    [
        (("--rollback",), 200),
        (("--no-rollback",), 200),
        (("--rollback", "--unhealthy-on-reload-failure"), 200),
        (("--no-rollback", "--unhealthy-on-reload-failure"), 503),
    ],
)
def test_liveness_fails_by_option_for_a_lasting_failure(
    subject: Reloading, options: tuple[str, ...], livez: int
) -> None:
    program = subject.running(VERIFY, *options)
    assert (200, 200) == (subject.probe("/livez"), subject.probe("/readyz"))
    subject.change("bad")
    program.err.expect("error: cannot reload")
    if options[0] == "--rollback":
        program.err.expect("reloaded")

    until(lambda: (subject.probe("/livez"), subject.probe("/readyz")), (livez, 200))
    subject.change("two")
    program.err.expect("reloaded")
    assert (200, 200) == (subject.probe("/livez"), subject.probe("/readyz"))
