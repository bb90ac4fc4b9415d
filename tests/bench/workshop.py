"""The parts of a benchmark run: the compiled app, and our program as in an image.

Our program is a copy of the tree with compiled modules without a check of their age, behind a file
whose first line is `#!PYTHON -I`, as in an image; a console script by pip imports `re` first. The
interpreter belongs to an empty virtual environment, for the floor too: hooks of a distribution
(`.pth` files) cost tens of milliseconds and hide a program's own imports. Must not know the
measures.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess

from config_supervisor.core.record import Record
from tests.bench.closure import link, requirements

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
LAUNCHER = """\
#!{python} -I
import sys

sys.path += [{package!r}, {libraries!r}]
from config_supervisor.{module} import {name}

{call}
"""


class Workshop(Record):
    """Paths: `folder` on disk, `memory` on tmpfs; the app, our two programs, the interpreter."""

    folder: str
    memory: str
    python: str
    app: str
    supervisor: str
    supervisorctl: str
    with_libraries: str  # a launcher for scripts with the run-time dependencies


def build(folder: str, memory: str, python: str) -> Workshop:
    """Build all parts in `folder`. Raises OSError or CalledProcessError."""
    empty = os.path.join(folder, "python")
    subprocess.run([python, "-m", "venv", "--without-pip", empty], check=True)
    python = os.path.join(empty, "bin", "python")
    app = os.path.join(folder, "app")
    subprocess.run(
        ["gcc", "-O2", "-static", "-Wall", "-o", app, os.path.join(HERE, "app.c")], check=True
    )
    package = os.path.join(folder, "site")
    source = os.path.join(ROOT, "supervisor")
    shutil.copytree(
        source,
        os.path.join(package, "config_supervisor"),
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    script = (
        "import compileall, py_compile, sys; sys.exit(not compileall.compile_dir(sys.argv[1],"
        " quiet=1, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH))"
    )
    subprocess.run([python, "-I", "-c", script, package], check=True)
    libraries = os.path.join(folder, "libraries")
    os.mkdir(libraries)
    for one in requirements().values():
        link(one, libraries)
    paths = {"python": python, "package": package, "libraries": libraries}

    def launcher(file: str, module: str, name: str, call: str) -> str:
        text = LAUNCHER.format(module=module, name=name, call=call, **paths)
        return write_program(os.path.join(folder, file), text)

    supervisor = launcher("supervisor", "__main__", "main", "main()")
    supervisorctl = launcher("supervisorctl", "control.client", "main", "sys.exit(main())")
    text = "import runpy, sys\n\nsys.path += [{libraries!r}]\nsys.argv[:] = sys.argv[1:]\n"
    text = (
        f"#!{python} -I\n{text.format(**paths)}runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    with_libraries = write_program(os.path.join(folder, "with-libraries"), text)
    return Workshop(folder, memory, python, app, supervisor, supervisorctl, with_libraries)


def write_program(path: str, text: str) -> str:
    """Write an executable file; returns its path."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o755)
    return path


def free_port() -> int:
    """A port of loopback that is free now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
