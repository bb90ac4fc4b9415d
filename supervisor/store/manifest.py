"""The manifest of a generation: written, and read back from bytes of any origin.

Reading accepts exactly the output of writing, no other JSON, and within bounds. Pure.
"""

from __future__ import annotations

from ..core.content import check_path
from ..core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FORMAT = 1
MOST_BYTES = 4 << 20  # of a manifest
MOST_DATA = 1 << 28  # bytes of all files together: reading more takes a start too long
MOST_SERIAL = 10**12

_HEAD = rb'\s*\{\s*"format"\s*:\s*(\d{1,9})\s*[,}]'
_START = rb'\{"format": %d, "serial": (\d{1,13}), "digest": "([0-9a-f]{64})", "files": \{' % FORMAT
_FILE = (
    rb'"([^"\\]*(?:\\.[^"\\]*)*)": \{"sha256": "([0-9a-f]{64})", "size": (\d{1,12}), "mode":'
    rb' "([0-7]{4})"\}(, |\}\}\Z)'
)


class Generation(Record):
    """A version on disk; a later generation has a higher serial.

    `files` maps each path to its hex sha256; the path of an empty directory ends in `/`. `modes`
    maps each path to its intended mode.
    """

    name: str
    serial: int
    digest: str
    files: Mapping[str, str]
    bytes: int
    modes: Mapping[str, int] = {}

    @property
    def count(self) -> int:
        """The number of files, without directories."""
        return sum(not path.endswith("/") for path in self.files)

    @property
    def tops(self) -> set[str]:
        """The first components of the paths."""
        return {path.partition("/")[0] for path in self.files}


def written(generation: Generation, sizes: Iterable[tuple[str, int]]) -> bytes:
    """The manifest; `sizes` gives each path with its bytes. Raises ValueError if it is too large to
    read back.
    """
    # By hand: importing json would delay the start of the app.
    listed = ", ".join(
        f'{_quoted(path)}: {{"sha256": "{generation.files[path]}", "size": {size}, "mode":'
        f' "{generation.modes[path]:04o}"}}'
        for path, size in sizes
    )
    head = f'"format": {FORMAT}, "serial": {generation.serial}, "digest": "{generation.digest}"'
    text = f'{{{head}, "files": {{{listed}}}}}'.encode()
    if len(text) > MOST_BYTES or generation.bytes > MOST_DATA:
        raise ValueError(f"its list of files takes {len(text)} bytes, its files {generation.bytes}")
    return text


def parsed(name: str, data: bytes) -> Generation:
    """The generation of this name by its manifest; raises ValueError."""
    import re

    start = re.match(_START, data)
    if start is None or int(start[1]) >= MOST_SERIAL:
        raise ValueError("it is no manifest of ours")
    files: dict[str, str] = {}
    modes: dict[str, int] = {}
    total = 0
    at = start.end()
    pattern = re.compile(_FILE)
    end = data[at:] == b"}}"
    while not end:
        file = pattern.match(data, at)
        if file is None:
            raise ValueError("its list of files is damaged")
        path = _unquoted(file[1].decode("ascii"))
        check_path(path.removesuffix("/"))
        files[path] = file[2].decode()
        total += int(file[3])
        modes[path] = int(file[4], 8)
        at = file.end()
        end = file[5] != b", "
    if total > MOST_DATA:
        raise ValueError(f"its files would have {total} bytes")
    return Generation(name, int(start[1]), start[2].decode(), files, total, modes)


def later_format(head: bytes) -> int:
    """The format number of a later release, from the first bytes of a manifest; else 0."""
    import re

    found = re.match(_HEAD, head)
    return int(found[1]) if found and int(found[1]) > FORMAT else 0


def _quoted(text: str) -> str:
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    import json

    return json.dumps(text)


def _unquoted(text: str) -> str:
    if "\\" not in text:
        return text
    import json

    return str(json.loads(f'"{text}"'))
