"""The definitions of an s6-rc source: types, names of dependencies and contents, pipelines.

It reads the files that say how services relate; `s6_service` reads how one runs, and
`s6_names` gives names their meaning. The rules are those of s6-rc-compile.
"""

from __future__ import annotations

from ..core.quoting import encodable
from ..core.record import Record, Words
from .ini_file import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from .tree_files import TreeFiles

BASE = "base"
CONT_INIT = "legacy-cont-init"
SERVICES = "legacy-services"
USER = "user"
USER2 = "user2"
OF_OVERLAY = frozenset(
    {BASE, CONT_INIT, SERVICES, "fix-attrs", "top", "s6rc-fdholder", "s6rc-oneshot-runner"}
)
GROUPS = frozenset({"cont-init", "cont-finish", "container"})  # of scripts, and of the command
_MOST_TYPE = 8  # characters of a type file that s6-rc-compile reads
_RESERVED = ("s6rc-", "s6-rc-")
_NOT_IN_NAMES = " \t:/"  # supervisorctl could not address such a service


class Type(Words):
    ONESHOT = "oneshot"
    LONGRUN = "longrun"
    BUNDLE = "bundle"


class Named(Record):
    """A name as written, and where."""

    name: str
    place: Place


class Definition(Record):
    name: str
    type: Type
    path: str
    names: tuple[Named, ...] = ()  # dependencies, or the contents of a bundle
    producer_for: tuple[Named, ...] = ()
    consumer_for: tuple[Named, ...] = ()
    pipeline: tuple[Named, ...] = ()  # the name of the bundle of a whole pipeline


def is_legible(files: TreeFiles, path: str, name: str) -> bool:
    """Whether a name can stand in a log line and in an order."""
    if not name.isprintable():
        files.refuse(path, "has a name that is no printable text; rename it")
    elif any(character in name for character in _NOT_IN_NAMES):
        files.refuse(path, "has a space or colon in its name; rename it")
    else:
        return True
    return False


def is_usable(files: TreeFiles, path: str, name: str) -> bool:
    """Whether the name of a directory can be that of a service."""
    if not is_legible(files, path, name):
        return False
    if name.startswith(_RESERVED):
        files.refuse(path, f"{' and '.join(_RESERVED)} begin names of s6-rc itself; rename it")
    elif name in OF_OVERLAY:
        files.refuse(path, f"{name} is a name of s6-overlay itself; rename it")
    elif name in GROUPS:
        files.refuse(path, f"{name} is the name of a group here; rename it")
    else:
        return True
    return False


def read(files: TreeFiles, source: str, skipped: Collection[str]) -> dict[str, Definition]:
    """The definitions of a source directory without those that are read elsewhere."""
    found = {}
    for name in files.names(source):
        path = f"{source}/{name}"
        if not files.is_directory(path):
            _judge_file(files, path)
        elif name not in skipped and is_usable(files, path, name):
            found[name] = _definition(files, path, name)
    return found


def bundle(files: TreeFiles, path: str, name: str) -> Definition:
    """A bundle whose `type` s6-overlay brings itself."""
    return Definition(name, Type.BUNDLE, path, names(files, path, "contents"))


def names(files: TreeFiles, path: str, kind: str) -> tuple[Named, ...]:
    """The names in the directory `KIND.d`, or else in the lines of the file `KIND`."""
    folder = f"{path}/{kind}.d"
    file = f"{path}/{kind}"
    if not files.is_directory(folder):
        if files.is_listed(folder):
            files.refuse(folder, "is not a directory; make one, with an empty file for each name")
        return listed(files, file)
    if files.is_listed(file):
        files.warn(file, f"ignored beside the directory {kind}.d; remove it")
    return tuple(Named(name, files.place(f"{folder}/{name}")) for name in files.names(folder))


def listed(files: TreeFiles, path: str) -> tuple[Named, ...]:
    """The names in the lines of a file: white space before them and comments do not count."""
    text = files.text(path)
    if text is None:
        return ()
    place = files.place(path)
    found: dict[str, Named] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        name = line.lstrip(" \t")
        if name and not name.startswith("#"):
            found.setdefault(name, Named(name, place.replace(line=number)))
    return tuple(found.values())


def _judge_file(files: TreeFiles, path: str) -> None:
    if files.exists(path):
        files.ignore(path, "is not a directory, so it defines nothing")
    else:
        files.refuse(path, "is a link to nowhere; remove it, or add the directory it names")


def _definition(files: TreeFiles, path: str, name: str) -> Definition:
    """An empty bundle where the type is refused: whoever names it is not at fault."""
    text = files.text(f"{path}/type")
    if text is None:
        if not files.is_listed(f"{path}/type"):
            files.refuse(path, "has no file `type`; write oneshot, longrun or bundle into one")
        return Definition(name, Type.BUNDLE, path)
    written = text[:_MOST_TYPE].removesuffix("\n")
    kind = next((one for one in Type if one == written), None)
    if kind is None:
        files.refuse(
            f"{path}/type", f"{encodable(written)!r} is none of oneshot, longrun and bundle"
        )
        return Definition(name, Type.BUNDLE, path)
    if kind is Type.BUNDLE:
        if not files.is_directory(f"{path}/contents.d") and not files.is_listed(f"{path}/contents"):
            files.refuse(path, "is a bundle without contents.d; make the directory")
        return bundle(files, path, name)
    definition = Definition(name, kind, path, names(files, path, "dependencies"))
    if kind is Type.ONESHOT:
        return definition
    return _with_pipes(files, definition)


def _with_pipes(files: TreeFiles, definition: Definition) -> Definition:
    producer_for = _single(files, definition, "producer-for")
    consumer_for = listed(files, f"{definition.path}/consumer-for")
    pipeline = _single(files, definition, "pipeline-name")
    if pipeline and (producer_for or not consumer_for):
        files.warn(
            f"{definition.path}/pipeline-name",
            "ignored: it belongs to the last consumer of a pipeline",
        )
        pipeline = ()
    return definition.replace(
        producer_for=producer_for, consumer_for=consumer_for, pipeline=pipeline
    )


def _single(files: TreeFiles, definition: Definition, name: str) -> tuple[Named, ...]:
    path = f"{definition.path}/{name}"
    found = listed(files, path)
    if files.exists(path) and len(found) != 1:
        files.refuse(path, f"has {len(found)} names; write one")
        return ()
    return found
