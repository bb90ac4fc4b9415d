"""The scripts of an s6 tree as words of a command, and what they need that is not there.

A script is run as it is: by its first line, in its directory. It must not know services.
"""

from __future__ import annotations

import re

from . import execline_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .tree_files import Script, TreeFiles

_SHEBANG = b"#!"
_ELF = b"\x7fELF"
_MOST_SHEBANG = 256  # bytes of the first line that the kernel reads, execve(2)
_EXECLINEB = "execlineb"
_DIRECTORIES = ("/command", "/usr/local/bin", "/usr/bin", "/bin")
# A program that is in every image, and in no folder with nothing but a tree.
_OF_IMAGES = "/bin/sh"
_CONTENV = "with-contenv"
# Programs that need s6-supervise or a compiled database, and the way to do the same here.
_OF_S6 = {
    "s6-rc": "supervisorctl start and stop change services",
    "s6-rc-db": "supervisorctl status lists services",
    "s6-svscanctl": "/run/s6/basedir/bin/halt ends the container",
    "s6-permafailon": "exit code 125 of finish stops the restarts",
    "s6-svdt": "supervisorctl status shows a service",
}
_CALL = re.compile(rb"(?<![\w./-])(?:/command/|/bin/|/usr/bin/)?(s6-[a-z-]+)(?![\w.-])")
_COMMENT = re.compile(rb"^\s*#.*$", re.MULTILINE)


def words(files: TreeFiles, path: str, *, copied: bool) -> tuple[str, ...]:
    """The command that runs a script, or nothing where it is refused or missing.

    `copied`: s6 runs a copy that is executable, so the mode of the file has no meaning.
    """
    script = files.script(path)
    if script is None:
        return ()
    first = _first_line(script)
    _judge(files, path, script, first)
    if script.is_executable:
        return (path,)
    if not copied:
        files.warn(path, "is not executable, so its start fails: chmod +x")
        return (path,)
    return (*first, path)


def command(files: TreeFiles, path: str) -> tuple[str, ...] | None:
    """The words of an `up` or `down` file; none where it is empty, None where it is missing."""
    text = files.text(path)
    if text is None:
        return None
    try:
        line = execline_words.parse(text)
    except ValueError as error:
        files.refuse(path, f"{error}; execlineb refuses it, too")
        return ()
    if line.is_script:
        return _script(files, path, text)
    if line.words:
        _judge_program(files, path, line.words[0])
    return line.words


def is_image(files: TreeFiles) -> bool:
    """Whether the tree lies in an image, so that programs can be looked up."""
    return files.exists(_OF_IMAGES)


def _script(files: TreeFiles, path: str, text: str) -> tuple[str, ...]:
    if is_image(files) and not _has_execlineb(files):
        files.refuse(
            path,
            "needs execlineb, which the image does not have; write the commands into a script and"
            " its path into this file",
        )
        return ()
    files.warn(path, "is a script for execlineb, which the image must have")
    return (_EXECLINEB, "-P", "-c", text)


def _has_execlineb(files: TreeFiles) -> bool:
    return any(files.exists(f"{directory}/{_EXECLINEB}") for directory in _DIRECTORIES)


def _first_line(script: Script) -> tuple[str, ...]:
    """The interpreter and its one argument, as the kernel splits them."""
    if not script.data.startswith(_SHEBANG):
        return ()
    line = script.data[len(_SHEBANG) : _MOST_SHEBANG].split(b"\n", 1)[0].strip(b" \t")
    parts = re.split(rb"[ \t]+", line, maxsplit=1)
    return tuple(part.decode("utf-8", "surrogateescape") for part in parts if part)


def _judge(files: TreeFiles, path: str, script: Script, first: tuple[str, ...]) -> None:
    if not script.data:
        files.warn(path, "is empty, so its start fails; write a program")
    elif not first and not script.data.startswith(_ELF):
        files.warn(path, "has no first line with #! and an interpreter, so its start fails")
    elif first and first[-1].endswith("\r"):
        files.warn(path, "has Windows line ends, so its start fails; convert it")
    elif first and is_image(files) and not files.exists(first[0]):
        remedy = "install it, or name another"
        if first[0].endswith(_CONTENV):
            remedy = "it is written at the start, where the root file system can be written to"
        files.warn(path, f"its interpreter {first[0]} is not in the image; {remedy}")
    for match in sorted(set(_CALL.findall(_COMMENT.sub(b"", script.data)))):
        program = match.decode()
        if program in _OF_S6:
            files.warn(path, f"calls {program}, which finds no s6 here: {_OF_S6[program]}")


def _judge_program(files: TreeFiles, path: str, program: str) -> None:
    if not program.startswith("/") or not is_image(files):
        return
    if not files.exists(program):
        files.warn(path, f"{program} is not in the image; its start fails unless it is made before")
    elif not files.is_executable(program):
        files.warn(path, f"{program} is not executable, so its start fails: chmod +x")
