"""What a configuration is: relative paths with bytes, one digest, and the difference of two of
them.

Pure: it decides which names are acceptable and where a key goes. It must not know of disks, clocks,
threads or of where content comes from; `files.py` writes what was checked here and may rely on it.
"""

from __future__ import annotations

import sys

from . import permissions
from .permissions import PRIVATE, Permission
from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from hashlib import _Hash

# One component (NAME_MAX) and one path (PATH_MAX is 4096 with the final NUL; the rest is left for
# the directory in front), path_resolution(7). The depth bounds the descriptors that are open while
# writing.
_NAME_BYTES = 255
_PATH_BYTES = 4000
_DEPTH = 64
_LITTLE = 1 << 16
_SHOWN = 2  # names per kind of change in a log line
KEY_BYTES = 32  # of a key for digests
_LONGEST = 200  # characters of a name in a message


class BadPath(ValueError):
    """A path that is not accepted. `path` is that path; the message says why and what to do."""

    def __init__(self, path: str, why: str) -> None:
        shown = repr(path if len(path) <= 100 else f"{path[:97]}...")
        super().__init__(f"cannot use {shown} as a path: {why}")
        self.path = path


class Entry(Record):
    """One file: its bytes, and who might read it at its origin (None: whoever the umask lets).

    Or a directory, whose path ends in `/`; only one with nothing in it needs an entry.
    """

    data: bytes
    permission: Permission | None = None
    directory: bool = False


DIRECTORY = Entry(b"", None, True)


class Version(Record):
    """A whole configuration whose paths were checked; made by `version_of()` only.

    `digest` (64 hex digits) is equal exactly when paths, readers and bytes are, and may be shown;
    `sums` holds each file's own sha256, which must stay inside.
    """

    files: Mapping[str, Entry]
    digest: str
    sums: Mapping[str, str]

    @property
    def count(self) -> int:
        """Files; a directory is none."""
        return sum(not entry.directory for entry in self.files.values())

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(len(entry.data) for entry in self.files.values())


class Changes(Record):
    """What differs between two configurations; each tuple is sorted."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    def __str__(self) -> str:
        kinds = (("changed", self.changed), ("added", self.added), ("removed", self.removed))
        return (
            "; ".join(f"{verb} {some_names(paths)}" for verb, paths in kinds if paths)
            or "nothing changed"
        )


def check_path(path: str) -> None:
    """Raise BadPath unless `path` names a file below a directory, whatever that directory holds.

    Names that begin with '..' are refused altogether: generations and their links are called so,
    here as in a volume that the kubelet writes, and the API server refuses such keys too.
    """
    if not path:
        raise BadPath(path, "it is empty; give every file a name")
    if path.startswith("/"):
        raise BadPath(path, "it is absolute; give a path relative to the configuration's root")
    if "\0" in path:
        raise BadPath(path, "it has a NUL byte; rename the key or place it elsewhere")
    try:
        encoded = path.encode()
    except UnicodeEncodeError:
        raise BadPath(path, "it is not valid UTF-8; rename the file or the key") from None
    if len(encoded) > _PATH_BYTES:
        raise BadPath(path, f"it is longer than {_PATH_BYTES} bytes; place it nearer to the root")
    parts = encoded.split(b"/")
    if len(parts) > _DEPTH:
        raise BadPath(path, f"it is nested more than {_DEPTH} deep; place it nearer to the root")
    for part in parts:
        if not part:
            raise BadPath(path, "it has an empty component; remove the '//' or the last '/'")
        if part == b".":
            raise BadPath(path, "it has a component '.'; write the path without it")
        if part.startswith(b".."):
            raise BadPath(path, "names that begin with '..' are reserved; rename or place it")
        if len(part) > _NAME_BYTES:
            raise BadPath(path, f"a component is longer than {_NAME_BYTES} bytes; shorten it")


def sha256(data: bytes = b"") -> _Hash:
    """A SHA-256, for little data by the interpreter's own code: libcrypto takes longer to load than
    that to hash.
    """
    if len(data) < _LITTLE and "hashlib" not in sys.modules:
        for name in ("_sha256", "_sha2"):  # Python 3.11, and from 3.12 on
            try:
                made: _Hash = __import__(name).sha256(data)
            except ImportError:
                continue
            return made
    import hashlib

    return hashlib.sha256(data)


def keyed(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104): what cannot be computed, or guessed, without the key of at most 64
    bytes.
    """
    # Not by `hmac`, which imports hashlib: see `sha256`.
    padded = key.ljust(64, b"\0")
    inner = sha256(bytes(byte ^ 0x36 for byte in padded) + data).digest()
    return sha256(bytes(byte ^ 0x5C for byte in padded) + inner).digest()


