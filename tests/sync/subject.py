"""The whole program on a ConfigMap, with an app that prints its configuration."""

from __future__ import annotations

import os
from collections.abc import Sequence

from tests.fake_kube import FakeKube
from tests.harness import Program, Run, app
from tests.http import metric, port_of
from tests.real_kube import RealKube

Kube = FakeKube | RealKube


class Subject:
    """Starts the program with `--configmap NAMESPACE/web` on an app for its key `app.conf`."""

    def __init__(self, run: Run, kube: Kube, scratch: str) -> None:
        self.run, self.kube = run, kube
        self.root = os.path.join(scratch, "live")
        self.file = os.path.join(self.root, "app.conf")
        self.options = [
            f"--configmap={kube.namespace}/web",
            f"--configroot={self.root}",
            f"--kubeconfig={kube.kubeconfig}",
            "--listen=127.0.0.1:0",
            "--verify-window=200ms",
        ]
        self.program: Program

    def start(
        self, *options: str, command: Sequence[str] = (), env: dict[str, str] | None = None
    ) -> Program:
        command = command or app("read_config.py", self.file)
        self.program = self.run(*command, options=[*self.options, *options], env=env)
        return self.program

    def running(self, *options: str, content: str = "one") -> Program:
        """Start on a content; returns once the app runs on it and metrics are served."""
        self.kube.create("web", {"app.conf": content})
        program = self.start(*options)
        program.expect(f"config: {content}")
        program.expect("ready")
        self.port = port_of(program)
        return program

    def change(self, content: str) -> None:
        self.kube.change("web", {"app.conf": content})

    def metric(self, name: str, /, **labels: str) -> float | None:
        return metric(self.port, name, **labels)

    def reloads(self) -> float | None:
        return self.metric("reloads_total", method="signal")

    def live(self) -> dict[str, bytes]:
        """The app's view of the files."""
        found = {}
        for name in os.listdir(self.root):
            if not name.startswith(".."):
                with open(os.path.join(self.root, name), "rb") as file:
                    found[name] = file.read()
        return found

    def generations(self) -> list[str]:
        return sorted(name for name in os.listdir(self.root) if name.startswith("..2"))
