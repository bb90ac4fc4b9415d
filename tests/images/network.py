"""A network namespace for the tests of images: fixed ports, as in pods, without collisions."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import functools
import os
import socket
import struct
from collections.abc import Iterator

_CLONE_NEWNET = 0x40000000  # linux/sched.h
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1  # netdevice(7)


@functools.cache
def outside() -> int:
    """A descriptor of the network namespace in which this process began; to be asked before
    `leave`.
    """
    return os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


@functools.cache
def leave() -> None:
    """Go on in a new network namespace with nothing but a loopback.

    This thread does, with the threads and processes it starts from now on. Needs root.
    """
    _enter_new()


@contextlib.contextmanager
def apart() -> Iterator[None]:
    """The same until the end of the block, and back to the namespace of the beginning."""
    _enter_new()
    try:
        yield
    finally:
        go_outside()


def _enter_new() -> None:
    outside()
    _call("unshare", _CLONE_NEWNET)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _IFF_UP))


def go_outside() -> None:
    """Back to the namespace of this process's start: for a child that needs the network, between
    fork and exec.
    """
    _call("setns", outside(), _CLONE_NEWNET)


def _call(name: str, *arguments: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
