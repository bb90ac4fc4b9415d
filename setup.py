"""Adds the files of `start_code` to a wheel, for the interpreter that builds it."""

from __future__ import annotations

import subprocess
import sys

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithStartCode(build_py):
    """Copies the package, then lets its copy compile its start."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            compiler = [sys.executable, "-B", "-m", "config_supervisor.start_compiler"]
            subprocess.run(compiler, cwd=self.build_lib, check=True)


setup(cmdclass={"build_py": BuildWithStartCode})
