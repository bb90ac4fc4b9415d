"""Fleets of services as people meet them: orders, logs, metrics, the status page, waits."""

from __future__ import annotations

import json
import re
import shlex
from functools import partial
from pathlib import Path

import pytest

from config_supervisor.core.versions import short
from tests.fake_kube import FakeKube
from tests.fake_kube_kinds import Json
from tests.harness import Program, Run, app, only_process, until, wait_until
from tests.http import BROWSER, metric, port_of, request, status
from tests.process.controlled import Result, ctl
from tests.process.services import section, supervisord
from tests.sync.test_fleet_services import BAD, GOOD, Pod, annotation, identity, name_of

pytestmark = [only_process, pytest.mark.slow, pytest.mark.timeout(120)]

FAILED, WRONG = 1, 2  # exit codes
FOLLOW = "--fleet-role=follower"
PORT = "--listen=127.0.0.1:0"


class Three:
    """Three pods with two services each; the first tries all versions."""

    def __init__(self, run: Run, fake: FakeKube, scratch: Path) -> None:
        fake.create("web", GOOD)
        self._scratch = scratch
        owns = [identity(f"web-{number}", GOOD, BAD) for number in range(3)]
        roles = ("--fleet-role=canary", FOLLOW, FOLLOW)
        self.pods = [
            Pod(run, fake, scratch, own, role, PORT, "--events", f"--control={self._socket(own)}")
            for own, role in zip(owns, roles, strict=True)
        ]
        for pod in self.pods:
            for service in "ab":
                until(partial(pod.taken, service), ["one"], 30)
        self.ports = [port_of(pod.program) for pod in self.pods]

    def _socket(self, own: str) -> Path:
        return self._scratch / f"{own.partition('/')[0]}.sock"

    def ctl(self, pod: Pod, *words: str) -> Result:
        return ctl(f"--socket={self._socket(pod.name)}", *words)

    def done(self, pod: Pod, *words: str) -> str:
        code, out, err = self.ctl(pod, *words)
        assert (0, "") == (code, err), (out, pod.program.story())
        return out

    def shown(self, pod: Pod, *words: str) -> Json:
        found: Json = json.loads(self.done(pod, "fleet", "--json", *words))
        return found


@pytest.fixture
def three(run: Run, fake: FakeKube, tmp_path: Path) -> Three:
    return Three(run, fake, tmp_path)


def test_version_of_a_service_is_released_from_another_pod(three: Three, fake: FakeKube) -> None:
    """Condemned for a service, good for another: logs, pages and answers tell it; then released."""
    _, second, third = three.pods
    for pod in three.pods:
        assert "a: running on" in three.done(pod, "wait", "--fleet", "--timeout=30s")

    fake.change("web", BAD)

    until(lambda: annotation(fake, "web-a", "bad"), f"{name_of('a', BAD)}=verify@web-0", 30)
    until(partial(third.taken, "b"), ["one", "two"], 30)
    bad = short(name_of("a", BAD))
    told = f"a: fleet web-a: configuration {bad} is condemned by web-0: verify; supervisorctl fleet"
    third.program.err.expect(f"{told} approve --service a lets it pass")
    shown = three.shown(second)
    assert ["a", "b"] == list(shown)
    assert ("web-a", "condemned", None) == tuple(
        shown["a"][key] for key in ("group", "state", "lease_error")
    )
    assert {"b": shown["b"]} == three.shown(second, "--service=b")
    for lines in (three.done(second, "fleet"), three.done(second, "fleet", "status")):
        assert ["service", "a"] == lines.splitlines()[0].split()
        assert "service" in lines.splitlines()[1:][lines.splitlines()[1:].index("") + 1]
    _expect_metrics(three)
    notes = {(one["reason"], one["note"]) for one in fake.reported.all}
    for one in "ab":  # later Events may wait: those of a pod have a rate
        good = f"{one}: configuration {short(name_of(one, GOOD))} is good for the fleet web-{one}"
        assert ("ConfigApproved", good) in notes
    _expect_refusals(three, second)

    assert f"a: approved {bad}: " in three.done(second, "fleet", "approve", bad, "--service", "a")
    for pod, times in zip(three.pods, (2, 1, 1), strict=True):  # the first has tried it before
        until(partial(_took, pod, times), True, 30)
    second.program.err.expect(f"a: approve of {bad} ordered by uid")
    assert "b: running on" in three.done(third, "wait", "--fleet", "--service=b")


