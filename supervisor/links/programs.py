"""The programs whose names we take over: the settings of their command lines, and their help."""

from __future__ import annotations

from importlib import import_module

from ..core.errors import FAILED, NoCommand, UsageError
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


_INITS = ("tini", "dumb_init")
_OUR_OPTIONS = f"options of supervisor are given by variables, as {variable('listen')}"


class NoProgram(UsageError):
    """An init without a program; the exit code is that of the originals."""

    code = FAILED


def settings(name: str, argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """The settings of a command line under the name of another program. Raises UsageError."""
    line: Line = _module(name).read(argv, environ)
    given = dict(line.given)
    told = frozenset(given)
    command_line.read_variables(environ, given, command_line.OPTIONS)
    for option, text in line.defaults.items():
        given.setdefault(option, [(f"the default of {name}", text)])
    try:
        return command_line.settled(given, told, line.command)
    except NoCommand as error:
        if _MODULES[name] not in _INITS:
            raise
        usage = _module(name).HELP.partition("\n")[0]
        raise NoProgram(f"no program to run; {usage}; {_OUR_OPTIONS}") from error


def help_text(name: str) -> str:
    text: str = _module(name).HELP
    return f"{text}\nAll {_OUR_OPTIONS}.\n"


def _module(name: str) -> Any:
    return import_module(f".{_MODULES[name]}", __package__)
