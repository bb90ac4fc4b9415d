"""The status page of several services in a real browser, as that of a single app beside this."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser import appearance
from tests.browser.chromium import Browser
from tests.browser.test_page_in_chromium import LISTEN
from tests.harness import Run, only_process, until
from tests.http import port_of, status
from tests.process.services import section, serve, written
from tests.volume import swap_volume

pytestmark = [only_process, pytest.mark.timeout(60)]

HOSTILE = "<script>document.title='owned'<script>" + "w" * 120


def healthy(run: Run, place: Path) -> int:
    names = ("web", "db", "worker")
    return _started(run, place, *(section(name, "wait", startsecs=0) for name in names))


def fatal(run: Run, place: Path) -> int:
    """A service is given up, another waits for it, a job is done, one is not wanted."""
    port = _started(
        run,
        place,
        section("web", "wait", startsecs=0),
        section("bad", "end=3", essential="false", startretries=0),
        section("behind", "wait", essential="false", depends_on="bad"),
        section("job", "end=0", oneshot="true"),
        section("spare", "wait", autostart="false"),
    )
    until(lambda: phase(port, "bad"), expected="fatal")
    return port


def rejected(run: Run, place: Path) -> int:
    """A new version of one service is rejected; the other has no configuration."""
    volume = place / "volume"
    swap_volume(volume, {"app.conf": "good"})
    keys = {
        "config_dir": volume,
        "configroot": place / "live",
        "validate": "sh -c '! grep -q bad {dir}/app.conf'",
        "reload_interval": "0s",
    }
    port = _started(
        run,
        place,
        section("web", "wait", startsecs=0, **keys),
        section("db", "wait", startsecs=0),
    )
    until(lambda: phase(port, "web"), expected="running")
    swap_volume(volume, {"app.conf": "bad"})
    until(lambda: status(port)["services"]["web"]["config"]["rejected"] is None, expected=False)
    return port


def hostile(run: Run, place: Path) -> int:
    named = f"[program:{HOSTILE}]\ncommand = {serve('web', 'end=3')}\nessential = false\n"
    return _started(run, place, named, section("db", "wait", startsecs=0))


def _started(run: Run, place: Path, *sections: str) -> int:
    return port_of(run(options=[*LISTEN, "--services", written(place, sections)]))


def phase(port: int, name: str) -> str:
    return str(status(port)["services"][name]["app"]["phase"])


@pytest.mark.parametrize("state", [healthy, fatal, rejected, hostile])
def test_page_of_services_fits(
    run: Run, browser: Browser, state: Callable[[Run, Path], int], tmp_path: Path
) -> None:
    appearance.check(browser, state(run, tmp_path), tmp_path, f"services-{state.__name__}")


def test_words_carry_the_states(run: Run, browser: Browser, tmp_path: Path) -> None:
    browser.open(f"http://127.0.0.1:{fatal(run, tmp_path)}/", 360)
    text = browser.value("document.body.innerText")

    assert "bad: not ready: FATAL: exit status 3, after 1 start" in text
    assert "behind: not ready: FATAL: depends on bad, which is FATAL" in text
    assert "What to do: look at the log of the service" in text
    assert "spare: " not in text
    for words in ("running, ready", "fatal, not ready", "completed, ready", "stopped"):
        assert words in text


def test_a_rejected_version_names_the_service(run: Run, browser: Browser, tmp_path: Path) -> None:
    browser.open(f"http://127.0.0.1:{rejected(run, tmp_path)}/", 360)
    text = browser.value("document.body.innerText")

    assert "web: the newest version is not used: " in text
    assert "Configuration of web" in text
    assert "Configuration of db" not in text


def test_hostile_names_of_services_stay_text(run: Run, browser: Browser, tmp_path: Path) -> None:
    browser.open(f"http://127.0.0.1:{hostile(run, tmp_path)}/", 360)

    assert browser.value("document.title").startswith(("<script>", "db: "))
    assert 0 == browser.value("document.scripts.length")
    assert HOSTILE in browser.value("document.querySelector('main').textContent")
