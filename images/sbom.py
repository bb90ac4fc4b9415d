"""The bill of materials of an image (CycloneDX 1.6, JSON): the packages in it, found by its files.

    podman export CONTAINER | sbom.py NAME VERSION >NAME.cdx.json

The root file system arrives as a tar on stdin, from any image store. Sources: the metadata of
installed Python packages, Debian's package database and, in an image without that database, the
bundle's list of the Debian packages behind its libraries. Must not know how images are built or
kept.
"""

# ruff: noqa: INP001 - a script beside what it is used with, not part of a package

from __future__ import annotations

import email
import email.message
import os
import re
import sys
import tarfile
from collections.abc import Iterator
from typing import IO

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.contrib.this.builders import this_component
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, License
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

LOCK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "locks", "runtime.txt")

_DPKG = "var/lib/dpkg/status"
# Lines `SOURCE NAME[:ARCHITECTURE] VERSION`.
_BUNDLED = "opt/supervisor/share/doc/supervisor/debian-packages.txt"
_RELEASE = "usr/lib/os-release"
_PYTHON = re.compile(r"(?:^|/)[^/]+\.dist-info/METADATA$")
_COPYRIGHT = re.compile(r"(?:^|/)doc/([^/]+)/copyright$")
_DOC = re.compile(r"(?:^|/)doc/([^/]+)$")
_MACHINE_READABLE = "https://www.debian.org/doc/packaging-manuals/copyright-format/"


class Root:
    """The package lists of an image's root."""

    def __init__(self, archive: IO[bytes]) -> None:
        """Read it from a tar, which may be a pipe; raises tarfile.TarError if it is none."""
        self.python: list[str] = []
        self.copyrights: dict[str, str] = {}
        self._texts: dict[str, str] = {}
        self._same_copyright: dict[str, str] = {}
        with tarfile.open(fileobj=archive, mode="r|") as tar:
            for member in tar:
                self._take(tar, member)
        for name, other in self._same_copyright.items():
            if other in self.copyrights:
                self.copyrights.setdefault(name, self.copyrights[other])

    def text(self, path: str) -> str:
        """The content of a file known by its path; empty if the image lacks it."""
        return self._texts.get(path, "")

    def _take(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        path = os.path.normpath(member.name).lstrip("/")
        if member.issym() and (documented := _DOC.search(path)):
            self._same_copyright[documented[1]] = os.path.basename(member.linkname)
        copyright_of = _COPYRIGHT.search(path)
        if not (copyright_of or path in (_DPKG, _BUNDLED, _RELEASE) or _PYTHON.search(path)):
            return
        content = tar.extractfile(member) if member.isfile() else None
        if content is None:
            return
        text = content.read().decode(errors="replace")
        if copyright_of:
            self.copyrights[copyright_of[1]] = text
        elif _PYTHON.search(path):
            self.python.append(text)
        else:
            self._texts[path] = text


def components(root: Root) -> Iterator[Component]:
    """Every package in the image, even one named by two of its lists, once."""
    archives = _locked_archives()
    for metadata in root.python:
        yield _python_package(email.message_from_string(metadata), archives)
    release = dict(re.findall(r'^(\w+)="?(.*?)"?$', root.text(_RELEASE), re.MULTILINE))
    distribution = (
        f"{release['ID']}-{release['VERSION_ID']}" if {"ID", "VERSION_ID"} <= release.keys() else ""
    )
    for paragraph in root.text(_DPKG).split("\n\n"):
        package = email.message_from_string(paragraph)
        if package.get("Status", "").endswith(" installed"):
            yield _debian_package(package, distribution, root)
    for line in root.text(_BUNDLED).splitlines():
        package = email.message.Message()
        package["Source"], package["Package"], package["Version"] = line.split()
        yield _debian_package(package, distribution, root)


def _python_package(metadata: email.message.Message, archives: dict[str, list[str]]) -> Component:
    name, version = re.sub(r"[-_.]+", "-", metadata["Name"]).lower(), metadata["Version"]
    purl = PackageURL("pypi", name=name, version=version)
    component = Component(
        name=name,
        version=version,
        bom_ref=str(purl),
        purl=purl,
        licenses=_python_licences(metadata),
    )
    if hashes := archives.get(f"{name}=={version}"):
        component.external_references.add(
            ExternalReference(
                type=ExternalReferenceType.DISTRIBUTION,
                url=XsUri(str(purl)),
                comment=(
                    "It was installed from the archive with one of these digests, those that the"
                    " lock file allows."
                ),
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in hashes],
            )
        )
    return component


def _python_licences(metadata: email.message.Message) -> list[License]:
    """As PEP 639 has it, else the older field; whatever is more than a name is the text of a
    licence.
    """
    said = metadata.get("License-Expression") or metadata.get("License", "")
    return [LicenseFactory().make_from_string(said)] if said and len(said.splitlines()) == 1 else []


def _locked_archives() -> dict[str, list[str]]:
    """The digests of each `NAME==VERSION` in the lock file."""
    archives: dict[str, list[str]] = {}
    with open(LOCK) as lock:
        for line in lock:
            if pin := re.match(r"(\S+==\S+)", line):
                digests = archives[pin[1]] = []
            elif digest := re.search(r"--hash=sha256:(\w+)", line):
                digests.append(digest[1])
    return archives


def _debian_package(package: email.message.Message, distribution: str, root: Root) -> Component:
    """A component from the fields of dpkg; advisories about its source match `upstream`."""
    name, _, architecture = package["Package"].partition(":")
    source = package.get("Source", name).partition(" ")[0]
    qualifiers = {
        "arch": package.get("Architecture", architecture),
        "distro": distribution,
        "upstream": source if source != name else "",
    }
    given = {key: value for key, value in qualifiers.items() if value}
    purl = PackageURL("deb", "debian", name, package["Version"], given)
    licences = [
        DisjunctiveLicense(name=one) for one in _debian_licences(root.copyrights.get(name, ""))
    ]
    return Component(
        name=name, version=purl.version, bom_ref=str(purl), purl=purl, licenses=licences
    )


def _debian_licences(text: str) -> list[str]:
    """The short names in a machine-readable copyright file (DEP-5); none for any other file."""
    if _MACHINE_READABLE not in text.partition("\n")[0].replace("http:", "https:"):
        return []
    return sorted(
        {name.strip() for name in re.findall(r"^License:[ \t]*(\S.*)$", text, re.MULTILINE)}
    )


def bill(name: str, version: str, root: Root) -> str:
    """The bill of materials of the image of that name and version, as JSON; raises ValueError for
    an image without packages.
    """
    found = {str(component.purl): component for component in components(root)}
    if not found:
        raise ValueError("no package is known in it; is it the root of an image?")
    bom = Bom(components=found.values())
    bom.metadata.component = Component(
        type=ComponentType.CONTAINER, name=name, version=version, bom_ref="image"
    )
    bom.metadata.tools.components.add(this_component())
    bom.register_dependency(bom.metadata.component, found.values())
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)


def main() -> int:
    """Write the bill of materials to stdout; exit code 1 if there is none, 2 for a wrong command
    line.
    """
    if len(sys.argv) != 3:
        sys.stderr.write("usage: sbom.py NAME VERSION <ROOT.tar >NAME.cdx.json\n")
        return 2
    name, version = sys.argv[1:]
    try:
        sys.stdout.write(bill(name, version, Root(sys.stdin.buffer)) + "\n")
    except (tarfile.TarError, ValueError) as error:
        sys.stderr.write(f"cannot tell what is in {name}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
