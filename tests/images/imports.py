"""The imports of the program, in all its roles, read from its source.

Only the text of the package is read, so any interpreter can run the result, in an image for
example.
"""

from __future__ import annotations

import ast
from pathlib import Path

import config_supervisor


def statements() -> list[str]:
    """One statement for each module of the program and each of its imports, early or late."""
    package = Path(config_supervisor.__file__).parent
    found = set()
    for path in package.rglob("*.py"):
        name = ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        )
        found.add(f"import {name}")
        found |= _foreign(ast.parse(path.read_text()))
    return sorted(found)


def _foreign(tree: ast.AST) -> set[str]:
    """The imports of other packages, without those for the type checker and those that may fail."""
    found = set()
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                continue
            case ast.Try(handlers=[ast.ExceptHandler(type=ast.Name(id="ImportError")), *_]):
                continue
            case ast.Import() | ast.ImportFrom(level=0):
                found.add(ast.unparse(node))
            case _:
                found |= _foreign(node)
    return {one for one in found if not one.startswith("from __future__")}
