"""What the user can choose: one field per setting, and from it the flag, the variable, the help and the checks.

To add a setting: one `option` line. It can be given as `--some-option VALUE`, `--some-option=VALUE` or
`SUPERVISOR_SOME_OPTION`; the command line wins. Reading the world (files, users, the cluster) is not done here.
`argparse` is not used: it costs a bare init 5 ms, and its idea of where options end is not that of tini and env.
"""

from __future__ import annotations

from . import values
from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from .values import ObjectName

# Flags and variables that the program before this one had and that mean the same here.
OLD_VARIABLES = {
    "configmap": "CONFIG_CONTROLLER_CONFIGMAP",
    "configroot": "CONFIG_CONTROLLER_CONFIGROOT",
}


class UsageError(Exception):
    """The command line or the environment cannot be understood; the message says which part and why."""


class StartError(Exception):
    """We cannot run; the message says why and what to do. Exit code 125."""


class Option(Record):
    """How one setting is written and read."""

    parse: Callable[[str], Any] | None  # None: a switch
    default: Any
    metavar: str
    help: str
    many: bool = False
    short: str = ""
    shown_default: str = ""


def option(  # noqa: PLR0913 - the declaration of a setting, always by name
    parse: Callable[[str], Any] | None,
    metavar: str,
    help: str,  # noqa: A002 - what it is
    *,
    default: Any = None,
    many: bool = False,
    short: str = "",
    shown: str = "",
) -> Any:
    """Declare a setting. `many`: may be repeated, the value is a tuple."""
    return Option(parse, () if many else default, metavar, help, many, short, shown)


def choice(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"{text!r} is not one of {', '.join(words)}")
        return text

    return parse


