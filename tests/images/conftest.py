"""Shared by the tests of images: a network of their own, an API server and pods in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import needs, needs_root
from tests.fake_kube import FakeKube
from tests.images import network
from tests.images.deployed import Deployed


@pytest.fixture
def api() -> Iterator[FakeKube]:
    """An API server in a network namespace in which every port is free; the test goes on in it as
    well.
    """
    needs_root()
    needs("podman")
    network.leave()
    with FakeKube() as kube:
        yield kube


@pytest.fixture
def deploy(api: FakeKube) -> Iterator[Callable[..., Deployed]]:
    """Prepares pods (see Deployed, whose `kube` is `api`), and removes them at the end."""
    pods: list[Deployed] = []

    def prepare(manifest: str, **changes: object) -> Deployed:
        pods.append(Deployed(manifest, api, **changes))  # type: ignore[arg-type]
        return pods[-1]

    yield prepare
    for pod in pods:
        pod.close()
