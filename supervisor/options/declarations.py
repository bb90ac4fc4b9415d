"""What the user can choose: one field per setting, and from it the flag, the variable, the help and
the checks.

To add a setting: one `option` line here. How single values are written stands in `values.py`, how
the command line and the environment are read in `config.py`.
"""

from __future__ import annotations

from .. import PREFIX
from ..core.record import Record
from . import parsers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .parsers import ObjectName


class Option(Record):
    """How one setting is written and read."""

    parse: Callable[[str], Any] | None  # None: a switch
    default: Any
    metavar: str
    help: str
    many: bool = False
    commas: bool = True  # several values in one variable may be split at commas too
    short: str = ""
    shown_default: str = ""
    holds: str = ""  # the option whose value stands in the file that this one names


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def variable(name: str) -> str:
    return PREFIX + name.upper()


def option(  # noqa: PLR0913 - the declaration of a setting, always by name
    parse: Callable[[str], Any] | None,
    metavar: str,
    help: str,  # noqa: A002 - what it is
    *,
    default: Any = None,
    many: bool = False,
    commas: bool = True,
    short: str = "",
    shown: str = "",
    holds: str = "",
) -> Any:
    """Declare a setting. `many`: may be repeated, the value is a tuple."""
    return Option(parse, () if many else default, metavar, help, many, commas, short, shown, holds)


def choice(*words: str, **synonyms: str) -> Callable[[str], str]:
    """One of these words in either case; a synonym stands for one of them."""

    def parse(text: str) -> str:
        word = text.strip().lower()
        word = synonyms.get(word, word)
        if word not in words:
            raise ValueError(f"{text!r} is not one of {', '.join(words)}")
        return word

    return parse


