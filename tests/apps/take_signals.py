"""Takes HUP in the way of its argument, prints it, and prints `ready` once it can.

The ways: `handler`, `sigwait`, `sigtimedwait`, `signalfd`, `thread` (a thread waits, all block),
`poll` (looks for pending signals, and never waits), `open` (a thread waits, and the main thread
leaves HUP to its default action), `other` (waits for USR1 only), `blocked` (never takes it),
`ignored`, `default`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable

HUP = signal.SIGHUP


def say(what: object) -> None:
    os.write(1, f"{what}\n".encode())  # print may not be entered again from a handler


def block(*signals: int) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)


def wait_in_turn() -> None:
    while True:
        say(int(signal.sigwait([HUP])))


def wait_apart() -> None:
    block(HUP)
    wait_in_turn()


def read_descriptor() -> None:
    mask = struct.pack("=Q", 1 << (HUP - 1))
    fd = ctypes.CDLL(None).signalfd(-1, mask, 0)
    while True:
        say(struct.unpack_from("=I", os.read(fd, 128))[0])


def ask_often() -> None:
    while True:
        if HUP in signal.sigpending():
            say(int(signal.sigwait([HUP])))
        time.sleep(0.05)


def wait_for_a_while() -> None:
    while True:
        if found := signal.sigtimedwait([HUP, signal.SIGUSR2], 0.01):
            say(found.si_signo)


def main(way: str) -> None:
    if way in {"sigwait", "sigtimedwait", "signalfd", "thread", "poll", "blocked"}:
        block(HUP)
    if way in {"thread", "open"}:
        threading.Thread(target=wait_apart, daemon=True).start()
    if way == "handler":
        signal.signal(HUP, lambda signum, _: say(signum))
    elif way == "ignored":
        signal.signal(HUP, signal.SIG_IGN)
    say("ready")
    bodies: dict[str, Callable[[], object]] = {
        "sigwait": wait_in_turn,
        "signalfd": read_descriptor,
        "poll": ask_often,
        "sigtimedwait": wait_for_a_while,
        "other": lambda: signal.sigwait([signal.SIGUSR1]),
    }
    bodies.get(way, threading.Event().wait)()


main(sys.argv[1])
