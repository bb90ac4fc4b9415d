"""Versions that wait, in the whole program: for a reload window, and for the end of a pause."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from config_supervisor.core.source_states import PAUSE
from tests.fake_kube import FakeKube
from tests.harness import Run, until
from tests.http import BROWSER, get, request, status
from tests.process.controlled import ctl
from tests.sync.subject import Kube, Subject
from tests.sync.windows import Opening, closed_window

_SOON = 5  # seconds


@pytest.fixture
def subject(run: Run, kube: Kube, tmp_path: os.PathLike[str]) -> Subject:
    return Subject(run, kube, os.fspath(tmp_path))


def test_version_outside_of_windows_waits_for_an_order(subject: Subject, tmp_path: Path) -> None:
    socket = tmp_path / "control.sock"
    program = subject.running(f"--reload-window={closed_window()}", f"--control={socket}")
    subject.change("two")
    found = program.err.expect(
        r"configuration \w{8} waits: no reload window is open; the next opens at (\S+)"
    )

    opens = time.strptime(found[1], "%Y-%m-%dT%H:%M:%SZ")
    assert (0, 0) == (opens.tm_min, opens.tm_sec)
    assert {"app.conf": b"one"} == subject.live()
    code, _, err = ctl(f"--socket={socket}", "wait", "--synced", "--timeout=10ms")
    assert code != 0
    assert "a newer configuration waits: no reload window is open" in err
    code, out, _ = ctl(f"--socket={socket}", "reload")
    assert (0, True) == (code, out.startswith("reloaded on configuration"))
    program.expect("config: two")
    until(lambda: subject.metric("config_held", reason="window"), 0)


def test_version_that_waits_is_shown_with_the_reason(subject: Subject) -> None:
    program = subject.running(f"--reload-window={closed_window()}")
    subject.change("two")
    program.err.expect("waits: no reload window is open")
    until(lambda: subject.metric("config_held", reason="window"), 1)

    config = status(subject.port)["config"]
    assert config["stale"]
    assert config["stale_reason"].startswith("no reload window is open; the next opens at ")
    code, body = get(subject.port, "/readyz")
    assert (200, True) == (code, "a newer configuration waits: no reload window is open" in body)
    page = request(subject.port, "/", accept=BROWSER)[1]
    assert "the newest version waits: no reload window is open" in page.replace("\n", " ")
    assert 0 == subject.metric("config_held", reason="pause")


def test_waiting_version_is_applied_when_its_window_opens(subject: Subject, tmp_path: Path) -> None:
    """The zone has nine o'clock in some seconds."""
    opening = Opening(tmp_path / "zones", _SOON)
    subject.kube.create("web", {"app.conf": "one"})
    window = f"--reload-window={opening.text}"
    program = subject.start(window, "--reload-interval=0s", env=opening.env)
    program.expect("config: one")
    program.expect("ready")
    subject.change("two")
    program.expect("config: two")

    assert opening.at <= time.time() < opening.at + 2
    assert 1 >= sum("waits" in line for line in program.err.seen)


def test_annotation_pauses_and_its_end_applies_the_newest(subject: Subject) -> None:
    program = subject.running("--reload-interval=0s")
    subject.kube.annotate("web", PAUSE, "true")
    program.err.expect(rf"configmap \S+/web has the annotation {PAUSE}: new versions wait")
    subject.change("two")
    program.err.expect(rf"configuration \w{{8}} waits: paused by the annotation {PAUSE} of \S+")
    until(lambda: subject.metric("config_held", reason="pause"), 1)
    subject.change("three")
    until(lambda: subject.metric("reloads_coalesced_total"), 1)
    assert {"app.conf": b"one"} == subject.live()
    subject.kube.annotate("web", PAUSE, "false")
    program.expect("config: three")

    assert ["config: one", "ready", "config: three"] == program.out.seen
    assert 1 == sum("waits" in line for line in program.err.seen)


def test_app_starts_outside_of_windows_and_while_paused(subject: Subject, fake: FakeKube) -> None:
    fake.create("web", {"app.conf": "zero"})
    fake.annotate("web", PAUSE, "true")
    program = subject.start(f"--reload-window={closed_window()}")
    program.expect("config: zero")
    program.expect("ready")


@pytest.mark.slow
def test_one_source_of_two_is_enough_for_a_pause(subject: Subject, tmp_path: Path) -> None:
    kube = subject.kube
    kube.create("more", {"more.conf": "more"})
    socket = tmp_path / "control.sock"
    options = (f"--configmap={kube.namespace}/more", f"--control={socket}", "--reload-interval=0s")
    program = subject.running(*options)

    def reason() -> str:
        return str(status(subject.port)["config"]["stale_reason"])

    def expect_reason(*names: str) -> None:
        sources = ", ".join(f"configmap {kube.namespace}/{name}" for name in names)
        until(reason, f"paused by the annotation {PAUSE} of {sources}")

    kube.annotate("more", PAUSE, "true")
    program.err.expect(f"/more has the annotation {PAUSE}: new versions wait")
    subject.change("two")
    expect_reason("more")
    kube.annotate("web", PAUSE, "true")
    expect_reason("web", "more")
    kube.annotate("more", PAUSE, "false")
    expect_reason("web")
    kube.change("more", {"more.conf": "most"})
    until(lambda: subject.metric("reloads_coalesced_total"), 1)
    assert {"app.conf": b"one", "more.conf": b"more"} == subject.live()

    code, out, _ = ctl(f"--socket={socket}", "reload")
    assert (0, True) == (code, out.startswith("reloaded on configuration"))
    assert {"app.conf": b"two", "more.conf": b"most"} == subject.live()
    subject.change("three")
    expect_reason("web")
    kube.annotate("web", PAUSE, "false")
    program.expect("config: three")
