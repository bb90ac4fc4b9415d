"""The whole program on a ConfigMap from the API: content, order and number of reloads."""

from __future__ import annotations

import os
import subprocess

import pytest

from config_supervisor.sources.interface import RestartReason
from tests.conftest import needs, needs_root
from tests.fake_kube import FakeKube, WatchList
from tests.harness import Run, app, until
from tests.http import get, status
from tests.sync.subject import Kube, Subject

WHY = tuple(RestartReason)  # a cut is met within an event, or between two


@pytest.fixture
def subject(run: Run, kube: Kube, tmp_path: os.PathLike[str]) -> Subject:
    return Subject(run, kube, os.fspath(tmp_path))


def test_app_starts_on_its_configuration_without_a_signal(subject: Subject) -> None:
    program = subject.running()
    subject.change("two")
    program.expect("config: two")
    program.send(15)
    program.finish(0)

    assert ["config: one", "ready", "config: two"] == program.out.seen


def test_an_annotation_changes_neither_files_nor_reloads(subject: Subject) -> None:
    program = subject.running()
    before = subject.generations()
    subject.kube.annotate("web", "note", "new")
    subject.kube.annotate("web", "note", "newer")
    subject.change("two")
    program.expect("config: two")

    assert ["config: one", "ready", "config: two"] == program.out.seen
    assert 1 == len(set(subject.generations()) - set(before))
    until(subject.reloads, 1)


def test_an_edit_between_list_and_watch_is_applied(subject: Subject, fake: FakeKube) -> None:
    fake.create("web", {"app.conf": "one"})
    hold = fake.hold("read")
    program = subject.start()
    hold.wait()
    subject.change("two")
    hold.release()
    program.expect("config: two")  # at its start or by a reload: either may be quicker


def test_ending_watches_neither_reload_nor_lose_an_edit(subject: Subject, fake: FakeKube) -> None:
    program = subject.running("--reload-interval=0s")
    for number, how in enumerate(("clean", "fin", "rst"), 1):
        until(lambda: (len(fake.asked("watch")), fake.watchers()), (number, 1))
        fake.cut(how)
    until(lambda: (len(fake.asked("watch")), fake.watchers()), (4, 1))
    subject.change("two")
    program.expect("config: two")

    assert ["config: one", "ready", "config: two"] == program.out.seen
    until(
        lambda: sum(subject.metric("watch_restarts_total", reason=one) or 0 for one in WHY),
        3,
    )


@pytest.mark.parametrize("as_event", [False, True])
def test_expired_resource_version_leads_to_a_new_list(
    subject: Subject, fake: FakeKube, as_event: bool
) -> None:
    fake.watch_list = WatchList.GATED
    program = subject.running()
    fake.gone_as_event = as_event
    hold = fake.hold("list")
    fake.cut("clean")
    hold.wait()
    fake.annotate("web", "note", "new")
    fake.store.compact()
    subject.change("two")
    hold.release()
    program.expect("config: two")

    assert ["config: one", "ready", "config: two"] == program.out.seen


def test_deleted_object_leaves_its_files_until_it_is_back(subject: Subject) -> None:
    program = subject.running("--reload-interval=0s")
    subject.kube.delete("web")
    program.err.expect(r"configmap \S+/web does not exist; configuration \w+ stays in use")
    labels = {"kind": "configmap", "namespace": subject.kube.namespace, "name": "web"}
    assert (0, {"app.conf": b"one"}) == (subject.metric("source_present", **labels), subject.live())
    subject.kube.create("web", {"app.conf": "two"})
    program.expect("config: two")

    until(lambda: subject.metric("source_present", **labels), 1)
    assert ["config: one", "ready", "config: two"] == program.out.seen


def test_recreated_object_with_equal_content_changes_nothing(subject: Subject) -> None:
    program = subject.running()
    subject.kube.delete("web")
    subject.kube.create("web", {"app.conf": "one"})
    subject.change("two")
    program.expect("config: two")

    assert ["config: one", "ready", "config: two"] == program.out.seen


