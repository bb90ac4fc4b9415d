"""The section [supervisord], with the options of supervisord's command line above it."""

from __future__ import annotations

from ..options import parsers
from . import value_formats
from .host import Host
from .plan import Main
from .sections import Section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    Value = TypeVar("Value")
    Default = TypeVar("Default")

NAME = "supervisord"
_MINFDS = 1024


class MainSection:
    """`options`: texts of the command line by key, which win."""

    def __init__(self, section: Section, host: Host, options: Mapping[str, str]) -> None:
        self._section = section
        self._host = host
        self._options = options

    def read(self, *, follows_supervisord: bool) -> Main:
        """The values; without supervisord's defaults there are no files, and no limit is raised."""
        section = self._section
        formats = value_formats
        user = self._options.get("user", section.text("user"))
        main = Main(
            logfile=self._path("logfile", "supervisord.log" if follows_supervisord else ""),
            logfile_maxbytes=self._value("logfile_maxbytes", formats.byte_size, 50 << 20),
            logfile_backups=self._value("logfile_backups", formats.integer, 10),
            loglevel=self._value("loglevel", formats.log_level, "info"),
            pidfile=self._path("pidfile", "supervisord.pid" if follows_supervisord else ""),
            identifier=self._value("identifier", str, "supervisor"),
            user=user,
            uid=self._value("user", self._host.uid, None),
            minfds=self._value(
                "minfds", formats.descriptors, _MINFDS if follows_supervisord else 0
            ),
            silent=self._value("silent", formats.boolean, False),
            strip_ansi=self._value("strip_ansi", formats.boolean, False),
            nodaemon=self._value("nodaemon", formats.boolean, False),
            stop_budget=self._value("stop_budget", parsers.duration, None),
        )
        if not main.nodaemon and follows_supervisord:
            section.warn("nodaemon", "false: this supervisor stays in the foreground all the same")
        self._judge()
        return main

    @property
    def essential(self) -> bool | None:
        """The default for services, where it is written."""
        return self._section.value("essential", value_formats.boolean, None)

    def _judge(self) -> None:
        """Check the keys without an effect, as supervisord does, and report them."""
        section = self._section
        if self._value("umask", value_formats.octal, None) is not None:
            section.warn("umask", "without effect, as in supervisord -n; set it for each program")
        if self._value("directory", self._host.directory, None) is not None:
            section.warn(
                "directory", "without effect, as in supervisord -n; set it for each program"
            )
        self._value("childlogdir", self._host.directory, "")
        section.ignore("childlogdir", "no log is kept in files of its own choice")
        self._value("nocleanup", value_formats.boolean, False)
        section.ignore("nocleanup", "there are no files to remove")
        self._value("minprocs", value_formats.integer, 0)
        section.ignore("minprocs", "the limit of processes stays as it is")

    def _value(self, key: str, parse: Callable[[str], Value], default: Default) -> Value | Default:
        value = self._section.value(key, parse, default)
        if key not in self._options:
            return value
        try:
            return parse(self._options[key])
        except ValueError as error:
            self._section.verdicts.refuse(
                self._section.place().replace(file="the command line", line=0, key=key), str(error)
            )
            return default

    def _path(self, key: str, default: str) -> str:
        path = self._value(key, self._host.file, default)
        return self._host.absolute(path) if path else ""
