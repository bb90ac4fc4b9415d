"""The choices of the user: a field for each, which gives the flag, the variable and the help.

To add an option: a declaration here, in the group where a reader of --help looks for it. `parsers`
owns the syntax of values, `reload_options` the options of reloads, `fleet_options` those of a
fleet, `command_line` the reading and the checks of options against each other.
"""

from __future__ import annotations

from ..core import signal_numbers
from ..runtime import log
from . import parsers
from .fleet_options import FleetOptions
from .option import Group, option
from .reload_options import ReloadOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .parsers import ObjectName

_DEFAULT_PORT = 9911


class ConfigurationOptions(Group):
    title = "configuration"

    configmap: tuple[ObjectName, ...] = option(
        parsers.object_name,
        "[NS/]NAME[:SUBDIR]",
        "keep the keys of this ConfigMap as files in --configroot, read through the API;"
        " repeatable",
        many=True,
    )
    secret: tuple[ObjectName, ...] = option(
        parsers.object_name,
        "[NS/]NAME[:SUBDIR]",
        "keep the keys of this Secret as files of mode 0600 in --configroot, read through the API;"
        " repeatable",
        many=True,
    )
    config_dir: str | None = option(
        parsers.path,
        "DIR",
        "take the configuration from this directory, such as a mounted ConfigMap volume, instead of"
        " the API; without --configroot the app uses the files where they are",
    )
    ignore: tuple[str, ...] = option(
        parsers.word,
        "GLOB",
        "leave out the files and directories of --config-dir with this name, or with this path if"
        " it has a slash; !GLOB takes in names that are left out by default; repeatable",
        many=True,
    )
    configroot: str | None = option(
        parsers.path,
        "DIR",
        "write the files into this directory, all of them in one step; --configmap and --secret"
        " need it",
    )
    map: tuple[tuple[str, str], ...] = option(
        parsers.mapping,
        "KEY=PATH",
        "write the key KEY to this path, relative to --configroot; repeatable",
        many=True,
    )
    file_mode: int | None = option(
        parsers.mode,
        "MODE",
        "give files in --configroot this octal mode",
        shown="0666 less the umask",
    )
    dir_mode: int | None = option(
        parsers.mode,
        "MODE",
        "give directories in --configroot this octal mode",
        shown="0777 less the umask",
    )
    owner: tuple[str, str] | None = option(
        parsers.user,
        "USER[:GROUP]",
        "give files and directories in --configroot to this owner, by name or number",
    )
    keep_versions: int = option(
        parsers.versions,
        "N",
        "keep N versions in --configroot, the live one included; with 1 an old Secret is removed"
        " once the new version is good",
        default="3",
        value=3,
    )
    namespace: str | None = option(
        parsers.namespace,
        "NS",
        "read objects that are named without a namespace from this one",
        shown="the pod's own, else the kubeconfig context's, else default",
    )
    kubeconfig: str | None = option(
        parsers.path,
        "FILE",
        "reach the API with this kubeconfig",
        shown="in-cluster, else $KUBECONFIG, else ~/.kube/config",
    )
    context: str | None = option(
        parsers.word, "NAME", "use this context of the kubeconfig", shown="the current one"
    )
    initial_sync_timeout: float = option(
        parsers.duration,
        "DURATION",
        "let the app wait this long for the first configuration; then an intact last good version"
        " in --configroot is used, else the exit code is 125",
        default="60s",
        value=60.0,
    )
    once: bool = option(
        None,
        "",
        "put the configuration in place and exit, without COMMAND: for an init container",
        default=False,
    )
    validate: tuple[str, ...] | None = option(
        parsers.command,
        "CMD",
        "run this command on new files before they go live, with {dir} for the directory of the"
        " files; a non-zero exit code rejects the version",
    )
    ready: str | None = option(
        parsers.check,
        "CMD|URL|tcp:[HOST:]PORT",
        "count the app as started once this check passes, and send no reload before",
        shown="as soon as the app runs and catches the signal",
    )
    ready_file: str | None = option(
        parsers.path,
        "FILE",
        "read the value of --ready from this file: for a URL with a password",
        holds="ready",
    )


