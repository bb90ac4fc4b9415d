"""Pods of a fleet: whole programs on one ConfigMap and one Lease, with chosen places."""

from __future__ import annotations

import os
from itertools import count

from config_supervisor.core.content import Entry, version_of
from config_supervisor.fleet.policy import place
from tests.fake_kube import FakeKube
from tests.fake_kube_kinds import Json
from tests.harness import Program, Run, app, until
from tests.http import metric, port_of, status

FLEET = "web"
PREFIX = "config-supervisor/"
KEY = "app.conf"


def version(content: str) -> str:
    """The name of a content among all pods."""
    return version_of({KEY: Entry(content.encode())}).digest


def identities(number: int, *contents: str) -> list[str]:
    """As many identities: the first asks soonest for each of the contents, the others after it.

    The rules draw places for all pods over 20 s; these are among the first.
    """
    names = [version(content) for content in contents]
    found: list[str] = []
    for uid in count():
        own = f"web-{len(found)}/{uid}"
        low, high = (0.0, 0.01) if not found else (0.02, 0.05)
        if all(low <= place(own, name) < high for name in names):
            found.append(own)
            if len(found) == number:
                return found
    raise AssertionError


class Pod:
    """One pod."""

    def __init__(self, run: Run, kube: FakeKube, scratch: str, identity: str) -> None:
        self.name, _, self.uid = identity.partition("/")
        self._run = run
        self._kube = kube
        self.root = os.path.join(scratch, self.name)
        self.options = [
            f"--fleet={FLEET}",
            f"--configmap={kube.namespace}/web",
            f"--configroot={self.root}",
            f"--kubeconfig={kube.kubeconfig}",
            f"--namespace={kube.namespace}",
            "--listen=127.0.0.1:0",
            "--verify-window=200ms",
            "--reload-interval=0s",
            "--fleet-bake=500ms",
            "--fleet-spread=500ms",
        ]
        self.program: Program
        self.port = 0

    def start(self, *options: str) -> Program:
        command = app("read_config.py", os.path.join(self.root, KEY))
        env = {"POD_NAME": self.name, "POD_UID": self.uid}
        self.program = self._run(*command, options=[*self.options, *options], env=env)
        return self.program

    def serve(self) -> None:
        self.port = port_of(self.program)

    @property
    def taken(self) -> list[str]:
        """The contents that the app has read, in turn."""
        seen = self.program.out.seen
        return [line.removeprefix("config: ") for line in seen if line.startswith("config: ")]

    def expect(self, *contents: str) -> None:
        until(lambda: self.taken, list(contents), 30)

    def live(self) -> str:
        with open(os.path.join(self.root, KEY), encoding="utf-8") as file:
            return file.read()

    def metric(self, name: str, /, **labels: str) -> float | None:
        return metric(self.port, name, **labels)

    def status(self) -> Json:
        return status(self.port)


def annotation(kube: FakeKube, name: str) -> str:
    """An annotation of the Lease; empty without it."""
    lease = kube.lease(FLEET) or {"metadata": {}}
    return str((lease["metadata"].get("annotations") or {}).get(f"{PREFIX}{name}", ""))
