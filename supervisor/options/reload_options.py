"""The options of reloads: the registry of the methods, the options of each and of all.

Light, since every start reads it. To add a method: its record and its options here; a module with
its name in `reload/methods/`.
"""

from __future__ import annotations

from ..core import signal_numbers
from ..core.record import Record
from . import parsers
from .option import Group, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.reload_windows import ReloadWindow


class ReloadMethod(Record):
    """A way to make an app take up its files.

    The module `reload/methods/NAME.py` has `make(settings, directory)`, which raises UsageError.
    """

    name: str  # as in metrics and in the log
    option: str = ""  # chooses the method; "" for the default
    command: str = ""  # the option whose value is a command of the method
    signal: str = ""  # the option whose signal, sent to our app, is the whole reload
    restarts: bool = False  # the app is stopped, and started on the new files
    needs_command: str = ""  # why, behind the option; "" where it does without COMMAND too
    excludes_command: str = ""  # why, behind the option; "" where COMMAND may be given


DEFAULT = ReloadMethod("signal", signal="reload_signal")
METHODS = (
    DEFAULT,
    ReloadMethod("http", "reload_http"),
    ReloadMethod("exec", "reload_exec", command="reload_exec"),
    ReloadMethod(
        "restart",
        "reload_restart",
        restarts=True,
        needs_command="needs COMMAND: only an app of our own can be started again",
    ),
    ReloadMethod(
        "notify",
        "reload_notify",
        needs_command="needs COMMAND: the app gets NOTIFY_SOCKET at its start",
    ),
    ReloadMethod(
        "process",
        "reload_process",
        excludes_command="is for a sidecar; COMMAND is reloaded by --reload-signal itself",
    ),
)


# The names for --verify, each with the value behind the name; "" for none. The module
# `reload/verifiers/NAME.py` has `parse(rest, trust, target)`: see the registry there.
VERIFIERS = {"nginx": "", "haproxy": "SOCKET", "prometheus": "URL", "postgres": ""}
_VERIFIER_NAMES = [f"{name}:{value}" if value else name for name, value in VERIFIERS.items()]


class ReloadOptions(Group):
    """All options of reloads, in the order of the help."""

    title = "reload, verification, rollback"

    reload_signal: int = option(
        parsers.caught_signal,
        "SIG",
        "send the app this signal when the files have changed",
        default="HUP",
        value=signal_numbers.HUP,
    )
    reload_signal_check: str = option(
        parsers.choice("auto", "off"),
        "auto|off",
        "auto: send --reload-signal only to an app that catches it, since it would end any other;"
        " off: send it in any case, once the app is ready",
        default="auto",
        value="auto",
    )
    reload_http: str | None = option(
        parsers.word,
        "URL",
        "reload by an HTTP request to this URL instead of a signal; user:password in the URL is"
        " used, and never logged",
    )
    reload_http_file: str | None = option(
        parsers.path,
        "FILE",
        "read the URL of --reload-http from this file before each request: a password in it"
        " stands in no process list",
        holds="reload_http",
    )
    reload_http_method: str = option(
        parsers.word,
        "METHOD",
        "use this HTTP method for --reload-http",
        default="POST",
        value="POST",
    )
    reload_http_header: tuple[str, ...] = option(
        parsers.word,
        "'NAME: VALUE'",
        "send this header with --reload-http; repeatable, a line each in the variable",
        many=True,
        commas=False,
    )
    reload_http_header_file: str | None = option(
        parsers.path,
        "FILE",
        "send the headers in this file, a line each, with --reload-http; read before each"
        " request: for tokens that are renewed",
    )
    reload_http_status: str = option(
        parsers.word, "CODES", "count these answers to --reload-http as success", default="200-299"
    )
    reload_exec: tuple[str, ...] | None = option(
        parsers.command,
        "CMD",
        "reload by this command, with {dir} for the directory of the files; exit code 0 is success",
    )
    reload_restart: bool = option(
        None, "", "reload by stopping the app and starting it again", default=False
    )
    reload_notify: bool = option(
        None,
        "",
        "send --reload-signal, and wait until the app reports the end of the reload by"
        " sd_notify(3): RELOADING=1, then READY=1",
        default=False,
    )
    reload_process: str | None = option(
        parsers.word,
        "NAME|PIDFILE",
        "without COMMAND: send --reload-signal to this process of another container, in a shared"
        " PID namespace",
    )

    reload_http_ca: str | None = option(
        parsers.path,
        "FILE",
        "trust these CA certificates for the https URLs of --reload-http, --ready and --verify",
        shown="the system's",
    )
    reload_http_insecure: bool = option(
        None,
        "",
        "accept any certificate for the https URLs of --reload-http, --ready and --verify",
        default=False,
    )
    reload_timeout: float = option(
        parsers.duration,
        "DURATION",
        "let a reload last this long, retries included, and the app take this long to pass --ready",
        default="30s",
        value=30.0,
    )
    reload_interval: float = option(
        parsers.duration,
        "DURATION",
        "reload at once for the first change; for further changes wait until this long after the"
        " last reload began, and apply only the newest",
        default="10s",
        value=10.0,
    )
    reload_quiet: float = option(
        parsers.duration,
        "DURATION",
        "apply changes after this time without another change, at the latest after 10 times as"
        " long",
        default="0s",
        value=0.0,
    )
    reload_splay: float = option(
        parsers.duration,
        "DURATION",
        "delay a reload by a random time up to this, so that the pods of a fleet do not reload at"
        " one instant",
        default="0s",
        value=0.0,
    )
    reload_window: tuple[ReloadWindow, ...] = option(
        parsers.reload_window,
        "'DAYS FROM-TO ZONE'",
        "put a new version in place only in these hours, as in 'Mon-Fri 09:00-16:00 Europe/Berlin';"
        " DAYS is daily and ZONE is UTC where left out; repeatable, a line each in the variable;"
        " supervisorctl reload does not wait",
        many=True,
        commas=False,
        shown="any time",
    )
    verify: str | None = option(
        parsers.check,
        "CMD|URL|NAME",
        "run this check after a reload until it passes within --verify-window, and again at the"
        " end of the window; "
        f"NAME: {', '.join(_VERIFIER_NAMES)}",
    )
    verify_file: str | None = option(
        parsers.path,
        "FILE",
        "read the value of --verify from this file: for a URL with a password",
        holds="verify",
    )
    hook_output: str = option(
        parsers.choice("auto", "log", "withhold"),
        "auto|log|withhold",
        "log the output of a validator, a verification or a reload, although it may quote the"
        " configuration, or withhold it; auto: withhold it once a Secret, or a file that not every"
        " user may read, took part; supervisorctl status always shows it",
        default="auto",
        value="auto",
    )
    verify_window: float = option(
        parsers.duration,
        "DURATION",
        "require the app to stay alive this long after a reload",
        default="5s",
        value=5.0,
    )
    rollback: bool = option(
        None,
        "",
        "put the last good files back after a failed reload, and reload or start the app on them;"
        " --no-rollback: keep the new files",
        default=True,
        shown="on with --configroot",
    )
    unhealthy_on_reload_failure: bool = option(
        None,
        "",
        "fail /livez while the last reload is a failure that was not rolled back",
        default=False,
    )

    @property
    def reload_method(self) -> ReloadMethod:
        """The chosen method."""
        chosen = (one for one in METHODS if one.option and getattr(self, one.option))
        return next(chosen, DEFAULT)
