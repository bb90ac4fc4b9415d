"""Pods of a fleet: whole programs on one ConfigMap and one Lease, with chosen places."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path

from config_supervisor.core.content import Entry, version_of
from config_supervisor.fleet.policy import place
from tests.fake_kube import FakeKube
from tests.fake_kube_kinds import Json
from tests.harness import Program, Run, app, until, wait_until
from tests.http import metric, port_of, status
from tests.process.controlled import Result, ctl
from tests.real_kube import RealKube

FLEET = "web"
PREFIX = "config-supervisor/"
KEY = "app.conf"
FOLLOW = "--fleet-role=follower"
VERIFY = "--verify=sh -c '! grep -q bad {dir}/app.conf'"
PATIENCE = 30.0  # seconds; beyond the 20 s within which pods look at the Lease

Kube = FakeKube | RealKube


def version(content: str) -> str:
    """The name of a content among all pods."""
    return version_of({KEY: Entry(content.encode())}).digest


def identities(number: int, *contents: str, soon: bool = True) -> list[str]:
    """As many identities: the first asks soonest for each of the contents, the others after it.

    The rules draw places for all pods over 20 s; these are among the first if `soon`, else none
    asks within 2 s. Only the first has a place for `one`, on which all start.
    """
    names = [version(content) for content in contents]
    later = 0.0 if soon else 0.1
    places = dict.fromkeys(names, (0.02 + later, 0.05 + later))
    first = dict.fromkeys(names, (later, 0.01 + later)) | {version("one"): (0.0, 0.01)}
    return [placed(f"web-{own}", places if own else first) for own in range(number)]


def prompt_identities(number: int, *contents: str) -> list[str]:
    """As many identities that ask soon for each of the contents, in no order."""
    names = [version(content) for content in ("one", *contents)]
    return [placed(f"web-{own}", dict.fromkeys(names, (0.0, 0.06))) for own in range(number)]


def placed(pod: str, places: Mapping[str, tuple[float, float]]) -> str:
    """The identity of a pod with its place for each version between two shares of the time."""
    for uid in count():
        own = f"{pod}/{uid}"
        if all(low <= place(own, name) < high for name, (low, high) in places.items()):
            return own
    raise AssertionError


class Pod:
    """One pod."""

    def __init__(self, run: Run, kube: Kube, scratch: str, identity: str) -> None:
        self.identity = identity
        self.name, _, self.uid = identity.partition("/")
        self._run = run
        self._kube = kube
        self.root = os.path.join(scratch, self.name)
        self.control = os.path.join(scratch, f"{self.name}.sock")
        self.command = app("read_config.py", os.path.join(self.root, KEY))
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
        self._port = 0

    def start(
        self, *options: str, prefix: Sequence[str] = (), env: Mapping[str, str] | None = None
    ) -> Program:
        """Start the pod's container, again perhaps; an option replaces that of the same name."""
        chosen = {text.partition("=")[0]: text for text in (*self.options, *options)}
        own = {
            "POD_NAME": self.name,
            "POD_UID": self.uid,
            "CONFIG_SUPERVISOR_CONTROL": self.control,
        }
        self._port = 0
        self.program = self._run(
            *self.command,
            options=[text for text in chosen.values() if not text.endswith("=")],
            prefix=prefix,
            env={**own, **(env or {})},
        )
        return self.program

    def restart(self, *options: str, prefix: Sequence[str] = ()) -> None:
        """End the container in good order, and start it again on the content `one`."""
        self.end()
        self.start(*options, prefix=prefix)
        self.expect("one")
        self.expect_good()

    def end(self) -> None:
        """End its container in good order."""
        self.program.send(signal.SIGTERM)
        self.program.finish()

    def kill(self) -> None:
        """End its container without any order."""
        self.program.send(signal.SIGKILL)
        self.program.wait()

    @property
    def port(self) -> int:
        self._port = self._port or port_of(self.program)
        return self._port

    @property
    def taken(self) -> list[str]:
        """The contents that the app has read, in turn."""
        seen = self.program.out.seen
        return [line.removeprefix("config: ") for line in seen if line.startswith("config: ")]

    def expect(self, *contents: str, timeout: float = PATIENCE) -> None:
        """Wait until these are the contents that the app has read."""

        def read() -> None:
            assert list(contents) == self.taken, self.program.story()

        wait_until(read, timeout)

    def live(self) -> str:
        with open(os.path.join(self.root, KEY), encoding="utf-8") as file:
            return file.read()

    def place(self) -> tuple[str, int]:
        """The live generation by its name and by the inode of its file."""
        name = os.readlink(os.path.join(self.root, "..data"))
        return name, os.stat(os.path.join(self.root, name, KEY)).st_ino

    def metric(self, name: str, /, **labels: str) -> float | None:
        return metric(self.port, name, **labels)

    def status(self) -> Json:
        return status(self.port)

    def fleet(self) -> Json:
        """Its part in the fleet."""
        found: Json = self.status()["fleet"]
        return found

    def expect_state(
        self, state: str, reason: str | None = None, timeout: float = PATIENCE
    ) -> None:
        """Wait for a state of its part, with its reason."""

        def reached() -> None:
            found = self.fleet()
            reached = found["state"], found["reason"]
            assert (state, reason) == reached, f"{found}\n{self.program.story()}"

        wait_until(reached, timeout)

    def expect_good(self) -> None:
        """Wait until it knows its version as good."""

        def known() -> None:
            assert self.fleet()["state"] in ("settled", "due"), self.program.story()

        wait_until(known, PATIENCE)

    def ctl(self, *words: str) -> Result:
        """Run supervisorctl in the pod."""
        return ctl("--socket", self.control, *words)

    def fleet_shown(self) -> Json:
        """The fleet, with a fresh look at the Lease."""
        code, out, err = self.ctl("fleet", "--json")
        assert (0, "") == (code, err), self.program.story()
        found: Json = json.loads(out)
        return found

    def told(self, text: str) -> list[str]:
        """The lines of its log with a text."""
        return [line for line in self.program.err.seen if text in line]

    def expect_told(self, text: str, timeout: float = PATIENCE) -> None:
        def logged() -> None:
            assert self.told(text), self.program.story()

        wait_until(logged, timeout)


