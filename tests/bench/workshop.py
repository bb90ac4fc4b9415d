"""The parts of a benchmark run: the compiled app, and our program as in an image.

Our program lies in the packages of an empty virtual environment, behind the launchers of the
images, with compiled modules and `start_code` files without a check of their age. The interpreter
of this environment runs the floor too: hooks of a distribution (`.pth` files) cost tens of
milliseconds and hide a program's own imports. Must not know the measures.
"""

from __future__ import annotations

import glob
import os
import shutil
import socket
import subprocess

from config_supervisor.core.record import Record
from tests.bench.closure import link, requirements

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PROGRAMS = ("supervisor", "supervisorctl")
IMAGES = os.path.join(ROOT, "images", "bin")
COMPILE = (
    "import compileall, py_compile, sys; sys.exit(not compileall.compile_dir(sys.argv[1],"
    " quiet=1, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH))"
)


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
    (packages,) = glob.glob(os.path.join(empty, "lib", "python*", "site-packages"))
    package = os.path.join(packages, "config_supervisor")
    unwanted = shutil.ignore_patterns("__pycache__", "start")
    shutil.copytree(os.path.join(ROOT, "supervisor"), package, ignore=unwanted)
    for one in requirements().values():
        link(one, packages)
    subprocess.run([python, "-I", "-c", COMPILE, package], check=True)
    compiler = [python, "-I", "-m", "config_supervisor.start_compiler", "--unchecked"]
    subprocess.run(compiler, check=True)
    supervisor, supervisorctl = (_launcher(folder, name, python) for name in PROGRAMS)
    text = "import runpy, sys\n\nsys.argv[:] = sys.argv[1:]\n"
    text = f"#!{python} -I\n{text}runpy.run_path(sys.argv[0], run_name='__main__')\n"
    with_libraries = write_program(os.path.join(folder, "with-libraries"), text)
    return Workshop(folder, memory, python, app, supervisor, supervisorctl, with_libraries)


def _launcher(folder: str, name: str, python: str) -> str:
    """A launcher of the images, with another interpreter in the first line."""
    with open(os.path.join(IMAGES, name), encoding="utf-8") as file:
        text = file.read()
    first, _, rest = text.partition("\n")
    flags = first.partition(" ")[2]
    return write_program(os.path.join(folder, name), f"#!{python} {flags}\n{rest}")


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
