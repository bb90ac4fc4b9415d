"""A tree of directories made of paths: each directory is opened once."""

from __future__ import annotations

import errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeVar

    Leaf = TypeVar("Leaf")
    Tree = dict[str, "Tree[Leaf] | Leaf"]


def tree_of(files: Mapping[str, Leaf]) -> Tree[Leaf]:
    """Nested dictionaries of directories; raises OSError for a path below a file."""
    tree: Tree[Leaf] = {}
    for path, leaf in files.items():
        *parents, name = path.split("/")
        node = tree
        for parent in parents:
            below = node.setdefault(parent, {})
            if not isinstance(below, dict):
                raise NotADirectoryError(
                    errno.ENOTDIR, "a file is listed in the place of a directory", path
                )
            node = below
        if name:  # else the path is a directory
            node[name] = leaf
    return tree
