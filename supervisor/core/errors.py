"""Errors that cross packages: each carries a sentence for the user and leads to one exit code."""

from __future__ import annotations


class UsageError(Exception):
    """The value of an option cannot be understood or used; the message says which and why. Exit
    code 2.
    """


class StartError(Exception):
    """We cannot run; the message says why and what to do. Exit code 125."""


class SpawnError(Exception):
    """The program could not be started.

    `code` is the exit code that a shell would end with; `short` is whether it was for want of
    processes, memory, descriptors, or a file that is being written: it may work the next time.
    """

    def __init__(self, code: int, message: str, *, short: bool = False) -> None:
        super().__init__(message)
        self.code, self.short = code, short