def test_twenty_edits_are_a_leading_and_a_trailing_reload(subject: Subject) -> None:
    program = subject.running("--reload-interval=2s")
    subject.change("edit 0")
    program.expect("config: edit 0")
    for number in range(1, 20):
        subject.change(f"edit {number}")
    program.expect("config: edit 19")

    assert ["config: one", "ready", "config: edit 0", "config: edit 19"] == program.out.seen
    until(subject.reloads, 2)
    assert (subject.metric("reloads_coalesced_total") or 0) >= 1
    until(lambda: subject.metric("config_stale"), 0)


def test_quiet_waits_until_the_edits_rest(subject: Subject) -> None:
    program = subject.running("--reload-quiet=300ms")
    for number in range(5):
        subject.change(f"edit {number}")
    program.expect("config: edit 4")

    assert ["config: one", "ready", "config: edit 4"] == program.out.seen


def test_a_full_disk_leaves_the_live_files_and_the_app_alone(
    run: Run, kube: Kube, tmp_path: os.PathLike[str]
) -> None:
    needs_root()
    small = os.path.join(tmp_path, "small")
    os.mkdir(small)
    subprocess.run([needs("mount"), "-t", "tmpfs", "-o", "size=128k", "none", small], check=True)
    try:
        subject = Subject(run, kube, small)
        program = subject.running("--reload-interval=0s")
        before = subject.live()
        kube.change("web", {"app.conf": "two", "big": "x" * 300_000})
        program.err.expect(
            "cannot write .*: no space left on device.*; configuration [0-9a-f]+ stays"
        )
        assert before == subject.live()
        until(lambda: subject.metric("config_apply_failures_total", reason="write"), 1)
        assert 1 == subject.metric("config_stale")
        subject.change("three")
        program.expect("config: three")
        assert ["config: one", "ready", "config: three"] == program.out.seen
    finally:
        run.kill_left()
        subprocess.run(["umount", "-l", small], check=True)  # an ending process may still hold it


def test_app_without_a_handler_never_gets_the_signal(subject: Subject) -> None:
    subject.kube.create("web", {"app.conf": "one"})
    program = subject.start(
        "--reload-timeout=300ms", command=["sh", "-c", "echo ready; exec sleep 60"]
    )
    program.expect("ready")
    subject.change("two")
    program.err.expect("cannot reload sh: it does not catch SIGHUP, which would end it")
    program.send(10)  # USR1 is forwarded, and ends the app: it was alive
    program.finish(128 + 10)


def test_a_change_while_the_app_starts_waits_for_its_handler(subject: Subject) -> None:
    subject.kube.create("web", {"app.conf": "one"})
    program = subject.start(
        command=["sh", "-c", f"read go; exec {' '.join(app('read_config.py', subject.file))}"]
    )
    program.err.expect("started sh")
    subject.change("two")
    program.err.expect("is in place: changed app.conf")
    program.type("go\n")
    program.expect("config: two")
    program.expect("ready")
    program.err.expect("reloaded")
    program.send(15)
    program.finish(0)

    assert ["config: two", "ready", "config: two"] == program.out.seen


def test_start_without_the_api_uses_files_of_an_earlier_run(
    subject: Subject, fake: FakeKube
) -> None:
    first = subject.running()
    first.send(15)
    first.finish(0)
    fake.down()
    program = subject.start("--initial-sync-timeout=3s")
    program.expect("config: one")
    program.err.expect(
        "cannot reach the API server.*; continuing with the last configuration written here"
    )
    program.expect("ready")
    fake.up()
    subject.change("two")
    program.expect("config: two")


def test_first_start_without_the_api_fails(subject: Subject, fake: FakeKube) -> None:
    fake.down()
    program = subject.start("--initial-sync-timeout=3s")
    program.err.expect("cannot reach the API server at https://127.0.0.1:")
    program.err.expect("no configuration in time: cannot reach .*holds no intact configuration")
    program.finish(125)
    assert [] == program.out.seen


def test_damaged_files_of_an_earlier_run_are_not_used(subject: Subject, fake: FakeKube) -> None:
    first = subject.running()
    first.send(15)
    first.finish(0)
    with open(subject.file, "a", encoding="utf-8") as file:
        file.write("torn")
    fake.down()
    program = subject.start("--initial-sync-timeout=3s")
    program.err.expect("holds no intact configuration")
    program.finish(125)


def test_a_missing_object_is_waited_for(subject: Subject) -> None:
    program = subject.start()
    program.err.expect(r"configmap \S+/web does not exist; waiting for it to be created")
    subject.kube.create("web", {"app.conf": "one"})
    program.expect("config: one")


