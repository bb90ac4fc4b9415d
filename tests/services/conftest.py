"""The original parser, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.services.oracle import Original, environment
from tests.services.sides import Side, both


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Original]:
    python = environment(tmp_path_factory.getbasetemp().parent / "supervisor-4.3")
    parser = Original(python)
    yield parser
    parser.close()


@pytest.fixture
def sides(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Side]]:
    """The original, then ours, on the same file."""
    python = environment(tmp_path_factory.getbasetemp().parent / "supervisor-4.3")
    with ExitStack() as ends:
        found = both(python, tmp_path)
        for side in found:
            ends.callback(side.close)
        yield found
