"""The words of a command line as execline writes it: white space, double quotes, backslashes, #.

Pure. It reads `up` and `down` files that are one command, and tells when a text is a script which
only execlineb can run: with blocks, or with escapes other than those of quotes and white space.
"""

from __future__ import annotations

from ..core.record import Record

_SPACE = " \t\r\n"
_ESCAPED = '"\\#{}' + _SPACE  # characters that a backslash makes plain
_QUOTE = '"'
_CONTINUED = ("\\\n", "\\")  # a backslash before a line end, or at the end, where a word may begin
_OPEN, _CLOSE = "{", "}"


class Line(Record):
    words: tuple[str, ...]
    is_script: bool = False  # execlineb is needed to run it


def parse(text: str) -> Line:
    """The words, or a script. Raises ValueError where execlineb refuses the text."""
    lexer = _Lexer(text)
    words = []
    depth = 0
    is_script = False
    while (word := lexer.word()) is not None:
        if lexer.plain and word in (_OPEN, _CLOSE):
            depth += 1 if word == _OPEN else -1
            is_script = True
        if depth < 0:
            raise ValueError("a } closes no {")
        words.append(word)
    if depth:
        raise ValueError("a { is not closed")
    return Line(tuple(words), is_script or lexer.strange)


class _Lexer:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self.plain = True  # no quote and no backslash in the last word
        self.strange = False  # an escape was seen that has a meaning of its own

    def word(self) -> str | None:
        """The next word, or None at the end."""
        self._skip()
        if self._at >= len(self._text):
            return None
        self.plain = True
        found: list[str] = []
        while self._at < len(self._text) and self._text[self._at] not in _SPACE:
            character = self._text[self._at]
            self._at += 1
            if character == _QUOTE:
                self.plain = False
                self._quoted(found)
            elif character == "\\":
                self.plain = False
                self.strange |= found in ([_OPEN], [_CLOSE])  # a block nevertheless
                self._escape(found)
            else:
                found.append(character)
        return "".join(found)

    def _skip(self) -> None:
        """White space, escaped line ends, and comments, which begin where a word could."""
        text = self._text
        while self._at < len(text):
            if text[self._at] == "#":
                end = text.find("\n", self._at)
                self._at = len(text) if end < 0 else end
            elif text[self._at] in _SPACE:
                self._at += 1
            elif text[self._at : self._at + 2] in _CONTINUED:
                self._at += 2
            else:
                return

    def _quoted(self, found: list[str]) -> None:
        while self._at < len(self._text):
            character = self._text[self._at]
            self._at += 1
            if character == _QUOTE:
                return
            if self._text[self._at - 1 : self._at + 1] == _CONTINUED[0]:
                self._at += 1
            elif character == "\\":
                self._escape(found)
            else:
                found.append(character)
        raise ValueError('a " is not closed')

    def _escape(self, found: list[str]) -> None:
        if self._at >= len(self._text):
            raise ValueError("a backslash stands at the end")
        character = self._text[self._at]
        self._at += 1
        self.strange |= character not in _ESCAPED
        found.append(character)
