"""What the user can choose: one field per setting, and from it the flag, the variable, the help and
the checks.

To add a setting: one `option` line here. How single values are written stands in `values.py`, how
the command line and the environment are read in `config.py`.
"""

from __future__ import annotations

from ..core.record import Record
from ..runtime import log
from . import parsers
from .option import option
from .reload_options import ReloadOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .parsers import ObjectName


class _Configuration(Record):
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


class Settings(_Configuration, ReloadOptions):
    """Every setting, in the order of the help."""

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
        parsers.choice("terminate", "ignore"),
        "terminate|ignore",
        "what becomes of processes that remain when the app has ended: TERM and time to finish,"
        " then KILL; or nothing",
        default="terminate",
    )
    leftovers_timeout: float = option(
        parsers.duration, "DURATION", "their time to finish", default="10s"
    )
    subreaper: str = option(
        parsers.choice("auto", "off"),
        "auto|off",
        "become a child subreaper when not PID 1",
        default="auto",
    )
    restart: str = option(
        parsers.choice("never", "on-failure", "always", no="never"),
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
        parsers.choice(*log.FORMATS),
        "|".join(log.FORMATS),
        "of our own log, on standard error",
        default=log.TEXT,
    )
    log_level: str = option(
        parsers.choice(*log.LEVELS, warn="warning", err="error"),
        "|".join(log.LEVELS),
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
    def served_at(self) -> tuple[str, int]:
        """Host and port of the metrics and probes; the port is -1 where nothing is served."""
        return self.listen or (("", 9911) if self.configured else ("", -1))
