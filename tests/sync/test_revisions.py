"""The revision of an object: a name for its state in the whole cluster."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fake_kube import FakeKube
from tests.real_kube import RealKube
from tests.sync.following import Following, both_ways

Kube = FakeKube | RealKube
Follow = Callable[..., Following]

A, B = {"k": b"a"}, {"k": b"b"}

pytestmark = both_ways


@pytest.mark.parametrize("kind", ["configmap", "secret"])
def test_content_has_the_revision_of_its_object(kube: Kube, follow: Follow, kind: str) -> None:
    made = kube.create("nginx", {"k": "a"}, kind=kind)["metadata"]
    source = follow(kind=kind)
    source.expect_reads(A)
    assert [f"{made['uid']}/{made['resourceVersion']}"] == revisions(source)


def test_revision_alone_is_reported_on_request(kube: Kube, follow: Follow) -> None:
    kube.create("nginx", {"k": "a"})
    source = follow(revisions=True)
    usual = follow()
    for one in (source, usual):
        one.expect_watching()
    noted = kube.annotate("nginx", "team", "blue")["metadata"]
    source.expect_reads(A, A)
    assert f"{noted['uid']}/{noted['resourceVersion']}" == revisions(source)[-1]
    kube.change("nginx", {"k": "b"})
    source.expect_reads(A, A, B)
    usual.expect_reads(A, B)
    assert revisions(source)[-1] == revisions(usual)[-1]


def test_reread_of_the_same_revision_is_no_report(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow(revisions=True)
    source.expect_watching()
    fake.cut("clean")
    source.expect_watching(2)
    fake.change("nginx", {"k": "b"})
    source.expect_reads(A, B)


def revisions(source: Following) -> list[str]:
    return [content.revision for content in source.contents if content is not None]
