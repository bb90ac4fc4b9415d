"""Work for a thread that waits for descriptors: in order, contained, refused after its end."""

from __future__ import annotations

import threading

import pytest

from config_supervisor.runtime import log
from config_supervisor.runtime.epoll_thread import EpollThread, Orders


class Worker:
    """A thread that obeys until it is ended."""

    def __init__(self) -> None:
        self.thread = EpollThread("work", "take a turn", 0.0)
        self.orders = Orders(self.thread, "obey")
        self.done: list[object] = []
        self.over = threading.Event()
        self.thread.start(self._turn)

    def _turn(self) -> None:
        for file, _ in self.thread.files.poll():
            assert file == self.orders.bell
            self.orders.silence()
            self.orders.obey(lambda: self.done.append("then"))

    def do(self, word: object) -> bool:
        return self.orders.post(lambda: self.done.append(word))

    def end(self) -> None:
        """Do the work that waits, in the middle of other work, and end."""
        self.orders.close()
        self.orders.obey()
        self.thread.end()
        self.over.set()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(log, "error", lambda message, **_: found.append(message))
    return found


def test_work_is_done_in_order_to_the_end(told: list[str]) -> None:
    worker = Worker()
    begun = threading.Event()
    gate = threading.Event()

    def wait() -> None:
        begun.set()
        gate.wait(5)

    worker.orders.post(wait)
    assert begun.wait(5)
    worker.orders.post(worker.end)
    assert [True, True] == [worker.do(number) for number in (1, 2)]
    gate.set()
    assert worker.over.wait(5)

    assert ["then", 1, 2] == worker.done[:3]
    assert not worker.do(3)
    assert [] == told


def test_a_fault_costs_its_piece_of_work_only(told: list[str]) -> None:
    worker = Worker()
    passed = threading.Event()
    for _ in range(3):
        worker.orders.post(lambda: 1 // 0)
    worker.orders.post(passed.set)
    assert passed.wait(5)
    worker.orders.post(worker.end)
    assert worker.over.wait(5)

    assert 1 == len(told)
    assert told[0].startswith("cannot obey: internal error: ZeroDivisionError")


def test_a_turn_that_fails_is_taken_again(told: list[str]) -> None:
    thread = EpollThread("work", "take a turn", 0.0)
    turns: list[int] = []
    over = threading.Event()

    def turn() -> None:
        turns.append(len(turns))
        if len(turns) < 3:
            raise OSError(5, "Input/output error")
        thread.end()
        over.set()

    thread.start(turn)
    assert over.wait(5)

    assert [0, 1, 2] == turns
    assert ["cannot take a turn: input/output error; all else goes on"] == told
