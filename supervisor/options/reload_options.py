"""The options of reloads: the registry of the methods, the options of each, and what all share.

Light, since every start reads it. To add a method: its record and its options here; a module with
its name in `reload/methods/`.
"""

from __future__ import annotations

from ..core.record import Record
from . import parsers
from .option import option


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
        "process",
        "reload_process",
        excludes_command="is for a sidecar; COMMAND is reloaded by --reload-signal itself",
    ),
)


# The verifiers that --verify knows by name, each with the value behind its name; "" for none. The
# module `reload/verifiers/NAME.py` has `parse(value, trust, target)`.
VERIFIERS = {"nginx": "", "haproxy": "SOCKET", "prometheus": "URL", "postgres": ""}


class ReloadOptions(Record):
    """All options of reloads, in the order of the help."""

    reload_signal: int = option(
        parsers.caught_signal, "SIG", "what the app gets when its files have changed", default="HUP"
    )
    reload_signal_check: str = option(
        parsers.choice("auto", "off"),
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

    reload_http_ca: str | None = option(
        parsers.path,
        "FILE",
        "CA certificates for the https URLs of --reload-http, --ready, --verify",
        shown="the system's",
    )
    reload_http_insecure: bool = option(
        None, "", "do not verify certificates of the servers of these URLs", default=False
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
        f"NAME: {', '.join(f'{name}:{value}' if value else name for name, value in VERIFIERS.items())}",
    )
    verify_file: str | None = option(
        parsers.path,
        "FILE",
        "the value of --verify is in this file (a URL with a password)",
        holds="verify",
    )
    hook_output: str = option(
        parsers.choice("auto", "log", "withhold"),
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

    @property
    def reload_method(self) -> ReloadMethod:
        """The method that the options choose."""
        chosen = (one for one in METHODS if one.option and getattr(self, one.option))
        return next(chosen, DEFAULT)