def _expect_metrics(three: Three) -> None:
    port, _, other = three.ports
    verdict = partial(metric, port, "fleet_verdicts_total", verdict="bad", reason="verify")
    until(partial(verdict, service="a"), 1.0)
    assert 0.0 == verdict(service="b")
    assert 0.0 != metric(port, "fleet_trial_seconds_count", service="b")
    state = partial(metric, other, "fleet_state")
    until(partial(state, service="a", state="condemned"), 1.0)
    until(partial(state, service="b", state="settled"), 1.0)
    assert 0.0 == metric(other, "fleet_holder", service="a")
    services = status(other)["services"]
    assert ["condemned", "settled"] == [services[one]["fleet"]["state"] for one in "ab"]
    page = re.sub("<[^>]*>", "", request(other, "/", accept=BROWSER)[1])
    for text in ("Fleet of a", "Fleet of b", "condemned: configuration", "settled: running on"):
        assert text in page


def _took(pod: Pod, times: int) -> bool:
    """Whether it took the version up so often; each time its verification puts it back."""
    return pod.taken("a").count("bad") >= times


def _expect_refusals(three: Three, pod: Pod) -> None:
    code, out, _ = three.ctl(pod, "fleet", "approve")
    assert (WRONG, "cannot approve: a, b are in fleets; name one with --service NAME\n") == (
        code,
        out,
    )
    code, out, _ = three.ctl(pod, "fleet", "approve", "--service=c")
    assert (FAILED, "cannot approve: c: there is no such service\n") == (code, out)
    code, out, _ = three.ctl(pod, "fleet", "approve", "123456", "--service=a")
    assert FAILED == code
    assert "no known version begins with 123456" in out
    code, out, _ = three.ctl(pod, "wait", "--fleet", "--timeout=1s")
    assert FAILED == code
    assert out.startswith("cannot wait for that: a: configuration")
    assert WRONG == three.ctl(pod, "fleet", "a", "approve")[0]
    three.done(pod, "stop", "a")
    code, out, _ = three.ctl(pod, "fleet", "approve", "--service=a")
    assert (FAILED, True) == (code, out.startswith("a: cannot approve: it is down"))
    assert "the Lease is not read: it is down" == three.shown(pod)["a"]["lease_error"]
    three.done(pod, "start", "a")
    wait_until(lambda: _settled(three, pod))


def _settled(three: Three, pod: Pod) -> None:
    assert "condemned" == three.shown(pod)["a"]["state"]


def under_supervisord(run: Run, fake: FakeKube, place: Path, **keys: object) -> Program:
    """A pod with a service of these keys, and with a service without a configuration."""
    fake.create("web", GOOD)
    name, _, uid = identity("web-0", GOOD).partition("/")
    socket = place / "supervisor.sock"
    return supervisord(
        run,
        place,
        f"[unix_http_server]\nfile = {socket}\n",
        f"[supervisorctl]\nserverurl = unix://{socket}\n",
        section("a", command=shlex.join(app("read_config.py", place / "live" / "a.conf")), **keys),
        section("b", "wait"),
        env={
            "POD_NAME": name,
            "POD_UID": uid,
            "CONFIG_SUPERVISOR_KUBECONFIG": str(fake.kubeconfig),
        },
    )


def test_only_fleet_needs_no_name_under_supervisord(
    run: Run, fake: FakeKube, tmp_path: Path
) -> None:
    """Its activity log has the lines, and the socket of its file takes the orders."""
    keys = {
        "fleet": "web",
        "fleet_bake": "100ms",
        "fleet_approve": "manual",
        "verify_window": "100ms",
        "configmap": f"{fake.namespace}/web",
        "config_keys": "a.conf",
        "configroot": tmp_path / "live",
        "namespace": fake.namespace,
    }
    program = under_supervisord(run, fake, tmp_path, **keys)
    file = f"-c{tmp_path}/supervisord.conf"
    program.expect("INFO a: fleet web: this pod tries configuration", 30)
    program.expect("a: fleet web: .*; supervisorctl fleet approve --service a lets it pass", 30)

    code, out, _ = ctl(file, "wait", "--fleet", "--timeout=100ms")
    assert (FAILED, True) == (code, out.startswith("not settled in the fleet within 0.1s: a: "))
    code, out, _ = ctl(file, "fleet", "approve", "--service=b")
    refused = "cannot approve: b: it is in no fleet; see the key fleet of a program\n"
    assert (FAILED, refused) == (code, out)
    code, out, _ = ctl(file, "fleet", "approve")
    assert (0, True) == (code, out.startswith("a: approved the newest version: "))
    assert 0 == ctl(file, "wait", "--fleet", "--timeout=30s")[0]
