"""Whole programs of a fleet on a Secret: the Lease names its versions, not their content."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from config_supervisor.core.content import sha256
from config_supervisor.fleet.policy import place
from tests.fake_kube import FakeKube
from tests.harness import Run, only_process, until
from tests.sync.fleet_pods import FLEET, FOLLOW, KEY, PATIENCE, VERIFY, Group, version

SOON = 0.1  # of the time within which pods ask

pytestmark = [only_process, pytest.mark.slow, pytest.mark.timeout(120)]


class Vault(Group):
    """Pods on one Secret, of which the first is the canary; all start on `one`."""

    kube: FakeKube

    def begin(self) -> None:
        self._uid = self.kube.create("web", kind="secret")["metadata"]["uid"]
        canary, *others = (self.pod(f"web-{number}/{number}") for number in range(3))
        self.change("one")
        source = f"--secret={self.kube.namespace}/web"
        canary.start(VERIFY, "--configmap=", source)
        self.expect_newest()
        for pod in others:
            pod.options.append(FOLLOW)
            pod.start(VERIFY, "--configmap=", source)
        for pod in self.pods:
            pod.expect("one")
            pod.expect_state("settled")

    def change(self, content: str) -> None:
        """Change the Secret, at a version of the cluster at which all pods ask soon."""
        store = self.kube.store
        with store.lock:
            while not self._soon(store.version + 1):
                store.version += 1
            changed = self.kube.change("web", {KEY: content}, kind="secret")
            self.newest = self._name(changed["metadata"]["resourceVersion"])

    def _soon(self, revision: int) -> bool:
        return all(place(pod.identity, self._name(revision)) < SOON for pod in self.pods)

    def _name(self, revision: object) -> str:
        return sha256(f"{self._uid}/{revision}".encode()).hexdigest()

    def expect_newest(self) -> None:
        """Wait until the newest version is good."""
        until(lambda: self.annotation("good").split()[:1], [self.newest], PATIENCE)

    def expect_no_trace(self, *contents: str) -> None:
        """The stored Lease has no content of the Secret, nor a digest of it."""
        lease = json.dumps(self.kube.lease(FLEET))
        assert self.newest in lease
        for content in contents:
            digests = version(content), sha256(content.encode()).hexdigest()
            assert not [one for one in (content, *digests) if one[:8] in lease]


@pytest.fixture
def vault(run: Run, fake: FakeKube, tmp_path: Path) -> Vault:
    return Vault(run, fake, tmp_path)


def test_versions_of_a_secret_follow_the_canary(vault: Vault) -> None:
    """A bad one stops; a revert is a new version, with a trial unless it still runs."""
    vault.begin()
    first, *others = vault.pods

    vault.change("bad secret")
    first.expect("one", "bad secret", "one")
    for pod in others:
        pod.expect_state("condemned", "verify")
    bad = vault.newest
    assert f"{bad}=verify@{first.name}" == vault.annotation("bad")
    vault.expect_no_trace("one", "bad secret")

    # A version that runs is no change.
    vault.change("one")
    for pod in vault.pods:
        pod.expect_state("settled")
    vault.change("two")
    first.expect("one", "bad secret", "one", "two")
    for pod in others:
        pod.expect("one", "two")
        pod.expect_state("settled")

    vault.change("one")
    first.expect("one", "bad secret", "one", "two", "one")
    for pod in others:
        pod.expect("one", "two", "one")
    vault.expect_newest()
    tried = f"this pod tries configuration {vault.newest[:8]}"
    assert [1, 0, 0] == [len(pod.told(tried)) for pod in vault.pods]
    assert bad in vault.annotation("bad")
    vault.expect_no_trace("one", "bad secret", "two")
