"""The link to the Lease of a fleet in trouble: each failure is reported in words, and once."""

from __future__ import annotations

import os
import time

import pytest

from config_supervisor.fleet.events import LeaseTrouble
from config_supervisor.runtime import log
from config_supervisor.sources.kubernetes import errands
from config_supervisor.sources.kubernetes.credentials import Access
from tests.fake_kube import FakeKube
from tests.fake_kube_users import Rule
from tests.real_kube import RealKube
from tests.sync.leasing import Linked, expect_no_thread, state

Kube = FakeKube | RealKube

FORBIDDEN = {
    "get": "cannot read lease {}/web: forbidden; {}",
    "create": "cannot write lease {}/web: forbidden; {}",
    "update": "cannot write lease {}/web: forbidden; {}",
    "watch": "cannot read lease {}/web: forbidden; {}",
}


@pytest.mark.parametrize("verb", FORBIDDEN)
def test_missing_right_is_named(fake: FakeKube, linked: Linked, verb: str) -> None:
    if verb != "create":
        fake.put_lease("web")
    version = linked.reads().resource_version
    fake.forbid(f"{verb} leases", *(["list leases"] if verb == "watch" else []))
    if verb == "get":
        linked.link.read()
    elif verb == "watch":
        linked.link.follow()
    else:
        linked.link.write(state("a", version))
    linked.expect(lambda: bool(linked.failures))
    failure = linked.failures[0]
    missing = "list" if verb == "watch" else verb
    advice = (
        "the service account default/web needs get, list, watch, update on it and create on"
        f" leases ({missing} is missing; see docs/rbac.md)"
    )
    assert FORBIDDEN[verb].format(fake.namespace, advice) == failure.error
    assert (LeaseTrouble.FORBIDDEN, False) == (failure.reason, failure.unknown)


def test_lease_is_polled_without_the_right_to_watch(
    fake: FakeKube, linked: Linked, capfd: pytest.CaptureFixture[str]
) -> None:
    fake.forbid("watch leases")
    linked.link.follow()
    linked.expect_holders("-")
    for holder in "abc":  # a first refusal is passed over: a fresh server loads its roles
        fake.put_lease("web", holderIdentity=holder)
        linked.expect_last_holder(holder)
    assert [] == linked.failures
    log.flush()
    (warning,) = capfd.readouterr().err.splitlines()
    assert f"cannot watch lease {fake.namespace}/web: forbidden; " in warning
    assert "(watch is missing; see docs/rbac.md); listing it every 0.1 to 0.2 s" in warning


def test_denial_by_a_policy_is_quoted(fake: FakeKube, linked: Linked) -> None:
    body = b'{"message": "leases \\"web\\" is forbidden: exceeded quota: leases"}'
    fake.answer_next("create leases", 403, body)
    failure = linked.fails_to_write(state("a"))
    assert "exceeded quota" in failure.error
    assert "needs get" not in failure.error


def test_named_rights_are_enough(kube: Kube, tmp_path: object) -> None:
    """The role of docs/rbac.md."""
    verbs = ("get", "list", "watch", "update")
    rules = Rule(verbs, ("leases",), ("web",)), Rule(("create",), ("leases",))
    linked = Linked(Access(kube.user_kubeconfig(f"{tmp_path}/user", *rules)), kube.namespace)
    linked.link.follow()
    linked.expect_holders("-")
    version = linked.writes(state("a")).resource_version
    linked.writes(state("b", version))
    assert "b" == linked.reads().holder
    linked.expect_last_holder("b")
    linked.link.leave()
    expect_no_thread()
    assert [] == linked.failures


STATUSES = {
    401: (LeaseTrouble.UNAUTHORIZED, False),
    422: (LeaseTrouble.SERVER_ERROR, False),
    429: (LeaseTrouble.SERVER_ERROR, False),
    500: (LeaseTrouble.SERVER_ERROR, True),
    504: (LeaseTrouble.SERVER_ERROR, True),
}


@pytest.mark.parametrize("status", STATUSES)
def test_refused_write_may_stand_if_the_server_failed(
    fake: FakeKube, linked: Linked, status: int
) -> None:
    fake.answer_next("create leases", status, headers={"Retry-After": "30"})
    failure = linked.fails_to_write(state("a"))
    assert STATUSES[status] == (failure.reason, failure.unknown)
    assert f"cannot write lease {fake.namespace}/web: " in failure.error
    assert 1 == len(fake.log)


def test_write_with_a_lost_answer_may_stand(fake: FakeKube, linked: Linked) -> None:
    fake.lose_answer("create leases")
    failure = linked.fails_to_write(state("a"))
    assert (LeaseTrouble.UNREACHABLE, True) == (failure.reason, failure.unknown)
    assert "a" == linked.reads().holder
    assert ["create", "get"] == [ask.verb for ask in fake.log]


