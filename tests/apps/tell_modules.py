"""Runs the supervisor with these arguments and tells on stderr which modules it has imported, and when.

tell_modules.py PATH ARG...: PATH is its sys.path, joined by colons. Run with -S -I: nothing but the interpreter and
what stands here is loaded before, so that a list shows what the program needs, whatever is installed beside it.
`imported WHEN NAME...` is written twice: as `before` when the app is about to be started, and as `after` when WINCH
is forwarded to it.

What has to wait for the app (see LATE) is held back until the app was started: on a busy machine it would come first
now and then. It is held for some seconds only: who needs it to start the app is found in the first list.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys

LATE = ("supervisor.metrics", "supervisor.web", "supervisor.control", "inotify_simple")
HELD = 5.0  # seconds

started = _thread.allocate_lock()
started.acquire()
told: set[str] = set()


def watch(event: str, args: tuple[object, ...]) -> None:
    """The audit hook (PEP 578): hears of each import, and of os.fork and os.kill before they happen."""
    if event == "import" and args[0] in LATE and "before" not in told:
        started.acquire(timeout=HELD)
        if started.locked():
            started.release()  # for the next one that waits
    elif event == "os.fork":
        tell("before")
    elif event == "os.kill" and args[1] == signal.SIGWINCH:
        tell("after")


def tell(when: str) -> None:
    if when in told:
        return
    told.add(when)
    os.write(2, f"imported {when} {' '.join(sorted(set(sys.modules) - before))}\n".encode())
    if when == "before":
        started.release()


sys.path[:] = sys.argv.pop(1).split(":")
sys.modules["kubernetes_validate"] = None  # type: ignore[assignment]
before = {*sys.modules}
sys.addaudithook(watch)

from supervisor.__main__ import main  # noqa: E402 - it is what is watched

main()
