"""The supervisors of several services, each with `count` copies of the app, and their commands.

Services write nothing, have no server, and need each other in no way. Must not know the measures.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from tests.bench import candidates, peers
from tests.bench.candidates import OURS, PYTHON, C, Candidate, Place
from tests.bench.workshop import write_program

OURS_SERVICES = "ours, --services"
OURS_AS_SUPERVISORD = "ours, as supervisord"
SUPERVISORD = "supervisord"


def several(count: int) -> list[Candidate]:
    """All supervisors, with `count` services."""
    lacks = "" if peers.scripts() else "the installation from PyPI failed"
    scan = _with_folders(count, "s6-svscan")
    directory = _with_folders(count, "runsvdir")
    return [
        Candidate(OURS_SERVICES, OURS, _ours(count)),
        Candidate(OURS_AS_SUPERVISORD, OURS, _ours_as_supervisord(count)),
        Candidate(SUPERVISORD, PYTHON, _supervisord(count), missing=lacks),
        Candidate("circus", PYTHON, _circus(count), missing=lacks),
        Candidate("s6", C, scan, missing=candidates.lacks("s6-svscan")),
        Candidate("runit", C, directory, missing=candidates.lacks("runsvdir")),
    ]


def _names(count: int) -> list[str]:
    return [f"app{number:03}" for number in range(count)]


def _ours(count: int) -> Callable[[Place], list[str]]:
    def command(at: Place) -> list[str]:
        sections = [
            f"[program:{name}]\ncommand={at.shop.app}\nlog_tag=\n" for name in _names(count)
        ]
        path = write_program(os.path.join(at.folder, "services.conf"), "".join(sections))
        return [at.shop.supervisor, "--services", path]

    return command


def _ours_as_supervisord(count: int) -> Callable[[Place], list[str]]:
    def command(at: Place) -> list[str]:
        link = os.path.join(at.folder, "supervisord")
        os.symlink(at.shop.supervisor, link)
        return [link, "-n", "-c", _plain_file(at, count)]

    return command


def _supervisord(count: int) -> Callable[[Place], list[str]]:
    def command(at: Place) -> list[str]:
        path = _plain_file(at, count)
        return [os.path.join(peers.scripts(), "supervisord"), "-n", "-c", path]

    return command


def _plain_file(at: Place, count: int) -> str:
    """The same file for both that read it."""
    head = "[supervisord]\nuser=root\nlogfile=/dev/null\nlogfile_maxbytes=0\n"
    head += f"pidfile={at.folder}/pid\n"
    program = f"command={at.shop.app}\nstdout_logfile=NONE\nstderr_logfile=NONE\n"
    sections = [f"[program:{name}]\n{program}" for name in _names(count)]
    return write_program(os.path.join(at.folder, "supervisord.conf"), head + "".join(sections))


def _circus(count: int) -> Callable[[Place], list[str]]:
    def command(at: Place) -> list[str]:
        ends = [f"ipc://{at.folder}/{name}" for name in ("control", "events")]
        head = f"[circus]\nendpoint={ends[0]}\npubsub_endpoint={ends[1]}\n"
        watcher = f"cmd={at.shop.app}\ncopy_env=True\n"
        sections = [f"[watcher:{name}]\n{watcher}" for name in _names(count)]
        path = write_program(os.path.join(at.folder, "circus.ini"), head + "".join(sections))
        return [os.path.join(peers.scripts(), "circusd"), path]

    return command


def _with_folders(count: int, program: str) -> Callable[[Place], list[str]]:
    """A directory per service with a `run`, as s6 and runit read them."""

    def command(at: Place) -> list[str]:
        scan = os.path.join(at.folder, "scan")
        for name in _names(count):
            os.makedirs(os.path.join(scan, name))
            os.symlink(at.shop.app, os.path.join(scan, name, "run"))
        return [program, scan]

    return command
