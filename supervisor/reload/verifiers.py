"""Whether a reload has worked, for servers that do not say so by an exit code: what `--verify NAME`
means.

Each class states what its server does on a bad configuration; all of it was seen on the real
server, and is tested on it. A verifier asked without a `before` is about an app that has just been
started: it looks at the present state alone.
"""

from __future__ import annotations

import os
import time

from ..core.record import Record
from ..process.other_container import Target, TargetMissing
from . import checks, http_request
from .checks import Check, CheckFailed, CommandCheck
from .http_request import Request, RequestFailed, Trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from .checks import Subject

_PAGE = 4 * 1024 * 1024  # bytes of a page of metrics: Prometheus' own has 200 KiB


class Nginx(Check):
    """New workers of the same master.

    On a bad configuration nginx logs `[emerg]`, keeps its workers and their configuration, and no
    exit code tells. On a good one it starts new workers at once, in front of the same master; the
    old ones say in their title that they are shutting down, and may do so for as long as their
    clients like. A listening port that somebody else has taken is a bad configuration that `nginx
    -t` does not see: it gives up after five tries in 2.5 s.
    """

    def __init__(self, target: Target) -> None:
        """`target` finds the master when it is not our app."""
        self._target = target

    def workers(self, subject: Subject) -> frozenset[tuple[int, int]]:
        """Pid and start time of the workers that are to stay; raises CheckFailed when there are
        none.
        """
        try:
            master = subject.pid or self._target.find()
        except TargetMissing as error:
            raise CheckFailed(str(error)) from error
        titles = {child: _title(child[0]) for child in _children(master)}
        found = [
            c
            for c, title in titles.items()
            if "worker process" in title and "shutting down" not in title
        ]
        if not found:
            raise CheckFailed(f"nginx (pid {master}) has no worker")
        return frozenset(found)

    def before(self, subject: Subject, seconds: float) -> Check:  # noqa: ARG002 - /proc answers at once
        return _NewWorkers(self, self.workers(subject))

    def once(self, subject: Subject, seconds: float) -> None:  # noqa: ARG002 - as above
        self.workers(subject)


class _NewWorkers(Check):
    def __init__(self, nginx: Nginx, known: frozenset[tuple[int, int]]) -> None:
        self._nginx, self._known = nginx, known

    def once(self, subject: Subject, seconds: float) -> None:  # noqa: ARG002 - as above
        # The master is looked up again: one that its container has started meanwhile runs on the
        # new files too.
        if not self._nginx.workers(subject) - self._known:
            raise CheckFailed("nginx has started no new worker; its log says why ([emerg])")


def _children(parent: int) -> set[tuple[int, int]]:
    """Pid and start time (clock ticks since boot) of the children of a process: no two processes
    share both.
    """
    found = set()
    for entry in os.listdir("/proc"):
        if not entry.isdecimal():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as file:
                # proc(5): "pid (comm) state ppid ... starttime", the 22nd; comm may hold spaces and
                # parentheses.
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue  # gone meanwhile
        if int(fields[1]) == parent:
            found.add((int(entry), int(fields[19])))
    return found


