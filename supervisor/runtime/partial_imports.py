"""Imports modules of a library without the code of the packages around them.

A package's own code often imports all of the library. Must not know the libraries.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.machinery import PathFinder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec


def import_parts(packages: Sequence[str], modules: Sequence[str]) -> None:
    """Import `modules`, and enter the `packages` around them without running their code.

    A package that is imported already stays as it is. Raises ImportError or AttributeError when a
    release of the library has another layout; then none of its modules stays imported.
    """
    top = packages[0].partition(".")[0]
    whole = top in sys.modules
    try:
        for name in packages:
            if name not in sys.modules:
                _enter(name)
        for name in modules:
            importlib.import_module(name)
    except Exception:
        if not whole:
            for name in [name for name in sys.modules if name.partition(".")[0] == top]:
                del sys.modules[name]
        raise


def run_package(name: str) -> None:
    """Run the code of a package that `import_parts` entered: it gets the names of its users."""
    package = sys.modules[name]
    loader = package.__spec__.loader if package.__spec__ else None
    if loader is None:
        raise ImportError(f"no code of the package {name}")
    loader.exec_module(package)


def _enter(name: str) -> None:
    spec = _spec(name)
    if spec is None:
        raise ImportError(f"no module named {name}")
    sys.modules[name] = importlib.util.module_from_spec(spec)


def _spec(name: str) -> ModuleSpec | None:
    """As `importlib.util.find_spec`, which would import the package around a module."""
    around = name.rpartition(".")[0]
    if not around:
        return importlib.util.find_spec(name)
    outer = _spec(around)
    return PathFinder.find_spec(name, outer.submodule_search_locations) if outer else None
