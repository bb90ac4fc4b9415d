"""A section while it is read: values expanded and parsed, errors gathered, unknown keys found.

A key that no reader asks for is unknown. Errors become verdicts, so one reading reports them all.
"""

from __future__ import annotations

from ..core.record import Record
from ..options.expansion import expand, uses_default
from .ini_file import Document, Place
from .verdicts import Verdicts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeVar

    from .dialect import Dialect
    from .host import Host

    Value = TypeVar("Value")
    Default = TypeVar("Default")

_NEWER = "only config-supervisor reads %(ENV_X:-DEFAULT)s; supervisord refuses the file"


class Reading(Record):
    """All that the readers of a document share."""

    document: Document
    verdicts: Verdicts
    host: Host
    dialect: Dialect

    def section(self, name: str, names: Mapping[str, object]) -> Section:
        return Section(self.document, name, self.verdicts, names)


class Section:
    """A section by name; `names` are available in all values."""

    def __init__(
        self, document: Document, name: str, verdicts: Verdicts, names: Mapping[str, object]
    ) -> None:
        self.name = name
        self.verdicts = verdicts
        self._document = document
        self._names = names
        self._asked: set[str] = set()

    @property
    def label(self) -> str:
        """The name behind the colon."""
        return self.name.partition(":")[2]

    def place(self, key: str = "") -> Place:
        return self._document.place(self.name, key)

    def has(self, key: str) -> bool:
        self._asked.add(key)
        return self._document.text(self.name, key) is not None

    def raw(self, key: str, default: str = "") -> str:
        """The text as written."""
        self._asked.add(key)
        text = self._document.text(self.name, key)
        return default if text is None else text

    def text(self, key: str, names: Mapping[str, object] | None = None) -> str | None:
        """The expanded text; None where it is missing, or cannot be expanded."""
        if not self.has(key):
            return None
        return self.expanded(key, self.raw(key), names)

    def expanded(
        self, key: str, text: str, names: Mapping[str, object] | None = None
    ) -> str | None:
        if uses_default(text):
            self.verdicts.warn(self.place(key), _NEWER)
        try:
            return expand(text, self._names if names is None else names)
        except ValueError as error:
            self.refuse(key, str(error))
            return None

    def value(
        self,
        key: str,
        parse: Callable[[str], Value],
        default: Default,
        names: Mapping[str, object] | None = None,
    ) -> Value | Default:
        """The parsed value; the default where it is missing or wrong."""
        text = self.text(key, names)
        if text is None:
            return default
        try:
            return parse(text)
        except ValueError as error:
            self.refuse(key, str(error))
            return default

    def ignore(self, key: str, message: str) -> None:
        """Accept a key without an effect; the verdict appears where it is written."""
        if self.has(key):
            self.verdicts.ignore(self.place(key), message)

    def warn(self, key: str, message: str) -> None:
        self.verdicts.warn(self.place(key), message)

    def refuse(self, key: str, message: str) -> None:
        self.verdicts.refuse(self.place(key), message)

    def ask(self, keys: Iterable[str]) -> None:
        """Count keys as known which are read elsewhere."""
        self._asked.update(keys)

    def end(self) -> None:
        """Warn of the keys without a meaning."""
        inherited = self._document.default_keys()
        for key in self._document.keys(self.name):
            if key not in self._asked and key not in inherited:
                self.warn(key, f"unknown key, ignored{near(key, self._asked)}")


def near(word: str, words: Iterable[str]) -> str:
    """The nearest of the known words as a remark, or nothing."""
    from difflib import get_close_matches

    close = get_close_matches(word, sorted(words), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
