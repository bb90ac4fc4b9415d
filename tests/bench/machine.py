"""The machine of a run: the processor, the kernel, the versions of all candidates.

Reads /proc, /etc/os-release, package metadata and git; measures nothing.
"""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata

from tests.bench import disk, peers, workshop

LIBRARIES = ("kubernetes", "urllib3", "prometheus_client", "psutil")


def commit() -> str:
    """The short commit of the source, with `+` after a later change of the program."""
    git = ["git", "-C", workshop.ROOT]
    try:
        short = subprocess.run(
            [*git, "rev-parse", "--short", "HEAD"], check=True, capture_output=True, text=True
        )
        changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "supervisor"], check=False)
    except (OSError, subprocess.CalledProcessError):
        return "an unknown commit"
    return short.stdout.strip() + ("+" if changed.returncode else "")


class Stolen:
    """The share of this machine's CPU time that its host gave to others since the construction."""

    def __init__(self) -> None:
        self._before = _wanted_and_stolen()

    def share(self) -> float:
        """In per cent; while it is high, the figures include the neighbours' work."""
        wanted, stolen = (
            now - was for now, was in zip(_wanted_and_stolen(), self._before, strict=True)
        )
        return 100 * stolen / wanted if wanted else 0.0


def _wanted_and_stolen() -> tuple[int, int]:
    with open("/proc/stat", encoding="utf-8") as file:
        # proc(5): user nice system idle iowait irq softirq steal
        user, nice, system, _, _, irq, softirq, stolen = map(int, file.readline().split()[1:9])
    return user + nice + system + irq + softirq + stolen, stolen


def describe() -> str:
    """A paragraph for the head of the results."""
    one, five, fifteen = os.getloadavg()
    versions = [f"{name} {metadata.version(name)}" for name in LIBRARIES]
    versions += [f"{name} {version}" for name, version in _peers().items()]
    return (
        f"{_processor()}, {os.cpu_count()} cores, Linux {platform.release()}, {_system()}, Python"
        f" {platform.python_version()}; {', '.join(versions)}. Load average after the run:"
        f" {one:.1f}, {five:.1f}, {fifteen:.1f}.\n\nEvery candidate is PID 1 of a fresh pid"
        " namespace (`unshare -pf --mount-proc`) over the same static C app, and takes its samples"
        " in turn with the others. The floor is a minimal Python program (`floor.py`)."
        " Ratios hold on other machines, milliseconds do not."
    )


def _processor() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return "an unknown distribution"


def _peers() -> dict[str, str]:
    found = {}
    for name in disk.DEBIAN:
        command = ["dpkg-query", "--show", "--showformat=${Version}", name]
        try:
            found[name] = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        except (OSError, subprocess.CalledProcessError):
            continue
    for name, package in disk.PYPI.items():
        for one in metadata.distributions(name=package, path=[peers.packages()]):
            found[name] = one.version
    return found
