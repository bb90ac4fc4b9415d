"""WatchList: one request per cycle where the server has it, list and watch where not."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from config_supervisor.runtime import log
from config_supervisor.sources.kubernetes import object_follower
from config_supervisor.sources.kubernetes.retry_pace import Timing
from config_supervisor.sources.kubernetes.watch_list import EVENTS, MEMORY
from tests.fake_kube import FakeKube, WatchList
from tests.fake_kube_users import ADMIN, Rule
from tests.sync.following import QUICK, Following, until_count

Follow = Callable[..., Following]
Fault = Callable[[FakeKube], None]

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


@pytest.mark.parametrize("code", [500, 504, 0, -1, True])
def test_initial_error_event_lists_next(fake: FakeKube, follow: Follow, code: int) -> None:
    fake.create("nginx", {"k": "a"})
    status = {"kind": "Status", "code": code, "message": "etcdserver: no leader"}
    fake.answer_next("both", 200, stream(("ERROR", status)))
    source = follow()
    source.expect_reads(A)
    source.expect_watching()
    assert ["both", "list", "watch"] == kinds(fake)
    assert [] == source.failures


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


# --- a way back


def later(raw: bytes = b"", status: int = 0, **headers: str) -> Fault:
    """The next WatchList fails so."""
    return lambda fake: fake.answer_next("both", status, raw, headers)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
ADDED = b'10\r\n{"type":"ADDED",\r\n'  # the begin of an event
FAULTS: dict[str, Fault] = {
    "400": later(b"{}", 400),
    "500": later(b"{}", 500),
    "503": later(b"{}", 503),
    "410": later(b"{}", 410),
    "401": later(b"{}", 401),
    "empty": later(b"", 200),
    "closed": later(),
    "headers only": later(HEAD),
    "within an event": later(HEAD + ADDED),
    "roles not loaded": lambda fake: fake.answer_next("read", 403, times=3),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("first", [True, False])
def test_right_to_watch_alone_survives_a_fault(
    fake: FakeKube, follow: Follow, fault: str, first: bool
) -> None:
    """Lists, which are forbidden, once were all that followed."""
    fake.create("nginx", {"k": "a"})
    fake.allow(ADMIN, Rule(("watch",), ("configmaps",), ("nginx",)))
    if first:
        FAULTS[fault](fake)
    source = follow()
    source.expect_watching()
    if not first:
        FAULTS[fault](fake)
        fake.cut("clean")
        source.expect_watching(2)
    change(fake, b"b")
    source.expect_last_read(B)


@pytest.mark.parametrize(
    "answer",
    [(0, b""), (0, HEAD), (0, HEAD + ADDED), (500, b"{}"), (429, b"{}"), (404, b"{}")],
)
@pytest.mark.parametrize("first", [True, False])
def test_list_replaces_a_watch_list_that_never_works(
    fake: FakeKube,
    follow: Follow,
    capfd: pytest.CaptureFixture[str],
    answer: tuple[int, bytes],
    first: bool,
) -> None:
    """A proxy may close or refuse these requests alone. Found out, it costs no warning and no
    further request.
    """
    fake.create("nginx", {"k": "a"})
    if first:
        fake.answer_next("both", *answer, times=-1)
    source = follow()
    source.expect_watching()
    if not first:
        fake.answer_next("both", *answer, times=-1)
    for number, value in enumerate((b"b", b"c", b"d"), 2):
        change(fake, value)
        source.expect_last_read({"k": value})
        fake.cut("clean")
        source.expect_watching(number)
    assert ["list", "watch"] * 2 == kinds(fake)[-4:]
    log.flush()
    assert "" == capfd.readouterr().err
    assert answer[0] == 429 or [] == source.failures


def test_silent_watch_list_is_remembered(
    fake: FakeKube, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each cycle began with a hole of five seconds."""
    monkeypatch.setattr(object_follower, "LULL", 0.2)
    fake.create("nginx", {"k": "a"})
    fake.hold("both")
    source = follow()
    source.expect_watching()
    fake.cut("clean")
    source.expect_watching(2)
    assert ["both", "list", "watch", "list", "watch"] == kinds(fake)


# --- the time of the first content


@pytest.mark.parametrize(("seconds", "first"), [(10, "list"), (30, "both")])
def test_list_comes_first_when_the_time_is_short(
    fake: FakeKube, follow: Follow, seconds: float, first: str
) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow(timing=Timing(), due=time.monotonic() + seconds)
    source.expect_reads(A)
    source.expect_watching()
    assert first == kinds(fake)[0]
    fake.cut("clean")
    source.expect_watching(2)
    assert "both" == kinds(fake)[-1]


def test_broken_watch_list_is_listed_at_once_at_the_start(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    later()(fake)
    source = follow(timing=QUICK.replace(base=30, cap=60), due=time.monotonic() + 30)
    source.expect_reads(A)


def test_bytes_that_arrive_are_no_silence(
    fake: FakeKube, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A big object on a slow line was cut within its event, and sent twice."""
    monkeypatch.setattr(object_follower, "LULL", 0.3)
    fake.create("nginx", {"k": "a" * 1000})
    fake.trickle = (50, 0.03)
    source = follow(timing=QUICK.replace(list=10))
    source.expect_watching()
    assert ["both"] == kinds(fake)


# --- a server that ignores the field selector


def others(count: int) -> list[tuple[str, object]]:
    meta = {"namespace": "production", "uid": "u"}
    return [
        ("ADDED", {"kind": "ConfigMap", "metadata": {**meta, "name": f"other-{number}"}})
        for number in range(count)
    ]


def test_objects_of_others_come_unbraked(fake: FakeKube, follow: Follow) -> None:
    """At the pace of edits, 3,500 take longer than a list may."""
    mine = fake.create("nginx", {"k": "b"})
    fake.answer_next("both", 200, stream(*others(3500), ("ADDED", mine), END))
    change(fake, b"a")
    source = follow()
    source.expect_reads(B, A)
    assert "both" == kinds(fake)[1]


BIG = {"kind": "ConfigMap", "metadata": {"name": "other"}, "data": {"k": "x" * (1 << 20)}}


@pytest.mark.parametrize("many", [others(EVENTS + 1), [("ADDED", BIG)] * 11], ids=["events", "MiB"])
def test_initial_events_are_bounded(
    fake: FakeKube, follow: Follow, many: list[tuple[str, object]]
) -> None:
    fake.create("nginx", {"k": "a"})
    fake.answer_next("both", 200, stream(*many, END))
    source = follow()
    source.expect_reads(A)
    assert ["both", "list"] == kinds(fake)[:2]


END = ("BOOKMARK", {"metadata": {"annotations": {"k8s.io/initial-events-end": "true"}}})


def stream(*events: tuple[str, object]) -> bytes:
    return b"".join(
        json.dumps({"type": kind, "object": obj}).encode() + b"\n" for kind, obj in events
    )
