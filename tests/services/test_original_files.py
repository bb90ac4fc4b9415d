"""Files in the shapes that projects use, read by the original's parser and by ours.

Both read the same, or both refuse. Where they differ on purpose, a verdict says so, and the file
stands in one of the tables here.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.services.oracle import Original, ours

FILES = Path(__file__).with_name("files")
ENVIRON = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/root",
    "APP_PORT": "8080",
    "QUEUE": "default",
    "WORKERS": "4",
    "EMPTY": "",
    "PASSWORD": "pass%word",
}
# The original refuses these, and we do not: words of the verdict.
ACCEPTED = {
    "variable_with_default": "supervisord refuses the file",
    "environment_percent": "supervisord 4.3 refuses the %%",
    "environment_escaped_quotes": "supervisord 4.3 refuses the quotes",
    "listener_tagging_stdout": "built in",
}


def files() -> list[Path]:
    return sorted([*FILES.glob("*.conf"), *FILES.glob("*/supervisord.conf")])


def name(path: Path) -> str:
    return path.stem if path.parent == FILES else path.parent.name


def test_there_are_files_enough() -> None:
    assert len(files()) >= 40


def test_files_of_the_original_read_the_same(original: Original) -> None:
    """Its sample, and the fixtures of its own end-to-end tests."""
    found = original.own_files()
    read = [(path.name, original.read(path, ENVIRON), ours(path, ENVIRON)[0]) for path in found]

    assert len(found) > 25
    assert [] == [file for file, theirs, mine in read if theirs != mine]


@pytest.mark.parametrize("path", files(), ids=name)
def test_file_reads_as_in_the_original(original: Original, path: Path) -> None:
    theirs = original.read(path, ENVIRON)
    mine, verdicts = ours(path, ENVIRON)

    if name(path) in ACCEPTED:
        assert "refused" in theirs
        assert "refused" not in mine
        assert any(ACCEPTED[name(path)] in one.message for one in verdicts)
    elif "refused" in theirs:
        assert "refused" in mine, theirs
    else:
        assert theirs == mine
