"""Several services with a configuration each: first versions, reloads and rejections, on real
processes and a mounted volume.
"""

from __future__ import annotations

import shlex
import signal
from pathlib import Path

import pytest

from tests.harness import Run, app
from tests.process.services import all_told, section, services
from tests.volume import swap_volume

HURRY = {"reload_interval": "0s", "verify_window": "100ms"}


def configured(name: str, place: Path, file: str, **keys: object) -> str:
    """A service that prints its file at its start and on HUP."""
    root = place / "live" / name
    command = shlex.join(app("obey_config.py", root / file))
    defaults = {"command": command, "config_dir": place / "volume", "configroot": root}
    return section(name, **{**defaults, **HURRY, **keys})


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    return tmp_path / "volume"


def test_service_waits_for_its_first_version(run: Run, tmp_path: Path, volume: Path) -> None:
    """Others start meanwhile."""
    program = services(
        run, tmp_path, section("other", "wait"), configured("web", tmp_path, "app.conf")
    )
    program.expect("other up")
    swap_volume(volume, {"app.conf": "one"})
    program.expect("config: one")

    assert not any("config" in line for line in program.out.seen[:1])
    program.send(signal.SIGTERM)
    program.finish(0)


def test_rejected_version_of_one_service_is_its_own(run: Run, tmp_path: Path, volume: Path) -> None:
    swap_volume(volume, {"a.conf": "a1", "b.conf": "b1"})
    strict = "sh -c '! grep bad {dir}/a.conf'"
    program = services(
        run,
        tmp_path,
        configured("a", tmp_path, "a.conf", validate=strict, config_keys="a.conf"),
        configured("b", tmp_path, "b.conf", config_keys="b.conf"),
    )
    all_told(program.out.seen, "config: a1", "config: b1", "ready")
    swap_volume(volume, {"a.conf": "a2 bad", "b.conf": "b1"})
    program.err.expect("a: the new configuration is rejected: sh ended with code 1: a2 bad")
    swap_volume(volume, {"a.conf": "a2 bad", "b.conf": "b2"})
    program.expect("config: b2")
    swap_volume(volume, {"a.conf": "a3", "b.conf": "b2"})
    program.expect("config: a3")

    told = [line for line in program.out.seen if line.startswith("config")]
    assert ["config: b2", "config: a3"] == told[2:]
    program.send(signal.SIGTERM)
    program.finish(0)
