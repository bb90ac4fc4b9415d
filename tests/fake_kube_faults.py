"""Answers of the fake API server on order: scripted, or held back."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from config_supervisor.core.record import Record


class Answer(Record):
    """A scripted answer to the next `times` requests with a verb."""

    verb: str
    status: int
    body: bytes
    headers: Mapping[str, str]
    times: int


class Hold:
    """The next answer to a verb, kept back: computed, but not sent before `release`."""

    def __init__(self, verb: str) -> None:
        self.verb = verb
        self._arrived, self._released = threading.Event(), threading.Event()

    def wait(self, timeout: float = 10) -> None:
        """Return when the request has come and its answer is computed."""
        assert self._arrived.wait(timeout), f"no {self.verb} request came in {timeout} s"

    def release(self) -> None:
        self._released.set()

    def keep(self) -> None:
        """For the server: stand here."""
        self._arrived.set()
        self._released.wait(60)
