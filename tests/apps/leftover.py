"""An app that leaves a daemon in a session of its own behind.

leftover.py CODE KIND: prints `ready` when the daemon is up and exits with CODE when its stdin ends.
The daemon prints the number of each signal. On TERM its KIND `cleans` works for 0.5 s, prints
`cleaned` and ends; `ignores` runs on; `stopped` stops itself first, then cleans.
"""

from __future__ import annotations

import os
import signal
import sys
import time

TAKEN = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1}


def daemon(kind: str, up: int) -> None:
    os.setsid()
    os.close(0)  # the tests end the app through it
    signal.pthread_sigmask(signal.SIG_BLOCK, TAKEN)
    os.write(up, b"up")
    os.close(up)
    if kind == "stopped":
        os.kill(os.getpid(), signal.SIGSTOP)
    while True:
        number = signal.sigwaitinfo(TAKEN).si_signo
        print(f"daemon {number}", flush=True)
        if number == signal.SIGTERM and kind != "ignores":
            time.sleep(0.5)  # the clean-up itself
            print("cleaned", flush=True)
            os._exit(0)


reading, writing = os.pipe()
pid = os.fork()
if pid == 0:
    os.close(reading)
    daemon(sys.argv[2], writing)
os.close(writing)
os.read(reading, 2)
if sys.argv[2] == "stopped":
    os.waitpid(pid, os.WUNTRACED)
print("ready", flush=True)
sys.stdin.read()
os._exit(int(sys.argv[1]))
