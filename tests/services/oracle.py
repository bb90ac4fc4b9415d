"""The original parser and ours on the same file, in one shape."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from config_supervisor.core.errors import UsageError
from config_supervisor.services import role
from config_supervisor.services.dialect import SUPERVISORD
from config_supervisor.services.plan import Group, Plan, Server, Service, Sink, Stream
from config_supervisor.services.supervisord_line import parse
from config_supervisor.services.verdicts import Level, Verdict

RELEASE = "supervisor==4.3.0"
# It imports pkg_resources, which setuptools 81 has no more; its end-to-end tests want pexpect.
PACKAGES = (RELEASE, "setuptools<81", "pexpect", "ptyprocess")
SCRIPT = Path(__file__).with_name("original_parser.py")
LOG_LEVELS = {"critical": 50, "error": 40, "warn": 30, "info": 20, "debug": 10, "trace": 5}
LOG_LEVELS |= {"blather": 3}


class Original:
    """The parser of supervisor 4.3 in an environment of its own: one process, many files."""

    def __init__(self, python: Path) -> None:
        self._place = python.parent.parent
        self._process = subprocess.Popen(
            [str(python), "-I", str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def read(
        self, file: Path, environ: Mapping[str, str], options: Sequence[str] = ()
    ) -> dict[str, Any]:
        """The parsed file, or `{"refused": message}`."""
        assert self._process.stdin
        assert self._process.stdout
        asked = {"file": str(file), "environ": dict(environ), "options": list(options)}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def own_files(self) -> list[Path]:
        """The sample and the files of the end-to-end tests, which come with the wheel."""
        return sorted(self._place.glob("lib/python*/site-packages/supervisor/**/*.conf"))

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(timeout=10)
        self._process.stdout.close()


def environment(place: Path, packages: Sequence[str] = PACKAGES) -> Path:
    """The interpreter of an environment with packages, made once by the first who asks."""
    python = place / "bin" / "python"
    done = place / "done"
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            venv.create(place, with_pip=False, symlinks=True)
            command = [sys.executable, "-m", "pip", "--quiet", f"--python={python}", "install"]
            installed = subprocess.run(
                [*command, "--no-deps", *packages], capture_output=True, text=True, check=False
            )
            if installed.returncode:
                pytest.skip(f"needs PyPI: cannot install {packages}: {installed.stderr}")
            done.touch()
    return python


def ours(
    file: Path, environ: Mapping[str, str], options: Sequence[str] = ()
) -> tuple[dict[str, Any], list[Verdict]]:
    """The same file by our reader, and its verdicts."""
    try:
        line = parse(["-c", str(file), *options])
        plan, verdicts = role.read(line, SUPERVISORD, environ)
    except UsageError as error:
        return {"refused": str(error)}, []
    found = list(verdicts)
    if plan is None:
        first = next(one for one in found if one.level is Level.REFUSE)
        return {"refused": str(first)}, found
    return shaped(plan), found


def shaped(plan: Plan) -> dict[str, Any]:
    main = plan.main
    same = "logfile_maxbytes logfile_backups pidfile identifier minfds silent strip_ansi nodaemon"
    shape = {
        "main": {
            **{key: getattr(main, key) for key in ("logfile", *same.split())},
            "loglevel": LOG_LEVELS[main.loglevel],
            "uid": main.uid,
        },
        "groups": [_group(one) for one in plan.groups],
        "servers": [_server(one) for one in plan.servers],
        "serverurl": plan.server_url,
    }
    plain: dict[str, Any] = json.loads(json.dumps(shape))
    return plain


def _group(one: Group) -> dict[str, Any]:
    socket = one.socket and {
        "url": one.socket.address,
        "owner": one.socket.owner,
        "mode": one.socket.mode,
        "backlog": one.socket.backlog,
    }
    return {
        "name": one.name,
        "kind": one.kind,
        "priority": one.priority,
        "services": [_service(service) for service in one.services],
        "events": sorted(one.events),
        "buffer_size": one.buffer_size,
        "socket": socket,
    }


def _service(one: Service) -> dict[str, Any]:
    same = (
        "name command directory umask priority autostart startsecs stopsignal stopwaitsecs"
        " stopasgroup killasgroup exitcodes redirect_stderr environment serverurl uid"
    )
    return {
        **{key: getattr(one, key) for key in same.split()},
        "startretries": one.retries.tries,
        "autorestart": one.restart,
        "stdout": _stream(one.stdout),
        "stderr": _stream(one.stderr),
    }


def _stream(one: Stream) -> dict[str, Any]:
    file = "auto" if one.sink is Sink.AUTO else one.path or None
    return {
        "logfile": file,
        "logfile_maxbytes": one.maxbytes,
        "logfile_backups": one.backups,
        "syslog": one.syslog,
        "events_enabled": one.events,
        "capture_maxbytes": one.capture_maxbytes,
    }


def _server(one: Server) -> dict[str, Any]:
    return {
        "section": one.section,
        "address": one.path or [one.host, one.port],
        "chmod": one.mode,
        "chown": list(one.owner),
        "username": one.username,
        "password": one.password,
    }