class Gate:
    """The way of a pod to one content: a reload that ends when, and as, the test wishes.

    The app reads nothing by it.
    """

    def __init__(self, pod: Pod, content: str) -> None:
        self._fifo = f"{pod.root}.gate"
        os.mkfifo(self._fifo)
        passes = f"! grep -q {content} {pod.root}/{KEY}"
        self.option = f"--reload-exec=sh -c '{passes} || exit $(cat {self._fifo})'"

    def open(self, code: int = 0) -> None:
        """Let the reload end with a code, once it waits for that."""

        def waits() -> None:
            try:
                fifo = os.open(self._fifo, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                raise AssertionError(self._fifo) from error
            with os.fdopen(fifo, "w") as file:
                file.write(f"{code}\n")

        wait_until(waits, PATIENCE)


class Group:
    """Pods on one ConfigMap; the first of them is the canary of the contents that it is made for.

    All start on the content `one`, which is good. A busy machine may have another pod ask first: a
    test that must not see that pins the trial.
    """

    def __init__(self, run: Run, kube: Kube, scratch: Path) -> None:
        self.run = run
        self.kube = kube
        self.scratch = os.fspath(scratch)
        self.pods: list[Pod] = []

    def pod(self, identity: str) -> Pod:
        """One more pod, to be started."""
        self.pods.append(Pod(self.run, self.kube, self.scratch, identity))
        return self.pods[-1]

    def start(
        self, *later: str, pods: int = 3, options: Sequence[str] = (), soon: bool = True
    ) -> list[Pod]:
        """Start pods; see `identities` for the later contents."""
        for own in identities(pods, *later, soon=soon):
            self.pod(own)
        return self._started(options)

    def start_pinned(self, *later: str, pods: int = 3, options: Sequence[str] = ()) -> list[Pod]:
        """Start pods of which only the first is ever a canary, however late it is."""
        for own in prompt_identities(pods, *later):
            self.pod(own)
        for follower in self.pods[1:]:
            follower.options.append(FOLLOW)
        return self._started(options)

    def _started(self, options: Sequence[str]) -> list[Pod]:
        self.kube.create("web", {KEY: "one"})
        first, *others = self.pods
        first.start(VERIFY, *options)
        self.expect_good("one")
        for one in others:
            one.start(VERIFY, *options)
        for one in self.pods:
            one.expect("one")
            one.expect_good()
        return self.pods

    def change(self, content: str) -> None:
        self.kube.change("web", {KEY: content})

    def annotation(self, name: str) -> str:
        """An annotation of the Lease; empty without it."""
        lease = self.kube.lease(FLEET) or {"metadata": {}}
        return str((lease["metadata"].get("annotations") or {}).get(f"{PREFIX}{name}", ""))

    def expect_good(self, *contents: str) -> None:
        expected = [version(content) for content in contents]
        until(lambda: self.annotation("good").split(), expected, PATIENCE)

    def expect_bad(self, content: str, reason: str, pod: Pod) -> None:
        expected = f"{version(content)}={reason}@{pod.name}"
        until(lambda: self.annotation("bad").split()[:1], [expected], PATIENCE)

    def holder(self) -> str:
        lease = self.kube.lease(FLEET) or {"spec": {}}
        return str(lease["spec"].get("holderIdentity") or "")

    def delete_lease(self) -> None:
        self.kube.delete(FLEET, kind="lease")
