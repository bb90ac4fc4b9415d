"""A Kubernetes source at work in its thread, and a sink that records its reports."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from config_supervisor.sources.interface import Content, Failure, Label
from config_supervisor.sources.kubernetes.credentials import Access
from config_supervisor.sources.kubernetes.kubernetes_source import KubernetesSource
from config_supervisor.sources.kubernetes.retry_pace import Timing
from tests.fake_kube import WatchList
from tests.fake_kube_request import Ask
from tests.harness import wait_until

# Short pauses, and watches that last longer than a test.
QUICK = Timing(
    connect=2,
    list=2,
    watch=(60, 60),
    slack=5,
    base=0.02,
    cap=0.2,
    spread=0.05,
    refusal=(0.05, 0.1),
    crowd=(0.1, 0.1),
    poll=(0.1, 0.2),
)

# A test on a server that begins a watch with the object, and on a server that does not.
both_ways = pytest.mark.parametrize(
    "release", [WatchList.OFFERED, WatchList.GATED], indirect=True, ids=["watchlist", "list"]
)
by_list = pytest.mark.parametrize("release", [WatchList.GATED], indirect=True, ids=["list"])


class Recorder:
    """A sink that keeps every call with its time.

    Once `over`, it ends the thread of the next caller.
    """

    def __init__(self) -> None:
        self.over = False
        self.calls: list[tuple[float, str, Any]] = []

    def _note(self, name: str, value: Any) -> None:
        if self.over:
            raise SystemExit
        self.calls.append((time.monotonic(), name, value))

    def read(self, content: Content | None, missing: str = "", saw: str = "") -> None:
        del missing
        if saw:
            self._note("watched", saw)
        self._note("read", content)

    def connected(self) -> None:
        self._note("connected", True)

    def disconnected(self) -> None:
        self._note("connected", False)

    def contact(self) -> None:
        self._note("contact", None)

    def watched(self, kind: str) -> None:
        self._note("watched", kind)

    def restarted(self, reason: str) -> None:
        self._note("restarted", reason)

    def failed(self, failure: Failure, retry_in: float) -> None:
        self._note("failed", (failure, retry_in))


class Following:
    """A source that runs until `end`, and its reports."""

    def __init__(self, label: Label, access: Access, timing: Timing = QUICK, **how: Any) -> None:
        """`how`: options of the source, due and revisions."""
        self.source = KubernetesSource(label, access, timing, **how)
        self._sink = Recorder()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(SystemExit):
            self.source.run(self._sink)

    def reports(self, name: str) -> list[Any]:
        return [value for _, kind, value in tuple(self._sink.calls) if kind == name]

    def when(self, name: str) -> list[float]:
        """The times of the reports of a kind, by the monotonic clock."""
        return [at for at, kind, _ in tuple(self._sink.calls) if kind == name]

    @property
    def calls(self) -> list[tuple[float, str, Any]]:
        """All reports: time, kind, value."""
        return list(self._sink.calls)

    @property
    def contents(self) -> list[Content | None]:
        return self.reports("read")

    @property
    def reads(self) -> list[dict[str, bytes] | None]:
        """The files of each read; None for a missing object."""
        return [None if content is None else dict(content.files) for content in self.contents]

    @property
    def failures(self) -> list[Failure]:
        return [failure for failure, _ in self.reports("failed")]

    def expect_reads(self, *expected: dict[str, bytes] | None) -> None:
        """Wait for exactly these contents, in this order."""

        def told() -> None:
            assert list(expected) == self.reads

        wait_until(told)

    def expect_last_read(self, expected: dict[str, bytes]) -> None:
        """Wait for this content as the newest."""

        def told() -> None:
            assert expected == self.reads[-1]

        wait_until(told)

    def expect(self, name: str, value: object) -> None:
        """Wait for a report of a kind with this value."""

        def said() -> None:
            assert value in self.reports(name)

        wait_until(said)

    def expect_failure(self, *parts: str) -> Failure:
        """Wait for the first failure; its message must contain all the parts."""

        def failing() -> None:
            assert self.failures

        wait_until(failing)
        for part in parts:
            assert part in self.failures[0].message
        return self.failures[0]

    def expect_watching(self, times: int = 1) -> None:
        """Wait until a watch was established so often."""

        def watching() -> None:
            assert times <= self.reports("connected").count(True)
            assert self.reports("connected")[-1]

        wait_until(watching)

    def expect_events(self, count: int) -> None:
        """Wait for a number of watch events."""

        def counted() -> None:
            assert count <= len(self.reports("watched"))

        wait_until(counted)

    def expect_end(self) -> None:
        """Wait until `run` returns by itself."""
        self._thread.join(10)
        assert not self._thread.is_alive()

    def end(self) -> None:
        """End the thread at its next report: at the latest when the server goes down."""
        self._sink.over = True


def gaps(asks: list[Ask]) -> list[float]:
    """The seconds between logged requests."""
    return [later.at - sooner.at for sooner, later in itertools.pairwise(asks)]


def until_count(count: int, things: Callable[[], list[Any]]) -> None:
    """Wait until there are at least `count` things."""

    def enough() -> None:
        assert count <= len(things())

    wait_until(enough)
