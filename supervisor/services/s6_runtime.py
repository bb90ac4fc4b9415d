"""The files of s6-overlay that scripts of a tree expect at run time: their paths and their texts.

Pure. `s6_runtime_files` writes them.
"""

from __future__ import annotations

from ..core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .s6_variables import Variables

_MOST_CODE = 255
_SLASH = "/"
# Variables are words of env(1), which takes any name; `read` fails where a value ends without a
# line end, as nearly all do, and so most values cost no process.
_WITH_CONTENV = """\
#!/bin/sh
for _file in {directory}/*; do
    [ -f "$_file" ] || continue
    if IFS= read -r _value < "$_file"; then
        _value=$(cat "$_file"; printf x)
        _value=${{_value%x}}
    fi
    set -- "${{_file##*/}}=$_value" "$@"
done
exec env "$@"
"""
_PRINTCONTENV = """\
#!/bin/sh
exec cat "{directory}/${{1:?printcontenv needs the name of a variable}}"
"""
_HALT = """\
#!/bin/sh
kill -s TERM {pid}
"""


class Runtime(Record):
    """Files that scripts of a tree expect, besides the services."""

    environment_directory: str = "/run/s6/container_environment"  # a file for each variable
    writes_environment: bool = True  # False: S6_KEEP_ENV, with-contenv changes nothing
    exit_code_file: str = "/run/s6-linux-init-container-results/exitcode"  # wins, where written
    halt: str = "/run/s6/basedir/bin/halt"  # an order to stop the container
    scan_directory: str = "/run/service"  # NAME/supervise: for s6-svc and s6-notifyoncheck
    old_scan_directory: str = "/run/s6/services"  # of version 2: a link to the other
    hook: tuple[str, ...] = ()  # S6_STAGE2_HOOK: to be run before this reading

    def below(self, root: str) -> Runtime:
        """The same files of a tree that does not lie in the root of the container."""
        return self.replace(
            environment_directory=root + self.environment_directory,
            exit_code_file=root + self.exit_code_file,
            halt=root + self.halt,
            scan_directory=root + self.scan_directory,
            old_scan_directory=root + self.old_scan_directory,
        )


def of_variables(variables: Variables) -> Runtime:
    return Runtime(writes_environment=not variables.keeps_environment, hook=variables.hook)


def programs(runtime: Runtime) -> dict[str, str]:
    """The programs of s6-overlay for scripts, by path; those of the image win."""
    values = {"directory": runtime.environment_directory}
    texts = {
        "with-contenv": _WITH_CONTENV.format(**values),
        "printcontenv": _PRINTCONTENV.format(**values),
    }
    folders = ("/command", "/usr/bin")
    return {f"{folder}/{name}": text for folder in folders for name, text in texts.items()}


def orders(runtime: Runtime, pid: int) -> dict[str, str]:
    """The programs that stop the container, by path."""
    folder = runtime.halt.rpartition("/")[0]
    return {f"{folder}/{name}": _HALT.format(pid=pid) for name in ("halt", "poweroff", "reboot")}


def variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that a directory can hold, by file name."""
    return {
        name: value
        for name, value in environ.items()
        if name and _SLASH not in name and name not in (".", "..")
    }


def exit_code(text: str) -> int | None:
    """The code in the exit code file; None where it is no code."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit()) or int(digits) > _MOST_CODE:
        return None
    return int(digits)
