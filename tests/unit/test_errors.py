"""The maker of sentences from errors of the system."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from config_supervisor.core.errors import reason


def system(number: int, path: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), path)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (system(errno.EACCES, "/etc/shadow"), "permission denied"),
        (system(errno.EIO), "input/output error"),
        (OSError("The disk is gone"), "the disk is gone"),
        (OSError(), "OSError"),
        (TimeoutError(), "TimeoutError"),
        (OSError(errno.EPROTO, "TLS is wanted"), "TLS is wanted"),
        (
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            "name or service not known",
        ),
    ],
)
def test_reason_is_the_end_of_a_sentence(error: OSError, words: str) -> None:
    assert words == reason(error)
