"""The link to the Lease of a fleet: compare-and-swap, the watch, nothing at rest."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

import pytest

from config_supervisor.fleet.events import LeaseTrouble, LeaseWritten
from config_supervisor.fleet.lease import PREFIX, LeaseState
from config_supervisor.sources.interface import Label
from config_supervisor.sources.kubernetes.credentials import Access
from config_supervisor.sources.kubernetes.lease_link import LeaseLink
from tests.fake_kube import FakeKube, WatchList
from tests.harness import wait_until
from tests.real_kube import RealKube
from tests.sync.following import both_ways
from tests.sync.leasing import Linked, expect_no_thread, state, threads_at_work

Kube = FakeKube | RealKube
Join = Callable[[], Linked]


# --- one request


def test_missing_lease_is_a_state_without_a_version(linked: Linked) -> None:
    assert LeaseState() == linked.reads()


def test_lease_is_read_as_it_was_put(kube: Kube, linked: Linked) -> None:
    notes = {f"{PREFIX}trial": "9f2c", "team": "blue"}
    put = kube.put_lease("web", notes, holderIdentity="a/1", leaseDurationSeconds=100)
    version = put["metadata"]["resourceVersion"]
    assert LeaseState({f"{PREFIX}trial": "9f2c"}, "a/1", 100.0, version) == linked.reads()


def test_first_write_creates_the_lease(kube: Kube, linked: Linked) -> None:
    written = linked.writes(state("a", trial="9f2c"))
    lease = kube.lease("web")
    assert lease is not None
    assert lease["metadata"]["resourceVersion"] == written.resource_version
    assert {f"{PREFIX}trial": "9f2c"} == lease["metadata"]["annotations"]
    assert ["a", 30] == [lease["spec"]["holderIdentity"], lease["spec"]["leaseDurationSeconds"]]
    assert lease["spec"]["acquireTime"] == lease["spec"]["renewTime"]


def test_write_goes_on_from_the_last(linked: Linked) -> None:
    first = linked.writes(state("a"))
    second = linked.writes(state("b", first.resource_version))
    third = linked.writes(state("", second.resource_version, good="77ab"))
    assert third == linked.reads()
    assert LeaseState({f"{PREFIX}good": "77ab"}, "", 30.0, third.resource_version) == third


def test_second_creation_meets_the_first(join: Join) -> None:
    join().writes(state("a"))
    other = join()
    other.meets_conflict(state("b"))
    assert "a" == other.reads().holder


def test_one_of_two_writers_wins(join: Join) -> None:
    one, other = join(), join()
    version = one.writes(state("")).resource_version
    assert version == other.reads().resource_version
    one.writes(state("a", version))
    other.meets_conflict(state("b", version))
    assert "a" == other.reads().holder


def test_write_from_a_state_that_the_link_never_saw(kube: Kube, linked: Linked) -> None:
    old = kube.put_lease("web", holderIdentity="a")["metadata"]["resourceVersion"]
    assert "b" == linked.writes(state("b", old)).holder
    linked.meets_conflict(state("c", old))
    kube.delete("web", kind="lease")
    linked.meets_conflict(state("c", "1"))


def test_write_to_a_deleted_lease_creates_none(kube: Kube, linked: Linked) -> None:
    """A late write must not bring verdicts back that a person has cleared."""
    version = linked.writes(state("a")).resource_version
    kube.delete("web", kind="lease")
    linked.meets_conflict(state("b", version))
    assert kube.lease("web") is None
    kube.put_lease("web", holderIdentity="c")
    linked.meets_conflict(state("b", version))
    assert "c" == linked.reads().holder


def test_end_waits_for_a_write_on_its_way(fake: FakeKube, linked: Linked) -> None:
    held = fake.hold("create leases")
    linked.link.write(state("a"))
    held.wait()
    threading.Timer(0.05, held.release).start()
    linked.link.finish(time.monotonic() + 30.0)
    assert ["a"] == [one.state.holder for one in linked.of(LeaseWritten)]


def test_end_waits_for_no_server(fake: FakeKube, linked: Linked) -> None:
    began = time.monotonic()
    held = fake.hold("create leases")
    linked.link.write(state("a"))
    held.wait()
    linked.link.finish(began + 30.0)  # no errand holds the end up for longer than a second
    assert time.monotonic() - began < 5.0
    held.release()
    linked.expect(lambda: bool(linked.of(LeaseWritten)))
    linked.link.finish(time.monotonic() + 30.0)  # with nothing on its way


def test_write_keeps_what_others_put_there(kube: Kube, linked: Linked) -> None:
    kube.put_lease("web", {"team": "blue", f"{PREFIX}trial": "9f2c"}, leaseTransitions=3)
    lease = kube.lease("web")
    assert lease is not None
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "1"}
    meta = {**lease["metadata"], "labels": {"app": "web"}, "ownerReferences": [owner]}
    _replace(kube, {**lease, "metadata": meta})
    linked.writes(state("a", linked.reads().resource_version, good="77ab"))
    now = kube.lease("web")
    assert now is not None
    assert {"team": "blue", f"{PREFIX}good": "77ab"} == now["metadata"]["annotations"]
    assert {"app": "web"} == now["metadata"]["labels"]
    assert [owner] == now["metadata"]["ownerReferences"]
    assert 3 == now["spec"]["leaseTransitions"]


def _replace(kube: Kube, body: dict[str, object]) -> None:
    if isinstance(kube, FakeKube):
        kube.store.replace("leases", kube.namespace, "web", body)
    else:
        kube.replace("web", body, kind="lease")


def test_errands_share_a_connection_and_end(fake: FakeKube, linked: Linked) -> None:
    for _ in range(3):
        linked.link.read()
    linked.expect_holders("-", "-", "-")
    assert 1 == len({ask.client for ask in fake.log})
    assert ["get"] * 3 == [ask.verb for ask in fake.log]
    expect_no_thread()


# --- the watch


@both_ways
def test_watch_tells_the_state_and_each_change(kube: Kube, join: Join) -> None:
    watching, writing = join(), join()
    watching.link.follow()
    watching.expect_holders("-")
    version = writing.writes(state("a")).resource_version
    watching.expect_holders("-", "a")
    writing.writes(state("b", version))
    watching.expect_holders("-", "a", "b")
    kube.delete("web", kind="lease")
    watching.expect_holders("-", "a", "b", "-")
    writing.writes(state("c"))
    watching.expect_holders("-", "a", "b", "-", "c")


@both_ways
def test_lost_watch_is_opened_again(fake: FakeKube, linked: Linked) -> None:
    fake.put_lease("web", holderIdentity="a")
    linked.link.follow()
    linked.expect_holders("a")
    wait_until(lambda: _watching(fake, 1))
    fake.cut("rst")
    fake.put_lease("web", holderIdentity="b")
    linked.expect_holders("a", "b")
    fake.store.compact()
    fake.cut("fin")
    wait_until(lambda: _watching(fake, 1))
    fake.put_lease("web", holderIdentity="c")
    linked.expect_holders("a", "b", "c")
    assert [] == linked.failures


def _watching(fake: FakeKube, count: int) -> None:
    assert count == fake.watchers()


def test_expired_watch_lists_again(fake: FakeKube, linked: Linked) -> None:
    fake.watch_list = WatchList.GATED
    fake.gone_as_event = True
    fake.put_lease("web", holderIdentity="a")
    hold = fake.hold("list leases")
    linked.link.follow()
    hold.wait()
    fake.store.compact()
    fake.put_lease("web", holderIdentity="b")
    fake.store.compact()
    hold.release()
    linked.expect_holders("a", "b")
    assert [] == linked.failures


def test_watch_is_one_request_and_none_is_left(fake: FakeKube, linked: Linked) -> None:
    linked.link.follow()
    linked.link.follow()
    linked.expect_holders("-")
    wait_until(lambda: _watching(fake, 1))
    assert ["watch"] == [ask.verb for ask in fake.log]
    assert 1 == threads_at_work()
    linked.link.leave()
    expect_no_thread()
    wait_until(lambda: _watching(fake, 0))
    fake.put_lease("web", holderIdentity="a")
    assert ["-"] == linked.holders


def test_outage_is_reported_and_then_the_state(fake: FakeKube, linked: Linked) -> None:
    fake.put_lease("web", holderIdentity="a")
    fake.down()
    linked.link.follow()
    linked.expect(lambda: bool(linked.failures))
    assert LeaseTrouble.UNREACHABLE == linked.failures[0].reason
    fake.up()
    linked.expect_holders("a")
    fake.down()
    before = len(linked.failures)
    linked.expect(lambda: len(linked.failures) > before)
    fake.up()
    linked.expect_holders("a", "a")


def test_stalled_write_does_not_hold_the_watch_up(fake: FakeKube, join: Join) -> None:
    one, other = join(), join()
    one.link.follow()
    one.expect_holders("-")
    hold = fake.hold("create leases")
    one.link.write(state("a"))
    hold.wait()
    one.expect_holders("-", "a")
    other.meets_conflict(state("b"))
    hold.release()
    one.expect(lambda: len(one.events) == 3)


BLOCKED: dict[str, Callable[[FakeKube], object]] = {
    "frozen": FakeKube.freeze,
    "down": FakeKube.down,
    "watching": FakeKube.thaw,
    "trickling": lambda fake: setattr(fake, "endless_headers", True),
}


@pytest.mark.parametrize("how", BLOCKED)
def test_left_watch_ends_at_once_and_says_no_more(fake: FakeKube, linked: Linked, how: str) -> None:
    BLOCKED[how](fake)
    linked.link.follow()
    wait_until(lambda: _at_work(fake, how))
    began = time.monotonic()
    linked.link.leave()
    count = len(linked.events)
    expect_no_thread()
    assert time.monotonic() - began < 1
    assert count == len(linked.events)
    fake.endless_headers = False


def _at_work(fake: FakeKube, how: str) -> None:
    assert 1 == threads_at_work()
    assert how == "down" or fake.log


def test_watch_can_be_left_and_opened_again(fake: FakeKube, linked: Linked) -> None:
    for number in range(1, 6):
        linked.link.follow()
        linked.expect_holders(*"-" * number)
        linked.link.leave()
    expect_no_thread()
    wait_until(lambda: _watching(fake, 0))


def test_reports_name_the_service(kube: Kube) -> None:
    events: list[object] = []
    label = Label("lease", kube.namespace, "web")
    link = LeaseLink(label, Access(kube.kubeconfig), events.append, service="app")
    link.read()

    def told() -> None:
        assert ["app"] == [getattr(event, "service", "") for event in events]

    wait_until(told)
    expect_no_thread()


def test_many_writers_lose_no_write(kube: Kube, join: Join) -> None:
    """Each adds its writes to a count; a lost one would be missing."""
    writers, writes = 5, 3
    links = [join() for _ in range(writers)]
    threads = [threading.Thread(target=_count_up, args=(one, writes)) for one in links]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    lease = kube.lease("web")
    assert lease is not None
    assert str(writers * writes) == lease["metadata"]["annotations"][f"{PREFIX}count"]


def _count_up(linked: Linked, times: int) -> None:
    while len(linked.of(LeaseWritten)) < times:
        now = linked.reads()
        count = int(now.annotations.get(f"{PREFIX}count", "0")) + 1
        linked.tries(state(version=now.resource_version, count=str(count)))


def test_late_event_does_not_undo_our_write(fake: FakeKube, linked: Linked) -> None:
    """The watch tells of the state before only after the answer to the write has come."""
    made = fake.put_lease("web", holderIdentity="a")
    linked.link.follow()
    linked.expect_holders("a")
    wait_until(lambda: _watching(fake, 1))
    written = linked.writes(state("b", made["metadata"]["resourceVersion"]))
    linked.expect_last_holder("b")
    late = {"type": "MODIFIED", "object": made}
    fake.inject(json.dumps(late).encode() + b"\n")
    linked.writes(state("c", written.resource_version))
    linked.expect_holders("a", "b", "c")
