"""Text that others have chosen, made fit for where it is shown.

Pure. A name of the file system need not be UTF-8: Python keeps its bytes as surrogates, which no
page can encode.
"""

from __future__ import annotations


def encodable(text: str) -> str:
    r"""The same text, with `\xNN` for each byte that is not UTF-8."""
    if text.isascii():
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # surrogates that stand for no byte
        return text.encode("utf-8", "backslashreplace").decode()


def encodable_tree(value: object) -> object:
    """The same for all text in lists and dictionaries, as JSON has them."""
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, dict):
        return {encodable(str(name)): encodable_tree(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [encodable_tree(inner) for inner in value]
    return value
