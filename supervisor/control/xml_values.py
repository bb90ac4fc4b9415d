"""XML-RPC as supervisord speaks it: calls written, answers read.

Pure. `xmlrpc.client` would take longer to import than all the rest of supervisorctl. The parser is
expat, which bounds the growth of entities.
"""

from __future__ import annotations

import pyexpat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Param = str | int | bool

# Control characters, which XML forbids and logs have: private ones stand for them in the parser.
_CONTROLS = {code: 0xF000 + code for code in range(0x20) if code not in (0x09, 0x0A, 0x0D)}
_RESTORED = {private: control for control, private in _CONTROLS.items()}


class Fault(Exception):
    """The server's refusal of a call: a code and a text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class AnswerError(ValueError):
    """The answer is none of XML-RPC."""


def call(method: str, params: tuple[Param, ...]) -> bytes:
    """The body of a request."""
    written = "".join(f"<param><value>{_value(param)}</value></param>\n" for param in params)
    return (
        f"<?xml version='1.0'?>\n<methodCall>\n<methodName>{method}</methodName>\n"
        f"<params>\n{written}</params>\n</methodCall>\n"
    ).encode("ascii", "xmlcharrefreplace")


def _value(param: Param) -> str:
    if isinstance(param, bool):
        return f"<boolean>{int(param)}</boolean>"
    if isinstance(param, int):
        return f"<int>{param}</int>"
    text = param.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"<string>{text}</string>"


def answer(body: bytes) -> Any:
    """The value of a response. Raises Fault, or AnswerError."""
    text = body.decode(errors="replace")
    controls = not text.isprintable() and any(chr(code) in text for code in _CONTROLS)
    if controls:
        text = text.translate(_CONTROLS)
    reader = _Reader(controls=controls)
    parser = pyexpat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.data
    try:
        parser.Parse(text.encode(), True)
        value = reader.values.pop()
    except (pyexpat.ExpatError, LookupError, ValueError) as error:
        raise AnswerError(f"no answer of XML-RPC: {error}") from None
    if reader.fault:
        raise Fault(int(value["faultCode"]), str(value["faultString"]))
    return value


class _Reader:
    """Builds values from elements; `values` are those not yet part of another."""

    def __init__(self, *, controls: bool) -> None:
        self.values: list[Any] = []
        self.fault = False
        self._controls = controls
        self._text: list[str] = []
        self._begun: list[int] = []  # where the values of open arrays and structs begin
        self._typed = False  # the open <value> has an element of its type

    def start(self, tag: str, _: dict[str, str]) -> None:
        self._text = []
        if tag in ("array", "struct"):
            self._begun.append(len(self.values))
        self._typed = tag != "value"

    def data(self, text: str) -> None:
        self._text.append(text)

    def end(self, tag: str) -> None:
        text = "".join(self._text)
        match tag:
            case "string" | "name":
                self.values.append(self._restored(text))
            case "int" | "i4" | "i8":
                self.values.append(int(text))
            case "boolean":
                self.values.append(text.strip() == "1")
            case "double":
                self.values.append(float(text))
            case "nil":
                self.values.append(None)
            case "array":
                begun = self._begun.pop()
                self.values[begun:] = [self.values[begun:]]
            case "struct":
                begun = self._begun.pop()
                flat = self.values[begun:]
                self.values[begun:] = [dict(zip(flat[::2], flat[1::2], strict=True))]
            case "value" if not self._typed:  # without an element of a type it is a string
                self.values.append(self._restored(text))
            case "fault":
                self.fault = True
        self._text = []
        self._typed = True

    def _restored(self, text: str) -> str:
        return text.translate(_RESTORED) if self._controls else text
