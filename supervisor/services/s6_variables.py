"""The variables of s6-overlay: the meaning of each for a plan, or a verdict.

Pure. Times are milliseconds there and seconds here.
"""

from __future__ import annotations

from ..core.record import Record
from .ini_file import Place
from .sections import near

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .verdicts import Verdicts

_PREFIX = "S6_"
_OF_DOCKERFILES = "S6_OVERLAY_"  # the release to install
_FAILS = "S6_BEHAVIOUR_IF_STAGE2_FAILS"
_STOPS = 2  # the value of S6_BEHAVIOUR_IF_STAGE2_FAILS with which a failure ends the container
_START = "S6_CMD_WAIT_FOR_SERVICES_MAXTIME"
_WAIT = "S6_CMD_WAIT_FOR_SERVICES"
_SERVICES = "S6_SERVICES_GRACETIME"
_KILL = "S6_KILL_GRACETIME"
_FINISH = "S6_KILL_FINISH_MAXTIME"
_KEEP = "S6_KEEP_ENV"
_HOOK = "S6_STAGE2_HOOK"
_PROFILE = "S6_RUNTIME_PROFILE"
_BUNDLES = "S6_RUNTIME_BUNDLEDIR"
_COMMAND = "S6_CMD_ARG0"
_MOST = (1 << 32) - 1
_MILLISECONDS = 1000

_IGNORED = {
    "S6_READ_ONLY_ROOT": "nothing is copied or written outside of /run",
    "S6_VERBOSITY": "a start without a mistake is not logged; --log-level sets the detail",
    "S6_SYNC_DISKS": "the kernel of a container's host writes its disks",
    "S6_SERVICES_READYTIME": "a service that is started is seen at once",
    "S6_CMD_RECEIVE_SIGNALS": "the command gets every signal but those that stop the container",
    "S6_CMD_USE_TERMINAL": "the command has the terminal, where there is one",
    "S6_WAIT_FOR_CLOSING_FD": "the end of the container waits for processes, not for descriptors",
    "S6_YES_I_WANT_A_WORLD_WRITABLE_RUN_BECAUSE_KUBERNETES": "any owner and mode of /run will do",
    "S6_FIX_ATTRS_HIDDEN": "it is about fix-attrs.d, which is refused",
}
_WARNED = {
    "S6_LOGGING": "ignored: lines go to the output of the container, as with S6_LOGGING=0",
    "S6_LOGGING_SCRIPT": "ignored: it is about /run/uncaught-logs, which is not written",
    "S6_CATCHALL_USER": "ignored: it is about /run/uncaught-logs, which is not written",
}
_KNOWN = (
    *(_FAILS, _START, _WAIT, _SERVICES, _KILL, _FINISH, _KEEP, _HOOK, _PROFILE, _BUNDLES, _COMMAND),
    *_IGNORED,
    *_WARNED,
)


class Variables(Record):
    etc: str = "/etc"  # of the profile
    bundles: str = ""  # the directory of the bundles user and user2; "" by its default place
    keeps_environment: bool = False  # with-contenv changes nothing then
    failure_ends: bool = False  # a failed start ends the container
    waits: bool = False  # services of services.d are ready before user2 and the command
    start_budget: float | None = 5.0  # seconds; None: without end
    stop_budget: float | None = 6.0
    finish_timeout: float | None = 5.0  # of each script of cont-finish.d
    hook: tuple[str, ...] = ()  # a command before the tree is read
    first_words: tuple[str, ...] = ()  # of the container's command


def read(environ: Mapping[str, str], verdicts: Verdicts) -> Variables:
    for name in sorted(environ):
        _judge(name, environ, verdicts)

    def number(name: str, default: int) -> int:
        return _number(name, environ, default, verdicts)

    fails = number(_FAILS, 0)
    services = number(_SERVICES, 3000)
    kill = number(_KILL, 3000)
    profile = environ.get(_PROFILE, "")
    hook = tuple(environ.get(_HOOK, "").split())
    etc = f"/etc/cont-profile.d/{profile}" if profile else "/etc"
    if "/" in profile or profile in (".", ".."):
        verdicts.refuse(_place(_PROFILE), f"{profile!r} is not the name of a directory")
        etc = "/etc"
    if fails >= _STOPS:
        verdicts.warn(
            _place(_FAILS),
            "a service that is down for good later on ends the container, too, with its own code",
        )
    if hook:
        verdicts.warn(
            _place(_HOOK), "its command runs before the tree is read; this reading is without it"
        )
    return Variables(
        etc=etc,
        bundles=environ.get(_BUNDLES, ""),
        keeps_environment=number(_KEEP, 0) != 0,
        failure_ends=fails >= _STOPS,
        waits=number(_WAIT, 0) != 0,
        start_budget=_seconds(number(_START, 5000)),
        stop_budget=_seconds(services + kill) if services else None,
        finish_timeout=_seconds(number(_FINISH, 5000)),
        hook=hook,
        first_words=tuple(environ.get(_COMMAND, "").split()),
    )


def _judge(name: str, environ: Mapping[str, str], verdicts: Verdicts) -> None:
    if not name.startswith(_PREFIX) or name.startswith(_OF_DOCKERFILES) or not environ[name]:
        return
    if name in _IGNORED:
        verdicts.ignore(_place(name), f"not needed: {_IGNORED[name]}")
    elif name in _WARNED:
        if environ[name] != "0":
            verdicts.warn(_place(name), _WARNED[name])
    elif name not in _KNOWN:
        verdicts.warn(_place(name), f"unknown variable of s6, ignored{near(name, _KNOWN)}")


def _number(name: str, environ: Mapping[str, str], default: int, verdicts: Verdicts) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(_MOST)):
        verdicts.refuse(_place(name), f"{text!r} is not a whole number; write 0 or more")
        return default
    return int(text)


def _seconds(milliseconds: int) -> float | None:
    return milliseconds / _MILLISECONDS if milliseconds else None


def _place(name: str) -> Place:
    return Place("environment", key=name)