class Settings(Record):
    """Every setting, in the order of the help."""

    configmap: tuple[ObjectName, ...] = option(
        parsers.object_name,
        "[NS/]NAME[:SUBDIR]",
        "keep this ConfigMap's keys as files in configroot, through the API; repeatable",
        many=True,
    )
    secret: tuple[ObjectName, ...] = option(
        parsers.object_name,
        "[NS/]NAME[:SUBDIR]",
        "the same for a Secret, with files of mode 0600; repeatable",
        many=True,
    )
    config_dir: str | None = option(
        parsers.path,
        "DIR",
        "take the configuration from a mounted ConfigMap volume or any directory instead of the"
        " API; without --configroot its files are used where they are",
    )
    ignore: tuple[str, ...] = option(
        parsers.word,
        "GLOB",
        "leave files or directories of --config-dir out by name, or by path if it has a slash; "
        "!GLOB reads what is left out by default; repeatable",
        many=True,
    )
    configroot: str | None = option(
        parsers.path,
        "DIR",
        "where the files are written, all of them in one step (needed with --configmap, --secret)",
    )
    map: tuple[tuple[str, str], ...] = option(
        parsers.mapping, "KEY=PATH", "write a key to this relative path; repeatable", many=True
    )
    file_mode: int | None = option(
        parsers.mode, "MODE", "mode of the files, octal", shown="0666 less the umask"
    )
    dir_mode: int | None = option(
        parsers.mode, "MODE", "mode of the directories, octal", shown="0777 less the umask"
    )
    owner: tuple[str, str] | None = option(
        parsers.user, "USER[:GROUP]", "owner of what is written; names or numbers"
    )
    keep_versions: int = option(
        parsers.versions,
        "N",
        "versions that stay in configroot, the live one included; "
        "with 1 an old Secret goes once the new version is good",
        default="3",
    )
    namespace: str | None = option(
        parsers.namespace,
        "NS",
        "namespace of objects that are named without one",
        shown="the pod's own, else the kubeconfig context's, else default",
    )
    kubeconfig: str | None = option(
        parsers.path,
        "FILE",
        "how to reach the API",
        shown="in-cluster, else $KUBECONFIG, else ~/.kube/config",
    )
    context: str | None = option(
        parsers.word, "NAME", "context of the kubeconfig", shown="its current one"
    )
    initial_sync_timeout: float = option(
        parsers.duration,
        "DURATION",
        "how long the app's start may wait for its first configuration; then the last good one left"
        " in configroot is used if it is intact, else the exit code is 125",
        default="60s",
    )
    once: bool = option(
        None,
        "",
        "put the configuration in place and end (without COMMAND: for an init container)",
        default=False,
    )
    validate: tuple[str, ...] | None = option(
        parsers.command,
        "CMD",
        "run on the new files before they go live; {dir} is their directory; non-zero rejects the"
        " version",
    )
    ready: str | None = option(
        parsers.check,
        "CMD|URL|tcp:[HOST:]PORT",
        "when the app counts as started; no reload is sent before",
        shown="as soon as it runs and catches the signal",
    )
    ready_file: str | None = option(
        parsers.path,
        "FILE",
        "the value of --ready is in this file (a URL with a password)",
        holds="ready",
    )
    reload_signal: int = option(
        parsers.caught_signal, "SIG", "what the app gets when its files have changed", default="HUP"
    )
    reload_signal_check: str = option(
        choice("auto", "off"),
        "auto|off",
        "look whether the app takes --reload-signal before it is sent: an app that does not would"
        " be ended by it; off: send it in any case, once the app is ready",
        default="auto",
    )
    reload_http: str | None = option(
        parsers.word,
        "URL",
        "reload by an HTTP request instead of a signal; user:password in it is used, never logged",
    )
    reload_http_file: str | None = option(
        parsers.path,
        "FILE",
        "the URL of --reload-http is in this file, read for each request: its password is in no"
        " process list",
        holds="reload_http",
    )
    reload_http_method: str = option(
        parsers.word, "METHOD", "HTTP method of --reload-http", default="POST"
    )
    reload_http_header: tuple[str, ...] = option(
        parsers.word,
        "'NAME: VALUE'",
        "a header of --reload-http; repeatable (in its variable one a line)",
        many=True,
        commas=False,
    )
    reload_http_header_file: str | None = option(
        parsers.path,
        "FILE",
        "more headers of --reload-http, one a line, read for each request: for tokens that are"
        " renewed",
    )
    reload_http_status: str = option(
        parsers.word, "CODES", "the answers to --reload-http that mean success", default="200-299"
    )
    reload_http_ca: str | None = option(
        parsers.path,
        "FILE",
        "CA certificates for the https URLs of --reload-http, --ready, --verify",
        shown="the system's",
    )
    reload_http_insecure: bool = option(
        None, "", "do not verify certificates of the servers of these URLs", default=False
    )
    reload_exec: tuple[str, ...] | None = option(
        parsers.command,
        "CMD",
        "reload by a command; {dir} is the directory of the files; its exit code decides",
    )
    reload_restart: bool = option(
        None, "", "reload by stopping the app and starting it again", default=False
    )
    reload_process: str | None = option(
        parsers.word,
        "NAME|PIDFILE",
        "without COMMAND: send --reload-signal to a process of another container (shared PID"
        " namespace)",
    )
    reload_timeout: float = option(
        parsers.duration,
        "DURATION",
        "a reload must end within this, retries included, and a start be ready (--ready)",
        default="30s",
    )
    reload_interval: float = option(
        parsers.duration,
        "DURATION",
        "the first change reloads at once; further ones wait until this long after the last reload"
        " began, and only the newest is applied",
        default="10s",
    )
    reload_quiet: float = option(
        parsers.duration,
        "DURATION",
        "wait for this much silence before applying (at most 10 times it)",
        default="0s",
    )
    reload_splay: float = option(
        parsers.duration,
        "DURATION",
        "random delay up to this, so that a fleet does not reload at one instant",
        default="0s",
    )
    verify: str | None = option(
        parsers.check,
        "CMD|URL|NAME",
        "run after a reload until it passes within the window, and again at its end; "
        "NAME: nginx, haproxy:SOCKET, prometheus:URL",
    )
    verify_file: str | None = option(
        parsers.path,
        "FILE",
        "the value of --verify is in this file (a URL with a password)",
        holds="verify",
    )
    hook_output: str = option(
        choice("auto", "log", "withhold"),
        "auto|log|withhold",
        "whether the words of a validator, a verification or a reload stand in the log, since they"
        " may quote the configuration; supervisorctl status always shows them; auto: not once a"
        " Secret, or a file that not every user may read, took part",
        default="auto",
    )
    verify_window: float = option(
        parsers.duration,
        "DURATION",
        "the app must also stay alive this long after a reload",
        default="5s",
    )
    rollback: bool = option(
        None,
        "",
        "put the last good files back after a failed reload, and reload or start on them;"
        " --no-rollback: do not",
        default=True,
        shown="on with --configroot",
    )
    unhealthy_on_reload_failure: bool = option(
        None,
        "",
        "/livez fails while the last reload is a failure that was not rolled back",
        default=False,
    )
    stop_signal: int = option(
        parsers.ending_signal,
        "SIG",
        "what the app gets when the supervisor is told to stop by TERM",
        default="TERM",
    )
    stop_delay: float = option(
        parsers.duration,
        "DURATION",
        "wait before passing the stop on (endpoint removal)",
        default="0s",
    )
    stop_timeout: float | None = option(
        parsers.duration,
        "DURATION",
        "KILL the app this long after the stop was passed on",
        shown="never",
    )
    rewrite: tuple[tuple[int, int], ...] = option(
        parsers.rewrite,
        "FROM:TO",
        "forward another signal than was received, or none (FROM:0); repeatable",
        many=True,
    )
    signal_group: bool = option(
        None, "", "signal the app's process group, not only the app", short="-g", default=False
    )
    leftovers: str = option(
        choice("terminate", "ignore"),
        "terminate|ignore",
        "what becomes of processes that remain when the app has ended: TERM and time to finish,"
        " then KILL; or nothing",
        default="terminate",
    )
    leftovers_timeout: float = option(
        parsers.duration, "DURATION", "their time to finish", default="10s"
    )
    subreaper: str = option(
        choice("auto", "off"), "auto|off", "become a child subreaper when not PID 1", default="auto"
    )
    restart: str = option(
        choice("never", "on-failure", "always", no="never"),
        "never|on-failure|always",
        "start the app again when it ends, after 0.5s, doubling to 30s, anew after 30s up",
        default="never",
    )
    ok_exit_code: tuple[int, ...] = option(
        parsers.exit_code, "N", "an exit code of the app that counts as 0; repeatable", many=True
    )
    user: tuple[str, str] | None = option(
        parsers.user, "USER[:GROUP]", "run the app as this user", shown="inherited"
    )
    workdir: str | None = option(
        parsers.word, "DIR", "run the app in this directory", shown="inherited"
    )
    umask: int | None = option(parsers.umask, "MASK", "umask of the app, octal", shown="inherited")
    env_file: tuple[str, ...] = option(
        parsers.path,
        "FILE",
        "KEY=VALUE lines added to the app's environment; repeatable",
        many=True,
    )
    parent_death_signal: int | None = option(
        parsers.signal_number, "SIG", "get this signal when our own parent dies"
    )
    listen: tuple[str, int] | None = option(
        parsers.listen,
        "[HOST]:PORT|off",
        "serve /metrics, /livez, /readyz and /status here",
        shown=":9911, off when no configuration option is given",
    )
    listen_next: bool = option(
        None,
        "",
        "serve on the next free port, up to 9 further, where that of --listen is taken: for several"
        " in one pod",
        default=False,
    )
    control: str | None = option(
        parsers.socket_path,
        "PATH|off",
        "socket for supervisorctl",
        shown="one of this container in /run, else in /tmp; off without --listen",
    )
    events: bool = option(
        None,
        "",
        "tell about configurations and reloads by Kubernetes Events on the pod (POD_NAME,"
        " POD_NAMESPACE, POD_UID)",
        default=False,
    )
    log_format: str = option(
        choice("text", "json"), "text|json", "of our own log, on standard error", default="text"
    )
    log_level: str = option(
        choice("debug", "info", "warning", "error", warn="warning", err="error"),
        "debug|info|warning|error",
        "of our own log",
        default="info",
    )
    verbose: bool = option(None, "", "the same as --log-level=debug", short="-v", default=False)
    v: int = option(
        parsers.count, "N", "1 and above are the same as --log-level=debug", default="0"
    )
    version: bool = option(None, "", "print the version", default=False)
    help: bool = option(None, "", "print this help", short="-h", default=False)
    command: tuple[str, ...] = ()

    @property
    def configured(self) -> bool:
        """Whether there is a configuration to keep live."""
        return bool(self.configmap or self.secret or self.config_dir)

    @property
    def reload_method(self) -> str:
        """The method's name, a label of metrics."""
        for name in ("http", "exec", "restart", "process"):
            if getattr(self, f"reload_{name}"):
                return name
        return "signal"

    @property
    def served_at(self) -> tuple[str, int]:
        """Host and port of the metrics and probes; the port is -1 where nothing is served."""
        return self.listen or (("", 9911) if self.configured else ("", -1))