def test_key_dropped_between_two_runs_is_gone(
    subject: Subject,
) -> None:
    subject.kube.create("web", {"app.conf": "one", "old.conf": "x"})
    first = subject.start()
    first.expect("ready")
    first.send(15)
    first.finish(0)
    assert {"app.conf", "old.conf"} == subject.live().keys()
    subject.change("two")
    subject.start().expect("config: two")

    assert {"app.conf": b"two"} == subject.live()


def test_a_start_on_unchanged_content_writes_nothing(subject: Subject) -> None:
    first = subject.running()
    first.send(15)
    first.finish(0)
    before = subject.generations()
    subject.start().expect("config: one")

    assert before == subject.generations()


def test_binary_empty_large_and_hidden_files_arrive_as_they_are(subject: Subject) -> None:
    text = {"app.conf": "one", "empty": "", ".hidden": "dot", "big": "x" * 900_000}
    binary = {"raw": bytes(range(256))}
    subject.kube.create("web", text, binary)
    program = subject.start()
    program.expect("ready")
    wanted = {name: value.encode() for name, value in text.items()} | binary
    assert wanted == subject.live()
    subject.kube.change("web", dict(reversed(text.items())), binary)
    subject.kube.change("web", {**text, "app.conf": "two"}, binary)
    program.expect("config: two")

    assert ["config: one", "ready", "config: two"] == program.out.seen


def test_secrets_subdirectories_and_mapped_keys_are_written(subject: Subject) -> None:
    subject.kube.create("web", {"app.conf": "one", "site": "s"})
    subject.kube.create("tls", {"key": "k"}, kind="secret")
    program = subject.start(
        f"--secret={subject.kube.namespace}/tls:private", "--map=site=conf.d/site.conf"
    )
    program.expect("ready")

    with open(f"{subject.root}/private/key", "rb") as file:
        assert (b"k", 0o600) == (file.read(), os.fstat(file.fileno()).st_mode & 0o777)
    with open(f"{subject.root}/conf.d/site.conf", "rb") as file:
        assert b"s" == file.read()


def test_keys_that_meet_are_refused_and_the_last_files_stay(subject: Subject) -> None:
    program = subject.running("--map=evil=app.conf", "--reload-interval=0s")
    subject.kube.change("web", {"app.conf": "two", "evil": "x"})
    program.err.expect("cannot write .*app.conf.*: two keys are placed there")
    assert {"app.conf": b"one"} == subject.live()
    assert 1 == subject.metric("config_apply_failures_total", reason="bad_key")
    subject.change("three")
    program.expect("config: three")


def test_umask_does_not_touch_modes_of_options(subject: Subject) -> None:
    os.umask(0o077)
    try:
        subject.running("--file-mode=0644", "--dir-mode=0755")
    finally:
        os.umask(0o022)
    generation = os.path.join(subject.root, os.readlink(os.path.join(subject.root, "..data")))

    assert 0o644 == os.stat(subject.file).st_mode & 0o777
    assert 0o755 == os.stat(generation).st_mode & 0o777


def test_probes_and_metrics_wait_for_the_first_configuration(subject: Subject) -> None:
    program = subject.start()
    subject.port = int(program.err.expect(r"metrics and probes on .*:(\d+)$")[1])
    assert 200 == get(subject.port, "/livez")[0]
    until(lambda: get(subject.port, "/readyz")[0], 503)
    subject.kube.create("web", {"app.conf": "one"})
    program.expect("ready")
    until(lambda: get(subject.port, "/readyz"), (200, "ok: running\n"))
    shown = status(subject.port)

    assert shown["config"]["running"] == shown["config"]["desired"]
    assert [f"configmap {subject.kube.namespace}/web"] == [
        source["name"] for source in shown["sources"]
    ]
    assert (
        subject.metric("config_hash", state="running")
        == subject.metric("config_hash", state="desired")
        != 0
    )
    until(lambda: subject.metric("reloader_last_reload_successful"), 1)
    assert 0 == subject.metric("reload_failures_total", method="signal", reason="no_handler")


def test_term_before_the_first_configuration_ends_at_once(subject: Subject) -> None:
    program = subject.start()
    program.err.expect("waiting for it to be created")
    program.send(15)
    program.finish(143)
