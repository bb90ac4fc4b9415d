"""An app that obeys its configuration: it can be reloaded in many ways, and fail in some.

obey_config.py FILE [deaf | early READY]: prints `config: LINE` for the first line of FILE at its
start and on each HUP, and `ready` once. The line `exit N` ends it with N. TERM, INT, USR1 and USR2
print `got SIGNAL` and end it with 7. `deaf` leaves HUP alone. `early` dies of HUP by a handler, as
a program before its set-up does, until a line comes on standard input: then it creates READY and
becomes an ordinary app.
"""

from __future__ import annotations

import os
import signal
import sys

ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)


def obey() -> None:
    with open(sys.argv[1]) as file:
        line = file.readline().rstrip("\n")
    print(f"config: {line}", flush=True)
    word, _, number = line.partition(" ")
    if word == "exit":
        os._exit(int(number))


def end(number: int, _: object) -> None:
    os.write(1, f"got {signal.Signals(number).name}\n".encode())
    os._exit(7)


def die_of_it(number: int, _: object) -> None:
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


how = sys.argv[2] if len(sys.argv) > 2 else ""
for one in ENDS:
    signal.signal(one, end)
if how == "early":
    signal.signal(signal.SIGHUP, die_of_it)
elif how != "deaf":
    signal.signal(signal.SIGHUP, lambda *_: obey())
obey()
if how == "early":
    sys.stdin.readline()
    signal.signal(signal.SIGHUP, lambda *_: obey())
    with open(sys.argv[3], "w"):
        pass
print("ready", flush=True)
while True:
    signal.pause()
