"""Reads configurations with the parser of supervisor 4.3 and prints what it made of them, as JSON.

Run by the interpreter of an environment that holds supervisor: a line of JSON in (the file and the
variables), a line of JSON out. The shape is that of `oracle.ours`.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import signal
import socket
import sys
from collections.abc import Iterable
from typing import Any

options: Any = importlib.import_module("supervisor.options")
datatypes: Any = importlib.import_module("supervisor.datatypes")
events: Any = importlib.import_module("supervisor.events")

RESTARTS = {
    datatypes.RestartUnconditionally: "always",
    datatypes.RestartWhenExitUnexpected: "on-failure",
    False: "never",
}
SAME = (
    "name command directory umask priority autostart startsecs startretries stopwaitsecs"
    " stopasgroup killasgroup redirect_stderr environment serverurl"
).split()
STREAM = "logfile_maxbytes logfile_backups syslog events_enabled capture_maxbytes".split()
MAIN = (
    "logfile logfile_maxbytes logfile_backups pidfile identifier minfds silent strip_ansi nodaemon"
).split()
KINDS = {
    "ProcessGroupConfig": "program",
    "EventListenerPoolConfig": "eventlistener",
    "FastCGIGroupConfig": "fcgi-program",
}


class Refused(Exception):
    """The parser ends with this message."""


def refuse(code: object) -> None:
    raise Refused(str(code))


def service(one: Any, uid: int | None) -> dict[str, Any]:
    streams = {}
    for name in ("stdout", "stderr"):
        file = getattr(one, f"{name}_logfile")
        kind = "auto" if file is datatypes.Automatic else file or None  # empty: none
        values = {key: getattr(one, f"{name}_{key}") for key in STREAM}
        streams[name] = {"logfile": kind, **values}
    return {
        **{key: getattr(one, key) for key in SAME},
        **streams,
        "autorestart": RESTARTS[one.autorestart],
        "stopsignal": int(one.stopsignal),
        "exitcodes": list(one.exitcodes),
        "uid": uid if one.uid is None else one.uid,
    }


def group(one: Any, uid: int | None) -> dict[str, Any]:
    processes = {}  # the last of a name is run, at the place of the first
    for process in one.process_configs:
        processes[process.name] = service(process, uid)
    listens = hasattr(one, "pool_events")
    address = getattr(one, "socket_config", None)
    return {
        "name": one.name,
        "kind": KINDS[type(one).__name__],
        "priority": one.priority,
        "services": list(processes.values()),
        "events": sorted(map(events.getEventNameByType, one.pool_events)) if listens else [],
        "buffer_size": one.buffer_size if listens else 10,
        "socket": address
        and {
            "url": address.url,
            "owner": getattr(address, "owner", None),
            "mode": getattr(address, "mode", None),
            "backlog": address.backlog,
        },
    }


def server(one: dict[str, Any]) -> dict[str, Any]:
    unix = one["family"] is socket.AF_UNIX
    return {
        "section": one["section"],
        "address": one["file"] if unix else [one["host"], one["port"]],
        "chmod": one["chmod"] if unix else 0o700,
        "chown": list(one["chown"]) if unix else [-1, -1],
        "username": one["username"],
        "password": one["password"],
    }


def unique(groups: Iterable[Any]) -> list[Any]:
    """The first of a name is run."""
    found: dict[str, Any] = {}
    for one in groups:
        found.setdefault(one.name, one)
    return list(found.values())


def parse(file: str, extra: list[str]) -> dict[str, Any]:
    parser = options.ServerOptions()
    parser.stderr = parser.stdout = io.StringIO()
    parser.exit = refuse
    try:
        parser.realize(["-c", file, *extra], doc="")
    except Refused:
        return {"refused": parser.stderr.getvalue().splitlines()[0]}
    return {
        "main": {
            **{key: getattr(parser, key) for key in MAIN},
            "nodaemon": bool(parser.nodaemon),
            "silent": bool(parser.silent),
            "strip_ansi": bool(parser.strip_ansi),
            "loglevel": parser.loglevel,
            "uid": parser.uid,
        },
        "groups": [group(one, parser.uid) for one in unique(parser.process_group_configs)],
        "servers": [server(one) for one in parser.server_configs],
        "serverurl": parser.serverurl,
    }


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for line in sys.stdin:
        asked = json.loads(line)
        os.environ.clear()
        os.environ.update(asked["environ"])
        try:
            answer = parse(asked["file"], asked["options"])
        except Exception as error:  # noqa: BLE001 - a traceback of the original is an answer too
            answer = {"refused": f"traceback: {error!r}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
