"""Prints `ready`, then the number of each signal it gets, in order, until it is killed.

print_signals.py [LABEL]: with a label, every line begins with it.
All signals are caught as well as blocked: SigCgt shows them, and taking them with sigwaitinfo loses
none, where Python's handlers would merge equal ones and mix their order.
"""

from __future__ import annotations

import signal
import sys

TAKEN = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}
LABEL = "".join(f"{word} " for word in sys.argv[1:])

signal.pthread_sigmask(signal.SIG_BLOCK, TAKEN)
for number in TAKEN:
    signal.signal(number, lambda *_: None)
print(f"{LABEL}ready", flush=True)
while True:
    print(f"{LABEL}{signal.sigwaitinfo(TAKEN).si_signo}", flush=True)