def _title(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().decode(errors="replace")
    except OSError:
        return ""


class Haproxy(Check):
    """A new worker, by the master's own word: `show proc` on its socket (`haproxy -W -S PATH`).

    On a configuration with errors, and on one whose ports are taken, the master counts a failed
    reload and keeps its worker; in the second case that worker takes no connections for about 2 s.
    The next good reload sets the count of failures to 0 again. While the master starts itself anew
    the socket hangs up: that is asked again.
    """

    def __init__(self, path: str) -> None:
        if not path.startswith("/"):
            raise ValueError(
                f"{path!r} is not the absolute path of haproxy's master socket"
                " (haproxy:/run/master.sock)"
            )
        self._path = path

    def before(self, subject: Subject, seconds: float) -> Check:
        return _NewWorker(self, self.processes(subject, seconds).workers)

    def once(self, subject: Subject, seconds: float) -> None:
        _NewWorker(self, frozenset()).once(subject, seconds)

    def processes(self, subject: Subject, seconds: float) -> _Processes:
        """Ask the master; raises CheckFailed."""
        try:
            text = _converse(self._path, b"show proc\n", time.monotonic() + seconds, subject)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            hint = "; is haproxy run with -W and -S, and may our user connect?"
            raise CheckFailed(f"cannot ask haproxy at {self._path}: {why}{hint}") from error
        return _processes(text)


class _Processes(Record):
    failed: int  # reloads since the last good one
    workers: frozenset[int]  # their pids


class _NewWorker(Check):
    def __init__(self, haproxy: Haproxy, known: frozenset[int]) -> None:
        self._haproxy, self._known = haproxy, known

    def once(self, subject: Subject, seconds: float) -> None:
        now = self._haproxy.processes(subject, seconds)
        if now.failed:
            raise CheckFailed(
                "haproxy says that it could not load its configuration; its log says why ([ALERT])"
            )
        if not now.workers - self._known:
            raise CheckFailed("haproxy has started no new worker")


def _processes(text: str) -> _Processes:
    """Read the table of `show proc` (management guide, 9.4): a row per process, the former workers
    among them.
    """
    failed, workers = 0, set()
    for line in text.splitlines():
        words = line.split()
        if len(words) < 3 or not words[0].isdecimal():
            continue
        if words[1] == "worker":
            workers.add(int(words[0]))
        elif words[1] == "master" and "[failed:" in words:
            failed = int(words[words.index("[failed:") + 1].rstrip("]"))
    return _Processes(failed, frozenset(workers))


def _converse(path: str, question: bytes, until: float, subject: Subject) -> str:
    """Say one thing to a unix socket and return all that it answers; raises OSError."""
    import socket

    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _limit(sock, until)
        sock.connect(path)
        subject.cancelled.hold(sock)
        sock.sendall(question)
        sock.shutdown(socket.SHUT_WR)  # else haproxy waits for more to be asked
        answer = b""
        while len(answer) < _PAGE:
            _limit(sock, until)
            piece = sock.recv(65536)
            if not piece:
                break
            answer += piece
        return answer.decode(errors="replace")
    finally:
        subject.cancelled.close(sock)


def _limit(sock: socket.socket, until: float) -> None:
    sock.settimeout(max(0.001, until - time.monotonic()))


class Prometheus(Check):
    """Its own metrics: the last reload was successful, and is a new one.

    On a bad configuration Prometheus keeps the old one and sets
    `prometheus_config_last_reload_successful` to 0; a reload by HTTP is answered by status 500. Not
    all that is bad is kept out: with a bad rule file the new scrape configuration is live all the
    same, and only the rules are the old ones (`promtool check config` finds it before). The time of
    the last success moves with every good reload, also of an unchanged file. While it starts,
    before it has read anything, the metric says 1 already: `--ready URL/-/ready` keeps reloads and
    trials out of that.
    """

    _SUCCESSFUL = "prometheus_config_last_reload_successful"
    _TIME = "prometheus_config_last_reload_success_timestamp_seconds"

    def __init__(self, text: str, trust: Trust) -> None:
        """`text` is the address of its web interface, with the prefix of its routes if
        it has one.
        """
        base = http_request.url(text)
        if "?" in base.target:
            raise ValueError(
                "the address of Prometheus has no query: it is only that of its web interface"
            )
        page = base.replace(target=base.target.rstrip("/") + "/metrics")
        self._request = Request("GET", page, trust=trust)

    def before(self, subject: Subject, seconds: float) -> Check:
        return _NewSuccess(self, self.last_reload(subject, seconds)[1])

    def once(self, subject: Subject, seconds: float) -> None:
        _NewSuccess(self, 0.0).once(subject, seconds)

    def last_reload(self, subject: Subject, seconds: float) -> tuple[bool, float]:
        """Whether it was good, and when the last good one was (epoch seconds); raises
        CheckFailed.
        """
        try:
            answer = self._request.send(seconds, subject.cancelled, _PAGE)
        except RequestFailed as failure:
            raise CheckFailed(f"{self._request}: {failure}") from failure
        samples = dict(
            line.rpartition(" ")[::2] for line in answer.body.decode(errors="replace").splitlines()
        )
        try:
            return float(samples[self._SUCCESSFUL]) == 1, float(samples[self._TIME])
        except (KeyError, ValueError):
            # A page of metrics is long: only its beginning may stand in a message.
            short = answer.replace(body=answer.body[: http_request.BODY])
            error = (
                f"{self._request}: there is no {self._SUCCESSFUL} in the answer:"
                f" {self._request.explain(short)}"
            )
            raise CheckFailed(error, words=self._request.words(short)) from None


class _NewSuccess(Check):
    def __init__(self, prometheus: Prometheus, last: float) -> None:
        self._prometheus, self._last = prometheus, last

    def once(self, subject: Subject, seconds: float) -> None:
        successful, at = self._prometheus.last_reload(subject, seconds)
        if not successful:
            raise CheckFailed("Prometheus says that its last reload failed; its log says why")
        if at == self._last:  # not `<=`: a clock may be set back
            raise CheckFailed("Prometheus has not reloaded")


# `postgres`: an exit code and a sentence from what PostgreSQL knows of its files.
#
# On a bad value, or on a setting that needs a restart, it applies the others, and
# pg_conf_load_time() moves all the same; on a syntax error or an unknown name nothing is applied; a
# bad pg_hba.conf is kept apart from both. So the views that read the files now are asked, and then
# whether they were loaded since they were written. The cast of a complaint to int is what makes
# psql end with code 1 and print it; `$$` is avoided, for Kubernetes would make one `$` of it. The
# role needs what superusers have: the views and pg_stat_file are theirs.
_POSTGRES_SQL = """
select coalesce(
  (select string_agg(coalesce(sourcefile, '?') || ':' || coalesce(sourceline, 0) || ': ' || error, '; ')
     from pg_file_settings where error is not null),
  (select string_agg('pg_hba.conf:' || line_number || ': ' || error, '; ')
     from pg_hba_file_rules where error is not null),
  (select 'not loaded since it was written: ' || name || ' ' || setting from pg_settings
    where name in ('config_file', 'hba_file')
      and pg_conf_load_time() < (pg_stat_file(setting)).modification limit 1),
  '0')::int
"""
POSTGRES = ("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", " ".join(_POSTGRES_SQL.split()))


def parse(text: str, directory: str, trust: Trust = Trust(), target: Target | None = None) -> Check:
    """Read `nginx`, `haproxy:SOCKET`, `prometheus:URL`, `postgres`, or whatever `checks.parse`
    reads.

    `nginx` is our app or, in a sidecar, `target` or else the process of that name. `postgres` runs
    psql as the app's user with the app's PG variables. Raises ValueError.
    """
    name, _, rest = text.strip().partition(":")
    match name:
        case "nginx" if not rest:
            return Nginx(target or Target("nginx"))
        case "haproxy":
            return Haproxy(rest)
        case "prometheus":
            return Prometheus(rest, trust)
        case "postgres" if not rest:
            return CommandCheck(POSTGRES)
    return checks.parse(text, directory, trust)
