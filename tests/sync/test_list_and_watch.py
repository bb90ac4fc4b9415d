"""The Kubernetes source on a server without WatchList: a list, then a watch from its version."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fake_kube import FakeKube
from tests.sync.following import QUICK, Following, by_list

Follow = Callable[..., Following]

A, B = {"k": b"a"}, {"k": b"b"}

pytestmark = by_list


def change(fake: FakeKube, value: bytes) -> None:
    fake.change("nginx", {"k": value.decode()})


def test_edit_between_list_and_watch_is_reported(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    hold = fake.hold("list")
    source = follow()
    hold.wait()
    change(fake, b"b")
    hold.release()
    source.expect_reads(A, B)
    assert ["modified"] == source.reports("watched")
    assert 1 == len(fake.asked("list"))


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
    assert ["gone"] == source.reports("restarted")
    assert [] == source.failures


def test_deletion_within_a_410_gap_is_reported(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    hold = fake.hold("list")
    source = follow()
    hold.wait()
    fake.delete("nginx")
    fake.store.compact()
    hold.release()
    source.expect_reads(A, None)


def test_watch_without_headers_is_reported(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow(timing=QUICK.replace(list=0.5))
    source.expect_watching()
    fake.hold("watch")
    fake.cut("clean")
    source.expect_failure("cannot reach the API server", "no answer in time")
