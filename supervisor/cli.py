"""The composition root: settings, the parts, the app first, the exit code.

The settings stay with this module, `wiring` and the reload methods, which make themselves from
them; every other part gets the few values it needs. Slow modules are imported where they are
needed: a bare init loads neither threads nor ssl, kubernetes, prometheus_client.
"""

from __future__ import annotations

import errno
import gc
import posix
import sys
import time

from . import __version__, start_code
from .core.errors import CANNOT_RUN, USAGE, StartError, UsageError, reason
from .core.life_state import LifePolicy, ended_unstarted
from .core.primitives import partial
from .core.service import Policy, Service
from .observe.journal import Journal
from .options import command_line, parsers
from .process import environment
from .process.children import Processes
from .runtime import log
from .runtime.inbox import Inbox
from .runtime.loop import Current, Loop, Parts
from .wiring import launch

# Descriptors kept back from the threads: two for a pipe, two for /proc.
_RESERVE = 4
# Our names, as links, in images that were made for other programs.
_SUPERVISORD = "supervisord"
LINKS = ("tini", "tini-static", "dumb-init", "configmap-reload", "k8s-sidecar")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

    from .core import events as ev
    from .options.command_line import Settings
    from .process.spawning import Command
    from .runtime.protocols import Observer, Order
    from .runtime.signals import Inherited
    from .wiring.program import Assembly


def main(argv: Sequence[str], inherited: Inherited) -> NoReturn:
    """Run a command line; ends the process."""
    try:
        run = _role(argv, inherited)
    except UsageError as error:
        _complain(argv, str(error), error.code)
        _leave(error.code, str(error))
    try:
        code, why = run()
    except UsageError as error:
        code = USAGE
        why = str(error)
        if _is_supervisord():
            _complain(argv, why)
        else:
            log.error(why, event="usage_error", exit_code=code)
    except StartError as error:
        code = CANNOT_RUN
        why = str(error)
        log.error(why, event="cannot_run", exit_code=code)
    except OSError as error:
        code = CANNOT_RUN
        why = f"cannot run: {reason(error)}"
        if error.errno in (errno.EMFILE, errno.ENFILE):
            why += "; raise the limit of open files (ulimit -n)"
        log.error(why, event="cannot_run", exit_code=code)
    except Exception as error:  # no traceback reaches a user
        code = CANNOT_RUN
        why = f"cannot run: internal error: {error!r}"
        log.error(why, event="cannot_run", exit_code=code)
    _leave(code, why)


def _role(argv: Sequence[str], inherited: Inherited) -> Callable[[], tuple[int, str]]:
    """The run of a single app, or of several services, as `_run` has it.

    Raises UsageError; ends the process where nothing is to be run.
    """
    if _is_supervisord():
        return _services(argv, inherited)
    try:
        settings = _settings(argv)
    except command_line.OtherRole:
        return _services(argv, inherited)
    if settings.help or settings.version:
        _leave(_print(_help() if settings.help else f"supervisor {__version__}\n"))
    return partial(_run, settings, inherited)


def _settings(argv: Sequence[str]) -> Settings:
    if _name() not in LINKS:
        return command_line.parse(argv, environment.variables())
    from .links import programs

    return programs.settings(_name(), argv, environment.variables())


def _name() -> str:
    """The name by which we were started."""
    return sys.argv[0].rpartition("/")[2]


def _is_supervisord() -> bool:
    return _name() == _SUPERVISORD


def _complain(argv: Sequence[str], message: str, code: int = USAGE) -> None:
    """Write a usage error, in supervisord's form where that is our name."""
    style = command_line.log_style(argv, environment.variables())
    if style == log.JSON or not _is_supervisord():
        log.complain(message, style=style, event="usage_error", exit_code=code)
        return
    log.complain(message, prefix="Error: ")
    log.complain(f"For help, use {sys.argv[0]} -h", prefix="")


def _services(argv: Sequence[str], inherited: Inherited) -> Callable[[], tuple[int, str]]:
    """The run of several services. Raises UsageError; ends the process where nothing is to be
    run.
    """
    start_code.load("services")
    from .services import role

    services = role.Role(sys.argv[0], argv, environment.variables())
    answer = services.answer()
    if answer is not None:
        text, code = answer
        _leave(_print(text) or code)
    return lambda: (services.run(inherited), "")


def _print(text: str) -> int:
    """Write to standard output, which may be closed or full; the exit code."""
    data = text.encode()
    try:
        while data:
            data = data[posix.write(1, data) :]
    except BrokenPipeError:
        return 0  # `--help | head` has enough
    except OSError as error:
        log.complain(f"cannot write to standard output: {reason(error)}")
        return CANNOT_RUN
    return 0


def _leave(code: int, why: str = "") -> NoReturn:
    """End at once: no thread, no buffer and no finalizer can hold the container. `why`: an end of
    our own.
    """
    if why:
        try:
            from .runtime import termination_message

            termination_message.explain(why, environment.variables())
        except OSError:
            pass  # no descriptor is left to import it
    log.flush()
    posix._exit(code)


def _help() -> str:
    if _name() in LINKS:
        from .links import programs

        return programs.help_text(_name())
    from .options import help_page

    return help_page.text()


