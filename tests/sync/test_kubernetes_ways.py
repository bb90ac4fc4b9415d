"""The same over every way to the API: content, refusals, trust, renewal, Events."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from config_supervisor.sources.kubernetes.event_sender import EventSender, Pod
from tests.fake_kube import FakeKube
from tests.fake_kube_tls import Authority
from tests.sync.following import Following
from tests.sync.ways import WAYS, Way

Follow = Callable[..., Following]

A, B = {"k": b"a"}, {"k": b"b"}


@pytest.fixture(params=WAYS)
def way(
    request: pytest.FixtureRequest,
    fake: FakeKube,
    tmp_path: object,
    monkeypatch: pytest.MonkeyPatch,
) -> Way:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(fake.port))
    return WAYS[request.param](fake, str(tmp_path))


def test_content_and_its_changes_are_reported(fake: FakeKube, follow: Follow, way: Way) -> None:
    fake.create("nginx", {"k": "a"}, kind="secret")
    source = follow(access=way.access, kind="secret", namespace="")
    source.expect_watching()
    fake.change("nginx", {"k": "b"}, kind="secret")
    source.expect_reads(A, B)
    assert [] == source.failures


def test_refused_login_is_named_and_a_new_one_used(
    fake: FakeKube, follow: Follow, way: Way
) -> None:
    fake.create("nginx", {"k": "a"})
    way.spoil()
    source = follow(access=way.access)
    failure = source.expect_failure(f"unauthorized; {way.login} was refused")
    assert "unauthorized" == failure.reason
    assert not failure.fatal
    way.renew()
    source.expect_reads(A)


def test_login_renewed_between_watches_loses_no_change(
    fake: FakeKube, follow: Follow, way: Way
) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow(access=way.access)
    source.expect_watching()
    way.renew()
    fake.cut("fin")
    fake.change("nginx", {"k": "b"})
    source.expect_last_read(B)
    source.expect_watching(2)


def test_server_of_another_authority_gets_no_request(
    fake: FakeKube, follow: Follow, way: Way
) -> None:
    fake.create("nginx", {"k": "a"})
    way.trust(Authority().pem)
    source = follow(access=way.access)
    source.expect_failure(f"cannot trust the API server at {fake.url}: ")
    assert [] == fake.log
    way.trust(fake.authority.pem)
    source.expect_reads(A)


def test_event_is_created_with_the_same_login(fake: FakeKube, way: Way) -> None:
    sender = EventSender(Pod(fake.namespace, "web-0", "0c1c-77"), way.access)
    thread = threading.Thread(target=sender.run, daemon=True)
    thread.start()
    sender.send("ConfigApplied", "the app runs", warning=False)
    sender.finish(10)
    thread.join(10)
    assert ["ConfigApplied"] == fake.reported.reasons()
