"""The commands of services, from their records in the plan.

It looks users up and builds environments and standard streams; it opens and starts nothing.
"""

from __future__ import annotations

import os

from ..core.errors import CANNOT_RUN, SpawnError, reason
from ..options import command_line
from ..process import environment, users
from ..process.environment import Environment
from ..process.spawning import Command, User
from .plan import Sink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .plan import Plan, Service, Stream

_INPUT, _OUTPUT, _ERRORS = range(3)
_NOWHERE = "/dev/null"
# Sockets of our own manager (sd_listen_fds(3), sd_notify(3)) reach no service: one app can have
# them.
_OF_SOCKETS = ("LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET")


class ServiceCommands:
    """The command of each service of a plan, by identity; each is built once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._services = {one.identity: one for one in plan.services}
        self._commands: dict[str, Command] = {}
        own = environment.own()
        own.remove(command_line.own_variables(map(environment.decode, own.keys())))
        own.remove(_OF_SOCKETS)
        self._own = own

    def __call__(self, service: str) -> Command:
        """The command of a service. Raises SpawnError where it cannot be split, or has no user."""
        command = self._commands.get(service)
        if command is None:
            command = self._commands[service] = self._built(self._services[service])
        return command

    def service(self, service: str) -> Service:
        """The record of a service."""
        return self._services[service]

    def word(self, service: str) -> str:
        """The program, as it is written."""
        one = self._services.get(service)
        if one is None:
            return ""
        return one.words[0] if one.words else one.command

    def _built(self, service: Service) -> Command:
        if service.command and not service.words:
            raise SpawnError(CANNOT_RUN, f"can't parse command '{service.command}'")
        name = service.user or self._plan.main.user
        account = None
        if name is not None and service.words:
            account = _account(service.words[0], name)
        user = None
        if account is not None and account.uid != os.geteuid():
            user = User(account.uid, account.gid, account.groups())
        env = self._environment(service, account)
        return Command(
            service.words, env, service.directory, user, service.umask, files=_streams(service)
        )

    def _environment(self, service: Service, account: users.Account | None) -> Environment:
        """Ours, with the variables that supervisord adds, and those of the service."""
        added: dict[str, str] = {}
        # With supervisord's defaults a service keeps our HOME, as there.
        if account is not None and not self._plan.follows_supervisord:
            added |= {"HOME": account.home, "USER": account.name, "LOGNAME": account.name}
        added["SUPERVISOR_PROCESS_NAME"] = service.name
        added["SUPERVISOR_GROUP_NAME"] = service.group
        url = self._plan.server_url if service.serverurl is None else service.serverurl
        if url:
            added["SUPERVISOR_SERVER_URL"] = url
        env = self._own.plus("SUPERVISOR_ENABLED", "1")
        if service.settings is not None:
            for path in service.settings.env_file:
                _read_env_file(path, env)
        for variable, value in {**added, **service.environment}.items():
            env.set(variable, value)
        env.prepare()
        return env


def _account(program: str, user: str) -> users.Account | None:
    try:
        return users.account(user)
    except (users.UnknownNameError, OSError) as error:
        why = str(error) if isinstance(error, users.UnknownNameError) else reason(error)
        raise SpawnError(
            CANNOT_RUN, f"cannot start {program} as user {user}: {why}", short=True
        ) from error


def _read_env_file(path: str, env: Environment) -> None:
    try:
        for name, value in environment.read_file(path):
            env.set(name, value)
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        raise SpawnError(CANNOT_RUN, f"cannot read env file {path}: {why}", short=True) from error


def _streams(service: Service) -> dict[int, int | str]:
    """The streams of a start to which no part gives others."""
    output = _source(service.stdout, _OUTPUT)
    errors = output if service.redirect_stderr else _source(service.stderr, _ERRORS)
    return {_INPUT: _INPUT, _OUTPUT: output, _ERRORS: errors}


def _source(stream: Stream, ours: int) -> int | str:
    """The place of a stream: a descriptor of ours, or a file."""
    match stream.sink:
        case Sink.NONE:
            return _NOWHERE
        case Sink.FILE:
            return stream.path
        case Sink.OUTPUT:
            return _OUTPUT
        case Sink.ERRORS:
            return _ERRORS
    return ours  # inherited, until lines can be tagged and kept
