"""The lock files of the images: complete, with digests, and without never imported packages."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.fake_kube import FakeKube
from tests.harness import environment
from tests.images.imports import statements
from tests.images.podman import REPOSITORY

ROOT = Path(REPOSITORY)
LOCKS = ("runtime", "build")


def pins(lock: str) -> dict[str, tuple[Requirement, list[str]]]:
    """A lock file's content: for each name the pin and the allowed digests."""
    text = re.sub(
        r"^#.*\n", "", (ROOT / "images/locks" / f"{lock}.txt").read_text(), flags=re.MULTILINE
    )
    found: dict[str, tuple[Requirement, list[str]]] = {}
    for entry in text.replace("\\\n", " ").splitlines():
        pin, *digests = entry.split(" --hash=")
        requirement = Requirement(pin.strip())
        found[canonicalize_name(requirement.name)] = (requirement, [one.strip() for one in digests])
    return found


def unused() -> set[str]:
    """The packages left out by `make lock`."""
    found = re.search(r"^UNUSED := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert found
    return {canonicalize_name(name) for name in found[1].split()}


def required() -> dict[str, list[Requirement]]:
    """The origin of each lock file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "images/locks/build.in").read_text().splitlines()
    return {
        "runtime": [Requirement(one) for one in project["dependencies"]],
        "build": [Requirement(line) for line in lines if not line.startswith("#")],
    }


def closure(requirements: list[Requirement]) -> set[str]:
    """The names of required packages and, by the metadata installed here, of all their
    requirements.
    """
    found: set[str] = set()
    waiting = list(requirements)
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        waiting += [Requirement(one) for one in importlib.metadata.requires(name) or []]
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_satisfies_what_it_was_made_from(lock: str) -> None:
    pinned = pins(lock)
    versions = {
        one.name: next(iter(pinned[canonicalize_name(one.name)][0].specifier))
        for one in required()[lock]
    }

    assert [] == [
        f"{one} but {versions[one.name]}"
        for one in required()[lock]
        if not one.specifier.contains(versions[one.name].version)
    ]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_is_one_version_and_has_digests(lock: str) -> None:
    found = pins(lock)

    assert found
    assert [] == [
        name
        for name, (pin, _) in found.items()
        if [one.operator for one in pin.specifier] != ["=="]
    ]
    assert [] == [
        name
        for name, (_, digests) in found.items()
        if not digests or not all(re.fullmatch("sha256:[0-9a-f]{64}", one) for one in digests)
    ]


def test_images_get_every_required_package_and_no_other() -> None:
    assert closure(required()["runtime"]) - unused() == set(pins("runtime"))


def test_what_is_unused_is_required_by_something() -> None:
    """Otherwise its name in the Makefile says nothing and should go."""
    assert set() == unused() - closure(required()["runtime"])


def imports(kube: FakeKube, folder: Path) -> set[str]:
    """The packages that a role with an API server imports; all modules are loaded."""
    code = "\n".join(
        [
            "import posix, sys",
            # The client takes it where it is, here for the tests of manifests; the images do not
            # have it.
            "sys.modules['kubernetes_validate'] = None",
            "leave = posix._exit",
            "posix._exit = lambda code: (print(*sys.modules, flush=True), leave(code))",
            *statements(),
            "config_supervisor.__main__.main()",
        ]
    )
    options = [
        "--configmap=web",
        f"--configroot={folder}/live",
        f"--kubeconfig={kube.write_kubeconfig(str(folder / 'kubeconfig'))}",
        "--events",
        "--control=off",
        "--listen=127.0.0.1:0",
    ]
    pod = {"POD_NAME": "web-0", "POD_NAMESPACE": kube.namespace, "POD_UID": "0"}
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, *options, "--", "true"],
        env={**environment(), **pod},
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == done.returncode, done.stderr
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_what_is_unused_is_imported_in_no_role(tmp_path: Path) -> None:
    """A configuration comes from an API server."""
    provided = importlib.metadata.packages_distributions()
    modules = {
        name
        for name, packages in provided.items()
        if unused() & set(map(canonicalize_name, packages))
    }
    with FakeKube() as kube:
        kube.create("web", {"a": "1"})
        imported = imports(kube, tmp_path)

    assert "1" == (tmp_path / "live/a").read_text()
    assert {"kubernetes", "prometheus_client", "psutil", "inotify_simple", "yaml"} <= imported
    assert set() == unused() - {
        canonicalize_name(one) for packages in provided.values() for one in packages
    }
    assert set() == imported & modules