def test_write_that_no_server_took_does_not_stand(fake: FakeKube, linked: Linked) -> None:
    fake.down()
    failure = linked.fails_to_write(state("a"))
    assert (LeaseTrouble.UNREACHABLE, False) == (failure.reason, failure.unknown)


@pytest.mark.parametrize("how", ["frozen", "trickling"])
def test_stalling_server_holds_a_request_for_its_time(
    fake: FakeKube, linked: Linked, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr("config_supervisor.sources.kubernetes.lease_link.SECONDS", (0.3, 0.3))
    fake.endless_headers = how == "trickling"
    if how == "frozen":
        fake.freeze()
    began = time.monotonic()
    failure = linked.fails_to_write(state("a"))
    assert (LeaseTrouble.UNREACHABLE, True) == (failure.reason, failure.unknown)
    assert time.monotonic() - began < 3
    linked.link.read()
    linked.expect(lambda: [True, False] == [one.unknown for one in linked.failures])
    fake.endless_headers = False


def test_queue_of_a_frozen_server_is_bounded(
    fake: FakeKube, linked: Linked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errands, "_MOST", 2)
    hold = fake.hold("get leases")
    linked.link.read()
    hold.wait()
    for _ in range(3):
        linked.link.read()
    assert 1 == len(linked.failures)
    hold.release()
    linked.expect_holders("-", "-", "-")


def test_storm_of_conflicts_is_a_conflict_each(fake: FakeKube, linked: Linked) -> None:
    version = linked.writes(state("a")).resource_version
    fake.forestall("web", 3)
    for _ in range(3):
        linked.meets_conflict(state("b", version))
        version = linked.reads().resource_version
    assert "b" == linked.writes(state("b", version)).holder


FOREIGN = {
    "no object": b"[]",
    "no json": b"<html>",
    "no version": b'{"metadata": {}}',
    "annotations": b'{"metadata": {"resourceVersion": "1", "annotations": []}}',
    "annotation": b'{"metadata": {"resourceVersion": "1", "annotations":'
    b' {"config-supervisor/good": 5}}}',
    "spec": b'{"metadata": {"resourceVersion": "1"}, "spec": 5}',
    "holder": b'{"metadata": {"resourceVersion": "1"}, "spec": {"holderIdentity": {}}}',
    "duration": b'{"metadata": {"resourceVersion": "1"}, "spec": {"leaseDurationSeconds": true}}',
}
HUGE = (
    b'{"metadata": {"resourceVersion": "1", "annotations": {"config-supervisor/good": "%s"}}}'
    % (b"x" * 20_000)
)


@pytest.mark.parametrize("shape", FOREIGN)
def test_foreign_shape_is_a_failure(fake: FakeKube, linked: Linked, shape: str) -> None:
    fake.answer_next("get leases", 200, FOREIGN[shape])
    failure = linked.fails_to_read()
    assert LeaseTrouble.BAD_DATA == failure.reason
    assert failure.error.startswith(f"cannot read lease {fake.namespace}/web: ")
    assert len(failure.error) < 300


def test_huge_annotation_is_cut(fake: FakeKube, linked: Linked) -> None:
    """The rules skip words without a meaning, and the next write puts them right."""
    fake.answer_next("get leases", 200, HUGE)

    assert {"config-supervisor/good": "x" * 16_384} == linked.reads().annotations


def test_unreadable_answer_to_a_write_leaves_it_open(fake: FakeKube, linked: Linked) -> None:
    fake.answer_next("create leases", 201, b"{")
    failure = linked.fails_to_write(state("a"))
    assert (LeaseTrouble.BAD_DATA, True) == (failure.reason, failure.unknown)


def test_other_server_is_no_missing_lease(fake: FakeKube, linked: Linked) -> None:
    fake.answer_next("get leases", 404, b"404 page not found")
    failure = linked.fails_to_read()
    assert "is " in failure.error
    assert "a Kubernetes API server" in failure.error
    assert [] == linked.states


def test_pod_finds_its_namespace_and_renews_its_token(fake: FakeKube, pod: Access) -> None:
    linked = Linked(pod)
    version = linked.writes(state("a")).resource_version
    assert fake.lease("web") is not None
    fake.rotate_token()
    assert LeaseTrouble.UNAUTHORIZED == linked.fails_to_write(state("b", version)).reason
    fake.write_service_account(os.path.dirname(os.path.join(pod.account, "token")))
    assert "b" == linked.writes(state("b", version)).holder
    expect_no_thread()


def test_missing_access_is_reported(tmp_path: object) -> None:
    linked = Linked(Access(f"{tmp_path}/none"), "production")
    failure = linked.fails_to_write(state("a"))
    assert (LeaseTrouble.UNAUTHORIZED, False) == (failure.reason, failure.unknown)
    linked.link.follow()
    linked.expect(lambda: len(linked.failures) > 1)
    expect_no_thread()
