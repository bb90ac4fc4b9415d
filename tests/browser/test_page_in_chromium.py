"""The status page of real programs in a real browser, with nothing but a loopback around them.

The pictures stay in the temporary directory of each test, for people.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser import appearance
from tests.browser.appearance import WIDTHS
from tests.browser.chromium import Browser
from tests.harness import Run, app, only_process, until
from tests.http import port_of, status
from tests.volume import swap_volume

pytestmark = [only_process, pytest.mark.timeout(60)]

LISTEN = ("--listen", "127.0.0.1:0")
QUICK = ("--reload-interval=0s", "--verify-window=0s")
HOSTILE = "<script>document.title='owned'<script>\"'&\u202egnp.\u202c" + "w" * 150


def healthy(run: Run, scratch: Path) -> int:
    return _following(run, scratch)


def rejected(run: Run, scratch: Path) -> int:
    port = _following(run, scratch, "--validate=sh -c '! grep -q bad {dir}/app.conf'")
    swap_volume(scratch / "volume", {"app.conf": "bad"})
    until(lambda: status(port)["config"]["rejected"] is not None, expected=True)
    return port


def failed(run: Run, scratch: Path) -> int:
    """The app is back on the good version."""
    port = _following(run, scratch, "--verify=sh -c '! grep -q bad {dir}/app.conf'")
    until(lambda: status(port)["config"]["good"] is not None, expected=True)
    swap_volume(scratch / "volume", {"app.conf": "bad"})
    until(lambda: status(port)["config"]["rolled_back"], expected=True)
    return port


def unready(run: Run, scratch: Path) -> int:
    del scratch
    return port_of(run(*app("print_signals.py"), options=[*LISTEN, "--ready=false"]))


def hostile(run: Run, scratch: Path) -> int:
    return _following(run, scratch / HOSTILE)


def _following(run: Run, scratch: Path, *options: str) -> int:
    """An app that runs on a version of a directory."""
    volume, root = scratch / "volume", scratch / "live"
    swap_volume(volume, {"app.conf": "good"})
    options = (f"--config-dir={volume}", f"--configroot={root}", *LISTEN, *QUICK, *options)
    program = run(*app("read_config.py", root / "app.conf"), options=options)
    port = port_of(program)
    program.expect("ready")
    return port


@pytest.mark.parametrize("state", [healthy, rejected, failed, unready, hostile])
def test_page_fits_and_stays_at_home(
    run: Run, browser: Browser, state: Callable[[Run, Path], int], tmp_path: Path
) -> None:
    appearance.check(browser, state(run, tmp_path), tmp_path, state.__name__)


def test_words_carry_the_state(run: Run, browser: Browser, tmp_path: Path) -> None:
    browser.open(f"http://127.0.0.1:{rejected(run, tmp_path)}/", 360)
    text = browser.value("document.body.innerText")

    assert "Warnings" in text
    assert "app: the newest version is not used: " in text
    assert "What to do: " in text
    assert "running, ready" in text
    assert "newest, rejected" in text


def test_hostile_names_stay_text(run: Run, browser: Browser, tmp_path: Path) -> None:
    browser.open(f"http://127.0.0.1:{hostile(run, tmp_path)}/", 360)

    assert "app: running - config-supervisor" == browser.value("document.title")
    assert 0 == browser.value("document.scripts.length")
    shown = browser.value("document.querySelector('[aria-labelledby=sources] bdi').innerText")
    assert "<script>document.title='owned'<script>\"'&\\u202egnp.\\u202c" in shown


@pytest.mark.parametrize("width", WIDTHS)
def test_screen_reader_finds_landmarks_and_tables(
    run: Run, browser: Browser, tmp_path: Path, width: int
) -> None:
    """On a narrow screen too, where the tables are no longer laid out as such."""
    browser.open(f"http://127.0.0.1:{healthy(run, tmp_path)}/", width)
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    seen = [(role(node), node.get("name", {}).get("value", "")) for node in nodes]
    roles = [found for found, _ in seen]

    for landmark in ("banner", "navigation", "main", "contentinfo"):
        assert 1 == roles.count(landmark)
    names = ["Services", "Configuration", "Last reload", "Versions", "Sources"]
    assert names == [name for found, name in seen if found == "region"]
    assert names == [name for found, name in seen if found == "table"]
    assert {"Service", "State", "PID", "Uptime", "Last contact"} <= {
        name for found, name in seen if found == "columnheader"
    }
    assert "app" in [name for found, name in seen if found == "rowheader"]


def role(node: dict[str, Any]) -> str:
    found: str = node.get("role", {}).get("value", "")
    return found


def test_keyboard_reaches_each_link(run: Run, browser: Browser, tmp_path: Path) -> None:
    browser.open(f"http://127.0.0.1:{healthy(run, tmp_path)}/", 1280)
    links = browser.value("[...document.links].map(one => one.href)")
    reached = []
    for _ in links:
        for kind in ("keyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", windowsVirtualKeyCode=9)
        reached.append(browser.value("document.activeElement.href"))

    assert links == reached
    assert "solid" == browser.value("getComputedStyle(document.activeElement).outlineStyle")


def test_page_prints_with_exact_times(run: Run, browser: Browser, tmp_path: Path) -> None:
    browser.open(f"http://127.0.0.1:{healthy(run, tmp_path)}/", 1280, "dark")
    browser.call("Emulation.setEmulatedMedia", media="print")
    time = "getComputedStyle(document.querySelector('td time'), '::after').content"

    assert "rgb(255, 255, 255)" == browser.value("getComputedStyle(document.body).backgroundColor")
    assert "none" == browser.value("getComputedStyle(document.querySelector('nav')).display")
    assert "UTC)" in browser.value(time)
    assert "JVBER" == browser.call("Page.printToPDF")["data"][:5]  # %PDF in base64


def test_unknown_path_leads_to_the_status(run: Run, browser: Browser, tmp_path: Path) -> None:
    port = healthy(run, tmp_path)
    browser.open(f"http://127.0.0.1:{port}/favicon.ico?x=<b>", 360)

    assert "Not found" == browser.value("document.querySelector('h1').innerText")
    assert "/status" in browser.value("document.querySelector('nav').innerText")
    assert 360 == browser.value("document.scrollingElement.scrollWidth")