def _run(settings: Settings, inherited: Inherited) -> tuple[int, str]:
    """The exit code, and the reason of an end of our own before the app was started."""
    log.configure(
        "debug" if settings.verbose or settings.v else settings.log_level, settings.log_format
    )
    _warn_of_variables()
    _load_modules(settings)
    inbox = Inbox(inherited.taken)
    # Without a second start no file is kept open for the app: the other end of a pipe sees the app
    # close it.
    restarts = settings.restart != "never" or (settings.configured and bool(settings.command))
    processes = Processes(inherited, keep_files=restarts)
    command = launch.command(settings)
    policy = _policy(settings)
    observer = partial(_announce, _journal(settings))
    settings = _absolute(settings)
    _prepare_process(settings, processes)
    if settings.secret or settings.config_dir:  # a directory may be the volume of a Secret
        from .process import core_dumps

        processes.undo_in_children(core_dumps.Suppressed().restore)
    if _has_parts(settings):
        processes.reserve.hold(_RESERVE)
        from .wiring import program

        current = Current(program.first_state(settings, policy), policy)
        parts = _parts(program.Assembly(settings, current, inbox.put), command, observer)
        # The default of 5 ms until another thread runs would delay a signal. Not sooner: the new
        # threads would interrupt the start of the others.
        sys.setswitchinterval(0.0005)
    else:
        current = Current(Service(), policy)
        parts = Parts(observers=(observer,))
    # The objects of the start stay, so no collection needs to look at them.
    gc.freeze()
    gc.enable()
    code = Loop(inbox, processes, lambda _: command, current, parts).run()
    life = current.state.life
    return code, life.error if ended_unstarted(life) else ""


def _has_parts(settings: Settings) -> bool:
    """Whether the role is more than a bare init."""
    return bool(settings.configured or settings.ready or settings.served_at[1] >= 0)


def _load_modules(settings: Settings) -> None:
    if _has_parts(settings):
        start_code.load("program")
    if settings.config_dir:
        start_code.load("directory")


def _warn_of_variables() -> None:
    for name, meant in command_line.unknown_variables(environment.variables()):
        log.warning(
            f"{name} stands for no option{f' (did you mean {meant}?)' if meant else ''}",
            event="unknown_variable",
        )


def _parts(assembly: Assembly, command: Command, observer: Observer) -> Parts:
    try:
        return assembly.parts(command, observer)
    except RuntimeError as error:  # the only error of _thread
        raise StartError(
            f"cannot start a thread: {error}; the limit of processes is reached; raise pids.max or"
            " ulimit -u"
        ) from error


def _journal(settings: Settings) -> Journal:
    return Journal(
        settings.command[0].rpartition("/")[2] if settings.command else "the app",
        settings.configured,
        settings.reload_method.name,
        settings.configroot or "",
        sidecar=not settings.command,
        hook_output=settings.hook_output,
        debug=log.wanted("debug"),
    )


def _announce(
    journal: Journal, event: ev.Event, before: Service, after: Service, actions: tuple[Order, ...]
) -> None:
    del actions
    for level, message, fields in journal.lines(event, before, after, time.monotonic()):
        log.write(level, message, **fields)


def _policy(settings: Settings) -> Policy:
    life = LifePolicy(
        rewrite=dict(settings.rewrite),
        group=settings.signal_group,
        is_init=posix.getpid() == 1,
        stop_signal=settings.stop_signal,
        stop_delay=settings.stop_delay,
        stop_timeout=settings.stop_timeout,
        leftovers=settings.leftovers == "terminate",
        leftovers_timeout=settings.leftovers_timeout,
        restart=settings.restart,
        ok_exit_codes=frozenset(settings.ok_exit_code),
        sidecar=not settings.command,
        ready=settings.ready is not None and bool(settings.command),
        ready_timeout=settings.reload_timeout,
        early_signals=not settings.configured,
    )
    if not settings.configured:
        return Policy(life)
    from .wiring import program

    return Policy(life, program.rollout_policy(settings), program.fleet_rules(settings))


def _absolute(settings: Settings) -> Settings:
    """Make paths absolute, from the directory of the start; go to `/`, to keep no mount busy."""
    paths = {
        name: getattr(settings, name)
        for name, option in command_line.OPTIONS.items()
        if option.parse in (parsers.path, parsers.socket_path) and not option.many
    }
    given = {name: path for name, path in paths.items() if path not in (None, "off")}
    if given:
        from .core import paths as texts  # a bare init does without

        relative = any(not path.startswith("/") for path in given.values())
        here = posix.getcwd() if relative else "/"
        settings = settings.replace(
            **{name: texts.absolute(path, here) for name, path in given.items()}
        )
        _check_overlap(settings)
    posix.chdir("/")
    return settings


def _check_overlap(settings: Settings) -> None:
    """Raises StartError."""
    if not settings.configroot or not settings.config_dir:
        return
    from os.path import realpath  # slow to import

    for outer, inner in (
        (settings.configroot, settings.config_dir),
        (settings.config_dir, settings.configroot),
    ):
        if f"{realpath(inner)}/".startswith(f"{realpath(outer).rstrip('/')}/"):
            raise StartError(
                f"--configroot and --config-dir overlap ({inner} is in {outer}): choose another"
                " directory"
            )


def _prepare_process(settings: Settings, processes: Processes) -> None:
    try:
        if settings.subreaper == "auto" and posix.getpid() != 1:
            from .process import parent

            parent.become_subreaper()
            processes.adopts = True
        if settings.parent_death_signal is not None:
            from .process import parent

            parent.die_with_parent(settings.parent_death_signal)
    except OSError as error:
        log.warning(f"{reason(error)}; going on without", event="preparation_failed")
