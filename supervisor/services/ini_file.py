"""The text of a supervisord.conf as sections of values, each with its file and line.

The grammar is that of `configparser`, set up as supervisord does it; the line of a value comes from
the dictionaries which `configparser` fills while it reads. Pure: files are opened by
`config_files`, and no section or key has a meaning here.
"""

from __future__ import annotations

import configparser
from functools import partial

from ..core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

HERE = "%(here)s"
_END_IN_REPR = "\\n"


class Place(Record):
    """Where a text stands in the configuration; parts that are unknown are empty."""

    file: str = ""
    line: int = 0
    section: str = ""
    key: str = ""

    def __str__(self) -> str:
        parts = [f"{self.file}:{self.line}" if self.line else self.file]
        if self.section:
            parts.append(f"[{self.section}]")
        if self.key:
            parts.append(self.key)
        return " ".join(filter(None, parts))


class FileError(ValueError):
    """A file without meaning as a whole; the message names the file and, where known, the line."""


class _Cursor:
    """The file and the line which the parser reads at the moment."""

    def __init__(self) -> None:
        self.file = ""
        self.line = 0

    def lines(self, text: str) -> Iterator[str]:
        for self.line, line in enumerate(_split(text), start=1):
            yield line
        self.line = 0


class _Located(dict[str, object]):
    """A dictionary that keeps the file and line at which each entry was written.

    The parser joins the lines of values after the last line of a file; these writes move nothing.
    """

    def __init__(self, cursor: _Cursor) -> None:
        super().__init__()
        self._cursor = cursor
        self.places: dict[str, tuple[str, int]] = {}

    def __setitem__(self, key: str, value: object) -> None:
        if self._cursor.line:
            self.places[key] = (self._cursor.file, self._cursor.line)
        super().__setitem__(key, value)


class _Parser(configparser.RawConfigParser):
    """The parser with its dictionaries, which are no part of its public face."""

    _sections: _Located
    _defaults: _Located

    def text(self, section: str, key: str) -> str | None:
        """A value. `get` makes a chain of mappings for each call."""
        for entries in (self._sections.get(section), self._defaults):
            if isinstance(entries, _Located) and key in entries:
                return str(entries[key])
        return None

    def place(self, section: str, key: str = "") -> Place:
        """The place of a value, or of the section's header where there is none."""
        for entries in (self._sections.get(section), self._defaults):
            if isinstance(entries, _Located) and key in entries.places:
                return Place(*entries.places[key], section, key)
        return Place(*self._sections.places.get(section, ("", 0)), section, key)


class Document:
    """The sections of one or several files; what is read later wins, key by key."""

    def __init__(self) -> None:
        self.first_file = ""
        self.included: list[str] = []  # paths, beside the first file
        self._cursor = _Cursor()
        located: Any = partial(_Located, self._cursor)  # it is only called
        self._parser = _Parser(
            dict_type=located,
            strict=False,
            inline_comment_prefixes=(";", "#"),
            interpolation=None,
        )

    def add(self, text: str, file: str) -> None:
        """Read a text. Raises FileError, which names `file`."""
        self._cursor.file = file
        self.first_file = self.first_file or file
        if text.startswith("\ufeff"):
            raise FileError(f"{file}:1 begins with a byte order mark; save it without one")
        if "\0" in text:
            line = text[: text.index("\0")].count("\n") + 1
            raise FileError(f"{file}:{line} has a NUL byte: it is no text")
        try:
            self._parser.read_file(self._cursor.lines(text), file)
        except configparser.MissingSectionHeaderError as error:
            raise FileError(
                f"{file}:{error.lineno} stands before the first [section]: {_shown(error.line)}"
            ) from None
        except configparser.ParsingError as error:
            line, words = error.errors[0]  # the words are a repr of the line
            raise FileError(
                f"{file}:{line} is neither a [section], KEY = VALUE nor a continuation (indented"
                f" deeper): {words.replace(_END_IN_REPR, '')}"
            ) from None
        finally:
            self._cursor.line = 0

    def settle_here(self, directory: str) -> None:
        """Replace `%(here)s` in all values so far: each file has a directory of its own."""
        for section in self.sections():
            for key in self.keys(section):
                value = self._parser.get(section, key)
                if HERE in value:
                    place = self.place(section, key)
                    self._cursor.file = place.file
                    self._cursor.line = place.line
                    self._parser.set(section, key, value.replace(HERE, directory))
        self._cursor.line = 0

    def sections(self) -> list[str]:
        return self._parser.sections()

    def keys(self, section: str) -> list[str]:
        return self._parser.options(section)

    def default_keys(self) -> frozenset[str]:
        """The keys of [DEFAULT], which every section has."""
        return frozenset(self._parser.defaults())

    def text(self, section: str, key: str) -> str | None:
        return self._parser.text(section, key)

    def place(self, section: str, key: str = "") -> Place:
        """The place of a value, or of the section's header where there is none."""
        return self._parser.place(section, key)


def _split(text: str) -> Iterable[str]:
    """Lines as a file in text mode yields them: str.splitlines knows more ends."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return (f"{line}\n" for line in text.removesuffix("\n").split("\n")) if text else ()


def _shown(line: str) -> str:
    return repr(line.rstrip("\n"))
