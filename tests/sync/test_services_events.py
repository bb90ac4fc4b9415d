"""Events of the pod about several services."""

from __future__ import annotations

from pathlib import Path

from tests.fake_kube import FakeKube
from tests.fake_kube_users import ADMIN, Rule
from tests.harness import Run, wait_until
from tests.process.services import section, written

TELL = Rule(("create",), ("events",))


def test_failure_and_end_are_told_before_the_exit(run: Run, fake: FakeKube, tmp_path: Path) -> None:
    fake.allow(ADMIN, TELL)
    file = written(
        tmp_path,
        [section("web", "wait", startsecs=0), section("bad", "end=3", startretries=0)],
    )
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    pod = {"POD_NAME": "web-0", "POD_NAMESPACE": fake.namespace, "POD_UID": "0c1c-77"}
    program = run(
        options=["--events", f"--kubeconfig={fake.kubeconfig}", "--services", file],
        env={**pod, "TMPDIR": str(scratch)},
    )
    program.finish(3)
    assert [] == list(scratch.iterdir())  # no keys of the kubeconfig

    def told() -> None:
        assert ["ServiceFailed", "ContainerEnds"] == fake.reported.reasons(), program.story()

    wait_until(told)
    notes = [event["note"] for event in fake.reported.all]
    assert "bad: exit status 3, after 1 start; it is given up (FATAL)" == notes[0]
    assert "bad is down for good: exit status 3, after 1 start; exit code 3" == notes[1]
