"""The fake API server as a program: files become ConfigMaps, and their edits become updates.

For trying the API mode without a cluster. It prints the path of a kubeconfig and serves until TERM
or INT. `kubectl --kubeconfig FILE` works on it too, for ConfigMaps, Secrets and Leases: get, watch,
apply, edit, patch, annotate and delete (not `create configmap`, which speaks protobuf).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading

from tests.fake_kube import FakeKube
from tests.fake_kube_kinds import KINDS, Json, RefusedError, manifest

ABOUT = """\
Serve DIR/NAMESPACE/CONFIGMAP/KEY as ConfigMaps, like `kubectl create configmap CONFIGMAP
--from-file=DIR/NAMESPACE/CONFIGMAP -n NAMESPACE`. Edits, new files and removals become updates.
Files whose name begins with a dot or ends in ~ are left out: editors make them.
"""
LOOK_EVERY = 0.2  # seconds
Tree = dict[tuple[str, str], dict[str, bytes]]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fake_kube", description=ABOUT)
    parser.add_argument("--dir", required=True, help="the directory to serve")
    parser.add_argument("--port", type=int, default=0, help="listen there (default: any free port)")
    parser.add_argument("--kubeconfig", help="write it there (default: DIR/kubeconfig)")
    options = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with FakeKube(options.port) as kube:
        kube.documents.update(discovery())
        served: Tree = {}
        refresh(kube, options.dir, served)
        path = os.path.abspath(options.kubeconfig or os.path.join(options.dir, "kubeconfig"))
        kube.namespace = min((space for space, _ in served), default="default")
        print(kube.write_kubeconfig(path), flush=True)
        while not stop.wait(LOOK_EVERY):
            refresh(kube, options.dir, served)
    return 0


def refresh(kube: FakeKube, folder: str, served: Tree) -> None:
    """Bring the server's ConfigMaps to the state of the directory; `served` is its former state."""
    now = read_tree(folder)
    for (space, name), files in now.items():
        if served.get((space, name)) == files:
            continue
        try:
            _apply(kube, space, name, files)
        except RefusedError as refused:
            print(f"cannot serve {space}/{name}: {refused}", file=sys.stderr, flush=True)
    for space, name in served.keys() - now.keys():
        kube.store.delete("configmaps", space, name)
    served.clear()
    served.update(now)


def _apply(kube: FakeKube, space: str, name: str, files: dict[str, bytes]) -> None:
    plain, binary = {}, {}
    for key, value in files.items():
        try:
            plain[key] = value.decode()
        except UnicodeDecodeError:
            binary[key] = value
    kube.store.namespaces.add(space)
    body = manifest(name, plain, binary, kind="configmap")
    try:
        kube.store.replace("configmaps", space, name, body)
    except RefusedError as missing:
        if missing.code != 404:
            raise
        kube.store.create("configmaps", space, body)


def read_tree(folder: str) -> Tree:
    """The files of a directory by namespace and ConfigMap."""
    return {
        (space.name, name.name): {
            key.name: _content(key.path) for key in _entries(name.path) if key.is_file()
        }
        for space in _entries(folder)
        if space.is_dir()
        for name in _entries(space.path)
        if name.is_dir()
    }


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return [
                entry
                for entry in found
                if not entry.name.startswith(".") and not entry.name.endswith("~")
            ]
    except FileNotFoundError:
        return []


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def discovery() -> dict[str, Json]:
    """The answers to kubectl's first questions: groups, versions and kinds."""
    groups = {kind.group for kind in KINDS.values() if kind.group}
    return {
        "/version": {"major": "1", "minor": "32", "gitVersion": "v1.32.0-fake"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": list(map(_group, groups))},
        "/api/v1": _resources("", {"namespaces": "Namespace"}),
        **{f"/apis/{group}/v1": _resources(group, {}) for group in groups},
    }


def _group(name: str) -> Json:
    version = {"groupVersion": f"{name}/v1", "version": "v1"}
    return {"name": name, "versions": [version], "preferredVersion": version}


def _resources(group: str, others: dict[str, str]) -> Json:
    """The list of a group's resources; `others` are known by name only."""
    ours = {name: kind.name for name, kind in KINDS.items() if kind.group == group}
    resources = [
        {
            "name": name,
            "singularName": kind.lower(),
            "namespaced": kind != "Namespace",
            "kind": kind,
            "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
            "shortNames": ["cm"] if kind == "ConfigMap" else [],
        }
        for name, kind in {**ours, **others}.items()
    ]
    version = f"{group}/v1" if group else "v1"
    return {"kind": "APIResourceList", "groupVersion": version, "resources": resources}
