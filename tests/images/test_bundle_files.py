"""The files of the bundle: only its tree, every import of the program, licences, and a bounded
size.
"""

from __future__ import annotations

import contextlib
import io
import re
import socket
import subprocess
import tarfile
import threading
import zlib
from collections.abc import Iterator

import pytest

from tests.images import built, network
from tests.images.imports import statements
from tests.images.podman import environment

pytestmark = [pytest.mark.images, pytest.mark.timeout(600)]

PYTHON = "/opt/supervisor/bin/python3"
MIB = 1 << 20


def python(*words: str, options: tuple[str, ...] = (), network: str = "none") -> tuple[int, str]:
    """The interpreter of the bundle in an otherwise empty image; exit code and output."""
    settings = [
        "--rm",
        "--no-healthcheck",
        f"--network={network}",
        "--pull=never",
        f"--entrypoint={PYTHON}",
        *options,
    ]
    done = built.podman("run", *settings, built.image("bundle"), "-I", *words, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def layer() -> bytes:
    """The layer of the image, as a registry would get it before compression."""
    words = ["podman", "save", "--format=docker-archive", built.image("bundle")]
    saved = subprocess.run(
        words, env=environment(), stdout=subprocess.PIPE, check=True, timeout=60
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        largest = max(archive.getmembers(), key=lambda member: member.size)
        content = archive.extractfile(largest)
        assert content is not None
        return content.read()


@pytest.fixture(scope="module")
def members(layer: bytes) -> dict[str, tarfile.TarInfo]:
    """The files of the layer, by path."""
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        return {member.name.strip("/"): member for member in archive.getmembers()}


def test_it_is_small(layer: bytes, members: dict[str, tarfile.TarInfo]) -> None:
    compressor = zlib.compressobj(6, wbits=31)  # as gzip does
    packed = len(compressor.compress(layer)) + len(compressor.flush())

    assert sum(member.size for member in members.values()) <= 70 * MIB
    assert packed <= 22 * MIB


def test_bundle_has_a_tree_and_links_to_it(members: dict[str, tarfile.TarInfo]) -> None:
    """The links at the root are for volumes of the image, those in /usr/local/bin for images with a
    copy.
    """
    beside = {
        name: member
        for name, member in members.items()
        if not f"{name}/".startswith("opt/supervisor/")
    }
    links = {name: member.linkname for name, member in beside.items() if member.issym()}
    theirs = [name for name, member in members.items() if (member.uid, member.gid) != (0, 0)]
    written = [
        name for name, member in members.items() if not member.issym() and member.mode & 0o7022
    ]

    assert {
        **{name: f"opt/supervisor/{name}" for name in ("bin", "lib", "share")},
        **{
            f"usr/local/bin/{name}": f"../../../opt/supervisor/bin/{name}"
            for name in ("supervisor", "supervisorctl")
        },
    } == links
    assert {"opt", "usr", "usr/local", "usr/local/bin"} == beside.keys() - links.keys()
    assert [] == theirs
    assert [] == written


def test_bundle_has_the_names_of_others(members: dict[str, tarfile.TarInfo]) -> None:
    names = {"supervisord", "tini", "dumb-init", "configmap-reload", "k8s-sidecar"}

    for folder in ("bin", "lib/programs", "lib/loader"):
        assert [] == [name for name in names if f"opt/supervisor/{folder}/{name}" not in members]


def test_only_our_own_package_has_its_source(members: dict[str, tarfile.TarInfo]) -> None:
    """A traceback shows our lines; packages of others come as byte code."""
    folders = {
        name.rpartition("/")[0].partition("-packages/")[2]
        for name in members
        if name.endswith(".py")
    }

    assert {"config_supervisor"} == {name.partition("/")[0] for name in folders}


def test_everything_that_is_in_it_has_its_licence(members: dict[str, tarfile.TarInfo]) -> None:
    documents = "opt/supervisor/share/doc"
    from_debian = {
        name.split("/")[4]
        for name in members
        if re.fullmatch(rf"{documents}/[^/]+/copyright", name)
    }
    wheels = {name.split("/")[5] for name in members if name.endswith(".dist-info/METADATA")}
    licensed = {
        name.split("/")[5]
        for name in members
        if re.search(r"\.dist-info/.*(LICEN[CS]E|COPYING)", name)
    }
    libraries = {
        re.sub(r"[.0-9-]*$", "", name.rpartition("/")[2].split(".so")[0])
        for name in members
        if ".so." in name
    }

    assert {"libc", "libcrypto", "libssl", "libz", "libgcc_s"} <= libraries
    assert {
        "libc6",
        "libssl3t64",
        "zlib1g",
        "libgcc-s1",
        "python3.13-minimal",
        "musl-dev",
        "supervisor",
    } <= from_debian
    assert set() == wheels - licensed


def test_all_that_the_program_imports_is_there() -> None:
    assert (0, "") == python("-c", "\n".join(statements()))


def test_everything_is_read_as_byte_code() -> None:
    """Compiling would take a second at each start, since nothing can be written."""
    said = python("-v", "-c", "import kubernetes, prometheus_client, config_supervisor.cli")[1]
    read = re.findall(r"^# code object from '?([^'\n]*)", said, re.MULTILINE)

    assert len(read) > 300
    assert [] == [path for path in read if not path.endswith(".pyc")]


def test_names_are_resolved_as_resolv_conf_and_hosts_say() -> None:
    code = (
        "import socket; print(*(socket.gethostbyname(name) for name in ('app.example',"
        " 'other.example')))"
    )
    network.leave()
    with name_server("127.0.0.77"):
        said = python(
            "-c",
            code,
            options=("--dns=127.0.0.1", "--add-host=other.example:127.0.0.78"),
            network="host",
        )

    assert (0, "127.0.0.77 127.0.0.78\n") == said


@contextlib.contextmanager
def name_server(address: str) -> Iterator[None]:
    """A name server on 127.0.0.1 with the same IPv4 address for every name (RFC 1035)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 53))

        def serve() -> None:
            while True:
                question, sender = server.recvfrom(512)
                if not question:
                    return
                end = question.index(b"\0", 12) + 5  # behind the name, its type and its class
                wanted = question[end - 4 : end - 2] == b"\0\1"
                head = question[:2] + b"\x81\x80\0\1" + (b"\0\1" if wanted else b"\0\0") + bytes(4)
                answer = (
                    b"\xc0\x0c\0\1\0\1\0\0\0\x05\0\4" + socket.inet_aton(address) if wanted else b""
                )
                server.sendto(head + question[12:end] + answer, sender)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            server.sendto(b"", server.getsockname())
            thread.join()
