"""Paths as a tree of directories, so that each directory is opened once."""

from __future__ import annotations

import errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeVar

    Leaf = TypeVar("Leaf")
    Tree = dict[str, "Tree[Leaf] | Leaf"]


def tree_of(files: Mapping[str, Leaf]) -> Tree[Leaf]:
    """The directories as dictionaries, one in the other; raises OSError where a file is one too."""
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
        if name:  # else it is a directory itself
            node[name] = leaf
    return tree
