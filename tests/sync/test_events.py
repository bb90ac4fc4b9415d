"""The story of the configuration as Events of the pod; nothing depends on them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.fake_kube import FakeKube
from tests.fake_kube_users import ADMIN, Rule
from tests.harness import Program, Run, app, until, wait_until
from tests.http import get
from tests.sync.sidecar import said
from tests.sync.subject import Subject

READ = Rule(("get", "list", "watch"), ("configmaps",))
TELL = Rule(("create",), ("events",))
QUICK = ("--reload-interval=0s", "--verify-window=0s")


class Telling(Subject):
    """The program with `--events` in a pod."""

    def __init__(self, run: Run, fake: FakeKube, scratch: str) -> None:
        super().__init__(run, fake, scratch)
        self.fake = fake
        self.pod = {"POD_NAME": "web-0", "POD_NAMESPACE": fake.namespace, "POD_UID": "0c1c-77"}

    def start(
        self, *options: str, command: Sequence[str] = (), env: dict[str, str] | None = None
    ) -> Program:
        return super().start("--events", *options, command=command, env={**self.pod, **(env or {})})

    def told(self, *reasons: str) -> Mapping[str, Any]:
        """Wait for exactly these, in this order; the last one."""

        def came() -> None:
            assert list(reasons) == self.fake.reported.reasons(), self.program.story()

        wait_until(came)
        return self.fake.reported.all[-1]


@pytest.fixture
def telling(run: Run, fake: FakeKube, tmp_path: os.PathLike[str]) -> Telling:
    return Telling(run, fake, os.fspath(tmp_path))


def test_change_makes_two_events_about_the_pod(telling: Telling) -> None:
    telling.fake.allow(ADMIN, READ, TELL)
    program = telling.running(*QUICK)
    telling.told("ConfigApplied")
    telling.change("two")
    program.expect("config: two")
    event = telling.told("ConfigApplied", "ConfigApplied", "ReloadSucceeded")
    namespace = telling.fake.namespace
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": namespace,
        "name": "web-0",
        "uid": "0c1c-77",
    }

    assert [pod] * 3 == [one["regarding"] for one in telling.fake.reported.all]
    assert ("Normal", "web-0", namespace) == (
        event["type"],
        event["reportingInstance"],
        event["metadata"]["namespace"],
    )
    assert "the app runs on configuration " in event["note"]
    assert telling.fake.reported.all[1]["note"].endswith("is in place: changed app.conf")
    assert {201} == {ask.status for ask in telling.fake.asked("create")}


def test_rejected_version_makes_an_event_with_the_reason(telling: Telling) -> None:
    check = "sh -c 'grep -q two {dir}/app.conf && echo two is no good && exit 1; exit 0'"
    telling.running(*QUICK, f"--validate={check}")
    telling.told("ConfigApplied")
    telling.change("two")
    event = telling.told("ConfigApplied", "ConfigRejected")

    assert "Warning" == event["type"]
    assert event["note"].endswith("sh ended with code 1")  # its words may quote a Secret


def test_failed_reload_and_rollback_make_events(telling: Telling) -> None:
    telling.running(*QUICK, f"--reload-exec=sh -c 'grep -qv two {telling.file} || exit 3'")
    telling.told("ConfigApplied")
    telling.change("two")
    telling.told("ConfigApplied", "ConfigApplied", "ReloadFailed", "RolledBack", "ReloadSucceeded")
    failed, back = telling.fake.reported.all[2:4]

    assert ("Warning", "Warning") == (failed["type"], back["type"])
    assert failed["note"].endswith("code 3")
    assert " is back in place: " in back["note"]


def test_failing_retries_make_one_event_per_version(
    telling: Telling,
) -> None:
    program = telling.running(
        *QUICK, "--no-rollback", "--reload-exec=sh -c 'exit 3'", "--log-level=debug"
    )
    telling.told("ConfigApplied")
    telling.change("two")
    telling.told("ConfigApplied", "ConfigApplied", "ReloadFailed")
    for _ in range(2):  # the first try, and the first retry
        program.err.expect("cannot reload python.*: .*code 3")
    telling.change("three")

    telling.told("ConfigApplied", "ConfigApplied", "ReloadFailed", "ConfigApplied", "ReloadFailed")


def test_missing_object_makes_one_event(telling: Telling) -> None:
    program = telling.start()
    event = telling.told("SourceMissing")
    assert f"configmap {telling.fake.namespace}/web does not exist" == event["note"]
    until(telling.fake.watchers, 1)
    telling.fake.store.compact()
    telling.fake.cut("clean")
    until(lambda: len(telling.fake.asked("read", 200)), 2)
    telling.kube.create("web", {"app.conf": "one"})
    program.expect("config: one")
    telling.told("SourceMissing", "ConfigApplied")
    telling.kube.delete("web")
    telling.told("SourceMissing", "ConfigApplied", "SourceMissing")


def test_missing_right_to_create_events_is_one_warning(
    telling: Telling,
) -> None:
    telling.fake.allow(ADMIN, READ)
    program = telling.running(*QUICK)
    words = (
        "events is forbidden: User .* cannot create resource .*; the service account needs"
        " create on"
    )
    said(program, f"warning: cannot create events on the pod: forbidden: {words} events")
    for tries, content in ((3, "two"), (5, "three")):
        telling.change(content)
        program.expect(f"config: {content}")
        until(lambda: [ask.status for ask in telling.fake.asked("create")], [403] * tries)
    program.send(15)
    program.finish(0)
    assert 1 == sum("cannot create events" in line for line in program.err.seen)


def test_right_granted_later_is_used(telling: Telling) -> None:
    telling.fake.allow(ADMIN, READ)
    program = telling.running(*QUICK)
    said(program, "cannot create events on the pod")
    telling.fake.allow(ADMIN, READ, TELL)
    telling.change("two")

    telling.told("ConfigApplied", "ReloadSucceeded")


def test_refusal_of_a_restarted_server_is_retried(telling: Telling) -> None:
    program = telling.running(*QUICK)
    telling.told("ConfigApplied")
    telling.fake.answer_next("create", 403)
    telling.change("two")
    telling.told("ConfigApplied", "ConfigApplied", "ReloadSucceeded")
    program.send(15)
    program.finish(0)
    assert not any("cannot create events" in line for line in program.err.seen)


def test_silent_events_endpoint_delays_nothing(telling: Telling) -> None:
    hold = telling.fake.hold("create")
    program = telling.running(*QUICK)
    hold.wait()
    telling.change("two")
    program.expect("config: two", 2)
    assert 200 == get(telling.port, "/livez")[0]
    program.send(15)
    program.finish(0, 2)

    assert 1 == len(telling.fake.asked("create"))


def test_missing_server_of_events_harms_nothing(run: Run, tmp_path: Path) -> None:
    with FakeKube() as gone:
        telling = Telling(run, gone, os.fspath(tmp_path))
        gone.write_kubeconfig(f"{tmp_path}/kubeconfig")
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "app.conf").write_text("one")
    options = [
        f"--config-dir={tmp_path}/from",
        f"--kubeconfig={gone.kubeconfig}",
        "--events",
        "--listen=127.0.0.1:0",
    ]
    program = run(
        *app("read_config.py", tmp_path / "from" / "app.conf"), options=options, env=telling.pod
    )
    program.expect("config: one")
    said(
        program,
        "warning: cannot create events on the pod: the API server did not answer: .*; trying again",
    )
    program.send(15)
    program.finish(0)


@pytest.mark.parametrize("missing", ["POD_NAME", "POD_NAMESPACE", "POD_UID"])
def test_missing_pod_variable_ends_with_125_and_is_named(telling: Telling, missing: str) -> None:
    telling.kube.create("web", {"app.conf": "one"})
    program = telling.start(env={missing: ""})
    program.finish(125)

    assert [] == program.out.seen
    assert any(missing in line and "--events" in line for line in program.err.rest())


def test_storm_of_changes_makes_few_events(telling: Telling) -> None:
    program = telling.running(*QUICK, "--log-level=debug")
    # Each is applied; the next may overtake a reload, which makes no Event then.
    for number in range(12):
        telling.change(f"edit {number}")
        program.expect(f"config: edit {number}")
    program.err.expect("too many events, dropped")
    program.send(15)
    program.finish(0)

    assert 10 <= len(telling.fake.reported.all) <= 12


# Ends of our own


def test_rejected_first_version_makes_events_before_the_end(telling: Telling) -> None:
    telling.kube.create("web", {"app.conf": "one"})
    program = telling.start("--validate=sh -c 'exit 3'", "--initial-sync-timeout=3s")
    program.finish(125)
    assert ["ConfigRejected", "StartFailed"] == telling.fake.reported.reasons()


def test_missing_role_makes_an_event_before_the_end(telling: Telling) -> None:
    telling.fake.allow(ADMIN, TELL)
    program = telling.start("--initial-sync-timeout=3s")
    program.finish(125)
    (event,) = telling.fake.reported.all
    assert ("StartFailed", "Warning") == (event["reason"], event["type"])
    assert "needs list, watch on it" in event["note"]


def test_end_waits_two_seconds_for_its_event(telling: Telling) -> None:
    telling.fake.allow(ADMIN, TELL)
    hold = telling.fake.hold("create")
    program = telling.start("--initial-sync-timeout=3s")
    hold.wait()
    program.finish(125, 10)


def test_end_of_the_app_waits_for_no_event(telling: Telling) -> None:
    hold = telling.fake.hold("create")
    telling.kube.create("web", {"app.conf": "one"})
    program = telling.start(command=["sh", "-c", "read line; exit 125"])
    hold.wait()
    program.send(15)
    program.finish(143, 2)


# A server that takes some Events only


def test_server_back_from_an_outage_gets_the_newest_event(telling: Telling) -> None:
    telling.fake.answer_next("create", 503, times=1)
    telling.running(*QUICK)
    telling.told("ConfigApplied")
    assert [503, 201] == [ask.status for ask in telling.fake.asked("create")]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            (
                'events "w.1" is forbidden: unable to create new content in namespace shop because'
                " it is being terminated"
            ),
            (
                "unable to create new content in namespace shop because it is being terminated;"
                " going on without"
            ),
        ),
        ("exceeded quota: events", "forbidden: exceeded quota: events; going on without"),
        ("\x1b[2J", r"forbidden: \\x1b\[2J; going on without"),
    ],
)
def test_refusal_is_logged_in_the_server_words(telling: Telling, message: str, words: str) -> None:
    body = json.dumps({"kind": "Status", "code": 403, "message": message}).encode()
    telling.fake.answer_next("create", 403, body, times=-1)
    program = telling.running(*QUICK)
    said(program, f"cannot create events on the pod: .*{words}")


def test_another_namespace_is_named_with_its_variable(telling: Telling) -> None:
    telling.fake.allow(ADMIN, READ, TELL.replace(namespaces=(telling.fake.namespace,)))
    telling.kube.create("web", {"app.conf": "one"})
    program = telling.start(env={"POD_NAMESPACE": "elsewhere"})
    said(
        program,
        'cannot create events on the pod: .* in the namespace "elsewhere"; .* elsewhere of'
        " POD_NAMESPACE",
    )
