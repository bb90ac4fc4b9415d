"""A file system that never answers: FUSE without a server. A waiting process can only be killed."""

from __future__ import annotations

import ctypes
import os
from types import TracebackType

import pytest

from tests.conftest import needs_root

_MNT_DETACH = 2  # umount2(2)


class Hanging:
    """Mounted on a directory while the context lasts."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __enter__(self) -> str:
        needs_root()
        os.makedirs(self.path)
        try:
            self._device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            pytest.skip(f"needs FUSE: cannot open /dev/fuse: {error.strerror}")
        options = f"fd={self._device},rootmode=40000,user_id=0,group_id=0"
        self._libc = ctypes.CDLL(None, use_errno=True)
        if self._libc.mount(b"none", self.path.encode(), b"fuse", 0, options.encode()):
            os.close(self._device)
            pytest.skip(f"needs the right to mount: {os.strerror(ctypes.get_errno())}")
        return self.path

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._device)  # whatever still waits gets an error
        self._libc.umount2(self.path.encode(), _MNT_DETACH)
