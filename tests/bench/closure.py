"""A package and its requirements, as pip recorded them: the needed part of an environment.

Our program is measured with its run-time dependencies alone, as in an image: other installed
packages change the imports, and the times by seconds. Reads package metadata only.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from importlib import metadata


def closure(
    name: str, where: Sequence[str], found: dict[str, metadata.Distribution] | None = None
) -> dict[str, metadata.Distribution]:
    """By normal name, without extras. `where`: the directories of packages."""
    found = {} if found is None else found
    key = re.sub(r"[-_.]+", "-", name).lower()
    package = next(iter(metadata.distributions(name=name, path=list(where))), None)
    if key in found or package is None:  # a requirement for another Python or system is absent
        return found
    found[key] = package
    for requirement in package.requires or ():
        if "extra ==" not in requirement and (match := re.match(r"[\w.-]+", requirement)):
            closure(match[0], where, found)
    return found


def requirements() -> dict[str, metadata.Distribution]:
    """The requirements of our program at run time, without itself."""
    found = closure("config-supervisor", sys.path)
    return {name: package for name, package in found.items() if name != "config-supervisor"}


def size(package: metadata.Distribution) -> int:
    """Bytes of the recorded files, compiled modules included."""
    paths = [str(file.locate()) for file in package.files or ()]
    return sum(os.path.getsize(path) for path in paths if os.path.isfile(path))


def link(package: metadata.Distribution, folder: str) -> None:
    """Make the package importable from a directory, by links to its top-level entries."""
    for name in {file.parts[0] for file in package.files or ()} - {"..", "__pycache__"}:
        target = str(package.locate_file(name))
        there = os.path.join(folder, name)
        if not os.path.lexists(there):
            os.symlink(target, there)
