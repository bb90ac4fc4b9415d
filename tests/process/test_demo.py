"""`make demo`: every scene, in order, within a visitor's patience."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.harness import environment

DEMO = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "demo", "demo.py")
SCENES = (
    "=== 1. Start",
    "app: starting with my configuration: Hello",
    "Hello, world!",
    "=== 2. A change",
    "Good morning, world!",
    "=== 3. A broken change",
    "greeting.conf:1: unexpected end of line",
    "Good morning, world!",
    "=== 4. A change that fails its verification",
    "app: got SIGHUP, reading my configuration again: Good night",
    "app: got SIGHUP, reading my configuration again: Good morning",
    "Good morning, world!",
    "=== 5. As Prometheus sees it",
    "supervisor_config_rollbacks_total 1.0",
    "=== 6. Stop",
    "=== The supervisor ended with code 0",
)


@pytest.mark.timeout(60)
def test_demo_shows_every_scene_in_order() -> None:
    done = subprocess.run(
        [sys.executable, DEMO], capture_output=True, text=True, check=False, env=environment()
    )
    at = 0
    for scene in SCENES:
        at = done.stdout.find(scene, at)
        assert at >= 0, f"{scene!r} is missing or too early in\n{done.stdout}\n{done.stderr}"

    assert 0 == done.returncode
