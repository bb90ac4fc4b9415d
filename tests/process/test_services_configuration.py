"""Several services with a configuration each: first versions, reloads and rejections, on real
processes and a mounted volume.
"""

from __future__ import annotations

import shlex
import signal
import time
from pathlib import Path

import pytest

from config_supervisor.core.errors import CANNOT_RUN
from tests.harness import Run, app, until
from tests.http import get, metric
from tests.process.services import all_told, section, services, supervisord, written
from tests.servers import free_port
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


def test_reload_window_of_one_service_is_its_own(run: Run, tmp_path: Path, volume: Path) -> None:
    swap_volume(volume, {"app.conf": "one"})
    hour = (time.gmtime().tm_hour + 12) % 24
    window = f"daily {hour:02}:00-{hour:02}:30 UTC"
    port = free_port()
    sections = (
        configured("night", tmp_path, "app.conf", reload_window=window),
        configured("now", tmp_path, "app.conf"),
    )
    program = run(options=["--services", written(tmp_path, sections), f"--listen=127.0.0.1:{port}"])
    all_told(program.out.seen, "config: one", "config: one")
    swap_volume(volume, {"app.conf": "two"})
    program.err.expect(
        r"night: configuration \w{8} waits: no reload window is open; the next opens"
    )
    program.expect("config: two")

    until(lambda: metric(port, "config_held", service="night", reason="window"), 1)
    assert 0 == metric(port, "config_held", service="now", reason="window")
    assert 1 == program.out.seen.count("config: two")
    assert "2 services; night: a newer configuration waits: no" in get(port, "/readyz")[1]


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


def test_failed_version_is_rolled_back_alone(run: Run, tmp_path: Path, volume: Path) -> None:
    """The service ends on its new version; the other one hears of nothing."""
    swap_volume(volume, {"a.conf": "a1", "b.conf": "b1"})
    program = services(
        run,
        tmp_path,
        configured("a", tmp_path, "a.conf", config_keys="a.conf"),
        configured("b", tmp_path, "b.conf", config_keys="b.conf"),
    )
    all_told(program.out.seen, "config: a1", "config: b1")
    swap_volume(volume, {"a.conf": "exit 3", "b.conf": "b1"})
    program.err.expect("cannot reload a: it ended, with code 3, within the verification")
    program.err.expect("a: configuration [0-9a-f]{8} is back in place")
    program.err.expect("started a ")

    until(lambda: program.out.seen.count("config: a1"), 2)
    assert 1 == program.out.seen.count("config: b1")
    assert 1 == sum("started b " in line for line in program.err.seen)
    program.send(signal.SIGTERM)
    program.finish(0)


def test_service_without_any_version_fails_with_125(run: Run, tmp_path: Path, volume: Path) -> None:
    """Its end is that of an essential service: the container ends with its code."""
    program = services(
        run,
        tmp_path,
        section("other", "wait"),
        configured("web", tmp_path, "app.conf", initial_sync_timeout="1s"),
    )
    program.expect("other up")
    program.err.expect(f"cannot start web: no configuration in time: directory {volume}")
    program.expect("other down")
    program.finish(CANNOT_RUN)


def test_validator_that_is_missing_is_told_at_once(run: Run, tmp_path: Path, volume: Path) -> None:
    swap_volume(volume, {"app.conf": "one"})
    program = services(
        run, tmp_path, configured("web", tmp_path, "app.conf", validate="nosuchprogram {dir}")
    )
    program.err.expect(r"web: cannot run nosuchprogram \(validate\): not found in PATH")
    program.finish(CANNOT_RUN)


def test_readiness_check_knows_the_directory(run: Run, tmp_path: Path, volume: Path) -> None:
    swap_volume(volume, {"app.conf": "one"})
    program = services(
        run, tmp_path, configured("web", tmp_path, "app.conf", ready="test -e {dir}/app.conf")
    )
    program.err.expect("web is ready")
    program.send(signal.SIGTERM)
    program.finish(0)


def test_changed_file_keeps_or_renews_versions(run: Run, tmp_path: Path, volume: Path) -> None:
    """A HUP in the mode of supervisord reads the file again: `web` goes on, `api` is new."""
    swap_volume(volume, {"app.conf": "one"})
    web = configured("web", tmp_path, "app.conf")
    program = supervisord(run, tmp_path, web)
    program.expect("config: one")
    written(tmp_path, ("[supervisord]\n", web, configured("api", tmp_path, "app.conf")))
    program.send(signal.SIGHUP)
    program.expect("config: one")
    program.expect("config: one")
    swap_volume(volume, {"app.conf": "two"})
    until(lambda: program.out.seen.count("config: two"), 2)

    program.send(signal.SIGTERM)
    program.finish(0)
