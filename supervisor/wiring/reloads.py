"""From settings to the ways of reloading: the method, what verifies it, what validates files, when
the app is ready.
"""

from __future__ import annotations

import os

from ..core.errors import UsageError
from ..options import secret_files
from ..options.declarations import flag
from ..process.pid_lookup import PidLookup
from ..reload import checks
from ..reload.http_request import Request, Trust, header, legible, method, status_ranges, url
from ..reload.methods.exec import Exec
from ..reload.methods.http import Http
from ..reload.methods.process import Process
from ..reload.methods.restart import Restart
from ..reload.methods.signal import Signal
from ..reload.reloader import Way
from ..reload.verifiers import registry
from ..runtime.os_errors import FilesError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeVar

    from ..options.declarations import Settings
    from ..process.hooks import Runner
    from ..reload.attempt import Method
    from ..reload.checks import Check
    from ..store.delivery import Validator

    T = TypeVar("T")

_LINES = 5  # of a validation's output in the log


def way(settings: Settings, directory: str) -> Way:
    """How the app is reloaded. `directory` is where it sees its files. Raises UsageError."""
    return Way(
        _method(settings, directory),
        _verification(settings, directory),
        settings.verify_window,
        settings.reload_timeout,
    )


def _method(settings: Settings, directory: str) -> Method:
    checked = settings.reload_signal_check == "auto"
    match settings.reload_method:
        case "http":
            return _http(settings)
        case "exec":
            return Exec(settings.reload_exec or (), directory)
        case "restart":
            return Restart()
        case "process":
            return _said(
                "reload_process",
                lambda: Process(_target(settings), settings.reload_signal, checked=checked),
            )
    return Signal(settings.reload_signal, checked=checked)


def _http(settings: Settings) -> Method:
    address = _said("reload_http", lambda: url(settings.reload_http or ""))
    verb = _said("reload_http_method", lambda: method(settings.reload_http_method))
    headers = _said(
        "reload_http_header", lambda: tuple(header(text) for text in settings.reload_http_header)
    )
    accepted = _said("reload_http_status", lambda: status_ranges(settings.reload_http_status))
    request = Request(verb, address, headers, _trust(settings))
    if settings.reload_http_header_file and not _delivered(
        settings, settings.reload_http_header_file
    ):
        _said("reload_http_header_file", lambda: _renewed(settings, request))
    return Http(request, accepted, lambda: _renewed(settings, request))


def _renewed(settings: Settings, request: Request) -> Request:
    """The request with what its files hold now: passwords and tokens are renewed. Raises
    ValueError.
    """
    if settings.reload_http_file:
        request = request.replace(url=url(secret_files.value(settings.reload_http_file)))
    if settings.reload_http_header_file:
        more = tuple(header(line) for line in secret_files.lines(settings.reload_http_header_file))
        request = request.replace(headers=(*request.headers, *more))
    return request


def _delivered(settings: Settings, path: str) -> bool:
    """Whether a file is one of the configuration, which is not there before the first
    version is.
    """
    places = filter(None, (settings.configroot, settings.config_dir))
    return any(os.path.abspath(path).startswith(f"{place.rstrip('/')}/") for place in places)


def _trust(settings: Settings) -> Trust:
    path = settings.reload_http_ca
    if path and settings.configured and not _delivered(settings, path):
        _said("reload_http_ca", lambda: secret_files.certificates(path))
    return Trust(settings.reload_http_ca, settings.reload_http_insecure)


def _target(settings: Settings) -> PidLookup:
    return PidLookup(settings.reload_process or "")


def _verification(settings: Settings, directory: str) -> Check | None:
    text = settings.verify
    if text is None:
        return None
    target = _target(settings) if settings.reload_process else None
    return _said("verify", lambda: registry.parse(text, directory, _trust(settings), target))


def readiness(settings: Settings, text: str, directory: str) -> Check:
    """What says that the app is ready. Raises UsageError."""
    return _said("ready", lambda: checks.parse(text, directory, _trust(settings)))


def commands(settings: Settings, directory: str) -> Iterator[tuple[str, Sequence[str]]]:
    """The command of each hook, behind the option that it stands in. Raises UsageError."""
    checked = {
        "ready": settings.ready and readiness(settings, settings.ready, directory),
        "verify": _verification(settings, directory),
    }
    for name in ("validate", "reload_exec"):
        if argv := getattr(settings, name):
            yield flag(name), argv
    for name, one in checked.items():
        if isinstance(one, checks.CommandCheck):
            yield flag(name), one.argv


def validator(settings: Settings, argv: Sequence[str], runner: Runner) -> Validator:
    """What validates a directory: raises FilesError for `validate` if it is rejected, for `hook` if
    it cannot tell.
    """

    def validate(directory: str, overtaken: Callable[[], bool]) -> None:
        outcome = runner.run(checks.filled(argv, directory), settings.reload_timeout, overtaken)
        if outcome.code == 0:
            return
        words = " / ".join(legible(line) for line in outcome.output.splitlines()[-_LINES:])
        if outcome.unable:
            message = f"cannot validate the new configuration: {outcome.unable}; trying again"
            raise FilesError("hook", message, words)
        message = f"the new configuration is rejected: {argv[0]} ended with code {outcome.code}"
        raise FilesError("validate", message, words)

    return validate


def _said(name: str, make: Callable[[], T]) -> T:
    """A value made from an option's text; what is wrong with that is said with the
    option's name.
    """
    try:
        return make()
    except ValueError as error:
        raise UsageError(f"{flag(name)}: {error}") from error
