"""Modules of a library are imported without the code of the packages around them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config_supervisor.runtime.partial_imports import import_parts, run_package

FILES = {
    "heavylib/__init__.py": "from . import used\nraise RuntimeError('the code of heavylib')\n",
    "heavylib/inner/__init__.py": "VALUE = 2\nfrom . import part\n",
    "heavylib/inner/part.py": "from .. import used\nVALUE = used.VALUE\n",
    "heavylib/used.py": "VALUE = 1\n",
    "lightlib/__init__.py": "from .inner import part\nWHOLE = 'inner' in dir(part)\n",
    "lightlib/inner/__init__.py": "raise RuntimeError('the code of inner')\n",
    "lightlib/inner/part.py": "",
}


@pytest.fixture(autouse=True)
def _libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in imported("heavylib") + imported("lightlib"):
        del sys.modules[name]


def imported(top: str) -> list[str]:
    return sorted(name for name in sys.modules if name.partition(".")[0] == top)


def test_code_of_listed_packages_does_not_run() -> None:
    import_parts(("heavylib", "heavylib.inner"), ("heavylib.inner.part",))
    assert 1 == sys.modules["heavylib.inner.part"].VALUE
    assert not hasattr(sys.modules["heavylib.inner"], "VALUE")


def test_code_of_an_entered_package_runs_on_demand() -> None:
    import_parts(("heavylib", "heavylib.inner"), ("heavylib.used",))
    run_package("heavylib.inner")
    assert 2 == sys.modules["heavylib.inner"].VALUE


def test_package_within_an_imported_library_is_entered_alone() -> None:
    import_parts(("lightlib.inner",), ("lightlib",))
    assert ["lightlib", "lightlib.inner", "lightlib.inner.part"] == imported("lightlib")


@pytest.mark.parametrize(
    ("packages", "modules"),
    [
        (("heavylib", "heavylib.gone"), ("heavylib.used",)),
        (("heavylib",), ("heavylib.used", "heavylib.gone")),
        (("nolib",), ()),
        (("nolib.inner",), ()),
    ],
)
def test_other_layout_leaves_nothing_behind(
    packages: tuple[str, ...], modules: tuple[str, ...]
) -> None:
    with pytest.raises(ImportError, match=r"gone|nolib"):
        import_parts(packages, modules)
    assert [] == imported("heavylib")


def test_imported_library_stays_whole() -> None:
    import_parts(("lightlib.inner",), ("lightlib",))
    before = sys.modules["lightlib"]
    with pytest.raises(ImportError, match="gone"):
        import_parts(("lightlib",), ("lightlib.gone",))
    assert before is sys.modules["lightlib"]
