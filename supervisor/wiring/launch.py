"""The command of the app with its environment, user, directory and umask, from the settings.

It reads env files and looks users up; it starts nothing.
"""

from __future__ import annotations

import posix as os

from ..core.errors import StartError, reason
from ..options import command_line
from ..process import environment
from ..process.spawning import Command, User

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..options.command_line import Settings
    from ..process.environment import Environment


def command(settings: Settings) -> Command:
    """The command to start. Raises StartError for an unreadable file or an unknown user."""
    env = environment.own()
    env.remove(command_line.own_variables(map(environment.decode, env.keys())))
    for path in settings.env_file:
        _read_env_file(path, env)
    user = None
    if settings.user is not None:
        user = _look_up_user(*settings.user, env=env)
    env.prepare()
    return Command(settings.command or ("-",), env, settings.workdir, user, settings.umask)


def _read_env_file(path: str, env: Environment) -> None:
    try:
        for name, value in environment.read_file(path):
            env.set(name, value)
    except OSError as error:
        raise StartError(f"cannot read env file {path}: {reason(error)}") from error
    except ValueError as error:
        raise StartError(f"cannot read env file {path}: {error}") from error


def _look_up_user(name: str, group: str, env: Environment) -> User | None:
    """The ids of `--user`; sets HOME, USER, LOGNAME as login(1) does. None if we have these ids."""
    from ..process import users

    try:
        account = users.account(name)
        gid = users.group_id(group) if group else None
    except users.UnknownNameError as error:
        raise StartError(f"cannot run as {error.kind} {error.name} (--user): {error}") from None
    if account is not None:
        env.set("HOME", account.home)
        env.set("USER", account.name)
        env.set("LOGNAME", account.name)
    if gid is not None:
        user = User(account.uid if account else int(name), gid, (gid,))
    elif account is not None:
        user = User(account.uid, account.gid, account.groups())
    else:
        raise StartError(
            f"cannot run as user {name} (--user): it is not in /etc/passwd; name its group too"
            f" (--user {name}:{name})"
        )
    return None if (user.uid, user.gid) == (os.geteuid(), os.getegid()) else user
