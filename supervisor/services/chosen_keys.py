"""The keys of a source that a service reads, chosen by the patterns of `config_keys`.

Pure. A pattern is compared with a whole key, upper and lower case apart: `*` stands for any text,
slashes included, and `conf.d/` for everything below. Without patterns all keys are chosen.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from typing import TypeVar

    from ..sources.interface import Content

    Value = TypeVar("Value")


class ChosenKeys:
    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = tuple(patterns)

    def __contains__(self, key: object) -> bool:
        return not self._patterns or any(_fits(str(key), one) for one in self._patterns)

    def of(self, content: Content) -> Content:
        """The content with the chosen keys only; the same object where these are all."""
        if not self._patterns:
            return content
        return content.replace(
            files=self._chosen(content.files),
            permitted=self._chosen(content.permitted),
            directories=tuple(key for key in content.directories if key in self),
        )

    def _chosen(self, files: Mapping[str, Value]) -> dict[str, Value]:
        return {key: value for key, value in files.items() if key in self}

    def missed(self, keys: Collection[str]) -> tuple[str, ...]:
        """The patterns without any of these keys."""
        return tuple(one for one in self._patterns if not any(_fits(key, one) for key in keys))


def _fits(key: str, pattern: str) -> bool:
    if pattern.endswith("/"):
        return key.startswith(pattern)
    return fnmatchcase(key.rstrip("/"), pattern)
