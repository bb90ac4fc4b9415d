"""The measure of size: bytes on disk of each candidate, without the interpreter and libc.

A PyPI package counts with its requirements, as pip recorded their files; a Debian package with
dpkg's installed size. Reads metadata only.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tests.bench import peers
from tests.bench.bench import Bench, Result
from tests.bench.candidates import OURS, PYTHON, C
from tests.bench.closure import closure, requirements, size

DEBIAN = ("tini", "dumb-init", "catatonit", "s6", "runit")
PYPI = {"supervisord": "supervisor", "circus": "circus"}


def disk(bench: Bench) -> list[Result]:
    """Ours with and without the requirements of the API role."""
    everything = {name: size(package) for name, package in requirements().items()}
    heavy = closure("kubernetes", sys.path)
    package = os.path.join(bench.shop.folder, "site")
    own = sum(
        os.path.getsize(os.path.join(at, name))
        for at, _, names in os.walk(package)
        for name in names
    )
    samples = {
        "ours, the package alone": [own / 2**20],
        "ours, with all it requires": [(own + sum(everything.values())) / 2**20],
        "ours, with all but `kubernetes` and what it requires": [
            (own + sum(bytes_ for name, bytes_ in everything.items() if name not in heavy)) / 2**20
        ],
    }
    of = dict.fromkeys(samples, OURS)
    for name in DEBIAN:
        if installed := _installed_size(name):
            samples[name] = [installed / 2**20]
            of[name] = C
    for name, package in PYPI.items():
        if parts := closure(package, [peers.packages()]):
            samples[name] = [sum(map(size, parts.values())) / 2**20]
            of[name] = PYTHON
    note = (
        "Compiled modules included. Debian's packages by dpkg's Installed-Size, without the"
        " libraries."
    )
    return [Result("disk", "Size on disk", "MiB", samples, of, note)]


def _installed_size(package: str) -> int:
    try:
        command = ["dpkg-query", "--show", "--showformat=${Installed-Size}", package]
        return (
            int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) * 1024
        )
    except (OSError, subprocess.CalledProcessError, ValueError):
        return 0
