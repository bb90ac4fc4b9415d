"""The fenced blocks of README and docs, and which test runs each.

    ```sh                    run by tests/docs; in docs/applications.md by tests/sync
    ```sh images             run by tests/images
    ```dockerfile            built and run by tests/images
    ```console               commands and their output: run, and compared, by tests/docs
    ```yaml                  parsed; parts of pods with the bundle are run by tests/images
    ```text                  never run

`<!-- not run: REASON -->` above a block takes it out. This module must not know any page.
"""

from __future__ import annotations

import re
from pathlib import Path

import config_supervisor
from config_supervisor.core.record import Record

ROOT = Path(config_supervisor.__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "HACKING.md"]
PAGES += sorted((ROOT / "docs").rglob("*.md"))
LANGUAGES = ("sh", "console", "dockerfile", "yaml", "text")

_FENCE = re.compile(
    r"(?:^<!-- not run:(?P<why>.*?)-->\n)?^```(?P<info>[^\n]*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


class Snippet(Record):
    """One fenced block."""

    page: str  # relative to the repository
    language: str
    lane: str  # the second word of the fence: who runs it, or the name of a script
    text: str
    not_run: str | None  # the reason of a mark; None without a mark

    def __str__(self) -> str:
        first = self.text.split("\n", 1)[0]
        return f"{self.page}: {first}"


def snippets(page: Path | None = None) -> list[Snippet]:
    """The blocks of a page, or of all pages."""
    found = []
    for path in [page] if page else PAGES:
        for match in _FENCE.finditer(path.read_text(encoding="utf-8")):
            language, _, lane = match["info"].partition(" ")
            why = match["why"]
            name = str(path.relative_to(ROOT))
            reason = None if why is None else why.strip()
            found.append(Snippet(name, language, lane, match["text"], reason))
    return found


def wanted(language: str, lane: str = "") -> list[Snippet]:
    """The blocks of a language and a lane, without marked ones."""
    return [
        one
        for one in snippets()
        if one.language == language and one.lane == lane and one.not_run is None
    ]


def without_fences(text: str) -> str:
    """The prose of a page."""
    return _FENCE.sub("", text)
