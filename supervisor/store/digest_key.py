"""The key of published digests: random, a file in each directory of generations.

A reader of the directory can read the configuration anyway; to all others a digest reveals nothing.
It must not know the digested content, and raises OSError only.
"""

from __future__ import annotations

import os

from ..core.content import KEY_BYTES
from .links import replace_file
from .safe_open import read_file

_NAME = "..key"


def new() -> bytes:
    """A new random key."""
    return os.urandom(KEY_BYTES)


def read_or_write(root: int, key: bytes) -> bytes:
    """The key in a directory; if it is missing, `key` or a new key is written. Foreign files move
    aside.
    """
    try:
        found = read_file(root, _NAME, KEY_BYTES)
    except OSError:
        found = b""
    if len(found) == KEY_BYTES and key in (b"", found):
        return found
    key = key or new()
    replace_file(root, _NAME, key)
    return key
