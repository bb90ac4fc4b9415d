"""A small server program for the demo: greets as its configuration says, takes up a new one on SIGHUP."""

from __future__ import annotations

import signal
import sys


def main(path: str) -> None:
    def read(why: str) -> None:
        with open(path, encoding="utf-8") as file:
            print(f"{why}: {file.read().strip()}", flush=True)

    signal.signal(signal.SIGHUP, lambda *_: read("got SIGHUP, reading my configuration again"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    read("starting with my configuration")
    while True:
        signal.pause()


if __name__ == "__main__":
    main(sys.argv[1])
