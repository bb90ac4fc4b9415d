"""An API server for the tests of sync: a fake, unless TEST_KUBECONFIG names a real cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from config_supervisor.sources.interface import Label
from config_supervisor.sources.kubernetes import kubeconfig
from config_supervisor.sources.kubernetes.credentials import Access
from config_supervisor.sources.kubernetes.watch_list import MEMORY
from tests.fake_kube import FakeKube, WatchList
from tests.harness import Run
from tests.real_kube import RealKube

if TYPE_CHECKING:
    from tests.sync.following import Following
    from tests.sync.leasing import Linked

pytest.register_assert_rewrite("tests.sync.following", "tests.sync.leasing")


@pytest.fixture(scope="session")
def _cluster() -> Iterator[RealKube | None]:
    kubeconfig = os.environ.get("TEST_KUBECONFIG")
    if not kubeconfig:
        yield None
        return
    cluster = RealKube(kubeconfig)
    yield cluster
    cluster.close()


@pytest.fixture(scope="session", autouse=True)
def _key_files() -> Iterator[None]:
    """Remove the files with keys that this process makes of kubeconfigs."""
    yield
    kubeconfig.remove_key_files()


@pytest.fixture
def run(run: Run, tmp_path: Path) -> Run:
    """A program that is killed leaves its files with keys in the directory of its test."""
    run.surroundings["TMPDIR"] = str(tmp_path)
    return run


@pytest.fixture
def release(request: pytest.FixtureRequest) -> WatchList:
    """The release of the fake API server; `following.both_ways` runs a test on two."""
    chosen: WatchList = getattr(request, "param", WatchList.OFFERED)
    return chosen


@pytest.fixture
def kube(
    _cluster: RealKube | None, tmp_path: object, release: WatchList
) -> Iterator[FakeKube | RealKube]:
    """An API server: `namespace`, `kubeconfig`, and create, change, annotate, delete in it."""
    if _cluster is not None:
        yield _cluster
        _cluster.clear()
        return
    with FakeKube() as fake:
        fake.watch_list = release
        MEMORY.forget(fake.url)  # another server had this port before
        fake.write_kubeconfig(f"{tmp_path}/kubeconfig")
        yield fake


@pytest.fixture
def fake(kube: FakeKube | RealKube) -> FakeKube:
    """The fake API server, for faults, times and tokens on order."""
    if not isinstance(kube, FakeKube):
        pytest.skip(
            "only the fake API server can be ordered to do this, and TEST_KUBECONFIG names a"
            " real one"
        )
    return kube


@pytest.fixture
def pod(fake: FakeKube, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> Access:
    """Access as in a pod: a mounted service account and its variables."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(fake.port))
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/no-kubeconfig")
    return Access(account=fake.write_service_account(f"{tmp_path}/account"))


@pytest.fixture
def follow(kube: FakeKube | RealKube) -> Iterator[Callable[..., Following]]:
    """Starts a source: `follow(NAME, kind, access=, timing=, ...)`; all end with the server."""
    from tests.sync.following import Following

    started: list[Following] = []

    def start(
        name: str = "nginx",
        kind: str = "configmap",
        *,
        access: Access | None = None,
        namespace: str | None = None,
        **how: Any,
    ) -> Following:
        label = Label(kind, kube.namespace if namespace is None else namespace, name)
        started.append(Following(label, access or Access(kube.kubeconfig), **how))
        return started[-1]

    yield start
    for one in started:
        one.end()
        assert not [failure for failure in one.failures if "report it" in failure.message]


@pytest.fixture(autouse=True)
def _count_threads_anew() -> None:
    from tests.sync.leasing import forget_threads

    forget_threads()


@pytest.fixture
def join(kube: FakeKube | RealKube) -> Iterator[Callable[[], Linked]]:
    """Opens a link to a Lease; all are left at the end, and no thread may stay."""
    from tests.sync.leasing import Linked, expect_no_thread

    links: list[Linked] = []

    def open_link() -> Linked:
        links.append(Linked(Access(kube.kubeconfig), kube.namespace))
        return links[-1]

    yield open_link
    if isinstance(kube, FakeKube):
        kube.thaw()
    for linked in links:
        linked.link.leave()
    expect_no_thread()
    assert [] == [f.error for linked in links for f in linked.failures if "report it" in f.error]


@pytest.fixture
def linked(join: Callable[[], Linked]) -> Linked:
    return join()
