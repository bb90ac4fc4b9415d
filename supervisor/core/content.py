"""The content of a configuration: paths with bytes, their digest, and the differences of two.

Pure: it decides which names are acceptable and where a key goes. It must not know of disks, clocks,
threads or sources; `store` writes only what was checked here.
"""

from __future__ import annotations

import sys

from . import file_permissions as permissions
from .file_permissions import PRIVATE, Permission
from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from hashlib import _Hash

DATA = "..data"  # the link that the kubelet, and we, switch from one version to the next
# A component (NAME_MAX) and a path (PATH_MAX is 4096 with the final NUL; the rest is for the
# directory in front), path_resolution(7). The depth bounds the open descriptors of a write.
_NAME_BYTES = 255
_PATH_BYTES = 4000
_DEPTH = 64
_LITTLE = 1 << 16
_SHOWN = 2  # names per kind of change in a log line
KEY_BYTES = 32  # of a key for digests
_LONGEST = 200  # characters of a name in a message


class BadPath(ValueError):
    """A refused path, in `path`; the message has the reason and a remedy."""

    def __init__(self, path: str, why: str) -> None:
        shown = repr(path if len(path) <= 100 else f"{path[:97]}...")
        super().__init__(f"cannot use {shown} as a path: {why}")
        self.path = path


class Entry(Record):
    """A file: its bytes, and its permission at the origin (None: the umask decides).

    Or a directory, with a path that ends in `/`; only an empty directory needs an entry.
    """

    data: bytes
    permission: Permission | None = None
    directory: bool = False


DIRECTORY = Entry(b"", None, True)


class Version(Record):
    """A whole configuration with checked paths; made by `version_of()` only.

    `digest` (64 hex digits) is equal exactly when paths, readers and bytes are, and may be
    published; `sums` holds each file's own sha256, which must stay inside.
    """

    files: Mapping[str, Entry]
    digest: str
    sums: Mapping[str, str]

    @property
    def count(self) -> int:
        """The number of files, without directories."""
        return sum(not entry.directory for entry in self.files.values())

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(len(entry.data) for entry in self.files.values())


class Changes(Record):
    """The differences of two versions; each tuple is sorted."""

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
    """Raise BadPath unless `path` names a file below a directory, whatever the directory holds.

    Names with '..' at their beginning are refused altogether: generations and their links have such
    names, here and in a volume of the kubelet, and the API server refuses such keys too.
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
    """A SHA-256; for little data by the interpreter's own code, since libcrypto takes longer to
    load.
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
    """HMAC-SHA256 (RFC 2104), with a key of at most 64 bytes."""
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
    before: Version | None = None,
) -> Version:
    """The version of these files; raises BadPath. The order of `files` plays no part.

    `before`: any version; its entries among `files`, the same objects, are not summed up again.

    With a Secret among them, or a file that some users may not read, the digest is keyed: else its
    readers could try contents until the digest fits. `exact`: the app reads the files of the source
    itself, with all of their modes.
    """
    known = before or _NONE
    filled = _filled(files, known.files)
    whole = sha256()
    kept: dict[str, Entry] = {}
    sums: dict[str, str] = {}
    for path in sorted(files.keys() - filled):
        entry = kept[path] = files[path]
        if known.files.get(path) is entry:
            sum_ = known.sums[path]
        else:
            sum_ = sha256(entry.data).hexdigest()
        name = path.encode()
        # Every part has a fixed or a stated length, so no two versions feed the same bytes.
        whole.update(
            b"%d:%b%b" % (len(name), name, permissions.token(entry.permission, exact=exact))
        )
        whole.update(bytes.fromhex(sum_))
        sums[path] = sum_
    digest = whole.digest()
    if key is not None and (
        secret or any(permissions.limited(entry.permission) for entry in kept.values())
    ):
        digest = keyed(key(), digest)
    return Version(kept, digest.hex(), sums)


_NONE = Version({}, "", {})


def _filled(files: Mapping[str, Entry], checked: Mapping[str, Entry]) -> set[str]:
    # The directories with content, a `/` behind each; raises BadPath.
    filled: set[str] = set()
    for path, entry in files.items():
        if checked.get(path) is not entry:
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
    """Each key's bytes with its permission: from `permitted`, else the owner's only for a private
    object.
    """
    usual = PRIVATE if private else None
    return {key: Entry(data, permitted.get(key, usual)) for key, data in files.items()}


def place(
    files: Mapping[str, Entry], *, subdir: str, mapping: Mapping[str, str]
) -> dict[str, Entry]:
    """Put an object's keys at their paths: the path of `mapping`, else the key, below `subdir`.

    A mapped key may be missing: another object may have it. Raises BadPath, also for two keys on
    the same path.
    """
    placed: dict[str, Entry] = {}
    for key, entry in files.items():
        path = mapping.get(key, key)
        _check(path, entry)  # before joining: a message names the path as the user wrote it
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
    """All the files of several objects; raises BadPath for a path in two of them."""
    merged: dict[str, Entry] = {}
    for part in parts:
        for path, entry in part.items():
            if path in merged and not entry.directory:
                raise BadPath(path, "two objects have it; give one of them a sub-directory")
            merged[path] = entry
    return merged


def diff(old: Mapping[str, str], new: Mapping[str, str]) -> Changes:
    """The changes from `old` to `new`; both map a path to its file's digest."""
    return Changes(
        added=tuple(sorted(new.keys() - old.keys())),
        changed=tuple(sorted(path for path in new.keys() & old.keys() if new[path] != old[path])),
        removed=tuple(sorted(old.keys() - new.keys())),
    )


def shown(name: str) -> str:
    """A foreign name for a message: control characters escaped, a long name cut."""
    cut = name if len(name) <= _LONGEST else f"{name[:_LONGEST]}... ({len(name) - _LONGEST} more)"
    return cut if cut.isprintable() else repr(cut)


def some_names(paths: tuple[str, ...]) -> str:
    """The first paths, for a message, and the number of the others."""
    names = [shown(path) for path in paths[:_SHOWN]]
    more = len(paths) - len(names)
    return ", ".join(names) + (f" (+{more} more)" if more else "")
