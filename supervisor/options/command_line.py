"""The command line and the environment, read into settings and checked.

An option is given as `--some-option VALUE`, `--some-option=VALUE` or
`CONFIG_SUPERVISOR_SOME_OPTION`; the command line wins. Of the world only the files that hold the
value of an option are read here (`secret_files`): users, other files and the cluster must not be
looked at. `argparse` is not used: it costs a bare init 5 ms, and it lets options end elsewhere than
tini and env do.
"""

from __future__ import annotations

from .. import PREFIX
from ..core.errors import NoCommand, UsageError
from . import parsers
from .declarations import Settings
from .fleet_options import FleetOptions
from .option import Option, flag, variable
from .reload_options import METHODS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

__all__ = ["OPTIONS", "Settings", "flag", "parse", "variable"]

# Variables of the predecessor with the same meaning here.
OLD_VARIABLES = {
    "configmap": "CONFIG_CONTROLLER_CONFIGMAP",
    "configroot": "CONFIG_CONTROLLER_CONFIGROOT",
    "reload_http": "CONFIG_CONTROLLER_URL",
    "reload_http_method": "CONFIG_CONTROLLER_METHOD",
}
_OLD_PREFIX = "CONFIG_CONTROLLER_"

OPTIONS: dict[str, Option] = {
    n: o for n, o in Settings.__defaults__.items() if isinstance(o, Option)
}
_SHORT = {o.short: n for n, o in OPTIONS.items() if o.short}
# The app gets the variables of these options: supervisorctl, started by the app, reads them.
_FOR_COMMANDS = frozenset({"control", "listen"})
# These flags have no variable: CONFIG_SUPERVISOR_VERSION, for example, says in a Dockerfile which
# release to install.
_ON_THE_LINE_ONLY = frozenset({"help", "version", "verbose", "v"})


# The roles with options of their own, by the option that chooses them.
_OF_OTHER_ROLES = ("--services", "--s6")


