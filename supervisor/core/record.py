"""Frozen records and named words: the material of every event, action and state.

`class Exited(Record): pid: int; code: int` behaves as a frozen dataclass: typed constructor (by
position or by name, with defaults), equality by type and fields, hash, repr, `match`. It is none
because importing `dataclasses` (through `inspect`) and generating thirty classes takes longer than
all the rest of the start-up of a bare init, which every container pays: see
docs/decisions/records-instead-of-dataclasses.md.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from enum import StrEnum
    from typing import Any, ClassVar, Self, dataclass_transform

    class Words(StrEnum): ...
else:

    class _Members(type):
        """Makes a member of each word in a class of `Words`."""

        def __new__(mcs, name: str, bases: tuple[type, ...], names: dict[str, object]) -> type:
            words = {key: word for key, word in names.items() if key.isupper()}
            cls = super().__new__(mcs, name, bases, names)
            for key, word in words.items():
                member = str.__new__(cls, word)
                member.name = key
                member.value = word
                setattr(cls, key, member)
            cls._words = tuple(getattr(cls, key) for key in words)
            return cls

        def __iter__(cls) -> Iterator[str]:
            return iter(cls._words)

        def __len__(cls) -> int:
            return len(cls._words)

    class Words(str, metaclass=_Members):
        """The named words that a field may hold; to a type checker an `enum.StrEnum`.

        A member equals its word. Creating the members of an enum takes ten times as long.
        """

        __slots__ = ("name", "value")

        def __repr__(self) -> str:
            return f"{type(self).__name__}.{self.name}"

    def dataclass_transform(**_: object):  # noqa: ANN201 - only the type checker reads it
        return lambda cls: cls


@dataclass_transform(frozen_default=True)
class Record:
    """A value with named, read-only fields: those that the class and its bases
    annotate, in order.
    """

    __slots__ = ()
    __match_args__: ClassVar[tuple[str, ...]] = ()
    __defaults__: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls) -> None:
        own = tuple(cls.__dict__.get("__annotations__", ()))  # noqa: RUF063 - inspect costs 8 ms
        names = cls.__match_args__
        defaults = cls.__defaults__
        further: tuple[Any, ...] = cls.__bases__[1:]
        for base in further:
            names = (*names, *base.__match_args__)
            defaults = {**defaults, **base.__defaults__}
        cls.__match_args__ = (*names, *own)  # type: ignore[misc] # the one place that sets it
        cls.__defaults__ = {**defaults, **{n: cls.__dict__[n] for n in own if n in cls.__dict__}}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        names = self.__match_args__
        if len(args) == len(names) and not kwargs:  # a shorter way for most events
            self.__dict__.update(zip(names, args, strict=True))
            return
        if len(args) > len(names):
            raise TypeError(f"{type(self).__name__} takes {len(names)} fields, got {len(args)}")
        values = {**self.__defaults__, **dict(zip(names, args, strict=False)), **kwargs}
        if len(values) != len(names) or not all(map(values.__contains__, names)):
            raise TypeError(
                f"{type(self).__name__} takes {', '.join(names)}; got {', '.join(values)}"
            )
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: cannot set {name} to {value!r}")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *map(self.__dict__.get, self.__match_args__)))

    def __repr__(self) -> str:
        fields = ", ".join(f"{n}={self.__dict__[n]!r}" for n in self.__match_args__)
        return f"{type(self).__name__}({fields})"

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        new = object.__new__(type(self))
        fields = new.__dict__
        fields.update(self.__dict__)
        fields.update(changes)
        if len(fields) != len(self.__dict__):
            unknown = ", ".join(changes.keys() - self.__dict__.keys())
            raise TypeError(f"{type(self).__name__} has no field {unknown}")
        return new
