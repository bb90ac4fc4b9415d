"""Events of a fleet of whole programs, and their silence at rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fake_kube import FakeKube
from tests.harness import Run, only_process, until
from tests.sync.fleet_pods import KEY, PATIENCE, VERIFY, Group, Pod, prompt_identities, version

VERDICTS = {"ConfigOnTrial": "Normal", "ConfigApproved": "Normal", "ConfigCondemned": "Warning"}

pytestmark = [only_process, pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def group(run: Run, fake: FakeKube, tmp_path: Path) -> Group:
    run.surroundings["POD_NAMESPACE"] = fake.namespace
    return Group(run, fake, tmp_path)


@pytest.fixture
def beside(run: Run, fake: FakeKube, tmp_path: Path) -> Pod:
    """A pod of another fleet and another user."""
    fake.create("other", {KEY: "one"})
    (own,) = prompt_identities(1)
    pod = Pod(run, fake, str(tmp_path), f"other-{own}")
    access = fake.user_kubeconfig(f"{tmp_path}/other")
    source = f"--configmap={fake.namespace}/other"
    pod.options += ["--fleet=other", source, f"--kubeconfig={access}", VERIFY]
    return pod


def expect_events(fake: FakeKube, pod: Pod, *reasons: str) -> None:
    """Wait for these Events about verdicts, all of the same pod, and no others."""
    expected = [(reason, VERDICTS[reason], pod.name, pod.uid, pod.name) for reason in reasons]

    def told() -> list[tuple[str, ...]]:
        return [
            (
                one["reason"],
                one["type"],
                one["regarding"]["name"],
                one["regarding"]["uid"],
                one["reportingInstance"],
            )
            for one in fake.reported.all
            if one["reason"] in VERDICTS
        ]

    until(told, expected, PATIENCE)


def expect_quiet(fake: FakeKube, pods: list[Pod], beside: Pod) -> None:
    """The pods send no request and write no line while another fleet comes and goes."""
    requests = len(fake.log)
    lines = [list(pod.program.err.seen) for pod in pods]
    before = fake.lease("other")

    fake.bookmark()  # an event without content, at rest
    beside.start()
    beside.expect("one")
    beside.expect_state("settled")
    beside.end()

    assert before != fake.lease("other")
    assert [] == [ask for ask in fake.log[requests:] if ask.token == fake.token]
    assert lines == [pod.program.err.seen for pod in pods]


def test_verdicts_are_told_once_and_then_all_rest(
    group: Group, fake: FakeKube, beside: Pod
) -> None:
    """Through a good version and a bad one; only the canary tells of its trials."""
    pods = group.start_pinned("two", "bad")
    for pod in pods:
        pod.restart(VERIFY, "--events")
    canary = pods[0]

    group.change("two")
    for pod in pods:
        pod.expect("one", "two")
        pod.expect_state("settled")
    story = ["ConfigOnTrial", "ConfigApproved"]
    expect_events(fake, canary, *story)
    until(fake.watchers, len(pods), PATIENCE)
    until(lambda: fake.reported.reasons().count("ReloadSucceeded"), len(pods), PATIENCE)
    expect_quiet(fake, pods, beside)

    group.change("bad")
    for pod in pods:
        pod.expect_state("condemned", "verify")
    story += ["ConfigOnTrial", "ConfigCondemned"]
    expect_events(fake, canary, *story)
    note = fake.reported.all[-1]["note"]
    assert f"configuration {version('bad')[:8]} is bad for the fleet web: verify" == note
