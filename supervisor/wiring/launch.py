"""What the app is started in: its environment, user, directory and umask, from the settings and the
system.
"""

from __future__ import annotations

import os

from ..core.errors import StartError, reason
from ..options import command_line
from ..process import environment
from ..process.spawning import Command, User

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..options.command_line import Settings
    from ..process.environment import Environment


def command(settings: Settings) -> Command:
    """What is to be started. Raises StartError if a file cannot be read or a user not be found."""
    env = environment.own()
    env.remove(command_line.own_variables())
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
    """The ids behind `--user`, and HOME, USER, LOGNAME as login(1) sets them. None if we are that
    user already.
    """
    import grp
    import pwd

    try:
        entry = pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    except KeyError:
        entry = None
        if not name.isdecimal():
            raise StartError(
                f"cannot run as user {name}: there is no such user in /etc/passwd"
            ) from None
        if not group:
            raise StartError(
                f"cannot run as user {name}: it is not in /etc/passwd, so name its group too"
                f" (--user {name}:{name})"
            ) from None
    try:
        gid = (
            int(group)
            if group.isdecimal()
            else grp.getgrnam(group).gr_gid
            if group
            else entry.pw_gid
            if entry
            else 0
        )
    except KeyError:
        raise StartError(
            f"cannot run as group {group}: there is no such group in /etc/group"
        ) from None
    uid = entry.pw_uid if entry else int(name)
    if entry is not None:
        for variable, value in (
            ("HOME", entry.pw_dir),
            ("USER", entry.pw_name),
            ("LOGNAME", entry.pw_name),
        ):
            env.set(variable, value)
    if (uid, gid) == (os.geteuid(), os.getegid()):
        return None
    groups = tuple(os.getgrouplist(entry.pw_name, gid)) if entry and not group else (gid,)
    return User(uid, gid, groups)
