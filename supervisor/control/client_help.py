"""The help of supervisorctl, and a remedy for each command of supervisord's supervisorctl.

It owns the texts; `client` sends the requests. A health check must not import it.
"""

from __future__ import annotations

import textwrap

from .. import PREFIX

_WIDTH = 80
_COLUMN = 24  # of the explanations
_USAGE = "usage: supervisorctl [--socket PATH] COMMAND\n\n"
# The forms of each command, with their effect.
_COMMANDS = {
    "status": {
        "status [--json]": "show the app, the configuration and the reloads; --json prints the page"
        " /status",
    },
    "health": {
        "health": "exit with 0 while the supervisor answers and the app is up or about to start, as"
        " /livez does",
    },
    "wait": {
        "wait --ready [--timeout DURATION]": "wait until the app has started on the configuration;"
        " without --timeout, as long as it takes",
        "wait --synced [--timeout DURATION]": "wait until the app runs on the newest configuration",
        "wait --fleet [--timeout DURATION]": "wait until the app runs on the newest configuration"
        " and the fleet knows it as good; fail at once where it is condemned",
    },
    "reload": {
        "reload": "apply the newest configuration and reload now, even without a change; wait for"
        " the result",
    },
    "generations": {"generations": "list the versions on disk"},
    "rollback": {
        "rollback [N|VERSION]": "go back N generations (1), failed versions not counted, or to the"
        " version that begins with these digits, and reload; wait for the result; the newest"
        " version stays aside until its content changes",
    },
    "fleet": {
        "fleet [status] [--json]": "show the fleet of --fleet: this pod, the trial, the canary, the"
        " good and the condemned versions",
        "fleet approve [VERSION]": "let all pods take the newest version, or the version that"
        " begins with these digits: without trial and spread, unless it has passed its trial",
        "fleet condemn [VERSION]": "let no further pod take the version",
        "fleet recall [VERSION]": "condemn the version, and have the pods that run on it go back",
        "fleet clear": "forget the trial and all condemned versions",
    },
    "shutdown": {
        "shutdown": "stop the app and the supervisor, as TERM does; do not wait for the end",
    },
    "pid": {"pid": "print the pid of the supervisor"},
    "version": {
        "version": "print the version of the supervisor; --version prints the version of"
        " supervisorctl",
    },
}
_END = f"""
The socket is --socket, else {PREFIX}CONTROL, else that of this
container: /run/config-supervisor.sock, or a name of the container in /run or
/tmp. Without a socket, health asks the port of process 1, else the port of
{PREFIX}LISTEN or 9911; a process 1 that serves nothing is healthy,
since it ends with its app.

This is the supervisorctl of config-supervisor. Where another package owns the
command, `python -m config_supervisor.control` is the same program.

exit codes: 0; 1: failed, or not healthy; 2: wrong usage; 4: the supervisor is
not running
"""

_OUTPUT = "the app's output is the container's own: docker logs, kubectl logs"
_OPTIONS = (
    "options are read at the start only, and a new configuration is applied by itself;"
    " `supervisorctl reload` applies it now"
)
_SHELL = "there is no interactive shell: give a command, see supervisorctl --help"
# The commands of supervisord's supervisorctl without a counterpart for a single app.
_REMEDIES = {
    "start": "the app runs as long as its supervisor does: start the container, or see --restart",
    "stop": "the app ends with its supervisor: stop the container, or use `supervisorctl shutdown`",
    "restart": (
        "restart the container; after `supervisorctl reload` the app reads its configuration again,"
        " with --reload-restart by a new start"
    ),
    "signal": (
        "send the signal to the supervisor, which forwards it: kill -s HUP $(supervisorctl pid)"
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


def of(command: str) -> str:
    """The help of one command, in both roles; the whole help where there is no such command."""
    from . import services_help

    several = services_help.of(command) if command in services_help.VERBS else ""
    if command in _COMMANDS:
        one = _USAGE + _part(command)
        return f"{one}\nwith several services:\n{several}\n" if several else one
    if several and command != "help":
        return f"{_USAGE}with several services:\n{several}\n"
    return _USAGE + "".join(map(_part, _COMMANDS)) + _END + "\n" + services_help.text()


def _part(command: str) -> str:
    lines = []
    for form, meaning in _COMMANDS[command].items():
        margin = " " * _COLUMN
        found = textwrap.wrap(
            meaning,
            _WIDTH,
            initial_indent=margin,
            subsequent_indent=margin,
            break_on_hyphens=False,
        )
        head = f"  {form}"
        if len(head) < _COLUMN - 1:
            found[0] = head.ljust(_COLUMN) + found[0].lstrip()
        else:
            lines.append(head)
        lines += found
    return "\n".join([*lines, ""])


def remedy(command: str) -> str:
    """The way to do the same here, for a command of supervisord; empty for any other word."""
    return _REMEDIES.get(command, "")


def nearest(command: str) -> str:
    """The command that may be meant, as a remark, or nothing."""
    from difflib import get_close_matches

    close = get_close_matches(command, _COMMANDS, n=1)
    return f" (did you mean {close[0]}?)" if close else ""
