"""The nearest option for a name without an option. Imported after a mistake only."""

from __future__ import annotations

from difflib import get_close_matches

from .. import PREFIX
from .option import flag, variable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .option import Option

# Flags of tini and dumb-init, and ours for the same.
_OF_OTHER_INITS = {
    "-s": "--subreaper",
    "-p": "--parent-death-signal",
    "-e": "--ok-exit-code",
    "-r": "--rewrite",
    "-vv": "-v",
    "-vvv": "-v",
}
# Flags without a variable, and the option whose variable has the same effect.
_FLAGS_ONLY = {"HELP": "", "VERSION": "", "VERBOSE": "LOG_LEVEL", "V": "LOG_LEVEL"}
# In Dockerfiles, the release to install.
_OF_DOCKERFILES = f"{PREFIX}VERSION"


def option(word: str, options: Mapping[str, Option]) -> str:
    """The flag nearest to a word of the command line, as a remark, or nothing."""
    if word in _OF_OTHER_INITS:
        return f" (did you mean {_OF_OTHER_INITS[word]}?)"
    written = [flag(name) for name in options]
    written += [f"--no-{flag(name)[2:]}" for name in options if options[name].parse is None]
    close = get_close_matches(word, written, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def variables(names: Iterable[str], ours: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Variables without an effect, each with the nearest name, or nothing.

    Variables of Kubernetes services are left out: a Service may have the program's name.
    """
    words = sorted(variable(name).removeprefix(PREFIX) for name in ours)
    for name in names:
        if name == _OF_DOCKERFILES or _of_a_service(name):
            continue
        word = name.removeprefix(PREFIX)
        if word in _FLAGS_ONLY:
            meant = _FLAGS_ONLY[word]
        elif word.startswith("NO_") and word[3:] in words:
            meant = f"{word[3:]}=false"
        else:
            meant = next(iter(get_close_matches(word, words, n=1)), "")
        yield name, PREFIX + meant if meant else ""


def _of_a_service(name: str) -> bool:
    """Whether Kubernetes made it for a Service: `CONFIG_SUPERVISOR_PORT_80_TCP_ADDR` for
    example.
    """
    words = name.split("_")
    if words[-2:] == ["SERVICE", "HOST"] or words[-1] == "PORT":
        return True
    if "_SERVICE_PORT_" in name:
        return True
    return any(word == "PORT" and words[at + 1].isdecimal() for at, word in enumerate(words[:-1]))