class OtherRole(UsageError):
    """The command line is that of another role."""


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Settings from a command line (without the program's name) and the environment; raises
    UsageError, OtherRole among them.
    """
    given: dict[str, list[tuple[str, str]]] = {}  # name: (where it was given, text)
    command = read_arguments(argv, given, OPTIONS)
    told = frozenset(given)
    if any(key.startswith((PREFIX, _OLD_PREFIX)) for key in environ):
        read_variables(environ, given, OPTIONS)
    return settled(given, told, command)


def _is_of_another_role(words: Sequence[str]) -> bool:
    """Whether an option that chooses a role is among words, the first of them unknown here."""
    end = words.index("--") if "--" in words else len(words)
    return any(word.partition("=")[0] in _OF_OTHER_ROLES for word in words[:end])


def read_variables(
    environ: Mapping[str, str],
    given: dict[str, list[tuple[str, str]]],
    options: Mapping[str, Option],
) -> None:
    """Add the options that only variables give."""
    for name in options:
        if name not in given and name not in _ON_THE_LINE_ONLY:
            _read_variable(name, options[name], environ, given)


def unchecked(given: Mapping[str, list[tuple[str, str]]], command: Sequence[str] = ()) -> Settings:
    """The parsed options, with no check of options against each other. Raises UsageError."""
    values = {name: one.value for name, one in OPTIONS.items()}
    values.update({name: value(OPTIONS[name], texts) for name, texts in given.items()})
    return Settings(**values, command=tuple(command))


def settled(
    given: dict[str, list[tuple[str, str]]], told: frozenset[str], command: Sequence[str]
) -> Settings:
    """Settings from texts by the name of their option, each with the place where it was written;
    raises UsageError. `told`: the names that weigh as those of a command line.
    """
    for name in [name for name in given if OPTIONS[name].holds]:
        told |= _read_file(name, OPTIONS[name].holds, given, told)
    settings = unchecked(given, command)
    if not (settings.help or settings.version):
        _check(settings, told, Written(given))
    return settings


class Written:
    """Each option as the user wrote it, a flag or a variable."""

    def __init__(self, given: Mapping[str, list[tuple[str, str]]]) -> None:
        self._given = given

    def given(self, name: str) -> bool:
        """Whether the user wrote the option."""
        return name in self._given

    def __getitem__(self, name: str) -> str:
        if name in self._given:
            return self._given[name][-1][0].partition(" ")[0]
        return flag(name)


def read_arguments(
    argv: Sequence[str],
    given: dict[str, list[tuple[str, str]]],
    options: Mapping[str, Option],
) -> Sequence[str]:
    """Collect the options; return the command, which begins at the first non-option or
    after `--`. Raises UsageError.
    """
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return rest
        if not word.startswith("-") or word == "-":
            return [word, *rest]
        head, equals, text = word.partition("=")
        name = _SHORT.get(head) or (head[2:].replace("-", "_") if head.startswith("--") else "")
        if (
            name.startswith("no_")
            and name[3:] in options
            and options[name[3:]].parse is None
            and not equals
        ):
            given.setdefault(name[3:], []).append((head, "false"))
            continue
        if name not in options or "_" in head:
            if options is OPTIONS and _is_of_another_role([word, *rest]):
                raise OtherRole(f"{head} is an option of another role")
            from . import near_misses

            meant = near_misses.option(head, options)
            raise UsageError(f"unknown option {head}{meant}; --help lists all options")
        if options[name].parse is None:
            text = text if equals else "true"
        elif not equals:
            if not rest:
                raise UsageError(f"{head} needs a value: {head} {options[name].metavar}")
            text = rest.pop(0)
        given.setdefault(name, []).append((head, text))
    return []


def _read_variable(
    name: str,
    one: Option,
    environ: Mapping[str, str],
    given: dict[str, list[tuple[str, str]]],
) -> None:
    for key in filter(None, (variable(name), OLD_VARIABLES.get(name))):
        text = environ.get(key, "")
        if not text.strip():
            continue
        given[name] = several(one, key, text)
        return


def several(one: Option, place: str, text: str) -> list[tuple[str, str]]:
    """The values of an option in a text which holds all of them, each with the place."""
    if not one.many:
        return [(place, text)]
    lines = text.replace(",", "\n") if one.commas else text
    return [(place, one.strip()) for one in lines.split("\n") if one.strip()]


def _read_file(
    name: str, held: str, given: dict[str, list[tuple[str, str]]], told: frozenset[str]
) -> frozenset[str]:
    """Read the value of the option `held` from the file of the option `name`.

    Returns `held` if the command line names the file.
    """
    if held in given:
        if (held in told) == (name in told):
            raise UsageError(
                f"{flag(held)} and {flag(name)} exclude each other: the file holds the value of the"
                " other"
            )
        if held in told:
            return frozenset()
    from . import secret_files

    where, path = given[name][-1]
    try:
        given[held] = [(f"{where} {path}", secret_files.value(path))]
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from error
    return frozenset({held} if name in told else ())


def value(one: Option, given: list[tuple[str, str]] | None) -> Any:
    """The parsed texts of an option, else its default. Raises UsageError."""
    if given is None:
        return one.value
    parse_one = one.parse or parsers.switch
    parsed = []
    for where, text in given:
        try:
            parsed.append(parse_one(text))
        except ValueError as error:
            raise UsageError(f"{where}: {error}") from error
    return tuple(parsed) if one.many else parsed[-1]


def log_style(argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """The format of our own log where the rest of a command line cannot be understood."""
    words = list(argv[: argv.index("--")] if "--" in argv else argv)
    joined = "\n".join(words).replace("--log-format\n", "--log-format=").split("\n")
    asked = [word.partition("=")[2] for word in joined if word.startswith("--log-format=")]
    return (asked or [environ.get(variable("log_format"), "")])[-1].strip().lower()


def own_variables(environ: Iterable[str]) -> Iterable[str]:
    """Variables to keep from the app: they are for this program, and may hold credentials.

    None of them where `environ` has no name like theirs: the usual case, of little work.
    """
    if not any(key.startswith((PREFIX, _OLD_PREFIX)) for key in environ):
        return
    for name in OPTIONS.keys() - _ON_THE_LINE_ONLY - _FOR_COMMANDS:
        yield variable(name)
        if name in OLD_VARIABLES:
            yield OLD_VARIABLES[name]


def unknown_variables(
    environ: Mapping[str, str], further: Iterable[str] = ()
) -> Iterable[tuple[str, str]]:
    """Variables with our prefix and without an option, each with the nearest name, or nothing.

    `further`: the names of options that a role has besides.
    """
    told = [name for name in environ if name.startswith(PREFIX)]
    if not told:
        return ()
    with_variable = (OPTIONS.keys() | set(further)) - _ON_THE_LINE_ONLY
    ours = frozenset(map(variable, with_variable))
    unknown = [name for name in told if name not in ours]
    if not unknown:
        return ()
    from . import near_misses

    return near_misses.variables(unknown, with_variable)


def _check(settings: Settings, told: frozenset[str], written: Written) -> None:
    """Check options against each other; `told` are the options of the command line. Raises
    UsageError.
    """
    objects = [name for name in ("configmap", "secret") if getattr(settings, name)]
    api = written[objects[0]] if objects else ""
    if api and settings.config_dir:
        other = written["config_dir"]
        raise UsageError(
            f"{api} and {other} exclude each other: choose where the configuration comes from"
        )
    if api and not settings.configroot:
        raise UsageError(f"{api} needs --configroot DIR: where its files are to be written")
    if settings.configroot and not settings.configured:
        where = written["configroot"]
        raise UsageError(
            f"{where} needs --configmap, --secret or --config-dir: there is nothing to write there"
        )
    for name in ("map", "file_mode", "dir_mode", "owner"):
        if getattr(settings, name) not in ((), None) and not settings.configroot:
            raise UsageError(f"{written[name]} needs --configroot: no file is written without it")
    for window in settings.reload_window:
        if settings.reload_splay >= (window.ends - window.begins) * 60.0:
            raise UsageError(
                f"{written['reload_splay']} is not shorter than each {written['reload_window']}: a"
                " version could miss all of them"
            )
    _check_methods(settings, told, written)
    _check_mode(settings)
    if settings.configured and any(map(written.given, FleetOptions.names())):
        from . import fleet_checks

        fleet_checks.check(settings, written)


def _check_methods(settings: Settings, told: frozenset[str], written: Written) -> None:
    names = [one.option for one in METHODS if one.option]
    given = [written[name] for name in names if getattr(settings, name)]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} exclude each other: there is one way to reload")
    # An image sets the options of its program in its environment. `docker run IMAGE nginx -v` must
    # work all the same, and an error of `docker run IMAGE` must not blame these variables.
    alone = () if settings.command else (*names, "once")
    needy = [
        name
        for name in (*names, "validate", "verify", "once", "events", "fleet")
        if getattr(settings, name)
    ]
    needy = [name for name in needy if name in told or name in alone]
    if needy and not settings.configured:
        raise UsageError(
            f"{written[needy[0]]} needs a configuration: --configmap, --secret or --config-dir"
        )
    chosen = settings.reload_method
    why = chosen.excludes_command if settings.command else chosen.needs_command
    if why:
        raise UsageError(f"{written[chosen.option]} {why}")


def _check_mode(settings: Settings) -> None:
    """Require COMMAND, or an option that does without it. Raises UsageError."""
    if settings.command:
        if settings.once:
            raise UsageError("--once is for an init container, without COMMAND")
        return
    if settings.reload_method.option or settings.once:
        return
    ways = [flag(one.option) for one in METHODS if one.option and not one.needs_command]
    raise NoCommand(
        "no command to run; usage: supervisor [OPTIONS] [--] COMMAND [ARG...] (in an image: CMD); "
        f"a sidecar, without COMMAND, needs {', '.join(ways)} or --once"
    )
