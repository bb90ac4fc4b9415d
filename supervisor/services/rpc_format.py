"""XML-RPC as bytes: a request to a method with its arguments, a value or a fault to a response.

Pure. The specification is http://xmlrpc.com/spec.md, the types are those that supervisord and its
clients use. A request is the text of a stranger: document types, and so entities, are refused, and
depth and the number of values have bounds. `xmlrpc.client` would import all of `http.client`, and
it expands entities.
"""

from __future__ import annotations

from ..core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DEPTH = 32  # of elements
_VALUES = 10_000
_LEAST, _MOST = -(2**31), 2**31 - 1  # of <int>; others are cut to these, as supervisord does
_NAMES_MOST = 200  # characters of a method's name
_SCALARS = frozenset({"int", "i4", "boolean", "string", "double", "base64"})
_HEAD = "<?xml version='1.0'?>\n<methodResponse>\n"
_TAIL = "</methodResponse>\n"
# XML 1.0 has no other control characters, and no halves of surrogates.
_FOREIGN = {code: "\ufffd" for code in (*range(32), 0xFFFE, 0xFFFF) if chr(code) not in "\t\n\r"}
_FOREIGN |= dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
_ESCAPED = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord("\r"): "&#13;"}
_TEXT = {**_FOREIGN, **_ESCAPED}


class Malformed(Exception):
    """The bytes are no call."""


class Call(Record):
    method: str
    arguments: tuple[Any, ...] = ()


def read(data: bytes) -> Call:
    """The call of a request. Raises Malformed."""
    from pyexpat import ExpatError, ParserCreate

    reader = _Reader()
    parser = ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(data, True)
    except (ExpatError, ValueError, LookupError, OverflowError) as error:
        raise Malformed(str(error)) from None
    if not reader.method or len(reader.method) > _NAMES_MOST:
        raise Malformed("there is no name of a method")
    return Call(reader.method, tuple(reader.arguments))


def _refuse_doctype(*_: object) -> None:
    raise Malformed("a document type is not accepted")


class _Reader:
    """Builds the values of a request from its elements."""

    def __init__(self) -> None:
        self.method = ""
        self.arguments: list[Any] = []
        self._path: list[str] = []
        self._texts: list[str] = []
        self._open: list[Any] = []  # arrays and structs around
        self._names: list[str] = []  # of the members around
        self._typed: list[bool] = []  # whether each value around has an element with its type
        self._value: Any = None  # of the last element with a type
        self._count = 0

    def start(self, name: str, _: object) -> None:
        self._path.append(name)
        if len(self._path) > _DEPTH:
            raise Malformed(f"more than {_DEPTH} elements deep")
        self._texts = []
        if name == "value":
            self._count += 1
            self._typed.append(False)
            if self._count > _VALUES:
                raise Malformed(f"more than {_VALUES} values")
        elif name == "array":
            self._open.append([])
        elif name == "struct":
            self._open.append({})
        elif name == "member":
            self._names.append("")

    def text(self, data: str) -> None:
        self._texts.append(data)

    def end(self, name: str) -> None:
        self._path.pop()
        text = "".join(self._texts)
        if name == "value":
            self._end_value(text)
        elif name in _SCALARS:
            self._take(_scalar(name, text))
        elif name in ("array", "struct") and self._open:
            self._take(self._open.pop())
        elif name == "methodName":
            self.method = text.strip()
        elif name == "name" and self._names:
            self._names[-1] = text
        elif name == "member":
            self._names.pop()
        elif name in ("nil", "dateTime.iso8601"):
            raise Malformed(f"values of the type {name} are not accepted")
        self._texts = []

    def _take(self, value: Any) -> None:
        self._value = value
        if self._typed:
            self._typed[-1] = True

    def _end_value(self, text: str) -> None:
        value = self._value if self._typed.pop() else text
        self._value = None
        around = self._path[-1] if self._path else ""
        if around == "param":
            self.arguments.append(value)
        elif around == "data" and self._open and isinstance(self._open[-1], list):
            self._open[-1].append(value)
        elif around == "member" and self._open and isinstance(self._open[-1], dict):
            self._open[-1][self._names[-1]] = value


def _scalar(kind: str, text: str) -> Any:
    """Raises ValueError."""
    match kind:
        case "int" | "i4":
            return int(text)
        case "boolean":
            return text.strip() == "1"
        case "double":
            return float(text)
        case "base64":
            from binascii import a2b_base64

            return a2b_base64(text.encode("ascii")).decode(errors="replace")
    return text


def response(value: Any) -> bytes:
    """The response with a value. Raises TypeError for a value without a type here."""
    body = f"<params>\n<param>\n{_element(value)}</param>\n</params>\n"
    return f"{_HEAD}{body}{_TAIL}".encode()


def fault(code: int, text: str) -> bytes:
    value = _element({"faultCode": int(code), "faultString": text})
    return f"{_HEAD}<fault>\n{value}</fault>\n{_TAIL}".encode()


def _element(value: Any) -> str:
    match value:
        case bool():
            return f"<value><boolean>{int(value)}</boolean></value>\n"
        case int():
            return f"<value><int>{min(max(value, _LEAST), _MOST)}</int></value>\n"
        case float():
            return f"<value><double>{value!r}</double></value>\n"
        case str():
            return f"<value><string>{value.translate(_TEXT)}</string></value>\n"
        case list() | tuple():
            items = "".join(_element(one) for one in value)
            return f"<value><array><data>\n{items}</data></array></value>\n"
        case dict():
            members = "".join(
                f"<member>\n<name>{name.translate(_TEXT)}</name>\n{_element(one)}</member>\n"
                for name, one in value.items()
            )
            return f"<value><struct>\n{members}</struct></value>\n"
    raise TypeError(f"no type for {type(value).__name__}")
