"""The oldest and the newest allowed release of the Kubernetes client, and one of another layout."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.fake_kube import FakeKube
from tests.harness import APPS
from tests.pod import environment

INSTALLED = importlib.metadata.version("kubernetes")
# The modules that know the place of the REST client, without models and groups of the API.
REST_USERS = (
    "client/api_client.py",
    "dynamic/client.py",
    "dynamic/exceptions.py",
    "leaderelection/resourcelock/configmaplock.py",
    "leaderelection/resourcelock/leaselock.py",
    "stream/ws_client.py",
    "utils/create_from_yaml.py",
    "watch/watch.py",
)


def allowed() -> Requirement:
    """The requirement of pyproject.toml."""
    text = (Path(APPS).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
    found = [Requirement(one) for one in tomllib.loads(text)["project"]["dependencies"]]
    (requirement,) = [one for one in found if one.name == "kubernetes"]
    return requirement


def pip(*words: str) -> str:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        pytest.skip(f"needs the package index: {done.stderr.strip()[-300:]}")
    return done.stdout


def lowest() -> str:
    (floor,) = [one.version for one in allowed().specifier if one.operator == ">="]
    return floor


@functools.cache
def latest() -> str:
    found = pip("--dry-run", "--ignore-installed", "--report=-", str(allowed()))
    return str(json.loads(found)["install"][0]["metadata"]["version"])


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The folder of each release; '' is the installed one."""
    folders = {INSTALLED: ""}
    for version in (lowest(), latest()):
        if version not in folders:
            folders[version] = str(tmp_path_factory.mktemp("release"))
            pip("--no-compile", f"--target={folders[version]}", f"kubernetes=={version}")
    return folders


@pytest.fixture
def served(tmp_path: Path) -> Iterator[FakeKube]:
    with FakeKube() as kube:
        kube.create("web", {"k": "a"})
        kube.write_service_account(f"{tmp_path}/account")
        kube.write_kubeconfig(f"{tmp_path}/kubeconfig")
        yield kube


def read(kube: FakeKube, folder: str, way: str, tmp_path: Path) -> tuple[str, str]:
    """The output and the log of tests/apps/read_object.py."""
    login = {"pod": ["account", ""], "kubeconfig": ["no-account", "kubeconfig"]}[way]
    words = [f"{tmp_path}/{name}" if name else "" for name in login]
    command = [sys.executable, "-I", os.path.join(APPS, "read_object.py"), folder, *words]
    path = f"/api/v1/namespaces/{kube.namespace}/configmaps"
    done = subprocess.run(
        [*command, path],
        env={**os.environ, **environment(kube.port)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), done.stderr


@pytest.mark.parametrize("way", ["pod", "kubeconfig"])
@pytest.mark.parametrize("release", [lowest, latest])
def test_parts_of_an_allowed_release_suffice(
    served: FakeKube,
    installed: dict[str, str],
    tmp_path: Path,
    release: Callable[[], str],
    way: str,
) -> None:
    version = release()
    said, log = read(served, installed[version], way, tmp_path)
    assert f"{version} parts a" == said
    assert "" == log


@pytest.mark.parametrize("way", ["pod", "kubeconfig"])
def test_release_of_another_layout_is_imported_whole(
    served: FakeKube, tmp_path: Path, way: str
) -> None:
    said, log = read(served, moved(tmp_path / "release"), way, tmp_path)
    assert f"{INSTALLED} whole a" == said
    assert "No module named 'kubernetes.client.rest'; importing all of it" in log


def moved(folder: Path) -> str:
    """The installed release with its REST client in another module."""
    spec = importlib.util.find_spec("kubernetes")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    copy = folder / "kubernetes"
    changed = {name: (package / name).read_text(encoding="utf-8") for name in REST_USERS}
    changed["client/transport.py"] = (package / "client/rest.py").read_text(encoding="utf-8")
    link(package, copy, {Path(name).parts for name in (*changed, "client/rest.py")})
    for name, text in changed.items():
        renamed = text.replace("kubernetes.client.rest", "kubernetes.client.transport")
        renamed = renamed.replace("import rest\n", "import transport as rest\n")
        (copy / name).write_text(renamed, encoding="utf-8")
    return str(folder)


def link(source: Path, target: Path, without: set[tuple[str, ...]]) -> None:
    """A folder of links to the entries of another, without some."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in source.iterdir():
        inside = {path[1:] for path in without if path[0] == entry.name}
        if not inside:
            (target / entry.name).symlink_to(entry)
        elif () not in inside:
            link(entry, target / entry.name, inside)
