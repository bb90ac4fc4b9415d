"""Builds s6 trees in a temporary directory and reads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from config_supervisor.services import plan_graph, s6_tree
from config_supervisor.services.plan import Condition, Plan, Service
from config_supervisor.services.s6_tree import Tree
from config_supervisor.services.verdicts import Level, Verdict, Verdicts

SHELL = "#!/bin/sh\nexec sleep 1\n"
SOURCE = "etc/s6-overlay/s6-rc.d"
PROGRAM = 0o755
PLAIN = 0o644


class Planted:
    """A tree below a directory; each method adds to it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "etc/s6-overlay").mkdir(parents=True)

    def file(self, path: str, text: str | bytes = "", mode: int = PLAIN) -> Planted:
        full = self.root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_bytes(text.encode() if isinstance(text, str) else text)
        full.chmod(mode)
        return self

    def program(self, path: str, text: str = SHELL) -> Planted:
        return self.file(path, text, PROGRAM)

    def longrun(self, name: str, *needs: str, **files: str) -> Planted:
        """`files`: further ones, with _ for - in their names."""
        self.program(f"{SOURCE}/{name}/run")
        return self._definition(name, "longrun", needs, files)

    def oneshot(self, name: str, *needs: str, **files: str) -> Planted:
        return self._definition(name, "oneshot", needs, {"up": f"/scripts/{name}\n", **files})

    def bundle(self, name: str, *contents: str) -> Planted:
        (self.root / SOURCE / name / "contents.d").mkdir(parents=True, exist_ok=True)
        for one in contents:
            self.file(f"{SOURCE}/{name}/contents.d/{one}")
        return self.file(f"{SOURCE}/{name}/type", "bundle\n")

    def user(self, *contents: str) -> Planted:
        return self.bundle("user", *contents)

    def image(self, *programs: str) -> Planted:
        """Programs that make the tree one of an image."""
        for one in ("bin/sh", *programs):
            self.program(one)
        return self

    def read(self, *command: str, **environ: str) -> Reading:
        return reading(self.root, environ, *command)

    def _definition(
        self, name: str, kind: str, needs: tuple[str, ...], files: Mapping[str, str]
    ) -> Planted:
        self.file(f"{SOURCE}/{name}/type", f"{kind}\n")
        for need in needs:
            self.file(f"{SOURCE}/{name}/dependencies.d/{need}")
        for file, text in files.items():
            self.file(f"{SOURCE}/{name}/{file.replace('_', '-')}", text)
        return self


class Reading:
    """A tree as it was read, and the verdicts."""

    def __init__(self, tree: Tree | None, verdicts: list[Verdict]) -> None:
        self.tree = tree
        self.verdicts = verdicts

    @property
    def plan(self) -> Plan:
        assert self.tree is not None, self.refusals
        return self.tree.plan

    def __getitem__(self, identity: str) -> Service:
        return {one.identity: one for one in self.plan.services}[identity]

    def needs(self, identity: str) -> dict[str, Condition]:
        return {need.service: need.condition for need in self[identity].depends_on}

    @property
    def tiers(self) -> list[list[str]]:
        """Those services that run something, in the order of their starts."""
        commands = {one.identity for one in self.plan.services if one.command and one.autostart}
        tiers = plan_graph.tiers(plan_graph.graph_of(self.plan))
        found = [[one for one in tier if one in commands] for tier in tiers]
        return [tier for tier in found if tier]

    @property
    def refusals(self) -> list[str]:
        return self.at(Level.REFUSE)

    @property
    def warnings(self) -> list[str]:
        return self.at(Level.WARN)

    def at(self, level: Level) -> list[str]:
        return [str(one) for one in self.verdicts if one.level is level]


def reading(root: Path, environ: Mapping[str, str], *command: str) -> Reading:
    verdicts = Verdicts()
    tree = s6_tree.read(str(root), environ, command, verdicts)
    return Reading(tree, list(verdicts))
