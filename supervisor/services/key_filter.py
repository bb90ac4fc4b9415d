"""The filter between the sources of a service and the service: the keys of `config_keys`.

It warns, once, of a pattern without a key in any of the sources. Safe from any thread: each source
has its own.
"""

from __future__ import annotations

from ..runtime import log, threads
from .chosen_keys import ChosenKeys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..sources.interface import Content


class KeyFilter:
    def __init__(self, service: str, patterns: Sequence[str], sources: int) -> None:
        """`sources`: the number of sources."""
        self._service = service
        self._chosen = ChosenKeys(patterns)
        self._keys: list[tuple[str, ...] | None] = [None] * sources
        self._warned: frozenset[str] = frozenset()
        self._noting = threads.Lock()

    def of(self, source: int, content: Content) -> Content:
        """The content of a source with the chosen keys only; the same object where these are
        all.
        """
        with self._noting:
            self._keys[source] = (*content.files, *content.directories)
            self._warn()
        return self._chosen.of(content)

    def _warn(self) -> None:
        known = [keys for keys in self._keys if keys is not None]
        if len(known) < len(self._keys):
            return  # a source that was not read may have the key
        missed = self._chosen.missed([key for keys in known for key in keys])
        for pattern in missed:
            if pattern not in self._warned:
                log.warning(
                    f"{self._service}: config_keys: no source has the key {pattern!r}",
                    event="key_missed",
                    service=self._service,
                )
        self._warned = frozenset(missed)
