"""The option --service of `supervisorctl fleet` and `wait --fleet`: one of several services.

Pure.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def without(words: Sequence[str], *, several: bool) -> tuple[list[str], str]:
    """The other words, and the service as an argument of a request: empty without the option.

    Raises ValueError; `several`: whether there are services.
    """
    left = list(words)
    others = []
    name = ""
    while left:
        word = left.pop(0)
        option, _, value = word.partition("=")
        if option != "--service":
            others.append(word)
            continue
        name = value or (left.pop(0) if left and word == option else "")
        if not name:
            raise ValueError("--service needs a value: --service NAME")
    if not name:
        return others, ""
    if not several:
        raise ValueError(
            "--service is for several services, and this is a single app; leave it out"
        )
    from urllib.parse import quote

    return others, f"service={quote(name, safe='')}"
