"""An app with a configuration: prints `config: LINE` for every line of its file, and again on HUP.

read_config.py FILE: catches HUP before it reads for the first time, then prints `ready`; TERM ends
it with 0. A missing file is printed as `config: missing`.
"""

from __future__ import annotations

import signal
import sys

TAKEN = {signal.SIGHUP, signal.SIGTERM}


def read(path: str) -> None:
    try:
        with open(path) as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        lines = ["missing"]
    for line in lines:
        print(f"config: {line}", flush=True)


signal.pthread_sigmask(signal.SIG_BLOCK, TAKEN)
for number in TAKEN:
    signal.signal(number, lambda *_: None)
read(sys.argv[1])
print("ready", flush=True)
while signal.sigwaitinfo(TAKEN).si_signo == signal.SIGHUP:
    read(sys.argv[1])
