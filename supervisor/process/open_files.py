"""Open files at the start: closed standard streams, and files that our parent opened for the app.

All files of this program are close-on-exec (PEP 446), so the others were open before its start. It
opens and closes descriptors, and knows no program.
"""

from __future__ import annotations

import posix as os

_STANDARD = (0, 1, 2)


def open_standard() -> None:
    """Open closed standard streams on /dev/null, before a socket, say, gets their numbers."""
    for number in _STANDARD:
        try:
            os.fstat(number)
        except OSError:
            try:
                opened = os.open("/dev/null", os.O_RDWR)
            except OSError:
                opened = os.open("/", os.O_RDONLY)  # a write to it fails
            # open(2) gives the lowest free number, so this is the standard stream.
            os.set_inheritable(opened, True)


def inherited() -> tuple[int, ...]:
    """The descriptors above 2 for the app: a pipe of its parent, a socket to listen on."""
    try:
        names = os.listdir("/proc/self/fd")
    except OSError:
        return ()  # the app inherits them all the same; we keep them open
    return tuple(
        number for number in map(int, names) if number not in _STANDARD and _is_inheritable(number)
    )


def close(descriptors: tuple[int, ...]) -> None:
    for number in descriptors:
        try:
            os.close(number)
        except OSError:
            continue


def _is_inheritable(number: int) -> bool:
    try:
        return os.get_inheritable(number)
    except OSError:
        return False  # the descriptor of the listing itself
