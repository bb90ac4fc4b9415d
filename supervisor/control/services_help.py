"""The help of supervisorctl about several services."""

from __future__ import annotations

_OPTIONS = """\
with several services (supervisord.conf):
usage: supervisorctl [OPTIONS] [COMMAND [ARGUMENTS]]

Without a command it is a shell.

  -c, --configuration FILE  take the server from [supervisorctl] of FILE
  -s, --serverurl URL       the server: unix:///PATH or http://HOST:PORT
  -u, --username NAME       the user at the server
  -p, --password PASSWORD   the password of the user
  -i, --interactive         be a shell after the command
  -r, --history_file FILE   keep the lines of the shell
  -h, --help                print this help

Without -c and -s it asks the supervisor of this container, then the server of
the supervisord.conf that supervisord would read.

"""
_HEAD = "NAME is a service, GROUP:NAME, GROUP:* or all\n\n"
VERBS = {
    "status": ("status [NAME...] [--json]", "show services, their states, pids and times"),
    "health": ("health", "tell whether all is well, by the exit code too"),
    "start": ("start NAME...", "start services, and wait until they run"),
    "stop": ("stop NAME...", "stop services, and wait for their ends"),
    "restart": ("restart NAME...", "stop services, then start them; no file is read"),
    "signal": ("signal SIGNAL NAME...", "send a signal to services"),
    "pid": ("pid [NAME...] [--json]", "print the pid of the supervisor, or of services"),
    "tail": ("tail [-f|-BYTES] NAME [stdout|stderr]", "print the end of a log; -f: as it grows"),
    "maintail": ("maintail [-f|-BYTES]", "print the end of the supervisor's own log"),
    "clear": ("clear NAME...", "empty the logs of services"),
    "fg": ("fg NAME", "show the output of a service, and send it lines"),
    "reread": ("reread", "read the file again, and show the groups that differ"),
    "update": ("update [GROUP...]", "read the file again; apply what differs"),
    "add": ("add GROUP...", "start a group of the file that was read again"),
    "remove": ("remove GROUP...", "forget a group that is stopped"),
    "avail": ("avail [--json]", "show all services of the file"),
    "config": (
        "config reload|rollback|generations NAME [N|VERSION]",
        "reload a configuration, go back, or list versions",
    ),
    "fleet": (
        "fleet [VERB [VERSION]] [--service NAME] [--json]",
        "show fleets; VERB: approve, condemn, recall or clear",
    ),
    "wait": (
        "wait --fleet [--service NAME] [--timeout DURATION]",
        "wait until services run on versions known as good",
    ),
    "reload": ("reload", "stop all services, read the file, and start all"),
    "shutdown": ("shutdown", "stop all services, and end"),
    "version": ("version", "print the version of the supervisor"),
    "open": ("open URL", "go on with another server"),
    "help": ("help [COMMAND]", "print this help, or that of a command"),
    "exit": ("exit", "leave the shell"),
    "quit": ("quit", "leave the shell"),
}
_COLUMN = 24  # of the explanations


def text() -> str:
    """The whole help."""
    return _OPTIONS + verbs()


def verbs() -> str:
    """All commands."""
    return _HEAD + "".join(f"{of(verb)}\n" for verb in VERBS)


def of(verb: str) -> str:
    """The help of a command."""
    if verb not in VERBS:
        return f"*** No help on {verb}"
    form, meaning = VERBS[verb]
    head = f"  {form}"
    if len(head) < _COLUMN - 1:
        return head.ljust(_COLUMN) + meaning
    return f"{head}\n{' ' * _COLUMN}{meaning}"
