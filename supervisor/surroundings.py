"""What the app is started in: its environment, user, directory and umask, from the settings and the system."""

from __future__ import annotations

import os

from .config import StartError
from .spawning import Command, User

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .config import Settings


def command(settings: Settings) -> Command:
    """What is to be started. Raises StartError if a file cannot be read or a user not be found."""
    env = _environment()
    for path in settings.env_file:
        _read_env_file(path, env)
    user = None
    if settings.user is not None:
        user = _look_up_user(*settings.user, env=env)
    return Command(settings.command or ("-",), env, settings.workdir, user, settings.umask)


def _environment() -> dict[str, str]:
    """The environment as we got it: in the C locale the interpreter sets LC_CTYPE in its own (PEP 538)."""
    env = dict(os.environ)
    if env.get("LC_CTYPE") in ("C.UTF-8", "C.utf8", "UTF-8"):
        try:
            with open("/proc/self/environ", "rb") as file:
                given = [entry for entry in file.read().split(b"\0") if entry.startswith(b"LC_CTYPE=")]
        except OSError:
            return env
        del env["LC_CTYPE"]
        if given:
            env["LC_CTYPE"] = os.fsdecode(given[0].partition(b"=")[2])
    return env


def _read_env_file(path: str, env: dict[str, str]) -> None:
    """`KEY=VALUE` lines as docker reads them: values are literal, `#` starts a comment line, `KEY` is inherited."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError as error:
        raise StartError(f"cannot read env file {path}: {error.strerror}") from error
    for number, line in enumerate(lines, 1):
        key, equals, value = line.lstrip().partition("=")
        if (not key.strip() and not equals) or key.startswith("#"):
            continue
        if not key or any(c.isspace() for c in key) or "\0" in line:
            raise StartError(f"cannot read env file {path}: line {number} is not KEY=VALUE")
        if equals:
            env[key] = value


def _look_up_user(name: str, group: str, env: dict[str, str]) -> User | None:
    """The ids behind `--user`, and HOME, USER, LOGNAME as login(1) sets them. None if we are that user already."""
    import grp  # noqa: PLC0415 - only with --user
    import pwd  # noqa: PLC0415 - only with --user

    try:
        entry = pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    except KeyError:
        entry = None
        if not name.isdecimal():
            raise StartError(f"cannot run as user {name}: there is no such user in /etc/passwd") from None
        if not group:
            raise StartError(
                f"cannot run as user {name}: it is not in /etc/passwd, so name its group too (--user {name}:{name})"
            ) from None
    try:
        gid = int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid if group else entry.pw_gid if entry else 0
    except KeyError:
        raise StartError(f"cannot run as group {group}: there is no such group in /etc/group") from None
    uid = entry.pw_uid if entry else int(name)
    if entry is not None:
        env.update(HOME=entry.pw_dir, USER=entry.pw_name, LOGNAME=entry.pw_name)
    if (uid, gid) == (os.geteuid(), os.getegid()):
        return None
    groups = tuple(os.getgrouplist(entry.pw_name, gid)) if entry and not group else (gid,)
    return User(uid, gid, groups)
