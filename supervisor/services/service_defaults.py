"""The defaults that options of the command line and variables give to all services.

Pure. A key of a service wins over each of them. `services_options` reads the options.
"""

from __future__ import annotations

from ..core.record import Record
from ..options.command_line import OPTIONS
from ..options.reload_options import METHODS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .sections import Section

    Texts = dict[str, list[tuple[str, str]]]  # by option, each with the place where it is written

# Further keys of the file, by field of `plan.Service`; each field has a key of its name.
_KEYS = {"restart": ("autorestart",)}
_SOURCES = ("configmap", "secret", "config_dir")
_OF_FILES = ("map", "file_mode", "dir_mode", "owner")  # of those in a configroot
# A service has one of each; its own key puts aside the default of another.
_HELD = [(name, one.holds) for name, one in OPTIONS.items() if one.holds]
_EXCLUSIVE = (
    tuple(one.option for one in METHODS if one.option),
    ("configmap", "config_dir"),
    ("secret", "config_dir"),
    *_HELD,
)


class ServiceDefaults(Record):
    fields: Mapping[str, Any] = {}  # of `plan.Service`
    options: Mapping[str, list[tuple[str, str]]] = {}  # texts of options about an app

    def fields_of(self, section: Section) -> dict[str, Any]:
        """The fields for which a section has no key."""
        return {
            field: value
            for field, value in self.fields.items()
            if not any(map(section.has, (field, *_KEYS.get(field, ()))))
        }

    def with_keys(self, given: Texts) -> Texts:
        """The options of a service, by its own keys and these defaults."""
        found = {name: texts for name, texts in self.options.items() if name not in given}
        for names in _EXCLUSIVE:
            own = [name for name in names if name in given]
            for name in names if own else ():
                found.pop(name, None)
        merged = {**found, **given}
        if not any(name in merged for name in _SOURCES):
            found.pop("configroot", None)
        if "configroot" not in {**found, **given}:
            for name in _OF_FILES:
                found.pop(name, None)
        return {**found, **given}
