"""Tells when the program under test imports its modules: found through PYTHONPATH, before any of
them.

Writes `early NAME` or `safe NAME` to stderr for each import of a module of the program, the first
as long as TERM is not blocked.
"""

from __future__ import annotations

import os
import signal
import sys


def tell(event: str, args: tuple[object, ...]) -> None:
    if event == "import" and str(args[0]).startswith("config_supervisor."):
        early = signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
        os.write(2, f"{'early' if early else 'safe'} {args[0]}\n".encode())


sys.addaudithook(tell)
