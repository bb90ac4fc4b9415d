"""`%(name)s` in values: Python's `%` operator, as supervisord uses it, with defaults.

Pure. `%(ENV_X:-text)s` is ours: supervisord refuses it, so no working file has it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT = ":-"
ENVIRONMENT = "ENV_"
_SHOWN = 12  # names in a message


class _Names(dict[str, object]):
    """The names of a value. As a whole it is no text: `%s` without a name would print it."""

    def __missing__(self, name: str) -> object:
        variable, mark, default = name.partition(DEFAULT)
        if mark and variable.startswith(ENVIRONMENT):
            return self.get(variable) or default  # as a shell has it: empty counts as unset
        raise KeyError(name)

    def __str__(self) -> str:
        raise ValueError("a conversion without a (name)")

    __repr__ = __str__


def expand(text: str, names: Mapping[str, object]) -> str:
    """The text with each name replaced.

    Raises ValueError with a remedy, and without the text, which may hold a password.
    """
    if "%" not in text:
        return text
    try:
        return text % _Names(names)
    except KeyError as error:
        name = str(error.args[0])
        if name.startswith(ENVIRONMENT):
            variable = name.removeprefix(ENVIRONMENT)
            raise ValueError(
                f"%({name})s: the variable {variable} is not set; set it, or write"
                f" %({name}{DEFAULT}DEFAULT)s, which only config-supervisor reads"
            ) from None
        known = sorted(one for one in names if not one.startswith(ENVIRONMENT))
        raise ValueError(
            f"%({name})s is unknown; names here: {', '.join(known[:_SHOWN])} and ENV_VARIABLE"
        ) from None
    except (ValueError, TypeError, OverflowError, MemoryError) as error:
        raise ValueError(
            f"badly formatted: {error}; double each % that is meant as one (%%)"
        ) from None


def uses_default(text: str) -> bool:
    """Whether supervisord refuses the text for its `%(ENV_X:-text)s`."""
    return f"%({ENVIRONMENT}" in text and DEFAULT in text
