"""The memory of a rollout in the whole program: late starts, killed supervisors, restarts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from tests.harness import Run, only_process, until
from tests.http import get, port_of, status
from tests.sync.reloading import Reloading

CTL = os.path.join(os.path.dirname(sys.executable), "supervisorctl")
NOT_READY = "--ready=sh -c 'echo it says 503; ! grep -q bad {dir}/app.conf'"
QUICK = ("--reload-timeout=400ms", "--verify-window=200ms")


@pytest.fixture
def subject(run: Run, tmp_path: os.PathLike[str]) -> Reloading:
    return Reloading(run, tmp_path)


def marks(subject: Reloading) -> list[str]:
    """The first word of each mark in configroot."""
    try:
        with open(os.path.join(subject.root, "..marks"), encoding="ascii") as file:
            return [line.split()[0] for line in file.read().splitlines()[1:]]
    except (FileNotFoundError, IsADirectoryError):
        return []


# --- a start that is not ready in time ------------------------------------------------------------


def test_start_unready_first_version_takes_the_correction(subject: Reloading) -> None:
    subject.change("bad")
    program = subject.start(NOT_READY, *QUICK)
    subject.port = port_of(program)
    program.err.expect(
        "python does not work on configuration .*: not ready within 0.4s: .*it says 503"
    )
    assert (503, 200, 0) == (
        subject.probe("/readyz"),
        subject.probe("/livez"),
        subject.metric("config_last_reload_successful"),
    )
    subject.change("two")
    program.expect("config: two")
    until(lambda: subject.probe("/readyz"), 200)

    subject.until_metric(1, "config_last_reload_successful")
    assert ["config: bad", "ready", "config: two"] == program.out.seen


def test_restart_to_reload_unready_version_gives_way(subject: Reloading) -> None:
    program = subject.running(NOT_READY, "--reload-restart", *QUICK)
    until(lambda: subject.probe("/readyz"), 200)
    subject.until_metric(1, "config_last_reload_successful")
    subject.change("bad")
    program.err.expect("cannot reload python: not ready within .*; rolling back to configuration")
    program.err.expect("starting it on the last good configuration")
    for line in ("config: bad", "ready", "got SIGTERM", "config: one", "ready"):
        program.expect(f"^{line}$")
    until(lambda: subject.probe("/readyz"), 200)

    subject.change("three")
    program.expect("config: three")
    subject.until_metric(1, "config_last_reload_successful")


def test_reload_order_on_an_unready_app_is_answered(subject: Reloading) -> None:
    subject.change("bad")
    socket = f"{subject.scratch}/ctl"
    program = subject.start(NOT_READY, *QUICK, f"--control={socket}")
    program.err.expect("not ready within")
    ended = subprocess.run(
        [CTL, "--socket", socket, "reload"], capture_output=True, text=True, timeout=15, check=False
    )

    assert 1 == ended.returncode
    assert "but the app is not ready" in ended.stderr


# --- restarts -------------------------------------------------------------------------------------


def test_restart_leaves_the_failed_version_alone(subject: Reloading) -> None:
    program = subject.running()
    until(lambda: marks(subject), ["good"])
    subject.change("exit 3")
    program.err.expect("back in place")
    until(lambda: marks(subject), ["good", "failed"])
    program.expect("config: one")
    subject.stop()
    program = subject.start()
    program.expect("config: ")

    assert "config: one" == program.out.seen[0]
    program.err.expect(
        "configuration .* failed before and is not tried again: it ended, with code 3"
    )
    subject.change("two")
    program.expect("config: two")
    until(lambda: marks(subject)[0], "good")


def test_restart_with_an_order_tries_the_failed_version_again(subject: Reloading) -> None:
    program = subject.running()
    until(lambda: marks(subject), ["good"])
    subject.change("exit 3")
    until(lambda: marks(subject), ["good", "failed"])
    program.expect("config: exit 3")
    program.expect("ready")
    subject.stop()
    socket = f"{subject.scratch}/ctl"
    program = subject.start(f"--control={socket}")
    program.expect("ready")
    subject.port = port_of(program)
    until(lambda: os.path.exists(socket), expected=True)
    ended = subprocess.run(
        [CTL, "--socket", socket, "reload"], capture_output=True, text=True, timeout=15, check=False
    )

    assert 1 == ended.returncode
    program.expect("config: exit 3")


def kill(subject: Reloading) -> None:
    """Kill the whole container at once."""
    program = subject.program
    subject.run.kill_left()
    program.wait()


def test_killed_twice_on_trial_starts_on_the_good_version(subject: Reloading) -> None:
    """A change that exhausts the memory of a container kills its supervisor too (cgroup v2,
    memory.oom.group).
    """
    subject.running()
    until(lambda: marks(subject), ["good"])
    kill(subject)
    subject.change("two")
    for _ in range(2):
        program = subject.start("--verify-window=30s")
        program.expect("config: two")
        program.expect("ready")
        kill(subject)
    program = subject.start("--verify-window=30s")
    program.expect("config: ")

    assert "config: one" == program.out.seen[0]
    program.err.expect("was killed 2 times while this version was on trial")
    subject.change("three")
    program.expect("config: three")


def test_stopped_twice_on_trial_is_tried_again(subject: Reloading) -> None:
    subject.running()
    until(lambda: marks(subject), ["good"])
    subject.stop()
    subject.change("two")
    for _ in range(3):
        program = subject.start("--verify-window=30s")
        program.expect("config: ")
        program.expect("ready")
        assert "config: two" == program.out.seen[0]
        subject.stop()


def test_marks_of_others_do_no_harm(subject: Reloading) -> None:
    subject.running()
    until(lambda: marks(subject), ["good"])
    subject.stop()
    for damage in (b"\0" * 100, b"good " * 10_000, b"", b"failed x"):
        with open(os.path.join(subject.root, "..marks"), "wb") as file:
            file.write(damage)
        program = subject.start()
        program.expect("config: one")
        program.expect("ready")
        subject.stop()
    os.unlink(os.path.join(subject.root, "..marks"))
    os.makedirs(os.path.join(subject.root, "..marks", "planted"))
    subject.start().expect("ready")
    until(lambda: marks(subject), ["good"])
    subject.stop()


# --- a newer version within the window ------------------------------------------------------------


def test_rejected_newer_version_leaves_the_window_of_the_older(subject: Reloading) -> None:
    program = subject.running(subject.validate(), "--verify-window=1s")
    subject.until_metric(1, "config_last_reload_successful")
    subject.change("two")
    program.expect("config: two")
    subject.change("bad")
    program.err.expect("is rejected")
    program.err.expect("info: reloaded python")

    assert ["config: one", "ready", "config: two"] == program.out.seen
    assert (1, "success") == (
        subject.metric("reloads_total", method="signal"),
        status(subject.port)["reloads"]["last_outcome"],
    )


# --- foreign words --------------------------------------------------------------------------------


@only_process
@pytest.mark.parametrize(("how", "logged"), [("auto", True), ("log", True), ("withhold", False)])
def test_words_of_a_validator_stay_off_the_port(subject: Reloading, how: str, logged: bool) -> None:
    """They may quote a Secret: nginx prints a configuration line with an error."""
    socket = f"{subject.scratch}/ctl"
    program = subject.running(subject.validate(), f"--hook-output={how}", f"--control={socket}")
    subject.change("bad")
    line = program.err.expect("the new configuration is rejected: sh ended with code 3").string
    subject.until_metric(1, "config_stale")
    ended = subprocess.run(
        [CTL, "--socket", socket, "status", "--json"], capture_output=True, text=True, check=True
    )

    assert logged is ("the last line" in line)
    for page in ("/status", "/readyz", "/livez", "/metrics"):
        assert "the last line" not in get(subject.port, page)[1]
    assert "the last line" in json.loads(ended.stdout)["config"]["last_error_output"]
    assert "sh ended with code 3" in status(subject.port)["config"]["last_error"]


@only_process
def test_words_about_a_mounted_secret_stay_out_of_the_log(subject: Reloading) -> None:
    """A Secret volume's files are not for every user."""
    folder = os.path.join(subject.scratch, "secret")
    os.mkdir(folder)

    def write(content: str) -> None:
        new = os.path.join(subject.scratch, "new")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT, 0o400), "w", encoding="ascii") as file:
            file.write(content)
        os.rename(new, os.path.join(folder, "app.conf"))

    write("one")
    subject.options[0] = f"--config-dir={folder}"
    program = subject.start(subject.validate())
    program.expect("ready")
    write("bad")
    line = program.err.expect("the new configuration is rejected: sh ended with code 3").string

    assert "the last line" not in line
    assert "(49 characters of output withheld; see supervisorctl status)" in line


