"""The manifests beside the images, read, with their consequences: settings, files, mounts, ports.

A container is supervised if our program is its command, or the entry point of one of our images;
then the program itself makes its settings of the image's environment, the pod's environment and the
arguments. Reads files and nothing else; the tests decide right and wrong.
"""

from __future__ import annotations

import glob
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from config_supervisor.core import content
from config_supervisor.core.record import Record
from config_supervisor.options import command_line
from config_supervisor.options.command_line import Settings

IMAGES = os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "images"
)
PATHS = [os.path.relpath(path, IMAGES) for path in sorted(glob.glob(f"{IMAGES}/*/*.yaml"))]
PROGRAM = "/opt/supervisor/bin/supervisor"
OURS = re.compile(r"config-supervisor(-\w+)?:")  # our images, as images/build.sh names them

_UNITS = {"Ki": 1 / 1024, "Mi": 1.0, "Gi": 1024.0}


class Manifest:
    """All documents of a file; `path` is relative to `images`."""

    def __init__(self, path: str) -> None:
        self.path = path
        with open(os.path.join(IMAGES, path), encoding="utf-8") as file:
            self.documents: list[dict[str, Any]] = list(yaml.safe_load_all(file))

    def all(self, *kinds: str) -> list[dict[str, Any]]:
        return [document for document in self.documents if document["kind"] in kinds]

    def one(self, *kinds: str) -> dict[str, Any]:
        """The only document of these kinds."""
        (document,) = self.all(*kinds)
        return document

    @property
    def workload(self) -> dict[str, Any]:
        return self.one("Deployment", "StatefulSet")

    @property
    def pod(self) -> dict[str, Any]:
        """The template of the pods: metadata and spec."""
        template: dict[str, Any] = self.workload["spec"]["template"]
        return template

    @property
    def spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = self.pod["spec"]
        return spec

    @property
    def content(self) -> dict[str, str]:
        """The keys of the ConfigMap."""
        data: dict[str, str] = self.source["data"]
        return data

    @property
    def source(self) -> dict[str, Any]:
        """The ConfigMap of the configuration; that of --fleet-keep is empty."""
        (source,) = [one for one in self.all("ConfigMap") if "data" in one]
        return source

    @property
    def supervised(self) -> Supervised:
        """The single supervised container."""
        (container,) = [one for one in containers(self.spec) if _arguments(one) is not None]
        return Supervised(self, container)


class Supervised:
    """A container of the program, and its settings. Raises UsageError as the program would."""

    def __init__(self, manifest: Manifest, container: dict[str, Any]) -> None:
        self.container = container
        self.environment = {one["name"]: one for one in container.get("env", [])}
        literal = {name: one["value"] for name, one in self.environment.items() if "value" in one}
        image = image_environment(container["image"])
        self.settings: Settings = command_line.parse(
            _arguments(container) or [], {**image, **literal}
        )
        self._manifest = manifest

    @property
    def listens(self) -> int:
        """The port of the metrics and the probes."""
        return self.settings.served_at[1]

    def files(self) -> set[str]:
        """The absolute paths at which the program writes the keys of the ConfigMap."""
        (name,) = self.settings.configmap
        data = {key: text.encode() for key, text in self._manifest.content.items()}
        entries = content.entries(data, private=False, permitted={})
        placed = content.place(entries, subdir=name.subdir, mapping=dict(self.settings.map))
        return {f"{self.settings.configroot}/{path}" for path in placed}

    def hooks(self) -> list[str]:
        """The commands and addresses of the gates, as written."""
        settings = self.settings
        given = [
            shlex.join(settings.validate or ()),
            settings.ready,
            settings.verify,
            settings.reload_http,
        ]
        return [text for text in given if text]


class Mount(Record):
    path: str
    writable: bool
    volume: dict[str, Any]  # of the pod, or a claim's template


def mounts(manifest: Manifest, container: Mapping[str, Any]) -> list[Mount]:
    """A container's volumes by mount path; raises KeyError for an undeclared volume."""
    volumes = {one["name"]: one for one in manifest.spec["volumes"]}
    claims = manifest.workload["spec"].get("volumeClaimTemplates", [])
    volumes |= {one["metadata"]["name"]: one for one in claims}
    return [
        Mount(one["mountPath"], not one.get("readOnly", False), volumes[one["name"]])
        for one in container.get("volumeMounts", [])
    ]


def containers(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those of a pod, init containers first."""
    return [*spec.get("initContainers", []), *spec["containers"]]


def ports(spec: Mapping[str, Any]) -> dict[str, int]:
    """The named ports of a pod."""
    return {
        port["name"]: port["containerPort"]
        for one in containers(spec)
        for port in one.get("ports", [])
    }


def mebibytes(quantity: str) -> float:
    """A quantity of memory as manifests write it: `64Mi`, `1Gi`."""
    number, unit = quantity[:-2], quantity[-2:]
    return float(number) * _UNITS[unit]


def image_environment(image: str) -> dict[str, str]:
    """The variables of our image for its application, by its Dockerfile; none for other images."""
    name = re.fullmatch(r"config-supervisor-(\w+):.*", image)
    path = os.path.join(IMAGES, name[1] if name else "", "Dockerfile")
    if not (name and os.path.exists(path)):
        return {}
    with open(path, encoding="utf-8") as file:
        text = "".join(line for line in file if not line.lstrip().startswith("#")).replace(
            "\\\n", " "
        )
    found: dict[str, str] = {}
    for instruction in re.findall(r"^ENV (.*)", text, re.MULTILINE):
        found |= dict(_assignment(word) for word in shlex.split(instruction))
    return found


def _assignment(word: str) -> tuple[str, str]:
    key, _, value = word.partition("=")
    return key, value


def _arguments(container: Mapping[str, Any]) -> list[str] | None:
    """The program's arguments in a container; None where it does not run."""
    command: list[str] = container.get("command", [])
    args: list[str] = container.get("args", [])
    if command:
        return [*command[1:], *args] if command[0] == PROGRAM else None
    return args if OURS.match(container["image"]) else None


def strings(value: object) -> Iterator[str]:
    """Every string in a document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)


each_manifest = pytest.mark.parametrize("manifest", [Manifest(path) for path in PATHS], ids=PATHS)
# A file of services has the options of each.
_OF_ONE = [path for path in PATHS if not path.startswith("services/")]
each_of_one_app = pytest.mark.parametrize("manifest", list(map(Manifest, _OF_ONE)), ids=_OF_ONE)
