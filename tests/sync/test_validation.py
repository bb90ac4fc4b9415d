"""The gates before a version goes live: the validation of its files, the readiness of the app."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from functools import partial
from pathlib import Path

import pytest

from tests.answering import Answering, answer
from tests.conftest import needs_root
from tests.harness import APPS, Run, app, marked, until, wait_until
from tests.http import get, port_of, status
from tests.servers import free_port
from tests.sync.reloading import Reloading


@pytest.fixture
def subject(run: Run, tmp_path: os.PathLike[str]) -> Reloading:
    return Reloading(run, tmp_path)


# --- validate -------------------------------------------------------------------------------------


def test_invalid_version_changes_nothing_and_is_told_once(subject: Reloading) -> None:
    program = subject.running(subject.validate())
    before = subject.live()
    subject.change("bad")
    program.err.expect(
        r"error: the new configuration is rejected: sh ended with code 3:"
        r" line 3 / line 4 / line 5 / line 6 / the last line; configuration \w+ stays$"
    )

    assert before == subject.live()
    subject.until_metric(1, "config_stale")
    assert 1 == subject.metric("config_validations_total", result="rejected")
    subject.change("two")
    program.expect("config: two")
    program.err.expect("reloaded")
    assert ["config: one", "ready", "config: two"] == program.out.seen
    assert (["one", "bad", "two"], 1) == (subject.validated(), len(subject.errors()))
    assert (0, 2, 1) == (
        subject.metric("config_stale"),
        subject.metric("config_validations_total", result="accepted"),
        subject.metric("config_validations_total", result="rejected"),
    )


def test_start_never_uses_a_version_still_being_validated(run: Run, tmp_path: Path) -> None:
    """Its generation is complete on disk, which is not enough for a start on an earlier version."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "app.conf").write_text("one")
    os.mkfifo(tmp_path / "verdict")
    program = run(
        "cat",
        options=[
            f"--config-dir={tmp_path}/in",
            f"--configroot={tmp_path}/live",
            f"--validate=sh -c 'read verdict <{tmp_path}/verdict; exit 1' {{dir}}",
            "--initial-sync-timeout=200ms",
        ],
    )
    program.err.expect(r"no configuration in time: the validation of \w{8} has not ended")

    program.finish(125)
    assert [] == program.out.seen
    assert not (tmp_path / "live" / "app.conf").exists()


def test_rejected_content_is_validated_once(
    subject: Reloading,
) -> None:
    program = subject.running(subject.validate())
    subject.change("bad")
    program.err.expect("is rejected")
    shown = status(subject.port)["config"]
    assert shown["desired"] == shown["rejected"] is not None
    subject.change("bad")  # another directory with the same content
    subject.change("two")
    program.expect("config: two")
    subject.change("bad")
    program.err.expect("is rejected")

    assert ["one", "bad", "two", "bad"] == subject.validated()


def test_validator_that_writes_to_its_files_is_told(subject: Reloading) -> None:
    program = subject.running(
        "--validate=sh -c 'grep -q two {dir}/app.conf && echo more >>{dir}/app.conf; exit 0'"
    )
    subject.change("two")
    program.err.expect(
        "warning: the validation has changed the files of configuration .*, which it should only"
        r" read: .*\(cannot use generation .*: app.conf differs from its manifest\)"
    )
    program.expect("config: two")


def test_hung_validation_does_not_delay_a_newer_version(subject: Reloading) -> None:
    program = subject.running(subject.validate(), "--reload-timeout=60s")
    subject.change("hang")
    until(subject.validated, ["one", "hang"])
    subject.change("two")
    program.expect("config: two")

    assert [] == subject.errors()


def test_each_rejected_version_is_told(subject: Reloading) -> None:
    """Two rejections may read the same and concern two versions all the same."""
    program = subject.running(subject.validate())
    for content in ("bad one", "bad two", "bad three"):
        subject.change(content)
        program.err.expect("error: the new configuration is rejected: sh ended with code 3")


def test_return_of_running_content_clears_a_rejection(subject: Reloading) -> None:
    program = subject.running(subject.validate())
    subject.change("bad")
    program.err.expect("is rejected")
    subject.until_metric(1, "config_stale")
    subject.change("one")
    subject.until_metric(0, "config_stale")

    subject.until_metric(1, "config_last_reload_successful")
    assert 0 == subject.metric("reloads_total", method="signal")
    assert ["config: one", "ready"] == program.out.seen


