"""Two pods with two services each: a fleet for each service."""

from __future__ import annotations

import os
import shlex
from functools import partial
from pathlib import Path

import pytest

from config_supervisor.core.content import Entry, version_of
from config_supervisor.core.versions import short
from config_supervisor.fleet.policy import place
from tests.fake_kube import FakeKube
from tests.harness import Program, Run, app, only_process, until
from tests.process.services import section, written
from tests.sync.fleet_pods import PREFIX
from tests.sync.windows import closed_window

pytestmark = only_process

GOOD = {"a.conf": "a one", "b.conf": "b one"}
BAD = {"a.conf": "a bad", "b.conf": "b two"}
REFUSED = {"a.conf": "a invalid", "b.conf": "b bad"}
LATER = {"a.conf": "a three", "b.conf": "b three"}


def name_of(service: str, files: dict[str, str]) -> str:
    key = f"{service}.conf"
    return version_of({key: Entry(files[key].encode())}).digest


def identity(pod: str, *contents: dict[str, str]) -> str:
    """An identity that asks soon for all versions of both services."""
    names = [(service, name_of(service, files)) for service in "ab" for files in contents]
    for number in range(10**7):
        own = f"{pod}/{number}"
        if all(place(f"{own}/{service}", name) < 0.15 for service, name in names):
            return own
    raise AssertionError


class Pod:
    def __init__(self, run: Run, fake: FakeKube, scratch: Path, own: str, *further: str) -> None:
        self.name, _, uid = own.partition("/")
        where = scratch / self.name
        where.mkdir()
        self.live = where / "live"
        sections = [self._section(one) for one in "ab"]
        options = [
            "--services",
            written(where, sections),
            "--fleet=web",
            f"--configmap={fake.namespace}/web",
            f"--configroot={self.live}",
            f"--kubeconfig={fake.kubeconfig}",
            f"--namespace={fake.namespace}",
            "--reload-interval=0s",
            "--listen=off",
            "--verify-window=200ms",
            "--fleet-bake=500ms",
            "--fleet-spread=500ms",
            *further,
        ]
        env = {"POD_NAME": self.name, "POD_NAMESPACE": fake.namespace, "POD_UID": uid}
        self.program: Program = run(options=options, env=env)

    def _section(self, service: str) -> str:
        file = self.live / service / f"{service}.conf"
        return section(
            service,
            command=shlex.join(app("read_config.py", file)),
            config_keys=f"{service}.conf",
            validate="sh -c '! grep -q invalid {dir}/*'",
            verify="sh -c '! grep -q bad {dir}/*'",
        )

    def files(self) -> list[tuple[str, int]]:
        """The live files of both services: content and inode."""
        found = [self.live / one / f"{one}.conf" for one in "ab"]
        return [(file.read_text(), file.stat().st_ino) for file in found]

    def taken(self, service: str) -> list[str]:
        begin = f"config: {service} "
        return [
            line.removeprefix(begin) for line in self.program.out.seen if line.startswith(begin)
        ]


def annotation(fake: FakeKube, lease: str, name: str) -> str:
    found = fake.lease(lease) or {"metadata": {}}
    return str((found["metadata"].get("annotations") or {}).get(f"{PREFIX}{name}", ""))


def start(run: Run, fake: FakeKube, scratch: Path, *later: dict[str, str]) -> list[Pod]:
    """Two pods, of which only the first may be a canary."""
    fake.create("web", GOOD)
    roles = ("canary", "follower")
    owns = [identity(f"web-{number}", GOOD, *later) for number in range(len(roles))]
    return [
        Pod(run, fake, scratch, own, f"--fleet-role={role}")
        for own, role in zip(owns, roles, strict=True)
    ]


@pytest.fixture
def pods(run: Run, fake: FakeKube, tmp_path: Path) -> list[Pod]:
    found = start(run, fake, tmp_path, BAD)
    for service in "ab":
        good = partial(annotation, fake, f"web-{service}", "good")
        until(good, name_of(service, GOOD), 30)
    return found


def test_verdict_is_about_one_service(pods: list[Pod], fake: FakeKube) -> None:
    first, second = pods

    fake.change("web", BAD)

    for pod in pods:
        until(partial(pod.taken, "b"), ["one", "two"], 30)
    until(lambda: first.taken("a"), ["one", "bad", "one"], 30)
    until(lambda: annotation(fake, "web-a", "bad"), f"{name_of('a', BAD)}=verify@{first.name}")
    assert ["one"] == second.taken("a")
    assert "" == annotation(fake, "web-b", "bad")
    bad = short(name_of("a", BAD))
    first.program.err.expect(f"a: fleet web-a: this pod tries configuration {bad}")
    first.program.err.expect(f"a: fleet web-a: this pod condemned configuration {bad}: verify")
    second.program.err.expect(f"a: fleet web-a: configuration {bad} is condemned by web-0: verify")


@pytest.mark.slow
def test_services_fail_apart_and_follow_apart(run: Run, fake: FakeKube, tmp_path: Path) -> None:
    """One version is refused by its validation, the other by the running service. Neither reaches
    the other pod; the next versions of both do.
    """
    first, second = start(run, fake, tmp_path, REFUSED, LATER)
    for service in "ab":
        until(partial(annotation, fake, f"web-{service}", "good"), name_of(service, GOOD), 30)
        until(partial(second.taken, service), ["one"])
    before = second.files()

    fake.change("web", REFUSED)
    for service, reason in (("a", "validate"), ("b", "verify")):
        expected = f"{name_of(service, REFUSED)}={reason}@web-0"
        until(partial(annotation, fake, f"web-{service}", "bad"), expected, 30)
    until(lambda: first.taken("b"), ["one", "bad", "one"], 30)
    assert ["one"] == first.taken("a")
    assert (["one"], ["one"], before) == (second.taken("a"), second.taken("b"), second.files())

    fake.change("web", LATER)
    until(lambda: second.taken("a"), ["one", "three"], 30)
    until(lambda: second.taken("b"), ["one", "three"], 30)
    assert ["one", "bad", "one", "three"] == first.taken("b")


class PodWithHours(Pod):
    """The first service takes no version now."""

    def _section(self, service: str) -> str:
        text = super()._section(service)
        return f"{text}\nreload_window = {closed_window()}\n" if service == "a" else text


@pytest.mark.slow
def test_hours_of_one_service_hold_that_one_alone(run: Run, fake: FakeKube, tmp_path: Path) -> None:
    fake.create("web", GOOD)
    pod = PodWithHours(run, fake, tmp_path, identity("web-0", GOOD, LATER))
    for service in "ab":
        until(partial(annotation, fake, f"web-{service}", "good"), name_of(service, GOOD), 30)

    fake.change("web", LATER)
    until(lambda: pod.taken("b"), ["one", "three"], 30)
    pod.program.err.expect("a: configuration .* waits: no reload window is open", 30)
    assert (["one"], "") == (pod.taken("a"), annotation(fake, "web-a", "trial"))


def test_two_services_have_two_fleets(run: Run, tmp_path: Path) -> None:
    keys = {"fleet": "web", "config_dir": os.fspath(tmp_path)}
    file = written(tmp_path, [section("a", **keys), section("b", **keys)])

    program = run(options=["--services", file])

    assert 2 == program.wait()
    program.err.expect("web is the fleet of a too; give each its own")
