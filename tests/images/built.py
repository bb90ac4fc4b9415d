"""The images of the project, built once in a run: real builds of the real files.

A machine with a Debian mirror and a package index but no container registry gets a stand-in for the
Debian image first; the files are built unmodified on it. Must not know the content of the images.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from config_supervisor import __version__
from tests.conftest import needs, needs_root
from tests.images import network
from tests.images.podman import REPOSITORY, environment

_PIP_CONF = "[global]\ncert = /run/ci-ca.crt\ndisable-pip-version-check = true\n"


@functools.cache
def image(name: str) -> str:
    """Build `base`, `bundle` or the image of an app, after its base; returns its name and tag."""
    with alone():
        debian("trixie")
        if name not in ("base", "bundle"):
            _build("base")
        _build(name)
    return (
        f"localhost/config-supervisor:{__version__}"
        if name == "base"
        else f"localhost/config-supervisor-{name}:{__version__}"
    )


@functools.cache
def debian(suite: str) -> str:
    """The small Debian image of a suite, else a stand-in; returns its name and tag."""
    tag = f"docker.io/library/debian:{suite}-slim"
    if podman("image", "exists", tag, check=False).returncode:
        needs("mmdebstrap")
        _run(["sh", f"{REPOSITORY}/tests/images/stand-in.sh", suite, tag])
    return tag


@functools.cache
def derived(tag: str, dockerfile: str) -> str:
    """Build an image from a Dockerfile without a context; returns its name."""
    with alone(), tempfile.TemporaryDirectory() as folder:
        Path(folder, "Dockerfile").write_text(dockerfile)
        _run(["podman", "build", *_flags(folder), "--format=docker", "--tag", tag, folder])
    return tag


def podman(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """One podman command and its output."""
    needs_root()
    command = [needs("podman"), *words]
    done = subprocess.run(
        command, env=environment(), capture_output=True, text=True, check=False, timeout=60
    )
    assert not check or done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Builds of other test processes wait meanwhile."""
    with open(f"{tempfile.gettempdir()}/supervisor-images-{os.geteuid()}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(name: str) -> None:
    needs_root()
    with tempfile.TemporaryDirectory() as folder:
        _run(["sh", f"{REPOSITORY}/images/build.sh", name], BUILD_FLAGS=" ".join(_flags(folder)))


def _flags(folder: str) -> list[str]:
    """The needs of a build here: no namespaces of its own, and this machine's trusted
    certificates.
    """
    authorities = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().openssl_cafile
    Path(folder, "pip.conf").write_text(_PIP_CONF)
    secrets = [f"--secret=id=ca,src={authorities}", f"--secret=id=pip_conf,src={folder}/pip.conf"]
    return ["--isolation=chroot", "--network=host", "--layers", "--quiet", *secrets]


def _run(command: list[str], **variables: str) -> None:
    outside = network.outside()  # opened here: between fork and exec it would be too late
    done = subprocess.run(
        command,
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
        preexec_fn=network.go_outside if outside else None,
    )
    assert done.returncode == 0, (
        f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    )
