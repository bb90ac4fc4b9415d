"""The original parser, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.oracle import Original, environment


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Original]:
    python = environment(tmp_path_factory.getbasetemp().parent / "supervisor-4.3")
    parser = Original(python)
    yield parser
    parser.close()
