"""The browser of the tests of pages, with nothing but a loopback around it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.chromium import Browser
from tests.conftest import needs_root
from tests.images import network


@pytest.fixture(scope="module", name="browser")
def browser_(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    needs_root()
    with network.apart():
        browser = Browser(tmp_path_factory.mktemp("browser"))
        yield browser
        browser.close()