class AppOptions(Group):
    title = "the app: signals, stop, restart, user"

    stop_signal: int = option(
        parsers.ending_signal,
        "SIG",
        "send the app this signal when TERM stops the supervisor",
        default="TERM",
        value=signal_numbers.TERM,
    )
    stop_delay: float = option(
        parsers.duration,
        "DURATION",
        "wait this long before the app gets the stop signal: for the removal of endpoints",
        default="0s",
        value=0.0,
    )
    stop_timeout: float | None = option(
        parsers.duration,
        "DURATION",
        "send the app KILL this long after the stop signal",
        shown="never",
    )
    rewrite: tuple[tuple[int, int], ...] = option(
        parsers.rewrite,
        "FROM:TO",
        "forward signal TO instead of signal FROM, or none if TO is 0; repeatable",
        many=True,
    )
    signal_group: bool = option(
        None,
        "",
        "send signals to the process group of the app, not only to the app",
        short="-g",
        default=False,
    )
    leftovers: str = option(
        parsers.choice("terminate", "ignore"),
        "terminate|ignore",
        "terminate processes that remain when the app has ended, by TERM and after"
        " --leftovers-timeout by KILL, or ignore them",
        default="terminate",
        value="terminate",
    )
    leftovers_timeout: float = option(
        parsers.duration,
        "DURATION",
        "let leftover processes end within this time between TERM and KILL",
        default="10s",
        value=10.0,
    )
    subreaper: str = option(
        parsers.choice("auto", "off"),
        "auto|off",
        "auto: become a child subreaper where the supervisor is not PID 1",
        default="auto",
        value="auto",
    )
    restart: str = option(
        parsers.choice("never", "on-failure", "always", no="never"),
        "never|on-failure|always",
        "start the app again when it ends, after 0.5s, doubling to 30s; 30s of running begin this"
        " again at 0.5s",
        default="never",
        value="never",
    )
    ok_exit_code: tuple[int, ...] = option(
        parsers.exit_code, "N", "exit with 0 where the app exits with N; repeatable", many=True
    )
    user: tuple[str, str] | None = option(
        parsers.user, "USER[:GROUP]", "run the app as this user", shown="inherited"
    )
    workdir: str | None = option(
        parsers.word, "DIR", "run the app in this directory", shown="inherited"
    )
    umask: int | None = option(
        parsers.umask, "MASK", "run the app with this octal umask", shown="inherited"
    )
    env_file: tuple[str, ...] = option(
        parsers.path,
        "FILE",
        "add the KEY=VALUE lines of this file to the environment of the app; repeatable",
        many=True,
    )
    parent_death_signal: int | None = option(
        parsers.signal_number,
        "SIG",
        "have the kernel send the supervisor this signal when the parent of the supervisor dies",
    )


class ServingOptions(Group):
    title = "metrics, probes and control"

    listen: tuple[str, int] | None = option(
        parsers.listen,
        "[HOST]:PORT|off",
        "serve /metrics, /livez, /readyz and /status at this address",
        shown=f":{_DEFAULT_PORT}, off when no configuration option is given",
    )
    listen_next: bool = option(
        None,
        "",
        "serve on the next free port, up to 9 further, where the port of --listen is taken: for"
        " several supervisors in one pod",
        default=False,
    )
    control: str | None = option(
        parsers.socket_path,
        "PATH|off",
        "listen on this socket for supervisorctl",
        shown="/run/config-supervisor.sock, else a name of this container in /run or /tmp; off"
        " without --listen",
    )
    events: bool = option(
        None,
        "",
        "report versions and reloads by Kubernetes Events on the pod that POD_NAME, POD_NAMESPACE"
        " and POD_UID name",
        default=False,
    )


class LogOptions(Group):
    title = "log and help"

    log_format: str = option(
        parsers.choice(*log.FORMATS),
        "|".join(log.FORMATS),
        "write the log of the supervisor to standard error in this format",
        default=log.TEXT,
    )
    log_level: str = option(
        parsers.choice(*log.LEVELS, warn="warning", err="error"),
        "|".join(log.LEVELS),
        "log lines of the supervisor at this level and above",
        default="info",
        value="info",
    )
    verbose: bool = option(None, "", "log as with --log-level=debug", short="-v", default=False)
    v: int = option(
        parsers.count,
        "N",
        "log as with --log-level=debug where N is 1 or more",
        default="0",
        value=0,
    )
    version: bool = option(None, "", "print the version and exit", default=False)
    help: bool = option(None, "", "print this help and exit", short="-h", default=False)


class Settings(
    ConfigurationOptions, ReloadOptions, FleetOptions, AppOptions, ServingOptions, LogOptions
):
    """The value of each option, in the order of the help, and the command."""

    command: tuple[str, ...] = ()

    @classmethod
    def groups(cls) -> tuple[type[Group], ...]:
        return tuple(base for base in cls.__bases__ if issubclass(base, Group))

    @property
    def configured(self) -> bool:
        """Whether there is a configuration to keep live."""
        return bool(self.configmap or self.secret or self.config_dir)

    @property
    def served_at(self) -> tuple[str, int]:
        """Host and port of the metrics and probes; the port is -1 where nothing is served."""
        return self.listen or ("", _DEFAULT_PORT if self.configured else -1)
