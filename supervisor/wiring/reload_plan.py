"""From settings to the plan of a reload, the validation of files and the check of readiness."""

from __future__ import annotations

from importlib import import_module

from ..core.errors import UsageError
from ..core.outcomes import ApplyFailure
from ..core.quoting import legible
from ..options.option import flag
from ..process.pid_lookup import PidLookup
from ..reload import checks
from ..reload.option_values import read, trust
from ..reload.reloader import ReloadPlan
from ..reload.verifiers import registry
from ..store.write_errors import ApplyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..options.declarations import Settings
    from ..process.hooks import Runner
    from ..reload.checks import Check
    from ..store.delivery import Validator

_LINES = 5  # of a validation's output in the log


def plan(settings: Settings, directory: str) -> ReloadPlan:
    """How to reload the app, which sees its files in `directory`. Raises UsageError."""
    method = import_module(f"..reload.methods.{settings.reload_method.name}", __package__)
    return ReloadPlan(
        method.make(settings, directory),
        _verification(settings, directory),
        settings.verify_window,
        settings.reload_timeout,
    )


def _verification(settings: Settings, directory: str) -> Check | None:
    text = settings.verify
    return None if text is None else check("verify", text, settings, directory)


def check(name: str, text: str, settings: Settings, directory: str) -> Check:
    """The check in the value of an option. Raises UsageError."""
    target = PidLookup(settings.reload_process) if settings.reload_process else None
    return read(name, lambda: registry.parse(text, directory, trust(settings), target))


def readiness(settings: Settings, text: str, directory: str) -> Check:
    """The check whether the app is ready. Raises UsageError."""
    if text == "notify" or text.startswith("fd:"):
        raise UsageError(f"--ready: {text} is for several services; a command, a URL or tcp:PORT")
    return read("ready", lambda: checks.parse(text, directory, trust(settings)))


def commands(settings: Settings, directory: str) -> Iterator[tuple[str, Sequence[str]]]:
    """The command of each hook, behind its option. Raises UsageError."""
    checked = {
        "ready": settings.ready and readiness(settings, settings.ready, directory),
        "verify": _verification(settings, directory),
    }
    for name in ("validate", settings.reload_method.command):
        if name and (argv := getattr(settings, name)):
            yield flag(name), argv
    if settings.fleet_check is not None:
        checked["fleet_check"] = check("fleet_check", settings.fleet_check, settings, directory)
    for name, one in checked.items():
        if isinstance(one, checks.CommandCheck):
            yield flag(name), one.argv


def validator(settings: Settings, argv: Sequence[str], runner: Runner) -> Validator:
    """The validation of a directory; it raises ApplyError, for `validate` when the command rejects
    the directory, for `hook` when the command cannot tell.
    """

    def validate(directory: str, overtaken: Callable[[], bool]) -> None:
        outcome = runner.run(checks.fill_in(argv, directory), settings.reload_timeout, overtaken)
        if outcome.code == 0:
            return
        words = " / ".join(legible(line) for line in outcome.output.splitlines()[-_LINES:])
        if outcome.unable:
            message = f"cannot validate the new configuration: {outcome.unable}; trying again"
            raise ApplyError(ApplyFailure.HOOK, message, words)
        message = f"the new configuration is rejected: {argv[0]} ended with code {outcome.code}"
        raise ApplyError(ApplyFailure.VALIDATE, message, words)

    return validate
