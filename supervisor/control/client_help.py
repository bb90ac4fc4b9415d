"""What supervisorctl says about itself: its help, and the way to what other supervisors have a
command for.

Texts only: what a command does stands in `ctl.py`. Not imported by a health check.
"""

from __future__ import annotations

from .. import PREFIX

_HEAD = """\
usage: supervisorctl [--socket PATH] COMMAND

"""
_COMMANDS = {
    "status": (
        """\
  status [--json]       the app, its configuration and its reloads; --json prints the page /status
"""
    ),
    "health": (
        """\
  health                whether the supervisor answers and the app is up or about to be, as /livez has it
"""
    ),
    "wait": (
        """\
  wait --ready [--timeout DURATION]
                        wait until the app has started on its configuration (without a timeout: as long as it takes)
  wait --synced [--timeout DURATION]
                        wait until the app runs on the newest configuration
"""
    ),
    "reload": (
        """\
  reload                apply the newest configuration and reload now, even if nothing changed; waits for the result
"""
    ),
    "generations": (
        """\
  generations           the versions that are kept on disk
"""
    ),
    "rollback": (
        """\
  rollback [N|VERSION]  put the version that is N generations older (1) back, or the one that begins with these
                        digits, and reload; failed versions are not counted; the newest is not tried again until
                        its content changes; waits for the result
"""
    ),
    "shutdown": (
        """\
  shutdown              stop the app and the supervisor, as TERM does; does not wait
"""
    ),
    "pid": (
        """\
  pid                   the pid of the supervisor
"""
    ),
    "version": (
        """\
  version               the version of the supervisor; --version is that of supervisorctl
"""
    ),
}
_TAIL = f"""
The socket is the one of --socket, else {PREFIX}CONTROL, else that of this container in /run or /tmp.
Without one, health asks http://127.0.0.1:9911/livez, or where process 1 or {PREFIX}LISTEN says; a process 1
that serves nothing is healthy, since it ends with its app.

exit codes: 0; 1: failed, or not healthy; 2: usage; 4: the supervisor is not running
"""

_OUTPUT = "the app's output is the container's own: docker logs, kubectl logs"
_OPTIONS = (
    "options are read at the start only, and a new configuration is applied by itself; "
    "`supervisorctl reload` applies it now"
)
_SHELL = "there is no interactive shell: give a command, see supervisorctl --help"
# The commands of supervisord's supervisorctl that have no counterpart for a single app.
_ELSEWHERE = {
    "start": "the app runs as long as its supervisor does: start the container, or see --restart",
    "stop": "the app ends with its supervisor: stop the container, or use `supervisorctl shutdown`",
    "restart": (
        "restart the container; `supervisorctl reload` has the app read its configuration again "
        "(with --reload-restart by a new start of the app)"
    ),
    "signal": (
        "send the signal to the supervisor, which passes it on: kill -s HUP $(supervisorctl pid)"
    ),
    "tail": _OUTPUT,
    "maintail": _OUTPUT,
    "fg": _OUTPUT,
    "clear": _OUTPUT,
    "update": _OPTIONS,
    "reread": _OPTIONS,
    "add": _OPTIONS,
    "remove": _OPTIONS,
    "avail": "there is one app: see `supervisorctl status`",
    "open": "name the socket: supervisorctl --socket PATH COMMAND",
    "shell": _SHELL,
    "exit": _SHELL,
    "quit": _SHELL,
}


def whole() -> str:
    return _HEAD + "".join(_COMMANDS.values()) + _TAIL


def of(command: str) -> str:
    """The help of one command; all of it where there is no such command."""
    return _HEAD + _COMMANDS[command] if command in _COMMANDS else whole()


def instead_of(command: str) -> str:
    """What to do instead of a command of supervisord's that is none here; empty for any
    other word.
    """
    return _ELSEWHERE.get(command, "")


def nearest(command: str) -> str:
    """The command that may be meant, as a remark, or nothing."""
    from difflib import get_close_matches

    close = get_close_matches(command, _COMMANDS, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


# Options of supervisord's supervisorctl.
_OF_SUPERVISORD = (
    *("-c", "--configuration", "-i", "--interactive", "-s", "--serverurl"),
    *("-u", "--username", "-p", "--password", "-r", "--history-file"),
)


def of_supervisord(word: str) -> str:
    """Where to go with an option of supervisord's supervisorctl; empty for any other word."""
    if word.partition("=")[0] not in _OF_SUPERVISORD and word[:2] not in ("-c", "-s"):
        return ""
    return (
        "this supervisorctl is that of config-supervisor;"
        " supervisord's is `python -m supervisor.supervisorctl`"
    )
