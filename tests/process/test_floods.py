"""A flood of events from threads delays no signal and keeps no memory."""

from __future__ import annotations

import json
import os
import subprocess

from tests.harness import APPS, app


def test_a_flood_of_events_delays_no_signal() -> None:
    """At most a batch of 32 comes before each signal; waiting contacts become a single event."""
    folder = os.path.dirname(os.path.dirname(APPS))
    told = subprocess.run(app("flood_inbox.py", folder), check=True, capture_output=True, text=True)
    result = json.loads(told.stdout)

    assert max(result["before"]) <= 3 * 32
    assert result["order"]
    assert (3, 90_000, 10_000) == (result["events"], result["SourceContacted"], result["WatchSaw"])
