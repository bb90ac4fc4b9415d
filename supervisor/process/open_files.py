"""Open files at the start: standard streams that are closed, and those that our parent has opened
for the app.

All that this program opens is close-on-exec (PEP 446), so whatever is not was there before it.
"""

from __future__ import annotations

import os

_STANDARD = (0, 1, 2)


def open_standard() -> None:
    """Open closed standard streams on /dev/null, before anything else gets their numbers: a socket,
    for example.
    """
    for number in _STANDARD:
        try:
            os.fstat(number)
        except OSError:
            try:
                opened = os.open("/dev/null", os.O_RDWR)
            except OSError:
                opened = os.open("/", os.O_RDONLY)  # what is written to it fails, and goes nowhere
            os.set_inheritable(
                opened, True
            )  # open(2) gives the lowest number that is free, which is this one


def inherited() -> tuple[int, ...]:
    """The descriptors above 2 that are for the app: a pipe of its parent's, a socket to
    listen on.
    """
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
        return False  # the one that listed the directory
