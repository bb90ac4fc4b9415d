"""The format of `environment=`: KEY="value",KEY2="value2", split by shlex as supervisord 4.3 does.

Pure. Where 4.3 refuses a value, the reading of its successor (POSIX quoting) is used. Where 4.3
cuts a value without a word, the cut value stays, since the file works with it, and is reported.
No message holds a value: it may be a password.
"""

from __future__ import annotations

import shlex

from ..core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_WORD_CHARACTERS = "/.+-():"  # besides letters, digits and _
_PAIR = 3  # tokens of KEY=value; a comma is the fourth


class Variables(Record):
    """The variables of a value; `cut` names those that lost a part of their text."""

    values: Mapping[str, str]
    cut: tuple[str, ...] = ()
    newer: bool = False  # supervisord 4.3 refuses the text


def variables(text: str) -> Variables:
    """The variables of a text. Raises ValueError."""
    try:
        tokens = _tokens(text, posix=False)
        pairs = _pairs(tokens)
    except ValueError:
        try:
            newer = _pairs(_tokens(text, posix=True))
        except ValueError as error:
            raise ValueError(
                f'it is not KEY="value",KEY2="value2": {error}; put values with other characters'
                " than letters, digits and _/.+-(): in double quotes"
            ) from None
        return Variables({key: value for key, value, _ in newer}, _cut(newer, posix=True), True)
    values = {key: value.strip("'\"") for key, value, _ in pairs}
    cut = _cut(pairs, posix=False)
    if not cut and _tokens_of_all(text) != tokens:
        cut = (pairs[-1][0],) if pairs else ("#",)
    return Variables(values, cut)


def _lexer(text: str, *, posix: bool) -> shlex.shlex:
    lexer = shlex.shlex(text, posix=posix)
    lexer.wordchars += _WORD_CHARACTERS
    return lexer


def _tokens(text: str, *, posix: bool) -> list[str]:
    try:
        return list(_lexer(text, posix=posix))
    except ValueError as error:
        raise ValueError(str(error).lower()) from None


def _tokens_of_all(text: str) -> list[str]:
    """The tokens, where # begins no comment."""
    lexer = _lexer(text, posix=False)
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError:
        return []


def _pairs(tokens: list[str]) -> list[tuple[str, str, str]]:
    """Key, value and the token behind of each pair. Raises ValueError."""
    pairs: list[tuple[str, str, str]] = []
    for at in range(0, len(tokens), _PAIR + 1):
        key, *rest = tokens[at : at + _PAIR + 1]
        if len(rest) < _PAIR - 1 or rest[0] != "=":
            where = f"behind the value of {pairs[-1][0]}" if pairs else "at the beginning"
            raise ValueError(f"no KEY=value {where}")
        pairs.append((key, rest[1], rest[2] if len(rest) == _PAIR else ","))
    return pairs


def _cut(pairs: list[tuple[str, str, str]], *, posix: bool) -> tuple[str, ...]:
    """The keys whose values lost a part: something but a comma follows, quotes are inside, or the
    comma behind an empty value was taken for the value.
    """
    return tuple(
        key
        for key, value, behind in pairs
        if behind != "," or value == "," or (not posix and value.strip("'\"") != _unquoted(value))
    )


def _unquoted(value: str) -> str:
    """The value without one pair of quotes."""
    paired = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if paired else value
