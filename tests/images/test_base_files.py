"""The files of the base image: packages, byte code, rights, and nothing of the build."""

from __future__ import annotations

import os
import re
import ssl
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from config_supervisor import __version__
from tests.images import built
from tests.images.imports import statements
from tests.images.podman import REPOSITORY

pytestmark = [pytest.mark.images, pytest.mark.timeout(600)]

PYTHON = "/opt/supervisor/bin/python3"
# Prints each fault in the byte code below its arguments; the flags are those of PEP 552.
BYTE_CODE = """
import importlib.util, os, sys
for folder, _, names in (found for top in sys.argv[1:] for found in os.walk(top)):
    for path in (os.path.join(folder, name) for name in names):
        if path.endswith(".py") and not os.path.exists(importlib.util.cache_from_source(path)):
            print("none:", path)
        if path.endswith(".pyc"):
            source, code = importlib.util.source_from_cache(path), open(path, "rb").read()
            if not os.path.exists(source):
                print("without its source:", path)
            elif code[:4] != importlib.util.MAGIC_NUMBER:
                print("of another interpreter:", path)
            elif code[4:8] != bytes([1, 0, 0, 0]):
                print("not of the kind unchecked-hash:", path)
            elif code[8:16] != importlib.util.source_hash(open(source, "rb").read()):
                print("of another source:", path)
"""
INSTALLED = """
import importlib.metadata
for one in importlib.metadata.distributions():
    print(f"{one.name}=={one.version}")
"""


@pytest.fixture(scope="module")
def tree() -> Iterator[Path]:
    """The image's files, in a directory."""
    yield from mounted(built.image("base"))


def mounted(image: str) -> Iterator[Path]:
    where = built.podman("image", "mount", image).stdout.strip()
    yield Path(where)
    built.podman("image", "umount", image)


def python(code: str, *words: str) -> str:
    """A program's output, by the image's interpreter."""
    image = built.image("base")
    options = ["--no-healthcheck", "--network=none", "--pull=never", f"--entrypoint={PYTHON}"]
    return built.podman("run", "--rm", *options, image, "-I", "-c", code, *words).stdout


def below(top: Path) -> Iterator[Path]:
    """Every file and directory on that file system, symlinks not followed."""
    for folder, directories, names in os.walk(top):
        if Path(folder).relative_to(top).parts[:1] not in {("dev",), ("proc",), ("sys",)}:
            yield from (Path(folder, name) for name in [*directories, *names])


def unusual_rights(top: Path) -> list[str]:
    """Programs that run as their owner or group, and files writable for all users."""
    found = []
    for path in below(top):
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode) and mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IWOTH):
            found.append(f"{stat.filemode(mode)} /{path.relative_to(top)}")
    return sorted(found)


def certificates(text: str) -> set[str]:
    return set(re.findall(r"-----BEGIN CERTIFICATE-----\n(.*?)\n-----END", text, re.DOTALL))


def test_the_labels_say_what_the_image_is() -> None:
    head = subprocess.run(
        ["git", "-C", REPOSITORY, "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    said = built.podman("image", "inspect", "--format={{json .Labels}}", built.image("base")).stdout
    labels = dict(re.findall(r'"org\.opencontainers\.image\.([\w.]+)":"([^"]*)"', said))

    assert {
        "title": "config-supervisor",
        "description": (
            "PID 1 for application containers that keeps the application's configuration live"
        ),
        "licenses": "Apache-2.0",
        "version": __version__,
        "revision": head.stdout.strip() or "unknown",
        "base.name": "docker.io/library/debian:trixie-slim",
    } == labels


def test_the_packages_are_those_of_the_lock_file_and_the_program() -> None:
    lock = Path(REPOSITORY, "images/locks/runtime.txt").read_text()
    pinned = re.findall(r"^([\w.-]+==[^\s;]+)", lock, re.MULTILINE)
    installed = [
        re.sub(r"[-_.]+(?=.*==)", "-", line).lower() for line in python(INSTALLED).splitlines()
    ]

    assert sorted([*pinned, f"config-supervisor=={__version__}"]) == sorted(installed)


def test_everything_that_the_program_imports_is_there() -> None:
    """The image lacks a half of kubernetes: this finds a missing module."""
    assert "imported\n" == python("\n".join([*statements(), "print('imported')"]))


def test_byte_code_is_complete_and_never_compared_to_source() -> None:
    folders = (
        "import sysconfig; print(*{sysconfig.get_path(name) for name in ('stdlib', 'purelib',"
        " 'platlib')})"
    )

    assert "" == python(BYTE_CODE, *python(folders).split())


def test_sources_that_changed_are_not_read() -> None:
    """After a copy with new times for all files each start on a read-only root would compile them
    again.
    """
    spoil = (
        "find /opt/supervisor -path '*/supervisor/*.py' -exec sh -c 'echo raise SystemExit"
        " >>\"$0\"' {} ';'"
    )
    command = f"set -e; {spoil}; exec /opt/supervisor/bin/supervisor -- sh -c 'exit 3'"
    options = ["--no-healthcheck", "--network=none", "--pull=never", "--entrypoint=sh"]
    done = built.podman("run", "--rm", *options, built.image("base"), "-c", command, check=False)

    assert 3 == done.returncode, done.stderr


def test_nothing_that_only_the_build_needs_is_there(tree: Path) -> None:
    environment = tree / "opt/supervisor"
    tools = {"pip", "ensurepip", "setuptools", "wheel", "_distutils_hack", "direct_url.json"}
    left = [path for path in environment.rglob("*") if path.name.partition("-")[0] in tools]
    caches = ("var/lib/apt/lists", "var/cache/apt", "root/.cache", "tmp", "var/tmp", "run/secrets")
    # apt leaves an empty lock behind, wherever it has been.
    left += [
        path
        for name in caches
        for path in (tree / name).rglob("*")
        if path.is_file() and path.stat().st_size
    ]
    gone = ("etc/pip.conf", "run/ci-ca.crt", "src", "tools")
    left += [tree / name for name in gone if (tree / name).exists()]

    assert [] == left
    programs = {"supervisor", "supervisorctl"}
    links = {"supervisord", "tini", "dumb-init", "configmap-reload", "k8s-sidecar"}
    assert {"python", "python3", "python3.13", *programs, *links} == {
        one.name for one in (environment / "bin").iterdir()
    }


def test_no_secret_and_no_path_of_the_build_is_in_any_file(tree: Path) -> None:
    authorities = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().openssl_cafile
    debian = certificates(
        "".join(path.read_text() for path in (tree / "usr/share/ca-certificates").rglob("*.crt"))
    )
    private = certificates(Path(authorities).read_text()) - debian
    needles = [
        one.encode()
        for one in (*private, "/run/ci-ca.crt", "/src/wheels", "/tools/bin", "/tools/lib")
    ]
    found = []
    for path in below(tree):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            found += [(path, needle[:40]) for needle in needles if needle in content]

    assert [] == found
    assert debian == certificates((tree / "etc/ssl/certs/ca-certificates.crt").read_text())


def test_rights_are_those_of_debian(tree: Path) -> None:
    """Nothing more runs as its owner, and no more is writable for all users."""
    debian = next(mounting := mounted(built.debian("trixie")))
    usual = unusual_rights(debian)
    assert [] == list(mounting)  # unmounts it

    assert usual == unusual_rights(tree)
    assert {0} == {path.lstat().st_uid for path in below(tree / "opt/supervisor")}
