"""The program as an image has it: its packages, `start_code` files and launchers below one folder.

For tests about the start alone: a tree in the tests' temporary directory, with the interpreter of
the tests. Must not know what a test expects.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import needs

ROOT = Path(__file__).resolve().parent.parent
VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"


class Installed:
    """A tree with `bin/python3`, `bin/supervisor` and the package."""

    def __init__(self, home: Path) -> None:
        self.package = home / "lib" / VERSION / "site-packages" / "config_supervisor"
        self.python = home / "bin" / "python3"
        unwanted = shutil.ignore_patterns("__pycache__", "start")
        shutil.copytree(ROOT / "supervisor", self.package, ignore=unwanted)
        self.python.parent.mkdir()
        self.python.symlink_to(os.path.realpath(sys.executable))
        for name in ("supervisor", "supervisorctl"):
            text = (ROOT / "images" / "bin" / name).read_text(encoding="utf-8")
            first, _, rest = text.partition("\n")
            flags = first.partition(" ")[2]
            launcher = home / "bin" / name
            launcher.write_text(f"#!{self.python} {flags}\n{rest}", encoding="utf-8")
            launcher.chmod(0o755)

    def compile(self, *options: str) -> None:
        """Write the `start_code` files, and byte code."""
        path = str(self.package.parent)
        code = (
            f"import runpy, sys; sys.path.append({path!r});"
            " runpy.run_module('config_supervisor.start_compiler', run_name='__main__')"
        )
        python = [str(self.python), "-IS"]
        subprocess.run([*python, "-m", "compileall", "-q", path], check=True)
        subprocess.run([*python, "-c", code, *options], check=True)

    def command(self, *words: str) -> list[str]:
        return [str(self.python.parent / "supervisor"), "--subreaper=off", *words]

    def opened(self, words: Sequence[str], scratch: Path) -> list[str]:
        """The files below the package that a start opens, by their paths there."""
        seen = scratch / "opened"
        trace = [needs("strace"), "-f", "-o", str(seen), "-e", "trace=openat"]
        subprocess.run([*trace, *words], check=True, capture_output=True)
        pattern = rf'"{re.escape(str(self.package))}/([^"]*\.\w+)", [^)]*\) = \d'
        return re.findall(pattern, seen.read_text(encoding="utf-8"))
