"""The modules of a start as code objects, a file for each group: one read instead of many imports.

It owns the format and the loading; `start_compiler` writes the files. A file that is absent,
damaged, of another interpreter or older than a source is left aside: the imports that follow find
the modules where they always are. It must not know the content of a module, and imports nothing
that the interpreter has not loaded.

A file has the magic number of its interpreter, a digest, and the marshalled modules in the order of
their imports. As with byte code (PEP 552), a digest of zeros means unchecked: for images, which do
not change.
"""

import marshal
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import MAGIC_NUMBER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

    # Name, path below the package, digest of the source, code.
    Row = tuple[str, str, bytes, CodeType]

    def _fix_co_filename(code: CodeType, path: str) -> None: ...
    def source_hash(key: int, source: bytes | memoryview) -> bytes: ...
else:
    from _imp import _fix_co_filename, source_hash

PACKAGE = __name__.rpartition(".")[0]
FOLDER = __file__.rpartition("/")[0]
UNCHECKED = bytes(8)
_KEY = 0x5741  # of the digests, which find damage and edits; they are no protection
_BODY = len(MAGIC_NUMBER) + len(UNCHECKED)


def digest(data: "bytes | memoryview") -> bytes:
    return source_hash(_KEY, data)


def path_of(group: str) -> str:
    return f"{FOLDER}/start/{group}.code"


def load(group: str) -> None:
    """Import the modules of a group from the file of this group, if that is valid."""
    try:
        rows = _read(path_of(group))
    except (OSError, ValueError, EOFError, TypeError):
        return
    for name, path, _, code in rows:
        if name not in sys.modules:
            _import(name, f"{FOLDER}/{path}", code)


def _read(path: str) -> "list[Row]":
    """The modules in a file; none if it must not be used."""
    with open(path, "rb", 0) as file:
        data = file.read()
    said = data[len(MAGIC_NUMBER) : _BODY]
    body = memoryview(data)[_BODY:]  # a copy would cost new pages
    if not data.startswith(MAGIC_NUMBER) or said not in (UNCHECKED, digest(body)):
        return []
    rows: list[Row] = marshal.loads(body)
    if said != UNCHECKED:
        for _, source, expected, _ in rows:
            with open(f"{FOLDER}/{source}", "rb", 0) as file:
                if digest(file.read()) != expected:
                    return []
    return rows


def _import(name: str, path: str, code: "CodeType") -> None:
    """Make a module and run its code, as the interpreter's own loaders do."""
    _fix_co_filename(code, path)
    is_package = path.endswith("/__init__.py")
    spec = ModuleSpec(name, None, origin=path, is_package=is_package)
    module = type(sys)(name)
    names = vars(module)
    names.update(__spec__=spec, __file__=path, __package__=spec.parent)
    if is_package:
        names["__path__"] = spec.submodule_search_locations = [path.rpartition("/")[0]]
    sys.modules[name] = module
    exec(code, names)
    parent, _, child = name.rpartition(".")
    __import__(parent)  # by the usual way, if the group with it was left aside
    setattr(sys.modules[parent], child, module)
