"""The keep of a fleet over the wire: read, compared and swapped, never created."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from config_supervisor.core.content import Entry
from config_supervisor.sources.interface import Label
from config_supervisor.sources.kubernetes.credentials import Access
from config_supervisor.sources.kubernetes.kept_content import KeptContent
from config_supervisor.sources.kubernetes.kept_object import VERSION, Kept
from tests.fake_kube import FakeKube
from tests.fake_kube_users import Rule
from tests.harness import wait_until
from tests.real_kube import RealKube
from tests.sync.leasing import expect_no_thread

Kube = FakeKube | RealKube
ONE = Kept("v1", {"nginx.conf": Entry(b"one"), "conf.d/x": Entry(b"\xff")})
TWO = Kept("v2", {"nginx.conf": Entry(b"two")})


class Keeping:
    """A keep, and its reports."""

    def __init__(self, kube: Kube, kind: str, access: Access | None = None) -> None:
        label = Label(kind, kube.namespace, "web-keep")
        self.content = KeptContent(label, access or Access(kube.kubeconfig))
        self._reports: list[Kept | str | None] = []

    def keep(self, kept: Kept) -> Kept | str | None:
        """None once it is kept, else the failure."""
        put = self._reports.append
        return self._told(lambda: self.content.keep(kept, lambda: put(None), put))

    def fetch(self) -> Kept | str | None:
        return self._told(lambda: self.content.fetch(self._reports.append, self._reports.append))

    def _told(self, ask: Callable[[], None]) -> Kept | str | None:
        before = len(self._reports)
        ask()

        def told() -> None:
            assert len(self._reports) == before + 1

        wait_until(told)
        expect_no_thread()
        return self._reports[-1]


@pytest.fixture(params=["configmap", "secret"])
def keeping(kube: Kube, request: pytest.FixtureRequest) -> Keeping:
    kube.create("web-keep", kind=request.param)
    return Keeping(kube, request.param)


def test_version_is_kept_and_fetched(keeping: Keeping) -> None:
    assert Kept("") == keeping.fetch()
    for kept in (ONE, TWO):
        assert keeping.keep(kept) is None
        assert kept == keeping.fetch()


def test_kept_version_is_not_written_again(fake: FakeKube, keeping: Keeping) -> None:
    keeping.keep(ONE)
    keeping.keep(ONE)
    assert 1 == len(fake.asked("update"))


def test_missing_object_is_not_created(fake: FakeKube) -> None:
    failure = Keeping(fake, "secret").keep(ONE)
    assert failure == (
        f"cannot write secret {fake.namespace}/web-keep: it does not exist; create it:"
        f" kubectl create secret generic web-keep -n {fake.namespace}"
    )
    assert ["get"] == [ask.verb for ask in fake.log]


def test_source_given_by_mistake_stays_as_it_is(fake: FakeKube) -> None:
    source = fake.create("web-keep", {"nginx.conf": "theirs"})
    failure = Keeping(fake, "configmap").keep(ONE)
    assert "the content of something else" in str(failure)
    assert source == fake.store.get("configmaps", fake.namespace, "web-keep")


def test_writer_that_comes_second_says_so(fake: FakeKube) -> None:
    fake.create("web-keep")
    hold = fake.hold("get")
    keeping = Keeping(fake, "configmap")
    failures: list[str] = []
    keeping.content.keep(ONE, lambda: None, failures.append)
    hold.wait()
    fake.annotate("web-keep", VERSION, "v2")
    hold.release()

    def told() -> None:
        assert ["another pod wrote it" in failure for failure in failures] == [True]

    wait_until(told)
    expect_no_thread()


@pytest.mark.parametrize(("verb", "deed"), [("get", "write"), ("update", "write")])
def test_missing_right_is_named(fake: FakeKube, verb: str, deed: str) -> None:
    fake.create("web-keep")
    fake.forbid(verb)
    failure = Keeping(fake, "configmap").keep(ONE)
    assert failure == (
        f"cannot {deed} configmap {fake.namespace}/web-keep: forbidden; the service account"
        f" default/web needs get, update on it ({verb} is missing; see docs/rbac.md)"
    )


def test_named_rights_are_enough(kube: Kube, tmp_path: object) -> None:
    """The role of docs/rbac.md."""
    kube.create("web-keep")
    rule = Rule(("get", "update"), ("configmaps",), ("web-keep",))
    access = Access(kube.user_kubeconfig(f"{tmp_path}/user", rule))
    keeping = Keeping(kube, "configmap", access)
    assert keeping.keep(ONE) is None
    assert ONE == keeping.fetch()


def test_outage_is_a_failure_in_words(fake: FakeKube) -> None:
    fake.create("web-keep")
    fake.down()
    failure = Keeping(fake, "configmap").fetch()
    assert str(failure).startswith(f"cannot reach the API server at {fake.url}: ")


@pytest.mark.parametrize("text", [b"\0", b'"', "ü".encode()], ids=["zero", "quote", "umlaut"])
def test_largest_version_passes(fake: FakeKube, text: bytes) -> None:
    fake.create("web-keep")
    keeping = Keeping(fake, "configmap")
    large = Kept("v1", {"a": Entry(text * ((1 << 20) // len(text)))})
    assert keeping.keep(large) is None
    assert large == keeping.fetch()