@only_process
def test_status_says_when_things_happened(subject: Reloading) -> None:
    subject.running()
    subject.until_metric(1, "config_last_reload_successful")
    first = status(subject.port)
    assert (0, "started", None) == tuple(
        first["reloads"][name] for name in ("attempts", "last_outcome", "last_seconds_ago")
    )
    subject.change("two")
    until(lambda: status(subject.port)["reloads"]["last_at"] is not None, expected=True)
    then = status(subject.port)

    assert (1, "success") == (then["reloads"]["attempts"], then["reloads"]["last_outcome"])
    for section, name in (("app", "started"), ("config", "last_change"), ("reloads", "last")):
        assert then[section][f"{name}_seconds_ago"] is not None, section
        assert 0 <= then[section][f"{name}_seconds_ago"] < 60
        assert then[section][f"{name}_at"].endswith("Z")


# --- an intended end -----------------------------------------------------------------------


def test_restart_policy_respects_the_images_stop_signal(run: Run) -> None:
    """A runtime sends an image's STOPSIGNAL on deletion of the pod, and knows no --stop-signal."""
    program = run("sleep", "60", options=["--restart=always"])
    until(lambda: program.app > 0, expected=True)
    program.send(signal.SIGINT)
    program.finish(130)


def test_death_after_a_thread_dump_is_rolled_back(subject: Reloading) -> None:
    """QUIT makes a JVM print its threads: an app that survives it and dies later dies of its
    version.
    """
    script = f"{subject.scratch}/jvm"
    with open(script, "w", encoding="utf-8") as file:
        file.write(
            "trap 'echo threads' QUIT; trap 'kill $(cat late) 2>/dev/null; exit 7' TERM\n"
            f'obey() {{ read -r line <{subject.file}; echo "config: $line"; }}\n'
            f"trap 'obey; [ \"$line\" != bad ] || dying=1' HUP\n"
            "obey; echo ready\n"
            'while :; do sleep 0.05; [ -z "$dying" ] || { read -r _ && exit 1; }; done\n'
        )
    program = subject.running("--verify-window=10s", command=["sh", script])
    subject.until_metric(0, "config_stale")
    subject.change("bad")
    program.expect("config: bad")
    program.send(signal.SIGQUIT)
    program.expect("threads")
    program.type("\n")
    program.err.expect(
        "it ended, with code 1, within the verification .*; rolling back to configuration"
    )
    program.expect("config: one")
