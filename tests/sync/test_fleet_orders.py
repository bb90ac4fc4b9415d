"""Orders of people to a fleet of whole programs, given to other pods than the canary."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.fake_kube import FakeKube
from tests.harness import Run, only_process, until
from tests.sync.fleet_pods import (
    FOLLOW,
    KEY,
    PATIENCE,
    VERIFY,
    Group,
    Pod,
    prompt_identities,
    version,
)

LONG = "--fleet-bake=50s"  # longer than a test
MANUAL = "--fleet-approve=manual"
FAILED, WRONG = 1, 2  # exit codes

pytestmark = [only_process, pytest.mark.timeout(120)]


@pytest.fixture
def group(run: Run, fake: FakeKube, tmp_path: Path) -> Group:
    return Group(run, fake, tmp_path)


def short(content: str) -> str:
    return version(content)[:8]


def done(pod: Pod, *words: str) -> str:
    """The answer to an order, which must succeed."""
    code, out, err = pod.ctl(*words)
    assert (0, "") == (code, err), pod.program.story()
    return out


def refused(pod: Pod, *words: str, code: int = FAILED) -> str:
    """The words of an order that fails."""
    found, out, err = pod.ctl(*words)
    assert (code, "") == (found, out)
    return err


def deployed_by_hand(group: Group) -> list[Pod]:
    """Pods whose first version, too, waits for a person."""
    first, second, third = (group.pod(own) for own in prompt_identities(3, "two", "bad"))
    group.kube.create("web", {KEY: "one"})
    first.start(VERIFY, MANUAL)
    first.expect("one")
    first.expect_state("passed")
    done(first, "fleet", "approve")
    for pod in (second, third):
        pod.start(VERIFY, MANUAL, FOLLOW)
        pod.expect("one")
    for pod in group.pods:
        pod.expect_good()
        words = f"running on configuration {short('one')}\n"
        assert words == done(pod, "wait", "--fleet", "--timeout=60s")
    return group.pods


@pytest.mark.slow
def test_passed_version_waits_for_a_person(group: Group) -> None:
    """Of all pods, in any of them; the clients that wait for the fleet hear of it."""
    _, second, third = deployed_by_hand(group)

    group.change("two")
    for pod in group.pods:
        pod.expect_state("passed")
        seen = pod.fleet_shown()
        assert (version("two"), None, [version("one")]) == (
            seen["passed"],
            seen["trial"],
            seen["good"],
        )
    assert [["one", "two"], ["one"], ["one"]] == [pod.taken for pod in group.pods]
    late = refused(second, "wait", "--fleet", "--timeout=100ms")
    assert f"configuration {short('two')} has passed its trial; supervisorctl fleet approve" in late

    with ThreadPoolExecutor() as pool:
        waits = [pool.submit(pod.ctl, "wait", "--fleet", "--timeout=60s") for pod in group.pods]
        answer = done(third, "fleet", "approve")
        assert [0, 0, 0] == [one.result()[0] for one in waits]
    assert answer == "approved the newest version: the pods of the fleet take it without a trial\n"
    assert [["one", "two"]] * 3 == [pod.taken for pod in group.pods]
    group.expect_good("two", "one")
    # They followed at their places, as after any trial.
    assert ("", "") == (group.annotation("passed"), group.annotation("hurry"))

    group.change("bad")
    for pod in group.pods:
        pod.expect_state("condemned", "verify")
        told = refused(pod, "wait", "--fleet", "--timeout=60s")
        assert f"configuration {short('bad')} is condemned" in told
    assert [["one", "two"]] * 2 == [pod.taken for pod in (second, third)]


def condemned_by_hand(group: Group) -> list[Pod]:
    """Pods that hold `two`: a person has ended its trial at another pod."""
    first, second, third = group.start_pinned("two")
    first.restart(VERIFY, LONG)
    group.change("two")
    first.expect("one", "two")
    second.expect_state("waiting")

    answer = done(second, "fleet", "condemn", version("two")[:12])
    assert f"condemned {short('two')}: no further pod takes it\n" == answer
    first.expect("one", "two", "one")
    for pod in group.pods:
        pod.expect_state("condemned", "manual")
    seen = third.fleet_shown()
    sentence = {"version": version("two"), "reason": "manual", "pod": second.name}
    assert ([sentence], None, None) == (seen["bad"], seen["trial"], seen["holder"])
    assert (version("two"), version("one")) == (seen["newest"], seen["running"])
    assert f"{short('two')}: manual at {second.name}\n" in done(third, "fleet")

    return group.pods


@pytest.mark.slow
def test_orders_from_any_pod_reach_all(group: Group, fake: FakeKube) -> None:
    """A trial is condemned; the version is approved all the same, recalled, and tried again."""
    first, second, third = condemned_by_hand(group)

    # Break glass: at once, without a trial.
    done(third, "fleet", "approve")
    for pod in (second, third):
        pod.expect("one", "two")
    first.expect("one", "two", "one", "two")
    assert [] == third.fleet_shown()["bad"]
    for pod in group.pods:
        pod.expect_state("settled")

    answer = done(second, "fleet", "recall")
    assert answer.startswith("recalled the newest version: the pods that run on it go back")
    assert version("two") == group.annotation("recall")
    second.expect("one", "two", "one")
    # It listens for what comes; the pods at rest do not.
    until(fake.watchers, len(group.pods) + 1, PATIENCE)
    assert ["two", "two"] == [pod.live() for pod in (first, third)]
    fake.annotate("web", "config-supervisor/look", "1")
    for pod in group.pods:
        pod.expect_state("condemned", "manual")
        until(pod.live, "one", PATIENCE)

    done(third, "fleet", "clear")
    first.expect_state("canary")
    assert ("", "") == (group.annotation("bad"), group.annotation("recall"))
    assert ["one", "two", "one"] == second.taken == third.taken


def test_orders_that_fail_tell_why(group: Group, fake: FakeKube) -> None:
    (only,) = group.start("two", pods=1)

    unknown = refused(only, "fleet", "approve", "abcdef")
    assert "cannot approve a version: no known version begins with abcdef" in unknown
    assert "6 digits or more" in refused(only, "fleet", "condemn", "abc", code=WRONG)
    assert "there is status, approve" in refused(only, "fleet", "accept", code=WRONG)
    assert "clear does not take" in refused(only, "fleet", "clear", "abcdef", code=WRONG)
    before = fake.lease("web")

    fake.forbid("update leases")
    assert "cannot condemn a version: " in refused(only, "fleet", "condemn")
    assert before == fake.lease("web")