class Settings(Record):
    """Every setting, in the order of the help."""

    configmap: tuple[ObjectName, ...] = option(
        values.object_name,
        "[NS/]NAME[:SUBDIR]",
        "keep this ConfigMap's keys as files in configroot, through the API; repeatable",
        many=True,
    )
    secret: tuple[ObjectName, ...] = option(
        values.object_name,
        "[NS/]NAME[:SUBDIR]",
        "the same for a Secret, with files of mode 0600; repeatable",
        many=True,
    )
    config_dir: str | None = option(
        values.path,
        "DIR",
        "take the configuration from a mounted ConfigMap volume or any directory instead of the API; "
        "without --configroot its files are used where they are",
    )
    configroot: str | None = option(
        values.path,
        "DIR",
        "where the files are written, all of them in one step (needed with --configmap, --secret)",
    )
    map: tuple[tuple[str, str], ...] = option(
        values.mapping, "KEY=PATH", "write a key to this relative path; repeatable", many=True
    )
    file_mode: int | None = option(values.mode, "MODE", "mode of the files, octal", shown="0666 less the umask")
    dir_mode: int | None = option(values.mode, "MODE", "mode of the directories, octal", shown="0777 less the umask")
    owner: tuple[str, str] | None = option(values.user, "USER[:GROUP]", "owner of what is written; names or numbers")
    namespace: str | None = option(
        values.namespace,
        "NS",
        "namespace of objects that are named without one",
        shown="the pod's own, else the kubeconfig context's, else default",
    )
    kubeconfig: str | None = option(
        values.path,
        "FILE",
        "how to reach the API",
        shown="in-cluster, else $KUBECONFIG, else ~/.kube/config",
    )
    context: str | None = option(values.word, "NAME", "context of the kubeconfig", shown="its current one")
    initial_sync_timeout: float = option(
        values.duration,
        "DURATION",
        "how long the app's start may wait for its first configuration; then the last one left in configroot "
        "is used if it is intact, else the exit code is 125",
        default="60s",
    )
    reload_signal: int = option(
        values.signal_number, "SIG", "what the app gets when its files have changed", default="HUP"
    )
    reload_timeout: float = option(
        values.duration,
        "DURATION",
        "a reload must end within this, retries included",
        default="30s",
    )
    reload_interval: float = option(
        values.duration,
        "DURATION",
        "the first change reloads at once; further ones wait until this long after the last reload began, "
        "and only the newest is applied",
        default="10s",
    )
    reload_quiet: float = option(
        values.duration,
        "DURATION",
        "wait for this much silence before applying (at most 10 times it)",
        default="0s",
    )
    reload_splay: float = option(
        values.duration,
        "DURATION",
        "random delay up to this, so that a fleet does not reload at one instant",
        default="0s",
    )
    stop_signal: int = option(
        values.signal_number,
        "SIG",
        "what the app gets when the supervisor is told to stop by TERM",
        default="TERM",
    )
    stop_delay: float = option(
        values.duration,
        "DURATION",
        "wait before passing the stop on (endpoint removal)",
        default="0s",
    )
    stop_timeout: float | None = option(
        values.duration,
        "DURATION",
        "KILL the app this long after the stop was passed on",
        shown="never",
    )
    rewrite: tuple[tuple[int, int], ...] = option(
        values.rewrite,
        "FROM:TO",
        "forward another signal than was received, or none (FROM:0); repeatable",
        many=True,
    )
    signal_group: bool = option(None, "", "signal the app's process group, not only the app", short="-g", default=False)
    leftovers: str = option(
        choice("terminate", "ignore"),
        "terminate|ignore",
        "what becomes of processes that remain when the app has ended: TERM and time to finish, then KILL; or nothing",
        default="terminate",
    )
    leftovers_timeout: float = option(values.duration, "DURATION", "their time to finish", default="10s")
    subreaper: str = option(
        choice("auto", "off"), "auto|off", "become a child subreaper when not PID 1", default="auto"
    )
    restart: str = option(
        choice("never", "on-failure", "always"),
        "never|on-failure|always",
        "start the app again when it ends, after 0.5s, doubling to 30s, anew after 30s up",
        default="never",
    )
    ok_exit_code: tuple[int, ...] = option(
        values.exit_code, "N", "an exit code of the app that counts as 0; repeatable", many=True
    )
    user: tuple[str, str] | None = option(values.user, "USER[:GROUP]", "run the app as this user", shown="inherited")
    workdir: str | None = option(values.word, "DIR", "run the app in this directory", shown="inherited")
    umask: int | None = option(values.umask, "MASK", "umask of the app, octal", shown="inherited")
    env_file: tuple[str, ...] = option(
        values.path, "FILE", "KEY=VALUE lines added to the app's environment; repeatable", many=True
    )
    parent_death_signal: int | None = option(values.signal_number, "SIG", "get this signal when our own parent dies")
    listen: tuple[str, int] | None = option(
        values.listen,
        "[HOST]:PORT|off",
        "serve /metrics, /livez, /readyz and /status here",
        shown=":9911, off when no configuration option is given",
    )
    log_format: str = option(choice("text", "json"), "text|json", "of our own log, on standard error", default="text")
    log_level: str = option(
        choice("debug", "info", "warning", "error"),
        "debug|info|warning|error",
        "of our own log",
        default="info",
    )
    verbose: bool = option(None, "", "the same as --log-level=debug", short="-v", default=False)
    v: int = option(values.count, "N", "1 and above are the same as --log-level=debug", default="0")
    version: bool = option(None, "", "print the version", default=False)
    help: bool = option(None, "", "print this help", short="-h", default=False)
    command: tuple[str, ...] = ()

    @property
    def configured(self) -> bool:
        """Whether there is a configuration to keep live."""
        return bool(self.configmap or self.secret or self.config_dir)


