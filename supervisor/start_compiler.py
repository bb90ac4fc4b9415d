"""Writes the files of `start_code`: `python -m config_supervisor.start_compiler [--unchecked]`.

The build of a wheel and those of the images run it. It owns the list of groups. It imports them, in
a process of its own, to learn their modules and the order of these.
"""

from __future__ import annotations

import ast
import marshal
import os
import sys
from importlib import import_module
from importlib.machinery import SourceFileLoader
from importlib.util import MAGIC_NUMBER

from . import start_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

# The modules that begin a group. A group has them and their imports, less those of the groups above
# it, which are loaded before.
_GROUPS = {
    "signals": ("runtime.signals",),
    "cli": ("process.open_files", "cli"),
    "program": (
        "core.rollout_events",
        "core.turn",
        "process.core_dumps",
        "observe.rollout_journal",
        "wiring.program",
    ),
    "directory": ("sources.directory.directory_source",),
    "services": (
        "core.upkeep",
        "services.role",
        "services.services_program",
        "services.log_relay",
        "services.log_streams",
        "control.socket_path",
        "services.rpc_service",
    ),
}


_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def main() -> None:
    """Write all files. Raises OSError."""
    unchecked = sys.argv[1:] == ["--unchecked"]
    os.makedirs(os.path.dirname(start_code.path_of("")), exist_ok=True)
    imported = _note_imports()
    for group, modules in _GROUPS.items():
        imported.clear()
        for name in modules:
            import_module(f".{name}", start_code.PACKAGE)
        body = marshal.dumps([_row(sys.modules[name]) for name in imported])
        digest = start_code.UNCHECKED if unchecked else start_code.digest(body)
        with open(start_code.path_of(group), "wb") as file:
            file.write(MAGIC_NUMBER + digest + body)


def _note_imports() -> list[str]:
    """A list that grows by each of our modules once it is imported."""
    imported: list[str] = []
    run = SourceFileLoader.exec_module

    def run_and_note(loader: SourceFileLoader, module: ModuleType) -> None:
        run(loader, module)
        if module.__name__.startswith(f"{start_code.PACKAGE}."):
            imported.append(module.__name__)

    setattr(SourceFileLoader, "exec_module", run_and_note)  # noqa: B010 - not to a type checker
    return imported


def _row(module: ModuleType) -> start_code.Row:
    path = str(module.__file__)
    with open(path, "rb") as file:
        source = file.read()
    tree = ast.parse(source)
    # The statement would import a module, beside its effect on the compiler.
    tree.body = [one for one in tree.body if getattr(one, "module", "") != "__future__"]
    _drop_docstrings(tree)
    code = compile(tree, path, "exec", annotations.compiler_flag, dont_inherit=True, optimize=0)
    place = os.path.relpath(path, start_code.FOLDER)
    return module.__name__, place, start_code.digest(source), code


def _drop_docstrings(tree: ast.Module) -> None:
    """A start reads no docstring; line numbers stay."""
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
            node.body = node.body or [ast.Pass(lineno=1, col_offset=0)]


if __name__ == "__main__":
    main()
