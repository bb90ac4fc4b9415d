"""Runs the supervisor with its arguments and prints the imported modules on stderr at two moments.

tell_modules.py PATH ARG...: PATH, folders joined by colons, holds the supervisor and its libraries.
To be run with -S -I: only the interpreter and this file load modules before, so the lists show the
needs of the program, whatever is installed beside it. The line `imported WHEN NAME...` comes twice:
`before` the start of the first process, which must be the app, and `after` the next WINCH, just
before it is forwarded.

Imports for a time after the app's start (LATE) are held back until then: on a busy machine they
would come first now and then. They are held for some seconds only, so the first list still shows
an import for which the start waits.
"""

from __future__ import annotations

import _thread
import posix
import sys

LATE = (
    "config_supervisor.observe.metrics",
    "config_supervisor.observe.pages",
    "config_supervisor.control.server",
    "inotify_simple",
)
HELD = 4.0  # seconds
WINCH = 28  # `signal` has it, and must not be imported here
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
    elif event == "os.kill" and args[1] == WINCH:
        tell("after")


def tell(when: str) -> None:
    if when in told:
        return
    told.add(when)
    posix.write(2, f"imported {when} {' '.join(sorted({*sys.modules} - own))}\n".encode())
    if when == "before":
        started.release()


sys.path += sys.argv.pop(1).split(":")
sys.modules.update({ABSENT: None})  # type: ignore[dict-item] # an import of it fails
own = {*sys.modules}
sys.addaudithook(watch)

from config_supervisor.__main__ import main  # noqa: E402 - the subject, after what watches it

main()
