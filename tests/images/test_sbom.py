"""The bill of materials beside an image: compared with the packages found by the image's
own tools.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.utils import canonicalize_name

from config_supervisor import __version__
from tests.images import built
from tests.images.podman import REPOSITORY, environment

Json = dict[str, Any]

INSTALLED = """
import importlib.metadata
for one in importlib.metadata.distributions():
    print(one.name, one.version)
"""
# The bundle's own libraries and its loader; extension modules stand in folders of their own.
LIBRARIES = """
import os
print(*(name for name in os.listdir("/opt/supervisor/lib") if ".so" in name))
"""
STATUS = """\
Package: libb
Status: install ok installed
Architecture: amd64
Source: b (2-0)
Version: 1:2-1+x
Description: two
 lines

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
"""
COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
License: GPL-2+

License: GPL-2+
 The text.
"""


def images(test: Callable[..., None]) -> Callable[..., None]:
    """Marks a test as in need of images and containers."""
    marked: Callable[..., None] = pytest.mark.images(pytest.mark.timeout(600)(test))
    return marked


def bill(
    files: dict[str, str], links: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """The script's output for a root with these files and symlinks."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return script(archive.getvalue())


def script(archive: bytes) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, f"{REPOSITORY}/images/sbom.py", "web", "1.0"]
    return subprocess.run(command, input=archive, capture_output=True, check=False)


def listed(text: str | bytes) -> dict[str, Json]:
    return {component["purl"]: component for component in json.loads(text)["components"]}


def assert_valid(text: str) -> None:
    """By the official schema, which the library brings along."""
    assert None is JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)


# The script


def test_debian_packages_have_licences_and_their_source() -> None:
    root = {
        "usr/lib/os-release": 'NAME="Debian"\nID=debian\nVERSION_ID="13"\n',
        "var/lib/dpkg/status": STATUS,
        "usr/share/doc/libother/copyright": COPYRIGHT,
    }
    done = bill(root, {"usr/share/doc/libb": "libother"})
    assert b"" == done.stderr
    found = listed(done.stdout)

    assert ["pkg:deb/debian/libb@1:2-1%2Bx?arch=amd64&distro=debian-13&upstream=b"] == list(found)
    assert [{"license": {"name": "GPL-2+"}}] == [one["licenses"][0] for one in found.values()]
    assert_valid(done.stdout.decode())


def test_packages_that_the_bundle_was_made_from_are_listed() -> None:
    folder = "opt/supervisor/share/doc"
    done = bill(
        {
            f"{folder}/supervisor/debian-packages.txt": (
                "glibc libc6:amd64 2.41-12+deb13u4\nzlib zlib 1\n"
            ),
            f"{folder}/zlib/copyright": COPYRIGHT,
        }
    )
    found = listed(done.stdout)

    assert [
        "pkg:deb/debian/libc6@2.41-12%2Bdeb13u4?arch=amd64&upstream=glibc",
        "pkg:deb/debian/zlib@1",
    ] == list(found)
    assert [{"license": {"name": "GPL-2+"}}] == found["pkg:deb/debian/zlib@1"]["licenses"]


def test_packages_of_python_are_listed_wherever_they_are() -> None:
    done = bill(
        {
            "a/One_Two-1.0.dist-info/METADATA": (
                "Name: One_Two\nVersion: 1.0\nLicense-Expression: MIT OR ISC\n\ntext"
            ),
            "b/three-2.dist-info/METADATA": "Name: three\nVersion: 2\nLicense: MIT\n",
            "b/four-2.dist-info/RECORD": "Name: four\nVersion: 2\n",
        }
    )
    licences = {purl: component["licenses"] for purl, component in listed(done.stdout).items()}

    assert {
        "pkg:pypi/one-two@1.0": [{"expression": "MIT OR ISC"}],
        "pkg:pypi/three@2": [{"license": {"id": "MIT"}}],
    } == licences
    assert_valid(done.stdout.decode())


@pytest.mark.parametrize(
    "archive", [b"", b"nonsense" * 100, bytes(20480)], ids=["nothing", "no tar", "an empty tar"]
)
def test_a_root_without_any_package_is_refused(archive: bytes) -> None:
    done = script(archive)

    assert (1, b"") == (done.returncode, done.stdout)
    assert re.match(rb"cannot tell what is in web: \S+", done.stderr)
    assert b"Traceback" not in done.stderr


# The images


def beside(name: str) -> str:
    """Its bill as `make images` leaves it; the image is there, so nothing has to be built."""
    image = built.image(name).removeprefix("localhost/").partition(":")[0]
    path = Path(REPOSITORY, "dist", f"{image}.cdx.json")
    path.unlink(missing_ok=True)
    settings = {**environment(), "BUILD": "true", "SBOM": sys.executable}
    with built.alone():
        subprocess.run(
            ["sh", f"{REPOSITORY}/images/build.sh", name], env=settings, check=True, timeout=120
        )
    return path.read_text()


def inside(name: str, *command: str) -> str:
    """The output of a command in the image."""
    options = ["--no-healthcheck", "--network=none", "--pull=never", f"--entrypoint={command[0]}"]
    return built.podman("run", "--rm", *options, built.image(name), *command[1:]).stdout


def python_packages(name: str) -> set[str]:
    said = inside(name, "/opt/supervisor/bin/python3", "-I", "-c", INSTALLED).splitlines()
    return {
        f"pkg:pypi/{canonicalize_name(package)}@{version}"
        for package, version in map(str.split, said)
    }


def debian_packages(name: str) -> dict[str, str]:
    """The versions of dpkg's packages, by name."""
    said = inside(name, "dpkg-query", "--show", "--showformat=${Package} ${Version}\n")
    return dict(re.findall(r"^(\S+) (\S+)$", said, re.MULTILINE))


def of_debian(found: dict[str, Json]) -> dict[str, str]:
    """The versions of Debian's packages in a bill, by name."""
    purls = map(PackageURL.from_string, found)
    return {
        purl.name: str(purl.version)
        for purl in purls
        if (purl.type, purl.namespace) == ("deb", "debian")
    }


def of_python(found: dict[str, Json]) -> set[str]:
    return {purl for purl in found if purl.startswith("pkg:pypi/")}


@images
@pytest.mark.parametrize("name", ["base", "nginx"])
def test_bill_of_an_image_lists_exactly_its_packages(name: str) -> None:
    text = beside(name)
    found = listed(text)

    assert_valid(text)
    assert debian_packages(name) == of_debian(found)
    assert python_packages(name) == of_python(found)
    assert len(found) == len(of_debian(found)) + len(of_python(found))
    assert [] == [
        purl for purl in found if purl.startswith("pkg:deb") and "distro=debian-13" not in purl
    ]


@images
def test_bill_of_the_bundle_lists_packages_and_library_sources() -> None:
    text = beside("bundle")
    found = listed(text)
    libraries = inside("bundle", "/opt/supervisor/bin/python3", "-I", "-c", LIBRARIES).split()
    owners = inside("base", "dpkg-query", "--search", *(f"*/{name}" for name in libraries))
    packages = set(re.findall(r"^(?!diversion )([^:\s]+)", owners, re.MULTILINE))
    debian = of_debian(found)
    launcher = {"musl-dev"}  # of the stage that links it: in no other image

    assert_valid(text)
    assert libraries
    assert python_packages("bundle") == of_python(found)
    assert packages | launcher == {name for name in debian if "python3" not in name}
    assert {name: debian[name] for name in debian.keys() - launcher} == {
        name: version for name, version in debian_packages("base").items() if name in debian
    }


@images
def test_locked_packages_have_a_licence_and_their_digests() -> None:
    found = listed(beside("base"))
    locked = Path(REPOSITORY, "images/locks/runtime.txt").read_text()
    digests = {
        purl: {digest["content"] for digest in component["externalReferences"][0]["hashes"]}
        for purl, component in found.items()
        if "externalReferences" in component
    }

    assert of_python(found) - {f"pkg:pypi/config-supervisor@{__version__}"} == set(digests)
    assert set(re.findall(r"--hash=sha256:(\w+)", locked)) == set().union(*digests.values())
    assert [] == [purl for purl in of_python(found) if not found[purl].get("licenses")]
