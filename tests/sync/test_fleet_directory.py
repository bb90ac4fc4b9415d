"""A fleet whose configuration comes from a directory: the API is for the Lease alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.harness import Run, only_process
from tests.sync.fleet_pods import KEY, VERIFY, Kube, Pod, identities, version
from tests.volume import swap_volume

pytestmark = only_process


class DirectoryPods:
    """Two pods on the directories that the kubelets of their nodes mount."""

    def __init__(self, run: Run, kube: Kube, scratch: Path, *options: str) -> None:
        self.pods = [Pod(run, kube, os.fspath(scratch), own) for own in identities(2, "bad", "two")]
        self.volumes = []
        self._kube = kube
        for pod in self.pods:
            volume = scratch / f"{pod.name}-volume"
            volume.mkdir()
            swap_volume(volume, {KEY: "one"})
            self.volumes.append(volume)
            pod.start(f"--config-dir={volume}", "--configmap=", VERIFY, *options)
            pod.expect("one")

    def change(self, content: str) -> None:
        for volume in self.volumes:
            swap_volume(volume, {KEY: content})


@pytest.fixture
def started(run: Run, kube: Kube, tmp_path: Path) -> DirectoryPods:
    return DirectoryPods(run, kube, tmp_path)


def test_bad_version_of_a_directory_stops(started: DirectoryPods, kube: Kube) -> None:
    first, second = started.pods
    first.expect_state("settled")
    second.expect_state("settled")

    started.change("bad")
    first.expect("one", "bad", "one")
    second.expect_state("condemned", "verify")
    started.change("two")

    first.expect("one", "bad", "one", "two")
    second.expect("one", "two")
    lease = kube.lease("web") or {}
    good = lease["metadata"]["annotations"]["config-supervisor/good"].split()
    assert version("two") == good[0]
