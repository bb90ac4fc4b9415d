"""The program that runs an s6 tree: its runtime files, its hook, the services, the exit code.

It composes the reading of a tree with the program of several services.
"""

from __future__ import annotations

import os

from ..core.errors import SpawnError, UsageError
from ..process import environment, preparation
from ..process.spawning import Command
from . import (
    s6_directories,
    s6_locations,
    s6_runtime,
    s6_runtime_files,
    s6_tree,
    s6_variables,
    services_program,
)
from .ini_file import Place
from .s6_status_files import StatusFiles
from .tree_files import TreeError, TreeFiles
from .verdicts import Verdicts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..options.declarations import Settings
    from ..runtime.signals import Inherited
    from .plan import Plan
    from .s6_options import TreeOptions
    from .s6_runtime import Runtime
    from .services_loop import ServicesLoop

_HOOK = "S6_STAGE2_HOOK"


class Tree:
    """A tree that is read more than once: its runtime files and its hook come first, once."""

    def __init__(
        self,
        options: TreeOptions,
        environ: Mapping[str, str],
        inherited: Inherited,
    ) -> None:
        self._options = options
        self._root = os.path.abspath(options.root)
        self._command = options.command
        # The hook has run by the time of a reading, which has no verdict about it then.
        self._environ = {name: value for name, value in environ.items() if name != _HOOK}
        variables = s6_variables.read(environ, Verdicts())
        self._base = "" if self._root == "/" else self._root
        self.runtime: Runtime = s6_runtime.of_variables(variables).below(self._base)
        self._inherited = inherited
        self._prepared = False
        self._unwritable = ""  # the reason why there are no runtime files

    def read(self) -> tuple[Plan | None, Verdicts]:
        """The plan of the tree, or None where it is refused. Raises UsageError."""
        verdicts = Verdicts()
        try:
            if not self._prepared:
                self._prepare(verdicts)
                self._prepared = True
            tree = s6_tree.read(self._root, self._environ, self._command, verdicts)
        except TreeError as error:
            raise UsageError(str(error)) from None
        if tree is None:
            return None, verdicts
        plan = s6_locations.below(self._base, self._options.applied(tree.plan, verdicts))
        scan = self.runtime.scan_directory
        return s6_directories.copied(plan, scan, verdicts, self._unwritable), verdicts

    def attend(self, loop: ServicesLoop) -> None:
        """Serve the programs of s6 beside the loop."""
        supervision = s6_directories.Supervision(loop.inbox.put)
        services = loop.plan.plan.services
        supervision.begin(services, self.runtime.scan_directory)
        directories = {
            one.identity: one.directory
            for one in services
            if one.directory and one.identity in supervision.identities
        }
        if directories:
            files = StatusFiles(directories, supervision.post)
            files.begin(loop.services)
            loop.add_observer(files.observe)

    def _prepare(self, verdicts: Verdicts) -> None:
        files = TreeFiles(self._root, Verdicts())
        added = s6_tree.environment(files, self._environ)
        environ = {**self._environ, **added}
        self._unwritable = s6_runtime_files.write(self.runtime, environ, verdicts)
        if not self._base:
            s6_runtime_files.write_programs(self.runtime, verdicts)
        if self.runtime.hook:
            self._run_hook(added, verdicts)

    def _run_hook(self, added: Mapping[str, str], verdicts: Verdicts) -> None:
        words = self.runtime.hook
        env = environment.own()
        for name, value in added.items():
            env.set(name, value)
        env.prepare()
        try:
            code = preparation.run(Command(words, env), self._inherited)
        except SpawnError as error:
            verdicts.warn(Place("environment", key=_HOOK), f"{error}; going on without")
            return
        if code:
            verdicts.warn(Place("environment", key=_HOOK), f"{words[0]} ended with code {code}")


def run(tree: Tree, settings: Settings, environ: Mapping[str, str], inherited: Inherited) -> int:
    """Run the services of a tree to the end of all; the exit code of the container.

    Raises UsageError for a tree that is refused; StartError and OSError as `services_program`.
    """
    code = services_program.run(tree.read, settings, environ, inherited, tree.attend)
    return s6_runtime_files.exit_code(tree.runtime, code)
