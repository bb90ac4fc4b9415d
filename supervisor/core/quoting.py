"""Text from outside, made fit for pages, JSON and log lines: names in a file system need not be
UTF-8.

Pure. Python keeps bytes outside of UTF-8 as surrogates, which no page can encode. It must not know
where a text comes from.
"""

from __future__ import annotations


def encodable(text: str) -> str:
    r"""The same text, with `\xNN` for each byte outside of UTF-8."""
    if text.isascii():
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # surrogates without a byte
        return text.encode("utf-8", "backslashreplace").decode()


def encodable_tree(value: object) -> object:
    """The same for every text in nested lists and dictionaries."""
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, dict):
        return {encodable(str(name)): encodable_tree(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [encodable_tree(inner) for inner in value]
    return value


def legible(text: str) -> str:
    """Text for a log line: it can neither move a cursor nor begin a new line."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())
