"""The Kubernetes source: what it tells of an object's life, and what no fault may add or
take away.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from tests.fake_kube import FakeKube
from tests.real_kube import RealKube
from tests.sync.following import QUICK, Following, gaps, until_so_many

Kube = FakeKube | RealKube
Follow = Callable[..., Following]

A, B, C = {"k": b"a"}, {"k": b"b"}, {"k": b"c"}


def change(kube: Kube, value: bytes) -> None:
    kube.change("nginx", {"k": value.decode()})


# --- the life of an object


def test_an_object_is_told_with_its_content_and_time(kube: Kube, follow: Follow) -> None:
    kube.create("nginx", {"nginx.conf": "daemon off;\n", "u.txt": "grüße"})
    source = follow()
    source.expect_reads({"nginx.conf": b"daemon off;\n", "u.txt": "grüße".encode()})
    (content,) = source.contents
    assert content is not None
    assert not content.private
    assert content.changed_at == pytest.approx(time.time(), abs=30)


def test_every_change_is_told_once(kube: Kube, follow: Follow) -> None:
    kube.create("nginx", {"k": "a"})
    source = follow()
    source.expect_watching()
    change(kube, b"b")
    source.expect_reads(A, B)
    kube.change("nginx", {"other": "c"})
    source.expect_reads(A, B, {"other": b"c"})
    assert ["modified", "modified"] == source.said("watched")


def test_an_annotation_or_a_new_order_of_keys_is_no_read(kube: Kube, follow: Follow) -> None:
    kube.create("nginx", {"x": "1", "y": "2"})
    source = follow()
    source.expect_watching()
    kube.annotate("nginx", "team", "blue")
    kube.change("nginx", {"y": "2", "x": "1"})
    kube.change("nginx", {"x": "3"})
    source.expect_reads({"x": b"1", "y": b"2"}, {"x": b"3"})


def test_an_object_that_is_missing_is_told_and_told_when_it_comes(
    kube: Kube, follow: Follow
) -> None:
    source = follow()
    source.expect_watching()
    source.expect_reads(None)
    kube.create("nginx", {"k": "a"})
    source.expect_reads(None, A)


def test_a_deletion_and_a_new_object_with_the_same_content_are_three_reads(
    kube: Kube, follow: Follow
) -> None:
    kube.create("nginx", {"k": "a"})
    source = follow()
    source.expect_watching()
    kube.delete("nginx")
    kube.create("nginx", {"k": "a"})
    source.expect_reads(A, None, A)


def test_binary_data_empty_values_and_dotted_keys_arrive_as_they_are(
    kube: Kube, follow: Follow
) -> None:
    binary = {"logo.bin": bytes(range(256)), "empty.bin": b""}
    kube.create("nginx", {".hidden": "x", "empty": "", "crlf": "a\r\nb"}, binary)
    source = follow()
    source.expect_reads({".hidden": b"x", "empty": b"", "crlf": b"a\r\nb", **binary})


@pytest.mark.parametrize("letter", ["x", '"', "é"])
def test_an_object_of_one_mebibyte_is_listed_and_watched(
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


def test_a_secret_is_decoded_and_marked_private(kube: Kube, follow: Follow) -> None:
    kube.create("nginx", {"password": "s3cret", "key.der": b"\x00\xff"}, kind="secret")
    source = follow(kind="secret")
    source.expect_reads({"password": b"s3cret", "key.der": b"\x00\xff"})
    assert source.contents[0] is not None
    assert source.contents[0].private


def test_several_sources_at_once_each_tell_their_own_object(kube: Kube, follow: Follow) -> None:
    names = [f"app-{number}" for number in range(6)]
    for name in names:
        kube.create(name, {"k": name})
    sources = [follow(name) for name in names]
    for name, source in zip(names, sources, strict=True):
        source.expect_watching()
        kube.change(name, {"k": name.upper()})
        source.expect_reads({"k": name.encode()}, {"k": name.upper().encode()})


def test_an_empty_namespace_is_that_of_the_context(kube: Kube, follow: Follow) -> None:
    if isinstance(kube, RealKube):
        pytest.skip("the context of TEST_KUBECONFIG names a namespace of its own")
    kube.create("nginx", {"k": "a"})
    source = follow(namespace="")
    source.expect_reads(A)
    assert "configmap production/nginx" == str(source.source.label)


# --- the end of a watch


def test_a_server_that_ends_each_watch_after_a_second_repeats_and_loses_nothing(
    kube: Kube, follow: Follow
) -> None:
    kube.create("nginx", {"k": "0"})
    source = follow(timing=QUICK.replace(watch=(1, 1)))
    for number in range(1, 4):
        source.expect_watching(number)
        change(kube, str(number).encode())
    source.expect_watching(4)
    change(kube, b"end")
    source.expect_reads(*({"k": text.encode()} for text in ("0", "1", "2", "3", "end")))
    assert ["server_timeout"] * 3 == source.said("restarted")[:3]
    assert [] == source.troubles


def test_an_edit_between_list_and_watch_is_seen(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    hold = fake.hold("list")
    source = follow()
    hold.wait()
    change(fake, b"b")
    hold.release()
    source.expect_reads(A, B)
    assert ["modified"] == source.said("watched")
    assert 1 == len(fake.asked("list"))


@pytest.mark.parametrize("how", ["clean", "fin", "rst"])
def test_watches_that_are_cut_often_repeat_and_lose_nothing(
    fake: FakeKube, follow: Follow, how: str
) -> None:
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
    assert {reason} == set(source.said("restarted"))


def test_a_watch_that_is_cut_once_is_no_trouble(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow()
    source.expect_watching()
    fake.cut("rst")
    source.expect_watching(2)
    assert ["connection"] == source.said("restarted")
    assert [True, False, True] == source.said("connected")
    assert [] == source.troubles


def test_a_watch_that_ends_at_once_each_time_is_not_asked_for_without_pause(
    fake: FakeKube, follow: Follow
) -> None:
    fake.create("nginx", {"k": "a"})
    fake.answer_next("watch", 200, b"", times=-1)
    source = follow(timing=QUICK.replace(base=0.2, cap=1))
    until_so_many(5, lambda: fake.asked("watch"))
    assert 0.02 + 0.04 + 0.08 + 0.1 < sum(gaps(fake.asked("watch"))[:4])
    assert [A] == source.reads


def test_a_silent_server_is_left_within_the_read_timeout(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow(timing=QUICK.replace(watch=(1, 1), slack=0.5, list=0.5))
    source.expect_watching()
    fake.freeze()
    began = time.monotonic()
    change(fake, b"b")
    source.expect("restarted", "read_timeout")
    assert 2.5 > source.when("restarted")[-1] - began
    source.expect_trouble("cannot reach the API server", fake.url, "no answer in time")
    fake.thaw()
    source.expect_reads(A, B)


def test_silence_after_an_event_ends_the_watch_no_later_than_silence_from_the_start(
    fake: FakeKube, follow: Follow
) -> None:
    source = follow(timing=QUICK.replace(watch=(2, 2), slack=0.2, list=0.5))
    source.expect_watching()
    (began,) = source.when("connected")
    while time.monotonic() < began + 1.5:
        fake.bookmark()
        source.expect_events(len(source.said("watched")) + 1)
    fake.freeze()
    source.expect("restarted", "read_timeout")
    assert source.when("restarted")[0] - began < 3


def test_a_server_that_trickles_slows_nothing_but_itself(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    fake.trickle = (50, 0.001)
    source = follow()
    source.expect_watching()
    change(fake, b"b")
    change(fake, b"c")
    source.expect_reads(A, B, C)


def test_a_line_that_never_ends_does_not_hold_the_watch_for_ever(
    fake: FakeKube, follow: Follow
) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow(timing=QUICK.replace(watch=(1, 1), slack=0.5))
    source.expect_watching()
    fake.trickle = (1, 0.05)
    fake.inject(b" " * 1000)
    source.expect("restarted", "read_timeout")
    fake.trickle = None
    change(fake, b"b")
    source.expect_reads(A, B)


# --- 410 and what deletions hide behind


@pytest.mark.parametrize("as_event", [False, True])
def test_410_lists_again_at_once(fake: FakeKube, follow: Follow, as_event: bool) -> None:
    fake.gone_as_event = as_event
    fake.create("nginx", {"k": "a"})
    hold = fake.hold("list")
    source = follow(timing=QUICK.replace(base=30, cap=60))
    hold.wait()
    change(fake, b"b")
    fake.store.compact()
    hold.release()
    source.expect_reads(A, B)
    source.expect_watching(2 if as_event else 1)
    assert ["gone"] == source.said("restarted")
    assert [] == source.troubles


def test_a_deletion_during_a_410_gap_is_noticed(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    hold = fake.hold("list")
    source = follow()
    hold.wait()
    fake.delete("nginx")
    fake.store.compact()
    hold.release()
    source.expect_reads(A, None)


def test_a_server_that_always_says_410_is_asked_with_growing_pauses(
    fake: FakeKube, follow: Follow
) -> None:
    fake.create("nginx", {"k": "a"})
    fake.answer_next("watch", 410, times=-1)
    source = follow(timing=QUICK.replace(base=0.1, cap=1))
    until_so_many(6, lambda: fake.asked("watch"))
    assert 0.02 + 0.04 + 0.08 + 0.1 < sum(gaps(fake.asked("watch"))[1:5])
    fake.clear()
    change(fake, b"b")
    source.expect_last_read(B)


def test_a_late_deletion_of_a_former_object_is_not_taken_for_the_new_ones(
    fake: FakeKube, follow: Follow
) -> None:
    former = fake.create("nginx", {"k": "a"})
    source = follow()
    source.expect_watching()
    fake.delete("nginx")
    fake.create("nginx", {"k": "b"})
    fake.inject(json.dumps({"type": "DELETED", "object": former}).encode() + b"\n")
    change(fake, b"c")
    source.expect_reads(A, None, B, C)
    assert 2 == source.said("watched").count("deleted")


def test_a_deletion_while_the_server_could_not_be_reached_is_noticed(
    fake: FakeKube, follow: Follow
) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow()
    source.expect_watching()
    fake.down()
    fake.delete("nginx")
    until_so_many(
        1, lambda: [one for one in source.troubles if "connection refused" in one.message]
    )
    fake.up()
    source.expect_reads(A, None)


def test_a_cluster_that_was_restored_to_an_older_version_is_followed(
    fake: FakeKube, follow: Follow
) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow()
    source.expect_watching()
    fake.store.version = 10
    fake.cut("fin")
    source.expect_watching(2)
    change(fake, b"b")
    source.expect_reads(A, B)
