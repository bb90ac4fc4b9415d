"""The look of every page of ours: it fits, is legible and asks for nothing elsewhere.

It must not know the content of a page.
"""

from __future__ import annotations

from pathlib import Path

from tests.browser.chromium import Browser
from tests.contrast import LEAST, contrast

WIDTHS = (360, 1280)
GROUNDS = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 20, 20)"}
OVERFLOWING = """
[...document.querySelectorAll("main *, nav *, header *, footer *")]
.filter(one => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
.map(one => one.outerHTML.slice(0, 80))
"""
# The colours of each text, with that of the nearest element that has a ground.
COLOURS = """
[...document.querySelectorAll("body *")]
.filter(one => [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
.map(one => {
  let ground = one;
  while (getComputedStyle(ground).backgroundColor === "rgba(0, 0, 0, 0)") {
    ground = ground.parentElement;
  }
  return [getComputedStyle(one).color, getComputedStyle(ground).backgroundColor];
}).map(pair => pair.map(colour => colour.match(/\\d+/g).map(Number)))
"""


def check(browser: Browser, port: int, pictures: Path, name: str) -> None:
    """In every width and scheme: no scrolling aside, no request elsewhere, no complaint, contrast
    enough. Leaves a picture of each.
    """
    url = f"http://127.0.0.1:{port}/"
    for width in WIDTHS:
        for scheme, ground in GROUNDS.items():
            browser.open(url, width, scheme)
            browser.picture(pictures / f"{name}-{width}-{scheme}.png")

            assert width == browser.value("document.scrollingElement.scrollWidth")
            assert [] == browser.value(OVERFLOWING)
            assert ground == browser.value("getComputedStyle(document.body).backgroundColor")
            assert [] == _faint(browser.value(COLOURS))
            asked = [sent["request"]["url"] for sent in browser.of("Network.requestWillBeSent")]
            assert [url] == [one for one in asked if not one.startswith("data:")]
            assert [] == browser.of("Log.entryAdded")


def _faint(pairs: list[list[list[float]]]) -> list[list[list[float]]]:
    """The pairs of colours with too little contrast."""
    assert len(pairs) > 10
    return [pair for pair in pairs if contrast(*pair) < LEAST]
