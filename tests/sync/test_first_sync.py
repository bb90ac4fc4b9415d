"""The first configuration, when its rights or objects come late: before the deadline the app
starts.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import pytest

from tests.fake_kube import FakeKube
from tests.fake_kube_users import ADMIN
from tests.harness import Run, only_process
from tests.sync.subject import Subject

DEADLINE = 10.0

pytestmark = only_process  # PID 1 makes no difference here


@pytest.fixture
def subject(run: Run, fake: FakeKube, tmp_path: os.PathLike[str]) -> Subject:
    fake.create("web", {"app.conf": "one"})
    return Subject(run, fake, os.fspath(tmp_path))


def withhold_role(fake: FakeKube) -> Callable[[], None]:
    fake.allow(ADMIN)
    return lambda: fake.allow_all(ADMIN)


def withhold_server(fake: FakeKube) -> Callable[[], None]:
    fake.down()
    return fake.up


def overload(fake: FakeKube) -> Callable[[], None]:
    fake.answer_next("read", 429, headers={"Retry-After": "30"}, times=-1)
    return fake.clear


def hang(fake: FakeKube) -> Callable[[], None]:
    fake.freeze()
    return fake.thaw


@pytest.mark.parametrize("withhold", [withhold_role, withhold_server, overload, hang])
@pytest.mark.parametrize("before", [pytest.param(4.5, marks=pytest.mark.slow), 2.5])
def test_content_shortly_before_the_deadline_starts_the_app(
    subject: Subject,
    fake: FakeKube,
    withhold: Callable[[FakeKube], Callable[[], None]],
    before: float,
) -> None:
    """A role granted 40 s after the start once came too late for a third of the pods, with a
    deadline of 60 s.
    """
    grant = withhold(fake)
    timer = threading.Timer(DEADLINE - before, grant)
    timer.start()
    program = subject.start(f"--initial-sync-timeout={DEADLINE:g}s")
    program.expect("config: one", DEADLINE + 5)
    timer.join()


def test_missing_source_is_named_at_the_end(subject: Subject, fake: FakeKube) -> None:
    fake.allow(ADMIN)
    place = os.path.join(os.path.dirname(subject.root), "termination-log")
    with open(place, "w"):
        pass
    subject.start("--initial-sync-timeout=4s", env={"TERMINATION_LOG": place}).finish(125)
    with open(place) as file:
        assert "cannot read configmap production/web: forbidden" in file.read()
