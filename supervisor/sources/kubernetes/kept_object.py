"""A ConfigMap or Secret that keeps a version for pods that start, and back.

Pure. A file is a key of the object; a path that is no key, a permission and an empty directory
stand in an annotation, so that the version is the same with all its readers. Must not know
requests, nor whether a version is wanted.
"""

from __future__ import annotations

import binascii
import json
import re

from ...core.content import Entry
from ...core.file_permissions import PRIVATE, Permission
from ...core.record import Record
from .api_errors import BadDataError
from .object_decoding import files as values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

VERSION = "config-supervisor/version"  # the annotation with the version's name
FILES = "config-supervisor/files"  # and the one about keys that need words
LIMIT = 1 << 20  # bytes of all values, as the API server takes them
NOTES_LIMIT = 1 << 17  # bytes of FILES; all annotations together may have twice as many
_KEY = re.compile(r"(?!\.\.)(?!\.$)[-._a-zA-Z0-9]{1,253}")

_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")


class Kept(Record):
    """A version with its files at their paths; an empty `version` is none."""

    version: str
    files: Mapping[str, Entry] = {}


class KeepError(Exception):
    """A version that cannot be kept there; the message is the reason and the remedy."""


def version_in(obj: Any) -> str:
    """The name of the version in an object; empty without one. Raises BadDataError."""
    return _annotation(obj, VERSION)


def kept_in(obj: Any, *, private: bool) -> Kept:
    """The version in an object, whose values are gone then. Raises BadDataError."""
    version = version_in(obj)
    if not version:
        return Kept("")
    found = values(obj, private=private)
    try:
        notes = json.loads(_annotation(obj, FILES) or "{}")
        noted = {key: notes.get(key, {}) for key in found}
        files = {
            str(note.get("path", key)): _entry(found[key], note, private=private)
            for key, note in noted.items()
        }
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        raise BadDataError(f"its annotation {FILES} is not ours") from error
    return Kept(version, files)


def _annotation(obj: Any, name: str) -> str:
    try:
        found = (obj["metadata"].get("annotations") or {}).get(name) or ""
    except (KeyError, TypeError, AttributeError) as error:
        raise BadDataError("the answer is not an object with metadata") from error
    if not isinstance(found, str):
        raise BadDataError(f"its annotation {name} is not text")
    return found


def _entry(data: bytes, note: Mapping[str, Any], *, private: bool) -> Entry:
    permission = PRIVATE if private else None
    if "mode" in note:
        mode = note["mode"]
        permission = None if mode is None else Permission(int(mode, 8), int(note.get("gid", -1)))
    return Entry(data, permission, bool(note.get("directory")))


def filled(obj: Any, kept: Kept, *, private: bool) -> dict[str, Any]:
    """The object with a version, and with all the rest that it had; raises KeepError."""
    if (obj.get("data") or obj.get("binaryData")) and not version_in(obj):
        raise KeepError("it holds the content of something else; give an object made for this")
    size = sum(len(entry.data) for entry in kept.files.values())
    if size > LIMIT:
        raise KeepError(
            f"the version has {size:,} bytes, and an object holds {LIMIT:,}; pods that start while"
            " another version is on trial go without it"
        )
    keys = _keys(kept.files)
    made: dict[str, dict[str, str]] = {"data": {}, "binaryData": {}}
    notes: dict[str, dict[str, object]] = {}
    for path, entry in kept.files.items():
        field, value = _value(entry.data, private=private)
        made[field][keys[path]] = value
        if note := _note(path, keys[path], entry, private=private):
            notes[keys[path]] = note
    written = json.dumps(notes, separators=(",", ":"), ensure_ascii=False)
    if len(written.encode()) > NOTES_LIMIT:
        raise KeepError(
            f"the paths and permissions of its {len(kept.files):,} files have more than"
            f" {NOTES_LIMIT:,} bytes; pods that start while another version is on trial go without"
            " it"
        )
    meta = dict(obj["metadata"])
    ours = {VERSION: kept.version, FILES: written}
    meta["annotations"] = {**(meta.get("annotations") or {}), **ours}
    meta.pop("managedFields", None)
    if private:
        del made["binaryData"]
    return {**obj, **made, "metadata": meta}


def _keys(paths: Iterable[str]) -> dict[str, str]:
    """A key for each path: the path itself where it is one."""
    keys = {path: path for path in paths if _KEY.fullmatch(path)}
    number = 0
    for path in paths:
        if path in keys:
            continue
        while f"file-{number}" in keys:
            number += 1
        keys[path] = f"file-{number}"
        number += 1
    return keys


def _value(data: bytes, *, private: bool) -> tuple[str, str]:
    """The field and the form of a value: text where a ConfigMap can hold it as text, unless it is
    longer with its escapes.
    """
    if not private and _CONTROLS.search(data) is None:
        try:
            return "data", data.decode()
        except UnicodeDecodeError:
            pass
    coded = binascii.b2a_base64(data, newline=False).decode()
    return ("data" if private else "binaryData"), coded


def _note(path: str, key: str, entry: Entry, *, private: bool) -> dict[str, object]:
    """The words about a key; none for a file that is as usual in such an object."""
    note: dict[str, object] = {}
    if path != key:
        note["path"] = path
    permission = entry.permission
    if permission != (PRIVATE if private else None):
        note["mode"] = None if permission is None else f"{permission.mode:04o}"
        if permission is not None and permission.gid >= 0:
            note["gid"] = permission.gid
    if entry.directory:
        note["directory"] = True
    return note