OPTIONS: dict[str, Option] = {n: o for n, o in Settings._defaults.items() if isinstance(o, Option)}  # noqa: SLF001
_SHORT = {o.short: n for n, o in OPTIONS.items() if o.short}


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def variable(name: str) -> str:
    return "SUPERVISOR_" + name.upper()


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Settings from a command line (without the program's name) and the environment; raises UsageError."""
    given: dict[str, list[tuple[str, str]]] = {}  # name: (where it was given, text)
    command = _read_arguments(argv, given)
    for name in OPTIONS:
        if name not in given:
            _read_variable(name, environ, given)
    values_ = {name: _value(name, given.get(name)) for name in OPTIONS}
    settings = Settings(**values_, command=tuple(command))
    if not (settings.help or settings.version):
        _check(settings)
    return settings


def _read_arguments(argv: Sequence[str], given: dict[str, list[tuple[str, str]]]) -> Sequence[str]:
    """Collect the options; return the command, which begins at the first non-option or after `--`."""
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return rest
        if not word.startswith("-") or word == "-":
            return [word, *rest]
        head, equals, text = word.partition("=")
        name = _SHORT.get(head) or (head[2:].replace("-", "_") if head.startswith("--") else "")
        if name not in OPTIONS or "_" in head:
            raise UsageError(f"unknown option {head}{_suggestion(head)}; --help lists them all")
        if OPTIONS[name].parse is None:
            text = text if equals else "true"
        elif not equals:
            if not rest:
                raise UsageError(f"{head} needs a value: {head} {OPTIONS[name].metavar}")
            text = rest.pop(0)
        given.setdefault(name, []).append((head, text))
    return []


def _read_variable(name: str, environ: Mapping[str, str], given: dict[str, list[tuple[str, str]]]) -> None:
    for key in filter(None, (variable(name), OLD_VARIABLES.get(name))):
        text = environ.get(key, "")
        if not text.strip():
            continue
        if OPTIONS[name].many:
            given[name] = [(key, one.strip()) for one in text.replace(",", "\n").split("\n") if one.strip()]
        else:
            given[name] = [(key, text)]
        return


def _value(name: str, given: list[tuple[str, str]] | None) -> Any:
    one = OPTIONS[name]
    parse_one = one.parse or values.switch
    if given is None:
        return parse_one(one.default) if isinstance(one.default, str) else one.default
    parsed = []
    for where, text in given:
        try:
            parsed.append(parse_one(text))
        except ValueError as error:
            raise UsageError(f"{where}: {error}") from error
    return tuple(parsed) if one.many else parsed[-1]


def _suggestion(word: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only when something is wrong

    close = get_close_matches(word, [flag(name) for name in OPTIONS], n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _check(settings: Settings) -> None:
    """What no single option can see. Raises UsageError."""
    api = "--configmap" if settings.configmap else "--secret" if settings.secret else ""
    if api and settings.config_dir:
        raise UsageError(f"{api} and --config-dir exclude each other: choose where the configuration comes from")
    if api and not settings.configroot:
        raise UsageError(f"{api} needs --configroot DIR: where its files are to be written")
    if settings.configroot and not settings.configured:
        raise UsageError("--configroot needs --configmap, --secret or --config-dir: there is nothing to write there")
    for name in ("map", "file_mode", "dir_mode", "owner"):
        if getattr(settings, name) not in ((), None) and not settings.configroot:
            raise UsageError(f"{flag(name)} needs --configroot: no file is written without it")
    if not settings.command:
        raise UsageError("no command to run; usage: supervisor [OPTIONS] [--] COMMAND [ARG...]")


def help_text() -> str:
    """The whole help: usage, and each option with its default."""
    import textwrap  # noqa: PLC0415 - only for --help

    lines = [
        "usage: supervisor [OPTIONS] [--] COMMAND [ARG...]",
        "",
        "Runs COMMAND as PID 1 should: reaps orphans, forwards signals, ends with its exit code. With a",
        "configuration option it also keeps the configuration live: writes it, starts COMMAND on it, and",
        "signals COMMAND when it changes. Every --some-option can be given as SUPERVISOR_SOME_OPTION;",
        "repeatable ones are split at newlines and commas. Durations: 500ms, 2s, 1m.",
        "",
    ]
    for head, text in rows():
        wrapped = textwrap.wrap(text, 74)
        lines += [f"  {head}", *(f"        {line}" for line in wrapped)]
    lines += [
        "",
        "exit codes: the app's own; 128+n: signal n ended it; 127: not found; 126: not executable;",
    ]
    return "\n".join([*lines, "125: the supervisor itself failed; 2: usage", ""])


def rows() -> Iterable[tuple[str, str]]:
    """Each option as it is written, and what it means with its default: for the help and for the README."""
    for name, one in OPTIONS.items():
        head = f"{one.short}, {flag(name)}" if one.short else flag(name)
        default = one.shown_default or (one.default if isinstance(one.default, str) else "")
        yield f"{head} {one.metavar}".rstrip(), f"{one.help} ({default})" if default else one.help
