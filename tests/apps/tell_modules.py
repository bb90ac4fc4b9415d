"""Runs the supervisor with these arguments and tells on stderr which modules it has imported, and
when.

tell_modules.py PATH ARG...: PATH, folders joined by colons, is where the supervisor and its
libraries are. To be run with -S -I: then nothing but the interpreter and what stands here is loaded
first, so that a list shows what the program needs, whatever is installed beside it. A line
`imported WHEN NAME...` comes twice: `before` when the first process is about to be started, which
must be the app, and `after` when WINCH is about to be forwarded to it.

What has to wait for the app (LATE) is held back until it was started: on a busy machine it would
come first now and then, as that is a matter of milliseconds. It is held for some seconds only, so
that what the app's start does wait for is found in the first list.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys

LATE = (
    "config_supervisor.observe.metrics",
    "config_supervisor.observe.pages",
    "config_supervisor.control.server",
    "inotify_simple",
)
HELD = 4.0  # seconds
# The tests use it, no image has it, and the Kubernetes client imports it where it is.
ABSENT = "kubernetes_validate"

started = _thread.allocate_lock()
started.acquire()
told: set[str] = set()


def watch(event: str, args: tuple[object, ...]) -> None:
    """The audit hook (PEP 578): hears of imports, and of os.fork and os.kill before they happen."""
    if event == "import" and args[0] in LATE and "before" not in told:
        if started.acquire(timeout=HELD):
            started.release()  # for the next one that waits
    elif event == "os.fork":
        tell("before")
    elif event == "os.kill" and args[1] == signal.SIGWINCH:
        tell("after")


def tell(when: str) -> None:
    if when in told:
        return
    told.add(when)
    os.write(2, f"imported {when} {' '.join(sorted({*sys.modules} - own))}\n".encode())
    if when == "before":
        started.release()


sys.path += sys.argv.pop(1).split(":")
sys.modules.update({ABSENT: None})  # type: ignore[dict-item] # an import of it fails
own = {*sys.modules}
sys.addaudithook(watch)

from config_supervisor.__main__ import main  # noqa: E402 - the subject, after what watches it

main()
