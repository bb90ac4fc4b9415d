"""A section [program:x], or a listener or an fcgi-program, to the services of its processes.

It owns supervisord's keys of a process. Which names a value may use depends on the key, as in
supervisord: `process_num` and the program's own environment are known to the later half only.
"""

from __future__ import annotations

from ..core.signal_numbers import FIRST_REAL_TIME, LAST_REAL_TIME, STOP, TERM
from . import value_formats
from .dialect import Dialect
from .environment_format import Variables, variables
from .host import Host
from .plan import PRIORITY, Kind, Readiness, Restart, Retries, Service, Sink, Stream, is_report
from .sections import Section
from .service_keys import OurKeys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .value_formats import Wanted

STREAMS = ("stdout", "stderr")
_LOG_MAXBYTES = 50 << 20
_LOG_BACKUPS = 10
_WITH_PATH = frozenset({Sink.FILE, Sink.OUTPUT, Sink.ERRORS})
_MOST_PROCESSES = 10_000
_NUMBER = "%(process_num)"


class Program:
    """A section of a process, read for one group; `names` are those of all its values."""

    def __init__(
        self, section: Section, kind: Kind, host: Host, dialect: Dialect, group: str
    ) -> None:
        self._section = section
        self._kind = kind
        self._host = host
        self._dialect = dialect
        self._group = group
        self._common: dict[str, Any] = {}
        self._events: dict[str, bool] = {}
        self._captured: dict[str, int] = {}
        self.wanted: tuple[Wanted, ...] = ()  # the dependencies as written

    def services(
        self, names: Mapping[str, object], environment: Mapping[str, str]
    ) -> tuple[Service, ...]:
        """A service for each process; `environment`: that of [supervisord]."""
        section = self._section
        program = self._name()
        names = {
            **names,
            "host_node_name": self._host.node_name,
            "program_name": program,
            "group_name": self._group,
        }
        self._common = self._read_common(names)
        ours = OurKeys(section, self._kind, names, self._dialect)
        first = section.value("numprocs_start", value_formats.integer, 0, names)
        count = section.value("numprocs", value_formats.integer, 1, names)
        if count > _MOST_PROCESSES:
            section.refuse("numprocs", f"{count} is more than {_MOST_PROCESSES}")
            count = 0
        pattern = self._pattern(count)
        found = []
        for number in range(first, first + count):
            own = {**names, "process_num": number, "numprocs": count}
            given = self._variables(own)
            own |= {f"ENV_{name}": text for name, text in given.values.items()}
            one = self._service(program, pattern, own, ours)
            one = one.replace(number=number, environment={**environment, **given.values})
            found.append(self._finished(one))
        self.wanted = ours.wanted()
        if found:
            section.end()
        else:
            section.warn("numprocs", "no process is made")
        return tuple(sorted(found, key=lambda one: (one.priority, one.name)))

    def _name(self) -> str:
        try:
            return value_formats.name(self._section.label)
        except ValueError as error:
            self._section.refuse("", str(error))
            return self._section.label.strip()

    def _read_common(self, names: Mapping[str, object]) -> dict[str, Any]:
        """The fields that all processes share."""
        read = self._section.value
        formats = value_formats
        as_group = read("stopasgroup", formats.boolean, False, names)
        kill_group = read("killasgroup", formats.boolean, as_group, names)
        if as_group and not kill_group:
            self._section.refuse("killasgroup", "stopasgroup=true needs killasgroup=true")
        user = self._section.text("user", names)
        for stream in STREAMS:
            self._events[stream] = read(f"{stream}_events_enabled", formats.boolean, False, names)
            self._captured[stream] = read(f"{stream}_capture_maxbytes", formats.byte_size, 0, names)
        return {
            "priority": read("priority", formats.integer, PRIORITY, names),
            "autostart": read("autostart", formats.boolean, True, names),
            "restart": read("autorestart", formats.auto_restart, Restart.ON_FAILURE, names),
            "startsecs": read("startsecs", formats.seconds, 1, names),
            "retries": self._retries(names),
            "exitcodes": read("exitcodes", formats.exit_codes, (0,), names),
            "stopsignal": self._stop_signal(names),
            "stopwaitsecs": read("stopwaitsecs", formats.seconds, 10, names),
            "stopasgroup": as_group,
            "killasgroup": kill_group,
            "redirect_stderr": read("redirect_stderr", formats.boolean, False, names),
            "umask": read("umask", formats.octal, None, names),
            "serverurl": self._server_url(names),
            "user": user,
            "uid": read("user", self._host.uid, None, names) if user is not None else None,
        }

    def _retries(self, names: Mapping[str, object]) -> Retries:
        default = self._dialect.retries
        tries = self._section.value("startretries", value_formats.integer, default.tries, names)
        return default.replace(tries=tries)

    def _stop_signal(self, names: Mapping[str, object]) -> int:
        section = self._section
        found = section.value("stopsignal", value_formats.stop_signal, TERM, names)
        if found == STOP:
            section.warn("stopsignal", "STOP ends no program: it is killed after stopwaitsecs")
        if FIRST_REAL_TIME < found < LAST_REAL_TIME:
            section.warn("stopsignal", "supervisord refuses this signal: it has no name there")
        return found

    def _server_url(self, names: Mapping[str, object]) -> str | None:
        url = self._section.text("serverurl", names)
        return None if url is None or url.strip().upper() == "AUTO" else url

    def _pattern(self, count: int) -> str:
        """The text of process_name, which must tell several processes apart."""
        pattern = self._section.raw("process_name", "%(program_name)s")
        try:
            pattern = value_formats.name(pattern)
        except ValueError as error:
            self._section.refuse("process_name", str(error))
        if count > 1 and _NUMBER not in pattern:
            self._section.refuse(
                "process_name",
                f"numprocs={count} needs {_NUMBER}d in it (example: %(program_name)s_{_NUMBER}02d)",
            )
        return pattern

    def _variables(self, names: Mapping[str, object]) -> Variables:
        section = self._section
        text = section.expanded("environment", section.raw("environment"), names)
        return environment_of(section, text or "")

    def _service(self, program: str, pattern: str, names: dict[str, Any], ours: OurKeys) -> Service:
        section = self._section
        fields: dict[str, Any] = {stream: self._stream(stream, names) for stream in STREAMS}
        fields["directory"] = section.text("directory", names)
        command, words = self._command(names)
        name = section.expanded("process_name", pattern, names) or program
        fields |= ours.read(words, name, names)
        if ours.restart:
            fields["restart"] = ours.restart
        return Service(
            name=name,
            group=self._group,
            program=program,
            kind=self._kind,
            command=command,
            words=words,
            **{**self._common, **fields, **self._defaults()},
        )

    def _defaults(self) -> dict[str, Any]:
        """The values of options for fields that have no key; a listener has none."""
        defaults = self._dialect.defaults
        if defaults is None or self._kind is Kind.LISTENER:
            return {}
        return defaults.fields_of(self._section)

    def _command(self, names: Mapping[str, object]) -> tuple[str, tuple[str, ...]]:
        section = self._section
        if not section.has("command"):
            section.refuse("command", "it is missing; name the program to run")
            return "", ()
        text = section.text("command", names)
        if text is None:
            return "", ()
        try:
            return text, value_formats.command_words(text)
        except ValueError as error:
            section.warn("command", f"{error}; its start will be FATAL")
            return text, ()

    def _stream(self, name: str, names: Mapping[str, object]) -> Stream:
        section = self._section
        key = f"{name}_logfile"
        text = section.text(key, names)
        if text is not None:  # supervisord expands these two keys twice
            text = section.expanded(key, text, names)
        sink = Sink.AUTO if text is None else value_formats.sink(text)
        path = self._path(key, sink, text or "")
        syslog = section.value(f"{name}_syslog", value_formats.boolean, False, names)
        if sink is Sink.SYSLOG:
            section.warn(key, f"an old form; write {name}_syslog = true")
            sink = Sink.NONE
            syslog = True
        size = value_formats.byte_size
        return Stream(
            sink=sink,
            path=path,
            maxbytes=section.value(f"{key}_maxbytes", size, _LOG_MAXBYTES, names),
            backups=section.value(f"{key}_backups", value_formats.integer, _LOG_BACKUPS, names),
            syslog=syslog,
            events=self._events[name],
            capture_maxbytes=self._captured[name],
        )

    def _path(self, key: str, sink: Sink, text: str) -> str:
        if sink not in _WITH_PATH:
            return ""
        try:
            return self._host.file(text)
        except ValueError as error:
            self._section.refuse(key, str(error))
            return text

    def _finished(self, one: Service) -> Service:
        """Rules between keys, and defaults that depend on other keys."""
        section = self._section
        if one.redirect_stderr:
            if one.stderr.sink in _WITH_PATH:
                section.warn("stderr_logfile", "ignored: redirect_stderr=true")
            one = one.replace(stderr=one.stderr.replace(sink=Sink.NONE, path=""))
        self._judge_logs(one)
        if not section.has("essential") and (one.kind is Kind.LISTENER or not one.autostart):
            one = one.replace(essential=False)
        one = self._without_check(one)
        # A check tells more than a second of life.
        if (one.oneshot or one.readiness.check) and not section.has("startsecs"):
            one = one.replace(startsecs=0)
        # The word of a pod: no start after the first, however short its life was.
        never = section.has("restart") and one.restart is Restart.NEVER
        if never and not section.has("startretries"):
            one = one.replace(retries=one.retries.replace(tries=0))
        if one.oneshot and not (section.has("autorestart") or section.has("restart")):
            one = one.replace(restart=Restart.NEVER)
        return one

    def _without_check(self, one: Service) -> Service:
        """A oneshot without its readiness check, whose end would be a failed start, and so run the
        job again; the descriptor or the socket of a report stays, for the job may write to it.
        """
        check = one.readiness.check
        if not (one.oneshot and check):
            return one
        for key in ("ready", "ready_timeout"):
            if self._section.has(key):
                self._section.warn(key, "without effect: a oneshot is ready once it is completed")
        return one.replace(readiness=Readiness(check if is_report(check) else ""))

    def _judge_logs(self, one: Service) -> None:
        section = self._section
        streams = dict(zip(STREAMS, (one.stdout, one.stderr), strict=True))
        if one.kind is Kind.LISTENER:  # the protocol is no log
            del streams["stdout"]
        automatic = [name for name, stream in streams.items() if stream.sink is Sink.AUTO]
        if automatic and self._dialect.follows_supervisord:
            section.warn(
                f"{automatic[0]}_logfile",
                f"AUTO: lines of {' and '.join(automatic)} go to standard output behind the name of"
                " the service, and a part stays in memory for `tail`; there is no file",
            )
        for name, stream in streams.items():
            key = f"{name}_logfile"
            if stream.sink not in (Sink.OUTPUT, Sink.ERRORS):
                continue
            if stream.maxbytes and section.has(f"{key}_maxbytes"):
                section.ignore(f"{key}_maxbytes", f"{stream.path} is never rotated")
            if stream.backups and section.has(f"{key}_backups"):
                section.ignore(f"{key}_backups", f"{stream.path} is never rotated")


def environment_of(section: Section, text: str) -> Variables:
    """The variables of an expanded `environment`; the verdicts are given."""
    try:
        found = variables(text)
    except ValueError as error:
        section.refuse("environment", str(error))
        return Variables({})
    if found.newer:
        section.warn("environment", "supervisord 4.3 refuses the quotes in it, 4.4 reads them so")
    for name in found.cut:
        section.warn("environment", f"{name} is cut, as in supervisord; put the value in quotes")
    return found