def version_of(
    files: Mapping[str, Entry],
    key: Callable[[], bytes] | None = None,
    *,
    secret: bool = False,
    exact: bool = False,
) -> Version:
    """The checked configuration of these files; raises BadPath. The order of `files` plays no part.

    With a Secret among them, or a file that some users may not read, the digest is keyed: who sees
    it must not be able to try contents until one fits. `exact`: the files are used where they are,
    with all of their modes.
    """
    filled = _filled(files)
    whole = sha256()
    kept: dict[str, Entry] = {}
    sums: dict[str, str] = {}
    for path in sorted(files.keys() - filled):
        entry = kept[path] = files[path]
        one = sha256(entry.data)
        name = path.encode()
        # Every part has a fixed or a stated length, so no two configurations feed the same bytes.
        whole.update(
            b"%d:%b%b" % (len(name), name, permissions.token(entry.permission, exact=exact))
        )
        whole.update(one.digest())
        sums[path] = one.hexdigest()
    digest = whole.digest()
    if key is not None and (
        secret or any(permissions.limited(entry.permission) for entry in kept.values())
    ):
        digest = keyed(key(), digest)
    return Version(kept, digest.hex(), sums)


def _filled(files: Mapping[str, Entry]) -> set[str]:
    # The directories that something is in, with a `/` behind each; raises BadPath.
    filled: set[str] = set()
    for path, entry in files.items():
        _check(path, entry)
        slash = path.find("/")
        while slash > 0:
            if path[:slash] in files:
                raise BadPath(
                    path[:slash], f"it is also the directory of {path!r}; rename one of them"
                )
            if slash + 1 < len(path):
                filled.add(path[: slash + 1])
            slash = path.find("/", slash + 1)
    return filled


def _check(path: str, entry: Entry) -> None:
    check_path(path.removesuffix("/") if entry.directory else path)


def entries(
    files: Mapping[str, bytes], private: bool, permitted: Mapping[str, Permission]
) -> dict[str, Entry]:
    """Each key's bytes with who may read them: as `permitted` says, else the owner only if the
    object is private.
    """
    usual = PRIVATE if private else None
    return {key: Entry(data, permitted.get(key, usual)) for key, data in files.items()}


def place(
    files: Mapping[str, Entry], *, subdir: str, mapping: Mapping[str, str]
) -> dict[str, Entry]:
    """Put one object's keys at their paths: the one that `mapping` gives, else the key, below
    `subdir`.

    Mapped keys that the object lacks are not missed (another object may have them). Raises BadPath,
    also when two keys meet on one path.
    """
    placed: dict[str, Entry] = {}
    for key, entry in files.items():
        path = mapping.get(key, key)
        _check(path, entry)  # before joining, so that a message speaks of what the user wrote
        if subdir:
            path = f"{subdir}/{path}"
            _check(path, entry)
        if path in placed:
            raise BadPath(
                path, f"two keys are placed there, one of them {key!r}; place one elsewhere"
            )
        placed[path] = entry
    return placed


def merge(parts: Iterable[Mapping[str, Entry]]) -> dict[str, Entry]:
    """All the files of several objects; raises BadPath for a path that two of them have."""
    merged: dict[str, Entry] = {}
    for part in parts:
        for path, entry in part.items():
            if path in merged and not entry.directory:
                raise BadPath(path, "two objects have it; give one of them a sub-directory")
            merged[path] = entry
    return merged


def diff(old: Mapping[str, str], new: Mapping[str, str]) -> Changes:
    """What must happen to `old` to become `new`; both map a path to its file's digest."""
    return Changes(
        added=tuple(sorted(new.keys() - old.keys())),
        changed=tuple(sorted(path for path in new.keys() & old.keys() if new[path] != old[path])),
        removed=tuple(sorted(old.keys() - new.keys())),
    )


def shown(name: str) -> str:
    """A name that others chose, for a message: control characters escaped, a long one cut."""
    cut = name if len(name) <= _LONGEST else f"{name[:_LONGEST]}... ({len(name) - _LONGEST} more)"
    return cut if cut.isprintable() else repr(cut)


def some_names(paths: tuple[str, ...]) -> str:
    """The first paths, for a message, and the number of the others."""
    names = [shown(path) for path in paths[:_SHOWN]]
    more = len(paths) - len(names)
    return ", ".join(names) + (f" (+{more} more)" if more else "")
