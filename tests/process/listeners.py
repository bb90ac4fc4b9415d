"""Event listeners of a test: their section, and the events that they recorded."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from tests.harness import app, wait_until


def listener(name: str, command: str, **keys: object) -> str:
    """The section of a listener."""
    keys = {"events": "PROCESS_STATE", "startsecs": 0, "command": command, **keys}
    lines = [f"{key} = {value}" for key, value in keys.items()]
    return "\n".join([f"[eventlistener:{name}]", *lines, ""])


def recorder(name: str, file: Path, *results: str, **keys: object) -> str:
    """The section of a listener that records its events: see tests/apps/record_events.py."""
    return listener(name, shlex.join(app("record_events.py", file, *results)), **keys)


def recorded(file: Path) -> list[dict[str, Any]]:
    """The recorded events: their headers, and the payload."""
    text = file.read_text() if file.exists() else ""
    found = []
    for head, payload in (json.loads(line) for line in text.splitlines()):
        fields = dict(word.split(":", 1) for word in head.split())
        found.append({**fields, "payload": payload})
    return found


def names(file: Path) -> list[str]:
    return [one["eventname"] for one in recorded(file)]


def wait_for(file: Path, *wanted: str) -> list[dict[str, Any]]:
    """The events, once there is one with each of these texts in its name or its payload."""
    found: list[dict[str, Any]] = []

    def all_there() -> None:
        found[:] = recorded(file)
        for text in wanted:
            assert any(text in f"{one['eventname']} {one['payload']}" for one in found), found

    wait_until(all_there)
    return found
