"""An app that reports its reloads by sd_notify(3): `report_reloads.py FILE`.

It prints `config: LINE` for the first line of FILE at its start and on each HUP. It reports the
begin of a reload, and its end unless the line is `stuck`. `early` reports an end without a begin.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time


def notify(text: str) -> None:
    place = os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(text.encode(), place)


def show() -> str:
    with open(sys.argv[1], encoding="utf-8") as file:
        line = file.readline().strip()
    print(f"config: {line}", flush=True)
    return line


signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGTERM})
show()
notify("READY=1")
print("ready", flush=True)
while signal.sigwait({signal.SIGHUP, signal.SIGTERM}) == signal.SIGHUP:
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    with open(sys.argv[1], encoding="utf-8") as new:
        bad = new.readline().strip() == "early"
    if not bad:
        notify(f"RELOADING=1\nMONOTONIC_USEC={now}")
    if show() != "stuck":
        notify("READY=1\nSTATUS=reloaded")