def test_hanging_validation_ends_with_its_whole_group(
    subject: Reloading,
) -> None:
    program = subject.running(subject.validate(), "--reload-timeout=400ms")
    before = subject.live()
    subject.change("hang")
    until(subject.validated, ["one", "hang"])
    program.err.expect("error: cannot validate the new configuration: sh did not end in time")

    def nothing_of_it() -> None:
        assert [] == [pid for pid in marked(subject.run.mark) if b"3600" in cmdline(pid)]

    wait_until(nothing_of_it)
    assert before == subject.live()
    assert 0 == subject.metric("config_validations_total", result="rejected")
    subject.change("two")
    program.expect("config: two")


def cmdline(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


@pytest.mark.parametrize(
    "broken", ["missing", "not executable", "exit 127", "exit 126", "kill -9 $$"]
)
def test_a_validation_that_cannot_run_is_no_verdict(subject: Reloading, broken: str) -> None:
    """The validation is tried until it runs, and the version then gets in place."""
    script = Path(shutil.copy(f"{APPS}/validate.sh", f"{subject.scratch}/valid"))
    script.chmod(0o700)
    good = script.read_text(encoding="utf-8")
    program = subject.running(f"--validate={script} {{dir}} {subject.scratch}/validated")
    before = subject.live()
    if broken == "missing":
        script.unlink()
    elif broken == "not executable":
        script.chmod(0o600)
    else:
        script.write_text(f"#!/bin/sh\n{broken}\n", encoding="utf-8")
    subject.change("two")
    program.err.expect(
        "error: cannot validate the new configuration: .*; trying again; configuration a1ce5672"
        " stays"
    )
    assert before == subject.live()
    assert 0 == subject.metric("config_validations_total", result="rejected")
    script.write_text(good, encoding="utf-8")
    script.chmod(0o700)

    program.expect("config: two")
    program.err.expect("reloaded")


def test_start_on_a_rejected_version_uses_the_earlier_run(
    subject: Reloading,
) -> None:
    subject.running(subject.validate())
    subject.stop()
    before = subject.live()
    subject.change("bad")
    program = subject.start(subject.validate())
    program.err.expect(
        "error: the new configuration is rejected: sh ended with code 3:.* the last line"
    )
    program.expect("config: one")
    program.expect("ready")
    subject.port = port_of(program)

    assert before == subject.live()
    subject.until_metric(1, "config_stale")
    subject.change("two")
    program.expect("config: two")
    subject.until_metric(0, "config_stale")


def test_first_start_on_a_rejected_version_is_the_end(
    subject: Reloading,
) -> None:
    subject.change("bad")
    program = subject.start(subject.validate(), "--initial-sync-timeout=500ms")
    program.finish(125)

    assert [] == program.out.seen
    assert "the last line; waiting for a correction" in subject.errors()[-2]
    assert "the last line" not in subject.errors()[-1]
    assert "holds no configuration yet" in subject.errors()[-1]


def test_start_rejected_first_version_corrected_runs(subject: Reloading) -> None:
    """The kubelet would wait for minutes before the next start of the container."""
    subject.change("bad")
    program = subject.start(subject.validate())
    program.err.expect("waiting for a correction")
    subject.change("two")
    program.expect("config: two")
    program.expect("ready")


def test_hanging_first_validation_ends_at_the_sync_timeout(
    subject: Reloading,
) -> None:
    """Then the version of an earlier run is used, as without an answer of the source."""
    subject.running(subject.validate())
    subject.stop()
    subject.change("hang")
    program = subject.start(subject.validate(), "--initial-sync-timeout=300ms")
    program.expect("config: one", timeout=5)
    program.expect("ready")


@pytest.mark.parametrize(("content", "code"), [("one", 0), ("bad", 125)])
def test_once_puts_only_a_valid_version_in_place(
    subject: Reloading, content: str, code: int
) -> None:
    subject.change(content)
    options = [
        *subject.options,
        subject.validate(),
        "--once",
        "--listen=off",
        "--initial-sync-timeout=500ms",
    ]
    program = subject.run(options=options)
    program.finish(code)

    assert (code == 0) == os.path.exists(subject.file)


def test_a_validation_runs_as_the_app_would_on_the_staged_files(
    run: Run, tmp_path: os.PathLike[str]
) -> None:
    """As another user: pytest's scratch directory is closed to it."""
    needs_root()
    scratch = tempfile.mkdtemp()
    os.chmod(scratch, 0o711)
    subject = Reloading(run, tmp_path)
    subject.root = f"{scratch}/live"
    facts = (
        "echo uid=$(id -u) gid=$(id -g) cwd=$PWD word=$WORD text=$(cat {dir}/app.conf) live=$(cat"
        " $LIVE) dir={dir}"
    )
    options = [
        *(
            option.replace(f"--configroot={tmp_path}", f"--configroot={scratch}")
            for option in subject.options
        ),
        "--user=65534:65533",
        "--workdir=/usr",
        f"--validate=sh -c '{facts}; ! grep -q bad {{dir}}/app.conf'",
    ]
    try:
        subject.change("one")
        command = ["sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do read -r _; done"]
        program = run(
            *command, options=options, env={"WORD": "hello", "LIVE": f"{scratch}/live/app.conf"}
        )
        program.expect("ready")
        subject.change("bad")
        said = program.err.expect(
            r"code 1: uid=65534 gid=65533 cwd=/usr word=hello text=bad live=one dir=(\S+);"
            r" configuration"
        )
        assert (f"{scratch}/live", False) == (os.path.dirname(said[1]), os.path.exists(said[1]))
    finally:
        run.kill_left()
        shutil.rmtree(scratch)


def test_without_a_configroot_a_validation_gates_the_reload(subject: Reloading) -> None:
    volume = str(subject.volume.path)
    subject.options = [
        option for option in subject.options if not option.startswith("--configroot")
    ]
    program = subject.running(
        subject.validate(), command=app("obey_config.py", f"{volume}/app.conf")
    )
    subject.change("bad")
    program.err.expect("is rejected.*the last line")
    subject.until_metric(1, "config_stale")
    subject.change("two")
    program.expect("config: two")

    assert ["config: one", "ready", "config: two"] == program.out.seen


# --- ready ----------------------------------------------------------------------------------------


def newest(subject: Reloading) -> object:
    """The version that the source holds: two changes at once would be one."""
    return status(subject.port)["config"]["desired"]


def another(subject: Reloading, before: object) -> None:
    assert newest(subject) != before


def test_changes_before_ready_are_a_single_later_reload(
    subject: Reloading,
) -> None:
    """The app catches HUP from its first moment on, and dies of it until it is ready."""
    ready = f"{subject.scratch}/ready"
    command = app("obey_config.py", subject.file, "early", ready)
    subject.change("one")
    program = subject.start(f"--ready=test -e {ready}", command=command)
    program.expect("config: one")
    subject.port = port_of(program)
    assert (503, "not ok: starting\n") == get(subject.port, "/readyz")
    assert 200 == subject.probe("/livez")
    for content in ("two", "three", "four"):
        before = newest(subject)
        subject.change(content)
        wait_until(partial(another, subject, before))
    subject.until_metric(2, "reloads_coalesced_total")
    program.type("go\n")
    program.expect("config: four")
    program.err.expect("reloaded")

    assert ["config: one", "ready", "config: four"] == program.out.seen
    assert (200, 1) == (subject.probe("/readyz"), subject.metric("reloads_total", method="signal"))


def test_early_signal_without_a_readiness_check_kills(subject: Reloading) -> None:
    command = app("obey_config.py", subject.file, "early", f"{subject.scratch}/ready")
    subject.change("one")
    program = subject.start("--no-rollback", command=command)
    program.expect("config: one")
    subject.change("two")
    program.err.expect("python was ended by SIGHUP; starting it on the new configuration")
    program.expect("config: two")


def test_ready_by_a_url_is_a_good_answer_of_it(subject: Reloading) -> None:
    no, yes = answer("503 Service Unavailable", "warming up"), answer("204 No Content")
    with Answering(no, no, no, yes) as server:
        subject.change("one")
        program = subject.start(f"--ready={server.url('/healthy')}")
        program.expect("ready")
        subject.port = port_of(program)
        subject.change("two")
        program.expect("config: two")

        assert ["GET /healthy HTTP/1.1"] * 4 == server.heads()
        assert 200 == subject.probe("/readyz")


def test_ready_by_a_port_is_a_connection_to_it(subject: Reloading) -> None:
    port = free_port()
    subject.change("one")
    program = subject.start(f"--ready=tcp:{port}")
    program.expect("ready")
    subject.port = port_of(program)
    subject.change("two")
    subject.change("three")
    subject.until_metric(1, "config_stale")
    assert 503 == subject.probe("/readyz")
    with socket.create_server(("127.0.0.1", port)):
        program.expect("config: three")
        program.err.expect("reloaded")

    assert ["config: one", "ready", "config: three"] == program.out.seen
    assert 200 == subject.probe("/readyz")
