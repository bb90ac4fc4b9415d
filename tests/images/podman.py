"""Real containers in one pod, on this machine's own files: no image, no registry, nothing built.

A container's root is an empty directory with the host's /usr, our Python and this repository,
read-only. Kubernetes' pause container has its counterpart here: it holds the pid namespace, so each
of the others may end and come back. Podman and runc have to be installed; `close` removes
everything. Must not know the program.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import config_supervisor
from tests.conftest import needs, needs_root
from tests.harness import wait_until
from tests.output_lines import Lines

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(config_supervisor.__file__)))
PROGRAM = os.path.join(os.path.dirname(sys.executable), "supervisor")
PYTHON = os.path.realpath(sys.executable)
SETTINGS = str(Path(__file__).with_name("containers.conf"))


class Container:
    """One container and its output; `end` stops it as an impatient kubelet does."""

    def __init__(self, name: str, command: Sequence[str], **popen: Any) -> None:
        self.name = name
        self.popen = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **popen
        )
        assert self.popen.stdout is not None
        assert self.popen.stderr is not None
        self.out, self.err = Lines(self.popen.stdout), Lines(self.popen.stderr)

    def finish(self, code: int, timeout: float = 10) -> None:
        """Wait for the end, which must have this exit code."""
        assert code == self.popen.wait(timeout), self.err.seen


class Pod:
    """Containers that share a pid namespace and two directories, `/source` and `/config`."""

    _count = 0

    def __init__(self, scratch: Path, network: str = "none") -> None:
        needs_root()
        self._podman = needs("podman")
        needs("runc")
        Pod._count += 1
        self._prefix = f"supervisor-test-{os.getpid()}-{Pod._count}"
        self._network = network
        self.source, self.config, self._root = (
            _shared(scratch / name) for name in ("source", "config", "root")
        )
        _shared(self._root / "tmp")  # runc gives a tmpfs the mode of the directory below it
        for name in ("bin", "lib", "lib64", "sbin"):
            (self._root / name).symlink_to(f"usr/{name}")
        self._environment = environment()
        self._containers: list[Container] = []
        self._pause()

    def _pause(self) -> None:
        self.start("pause", "/bin/sleep", "infinity")

        def running() -> None:
            shown = self._tell("inspect", "--format={{.State.Running}}", self._full("pause"))
            assert "true" == shown.stdout.strip(), self._containers[0].err.seen

        try:
            wait_until(running)
        except AssertionError as error:
            self.close()
            pytest.skip(f"needs a podman that can start a container here: {error}")

    def start(
        self, name: str, *command: str, uid: int = 1001, env: Mapping[str, str] | None = None
    ) -> Container:
        """Start a container without any capability; its name may be used again once it
        has ended.
        """
        options = [
            f"--name={self._full(name)}",
            f"--user={uid}:{uid}",
            f"--network={self._network}",
            "--cap-drop=all",
            "--security-opt=no-new-privileges",
            "--read-only",
            "--tmpfs=/tmp",
            f"--volume={self.source}:/source:ro",
            f"--volume={self.config}:/config",
            *(f"--volume={path}:{path}:ro" for path in _shown()),
            *(f"--env={key}={value}" for key, value in (env or {}).items()),
        ]
        if self._containers:
            options.append(f"--pid=container:{self._full('pause')}")
        words = [
            self._podman,
            "run",
            "--rm",
            "--no-healthcheck",
            *options,
            "--rootfs",
            str(self._root),
            *command,
        ]
        self._containers.append(Container(self._full(name), words, env=self._environment))
        return self._containers[-1]

    def stop(self, container: Container, timeout: int = 5) -> None:
        """Send TERM, and KILL after that many seconds; returns once the container is removed."""
        self._tell("stop", f"--time={timeout}", container.name)
        container.popen.wait(timeout + 5)
        self._remove(container.name)

    def close(self) -> None:
        """Remove everything."""
        for name in reversed(dict.fromkeys(one.name for one in self._containers)):
            self._remove(name)
        for one in self._containers:
            one.popen.wait(5)
            for stream in (one.out, one.err):
                stream.reader.join(5)

    def _remove(self, name: str) -> None:
        def removed() -> None:
            said = self._tell("rm", "--force", "--time=0", "--ignore", name)
            # A container that was just killed removes itself, and podman refuses to remove it at
            # that moment.
            assert 1 == self._tell("container", "exists", name).returncode, said.stderr

        wait_until(removed)

    def _full(self, name: str) -> str:
        return f"{self._prefix}-{name}"

    def _tell(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [self._podman, *words]
        return subprocess.run(
            command, env=self._environment, capture_output=True, text=True, check=False, timeout=15
        )


def environment() -> dict[str, str]:
    """The environment in which podman runs containers here."""
    return {**os.environ, "CONTAINERS_CONF": SETTINGS}


def _shared(path: Path) -> Path:
    path.mkdir()
    path.chmod(0o777)
    return path


@functools.cache
def _shown() -> list[str]:
    """The host's directories in a container, the outermost only."""
    wanted = sorted({"/usr", sys.prefix, sys.base_prefix, REPOSITORY}, key=len)
    return [path for path in wanted if not any(path.startswith(f"{other}/") for other in wanted)]
