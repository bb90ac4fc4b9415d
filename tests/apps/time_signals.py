"""Prints `ready`, then the time of CLOCK_MONOTONIC in nanoseconds at each USR1, until TERM."""

from __future__ import annotations

import signal
import time

TAKEN = {signal.SIGUSR1, signal.SIGTERM}

signal.pthread_sigmask(signal.SIG_BLOCK, TAKEN)
for number in TAKEN:
    signal.signal(number, lambda *_: None)
print("ready", flush=True)
while signal.sigwaitinfo(TAKEN).si_signo != signal.SIGTERM:
    print(time.monotonic_ns(), flush=True)
