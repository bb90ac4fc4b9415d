"""Paths as text, by the rules of `posixpath`, whose package `os` is slow to import.

For modules before the app; others use `os.path`. It must not know of disks: what a path leads to,
and the present directory.
"""

from __future__ import annotations


def join(folder: str, path: str) -> str:
    """A path as seen from a folder; an absolute path stays as it is."""
    if path.startswith("/"):
        return path
    return f"{folder}{path}" if folder.endswith("/") or not folder else f"{folder}/{path}"


def base_name(path: str) -> str:
    """The last component; empty behind a slash."""
    return path.rpartition("/")[2]


def parent(path: str) -> str:
    """The path without its last component."""
    head = path[: path.rfind("/") + 1]
    return head.rstrip("/") or head


def absolute(path: str, directory: str) -> str:
    """A path as seen from an absolute directory, without `.`, `..` and empty components."""
    whole = join(directory, path)
    # Two slashes in front, no more and no less, may have a meaning: POSIX, pathname resolution.
    slashes = 2 if whole.startswith("//") and not whole.startswith("///") else 1
    names: list[str] = []
    for name in whole.split("/"):
        if name == "..":
            del names[-1:]
        elif name not in ("", "."):
            names.append(name)
    return "/" * slashes + "/".join(names)
