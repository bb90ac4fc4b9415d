"""The programs whose names we take over: the settings of their command lines, and their help."""

from __future__ import annotations

from importlib import import_module

from ..options import command_line
from ..options.option import variable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ..options.declarations import Settings
    from .line import Line

_MODULES = {
    "tini": "tini",
    "tini-static": "tini",
    "dumb-init": "dumb_init",
    "configmap-reload": "configmap_reload",
    "k8s-sidecar": "k8s_sidecar",
}


def settings(name: str, argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """The settings of a command line under the name of another program. Raises UsageError."""
    line: Line = _module(name).read(argv, environ)
    given = dict(line.given)
    told = frozenset(given)
    command_line.read_variables(environ, given, command_line.OPTIONS)
    for option, text in line.defaults.items():
        given.setdefault(option, [(f"the default of {name}", text)])
    return command_line.settled(given, told, line.command)


def help_text(name: str) -> str:
    text: str = _module(name).HELP
    return f"{text}\nAll options of supervisor are given by variables, as {variable('listen')}.\n"


def _module(name: str) -> Any:
    return import_module(f".{_MODULES[name]}", __package__)
