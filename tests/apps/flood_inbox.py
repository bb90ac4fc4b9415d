"""An inbox under a flood: flood_inbox.py FOLDER, the folder of the package; prints JSON.

First 10,000 events, then a signal each of a low, a middle and a high number: the events before each
signal are counted. Then 90,000 contacts and 5,000 watch events of two kinds from two threads: the
events and their counts.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections import Counter

sys.path.insert(0, sys.argv[1])
from config_supervisor.core import events as ev
from config_supervisor.runtime.inbox import Inbox

SIGNALS = (signal.SIGHUP, signal.SIGWINCH, signal.SIGRTMAX)
signal.pthread_sigmask(signal.SIG_BLOCK, {*SIGNALS, signal.SIGCHLD})
inbox = Inbox(map(int, (*SIGNALS, signal.SIGCHLD)))


def flood() -> None:
    for number in range(10_000):
        inbox.put(ev.OrphanReaped(number))
    for number in SIGNALS:
        signal.raise_signal(number)


def contacts(kind: str) -> None:
    for _ in range(45_000):
        inbox.put(ev.SourceContacted(0))
    for _ in range(5_000):
        inbox.put(ev.WatchSaw(0, kind))


flood()
before: dict[int, int] = {}
seen: list[int] = []
while len(seen) < 10_000:
    for event in inbox.wait(0):
        if isinstance(event, ev.SignalReceived):
            before[event.signum] = len(seen)
        if isinstance(event, ev.OrphanReaped):
            seen.append(event.pid)
threads = [threading.Thread(target=contacts, args=(kind,)) for kind in ("added", "modified")]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
arrived = [event for event in inbox.pending() if not isinstance(event, ev.ChildrenChanged)]
counts: Counter[str] = Counter()
for event in arrived:
    assert isinstance(event, ev.SourceContacted | ev.WatchSaw)
    counts[type(event).__name__] += event.count
print(
    json.dumps(
        {
            "before": list(before.values()),
            "order": seen == sorted(seen),
            "events": len(arrived),
            **counts,
        }
    )
)
