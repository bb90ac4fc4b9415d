"""Several services of a test: their file, and the start of the program on it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.harness import PROGRAM, Program, Run, app, wait_until


def serve(*deeds: object) -> str:
    """The command of a service that does this: see tests/apps/serve.py."""
    return shlex.join(app("serve.py", *deeds))


# The streams of a service are ours, untouched: its lines have no tag, and there is no relay.
INHERITED = {"stdout_logfile": "/dev/stdout", "stderr_logfile": "/dev/stderr", "log_tag": ""}


def section(name: str, *deeds: object, **keys: object) -> str:
    """The section of a program with that name; keys given win, a command among them."""
    keys = {"command": serve(name, *deeds), **INHERITED, **keys}
    if keys.get("redirect_stderr"):
        del keys["stderr_logfile"]
    lines = [f"{key} = {value}" for key, value in keys.items()]
    return "\n".join([f"[program:{name}]", *lines, ""])


def services(run: Run, place: Path, *sections: str, **popen: Any) -> Program:
    """`supervisor --services FILE`."""
    file = written(place, sections)
    return run(options=["--services", file], **popen)


def supervisord(
    run: Run, place: Path, *sections: str, options: Sequence[str] = (), **popen: Any
) -> Program:
    """`supervisord -n -c FILE`, by a link, in a directory of the test."""
    link = place / "supervisord"
    if not link.exists():
        link.symlink_to(PROGRAM[0])
    file = written(place, ("[supervisord]\n", *sections))
    return run.directly(str(link), "-n", "-c", file, *options, **{"cwd": place, **popen})


def written(place: Path, sections: Sequence[str]) -> str:
    file = place / "supervisord.conf"
    file.write_text("\n".join(sections))
    return str(file)


def all_told(lines: Sequence[str], *words: str) -> None:
    """Wait until each of these is a line, or the end of one."""

    def told() -> None:
        assert all(any(line.endswith(word) for line in lines) for word in words), lines

    wait_until(told)


def order(lines: Sequence[str], *words: str) -> list[str]:
    """The lines among these, in the order in which they came."""
    return [line for line in lines if line in words]
