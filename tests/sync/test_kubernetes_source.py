"""The Kubernetes source: its reports of an object's life, unchanged by any fault."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from config_supervisor.core.source_states import PAUSE
from tests.fake_kube import FakeKube
from tests.real_kube import RealKube
from tests.sync.following import QUICK, Following, both_ways, gaps, until_count

Kube = FakeKube | RealKube
Follow = Callable[..., Following]

A, B, C = {"k": b"a"}, {"k": b"b"}, {"k": b"c"}

pytestmark = both_ways


def change(kube: Kube, value: bytes) -> None:
    kube.change("nginx", {"k": value.decode()})


# --- the life of an object


def test_object_is_reported_with_content_and_time(kube: Kube, follow: Follow) -> None:
    kube.create("nginx", {"nginx.conf": "daemon off;\n", "u.txt": "grüße"})
    source = follow()
    source.expect_reads({"nginx.conf": b"daemon off;\n", "u.txt": "grüße".encode()})
    (content,) = source.contents
    assert content is not None
    assert not content.private
    assert content.changed_at == pytest.approx(time.time(), abs=30)


def test_every_change_is_reported_once(kube: Kube, follow: Follow) -> None:
    kube.create("nginx", {"k": "a"})
    source = follow()
    source.expect_watching()
    change(kube, b"b")
    source.expect_reads(A, B)
    kube.change("nginx", {"other": "c"})
    source.expect_reads(A, B, {"other": b"c"})
    assert ["modified", "modified"] == source.reports("watched")[-2:]


def test_annotation_or_order_of_keys_is_no_change(kube: Kube, follow: Follow) -> None:
    kube.create("nginx", {"x": "1", "y": "2"})
    source = follow()
    source.expect_watching()
    kube.annotate("nginx", "team", "blue")
    kube.change("nginx", {"y": "2", "x": "1"})
    kube.change("nginx", {"x": "3"})
    source.expect_reads({"x": b"1", "y": b"2"}, {"x": b"3"})


def test_annotation_for_a_pause_is_a_change(kube: Kube, follow: Follow) -> None:
    kube.create("nginx", {"k": "a"})
    source = follow()
    source.expect_watching()
    kube.annotate("nginx", PAUSE, "true")
    kube.annotate("nginx", "team", "blue")
    change(kube, b"b")
    kube.annotate("nginx", PAUSE, "false")
    source.expect_reads(A, A, B, B)

    assert [False, True, True, False] == [one.paused for one in source.contents if one]


def test_missing_object_is_reported_and_its_creation(kube: Kube, follow: Follow) -> None:
    source = follow()
    source.expect_watching()
    source.expect_reads(None)
    kube.create("nginx", {"k": "a"})
    source.expect_reads(None, A)


def test_deletion_and_equal_new_object_are_three_reads(kube: Kube, follow: Follow) -> None:
    kube.create("nginx", {"k": "a"})
    source = follow()
    source.expect_watching()
    kube.delete("nginx")
    kube.create("nginx", {"k": "a"})
    source.expect_reads(A, None, A)


def test_binary_empty_and_dotted_keys_arrive_unchanged(kube: Kube, follow: Follow) -> None:
    binary = {"logo.bin": bytes(range(256)), "empty.bin": b""}
    kube.create("nginx", {".hidden": "x", "empty": "", "crlf": "a\r\nb"}, binary)
    source = follow()
    source.expect_reads({".hidden": b"x", "empty": b"", "crlf": b"a\r\nb", **binary})


@pytest.mark.parametrize("letter", ["x", '"', "é"])
def test_object_of_a_mebibyte_is_listed_and_watched(
    kube: Kube, follow: Follow, letter: str
) -> None:
    size = 1 << 20
    first, second = letter * (size // len(letter.encode())), "y" * size
    kube.create("nginx", {"k": first})
    source = follow()
    source.expect_reads({"k": first.encode()})
    source.expect_watching()
    kube.change("nginx", {"k": second})
    kube.change("nginx", {"k": first})
    source.expect_reads({"k": first.encode()}, {"k": second.encode()}, {"k": first.encode()})


def test_secret_is_decoded_and_private(kube: Kube, follow: Follow) -> None:
    kube.create("nginx", {"password": "s3cret", "key.der": b"\x00\xff"}, kind="secret")
    source = follow(kind="secret")
    source.expect_reads({"password": b"s3cret", "key.der": b"\x00\xff"})
    assert source.contents[0] is not None
    assert source.contents[0].private


def test_several_sources_report_their_own_objects(kube: Kube, follow: Follow) -> None:
    names = [f"app-{number}" for number in range(6)]
    for name in names:
        kube.create(name, {"k": name})
    sources = [follow(name) for name in names]
    for name, source in zip(names, sources, strict=True):
        source.expect_watching()
        kube.change(name, {"k": name.upper()})
        source.expect_reads({"k": name.encode()}, {"k": name.upper().encode()})


def test_empty_namespace_becomes_that_of_the_context(kube: Kube, follow: Follow) -> None:
    if isinstance(kube, RealKube):
        pytest.skip("the context of TEST_KUBECONFIG names a namespace of its own")
    kube.create("nginx", {"k": "a"})
    source = follow(namespace="")
    source.expect_reads(A)
    assert "configmap production/nginx" == str(source.source.label)


# --- the end of a watch


def test_short_watches_repeat_and_lose_nothing(kube: Kube, follow: Follow) -> None:
    kube.create("nginx", {"k": "0"})
    source = follow(timing=QUICK.replace(watch=(1, 1)))
    for number in range(1, 4):
        source.expect_watching(number)
        change(kube, str(number).encode())
    source.expect_watching(4)
    change(kube, b"end")
    source.expect_reads(*({"k": text.encode()} for text in ("0", "1", "2", "3", "end")))
    assert ["server_timeout"] * 3 == source.reports("restarted")[:3]
    assert [] == source.failures


@pytest.mark.parametrize("how", ["clean", "fin", "rst"])
def test_cut_watches_repeat_and_lose_nothing(fake: FakeKube, follow: Follow, how: str) -> None:
    fake.create("nginx", {"k": "0"})
    source = follow()
    for number in range(1, 16):
        source.expect_watching(number)
        change(fake, str(number).encode())
        if number % 3:
            fake.cut(how)
        else:
            source.expect_reads(*({"k": str(n).encode()} for n in range(number + 1)))
            fake.cut(how)
    source.expect_reads(*({"k": str(n).encode()} for n in range(16)))
    reason = "server_timeout" if how == "clean" else "connection"
    assert {reason} == set(source.reports("restarted"))


def test_watch_cut_once_is_no_failure(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow()
    source.expect_watching()
    fake.cut("rst")
    source.expect_watching(2)
    assert ["connection"] == source.reports("restarted")
    assert [True, False, True] == source.reports("connected")
    assert [] == source.failures


def test_watches_that_end_at_once_are_paced(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    fake.answer_next("watch", 200, b"", times=-1)
    source = follow(timing=QUICK.replace(base=0.2, cap=1))
    until_count(5, lambda: fake.asked("list"))
    # A request that comes late shortens the pause behind it.
    assert 0.8 * (0.02 + 0.04 + 0.08 + 0.1) < sum(gaps(fake.asked("list"))[:4])
    assert [A] == source.reads


def test_silent_server_is_left_after_the_read_timeout(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow(timing=QUICK.replace(watch=(1, 1), slack=0.5, list=0.5))
    source.expect_watching()
    fake.freeze()
    began = time.monotonic()
    change(fake, b"b")
    source.expect("restarted", "read_timeout")
    assert 2.5 > source.when("restarted")[-1] - began
    source.expect_failure("cannot reach the API server", fake.url, "no answer in time")
    fake.thaw()
    source.expect_reads(A, B)


def test_silence_after_an_event_does_not_extend_the_watch(fake: FakeKube, follow: Follow) -> None:
    source = follow(timing=QUICK.replace(watch=(2, 2), slack=0.2, list=0.5))
    source.expect_watching()
    (began,) = source.when("connected")
    while time.monotonic() < began + 1.5:
        fake.bookmark()
        source.expect_events(len(source.reports("watched")) + 1)
    fake.freeze()
    source.expect("restarted", "read_timeout")
    assert source.when("restarted")[0] - began < 3


def test_trickling_server_loses_nothing(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    fake.trickle = (50, 0.001)
    source = follow()
    source.expect_watching()
    change(fake, b"b")
    change(fake, b"c")
    source.expect_reads(A, B, C)


def test_trickling_line_does_not_extend_the_watch(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow(timing=QUICK.replace(watch=(1, 1), slack=0.5))
    source.expect_watching()
    fake.trickle = (1, 0.05)
    fake.inject(b" " * 1000)
    source.expect("restarted", "read_timeout")
    fake.trickle = None
    change(fake, b"b")
    source.expect_reads(A, B)


# --- 410, and hidden deletions


def test_repeated_410_is_retried_with_growing_pauses(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    fake.answer_next("watch", 410, times=-1)
    source = follow(timing=QUICK.replace(base=0.1, cap=1))
    until_count(6, lambda: fake.asked("watch"))
    # A request that comes late shortens the pause behind it.
    assert 0.8 * (0.02 + 0.04 + 0.08 + 0.1) < sum(gaps(fake.asked("watch"))[1:5])
    fake.clear()
    change(fake, b"b")
    source.expect_last_read(B)


def test_late_deletion_of_a_former_object_is_skipped(fake: FakeKube, follow: Follow) -> None:
    former = fake.create("nginx", {"k": "a"})
    source = follow()
    source.expect_watching()
    fake.delete("nginx")
    fake.create("nginx", {"k": "b"})
    fake.inject(json.dumps({"type": "DELETED", "object": former}).encode() + b"\n")
    change(fake, b"c")
    source.expect_reads(A, None, B, C)
    assert 2 == source.reports("watched").count("deleted")


def test_deletion_within_an_outage_is_reported(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow()
    source.expect_watching()
    fake.down()
    fake.delete("nginx")
    until_count(1, lambda: [one for one in source.failures if "connection refused" in one.message])
    fake.up()
    source.expect_reads(A, None)


def test_cluster_restored_to_an_older_version_is_followed(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow()
    source.expect_watching()
    fake.store.version = 10
    fake.cut("fin")
    source.expect_watching(2)
    change(fake, b"b")
    source.expect_reads(A, B)
