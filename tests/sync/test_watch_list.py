"""WatchList: one request per cycle where the server has it, list and watch where not."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from config_supervisor.runtime import log
from config_supervisor.sources.kubernetes.watch_list import MEMORY
from tests.fake_kube import ADMIN, FakeKube, Rule, WatchList
from tests.sync.following import QUICK, Following, until_count

Follow = Callable[..., Following]

A, B, C = {"k": b"a"}, {"k": b"b"}, {"k": b"c"}
LACKING = [release for release in WatchList if release is not WatchList.OFFERED]


def change(fake: FakeKube, value: bytes) -> None:
    fake.change("nginx", {"k": value.decode()})


def kinds(fake: FakeKube) -> list[str]:
    """Each request so far: `list`, `watch`, or `both` in one."""
    return ["both" if ask.is_a("read") and ask.verb == "watch" else ask.verb for ask in fake.log]


# --- the number of requests


def test_cycle_is_one_request(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow()
    for number in range(1, 4):
        source.expect_watching(number)
        fake.cut("clean")
    source.expect_watching(4)
    assert ["both"] * 4 == kinds(fake)
    assert [A] == source.reads
    assert [] == source.failures


def test_absent_object_is_one_request_too(fake: FakeKube, follow: Follow) -> None:
    source = follow()
    source.expect_watching()
    source.expect_reads(None)
    fake.create("nginx", {"k": "a"})
    source.expect_reads(None, A)
    assert ["both"] == kinds(fake)


@pytest.mark.parametrize("release", LACKING, indirect=True)
def test_server_without_it_is_asked_once(
    fake: FakeKube, follow: Follow, capfd: pytest.CaptureFixture[str]
) -> None:
    """All sources of the process share the finding, without a warning."""
    fake.create("nginx", {"k": "a"})
    fake.create("other", {"k": "x"})
    source = follow()
    source.expect_watching()
    fake.cut("clean")
    source.expect_watching(2)
    follow("other").expect_watching()
    change(fake, b"b")
    source.expect_reads(A, B)
    assert ["both", "list", "watch", "list", "watch", "list", "watch"] == kinds(fake)
    assert [] == source.failures
    log.flush()
    assert "" == capfd.readouterr().err


@pytest.mark.parametrize("release", [WatchList.GATED], indirect=True)
def test_server_that_was_away_is_asked_again(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow()
    source.expect_watching()
    assert MEMORY.lacks(fake.url, 0)
    fake.down()
    until_count(1, lambda: source.failures)
    fake.watch_list = WatchList.OFFERED
    change(fake, b"b")
    fake.up()
    source.expect_watching(2)
    source.expect_reads(A, B)
    assert "both" == kinds(fake)[-1]


# --- the initial events


def test_edit_within_the_initial_events_is_reported(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    hold = fake.hold("read")
    source = follow()
    hold.wait()
    change(fake, b"b")
    hold.release()
    source.expect_reads(A, B)
    assert ["added", "bookmark", "modified"] == source.reports("watched")


def test_bookmark_and_edit_in_one_piece_are_two_states(fake: FakeKube, follow: Follow) -> None:
    """The lines behind the bookmark may come with it."""
    first = fake.create("nginx", {"k": "a"})
    second = {**first, "data": {"k": "b"}}
    fake.answer_next("read", 200, stream(("ADDED", first), END, ("MODIFIED", second)))
    source = follow()
    source.expect_reads(A, B, A)
    assert ["server_timeout"] == source.reports("restarted")


def test_only_the_state_at_the_bookmark_is_reported(fake: FakeKube, follow: Follow) -> None:
    first = fake.create("nginx", {"k": "a"})
    second = {**first, "data": {"k": "b"}}
    events = ("ADDED", first), ("MODIFIED", second), END
    fake.answer_next("read", 200, stream(*events))
    source = follow()
    source.expect_reads(B, A)


def test_stream_without_a_bookmark_reports_nothing(fake: FakeKube, follow: Follow) -> None:
    """An object may be missing only because the stream ended early."""
    fake.create("nginx", {"k": "a"})
    fake.answer_next("read", 200, stream(("BOOKMARK", {"metadata": {}})))
    source = follow()
    source.expect_reads(A)
    source.expect_watching()
    assert ["both", "list", "watch"] == kinds(fake)


@pytest.mark.parametrize(
    "body",
    [b"{nonsense}\n", b"[]\n", b'{"type": "NEW", "object": {}}\n', b"\xff\n", b"x" * (11 << 20)],
)
def test_initial_nonsense_lists_at_once(fake: FakeKube, follow: Follow, body: bytes) -> None:
    fake.create("nginx", {"k": "a"})
    fake.answer_next("read", 200, body)
    source = follow()
    source.expect_reads(A)
    source.expect_watching()
    assert ["both", "list", "watch"] == kinds(fake)
    assert [] == source.failures
    fake.cut("clean")
    source.expect_watching(2)
    assert "both" == kinds(fake)[-1]


def test_initial_error_event_is_a_failure_and_lists_next(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    status = {"kind": "Status", "code": 500, "message": "etcdserver: no leader"}
    fake.answer_next("read", 200, stream(("ERROR", status)))
    source = follow()
    source.expect_failure("configmap production/nginx", "500 etcdserver: no leader")
    source.expect_reads(A)
    source.expect_watching()
    assert ["both", "list", "watch"] == kinds(fake)


def test_initial_410_reads_again_at_once(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    gone = {"kind": "Status", "code": 410, "message": "too old resource version"}
    fake.answer_next("read", 200, stream(("ERROR", gone)))
    source = follow(timing=QUICK.replace(base=30, cap=60))
    source.expect_reads(A)
    assert [] == source.failures


def test_later_410_reads_again_at_once(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow(timing=QUICK.replace(base=30, cap=60))
    source.expect_watching()
    gone = {"kind": "Status", "code": 410, "message": "too old resource version"}
    fake.inject(stream(("ERROR", gone)))
    source.expect_watching(2)
    assert ["gone"] == source.reports("restarted")
    assert ["both", "both"] == kinds(fake)


def test_hung_watch_lists_at_once(fake: FakeKube, follow: Follow) -> None:
    """A proxy may hold the headers of a stream back."""
    fake.create("nginx", {"k": "a"})
    fake.hold("read")
    source = follow(timing=QUICK.replace(list=0.5))
    source.expect_reads(A)
    source.expect_watching()
    assert ["both", "list", "watch"] == kinds(fake)
    assert [] == source.failures


def test_trickling_initial_events_end_in_time(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a" * 2000})
    fake.trickle = (1, 0.02)
    source = follow(timing=QUICK.replace(list=0.5))
    source.expect_reads({"k": b"a" * 2000})
    assert ["both", "list"] == kinds(fake)[:2]


# --- rights


def test_right_to_watch_is_enough(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    fake.allow(ADMIN, Rule(("watch",), ("configmaps",), ("nginx",)))
    source = follow()
    source.expect_watching()
    change(fake, b"b")
    source.expect_reads(A, B)
    assert [] == source.failures


def test_right_to_list_is_asked_for_no_watch_list(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    fake.allow(ADMIN, Rule(("list",), ("configmaps",)))
    follow()
    until_count(3, lambda: fake.asked("list"))
    assert ["both", "list", "watch", "list", "watch"] == kinds(fake)[:5]


END = ("BOOKMARK", {"metadata": {"annotations": {"k8s.io/initial-events-end": "true"}}})


def stream(*events: tuple[str, object]) -> bytes:
    return b"".join(
        json.dumps({"type": kind, "object": obj}).encode() + b"\n" for kind, obj in events
    )
