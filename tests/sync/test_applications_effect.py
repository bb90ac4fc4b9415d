"""Reloads without effect that count as a success, and the `--verify` that finds them: see
docs/applications.md.

In each case the application takes the signal and lives, but does not take up the change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from config_supervisor.core.record import Record
from tests.conftest import needs
from tests.harness import Run, only_process
from tests.sync import test_applications_dns as dns
from tests.sync import test_applications_mail_log as mail_log
from tests.sync import test_applications_stores as stores
from tests.sync import test_applications_web as web
from tests.sync.applications import Application, Stage, stage_of

_, _APACHE, _GUNICORN, _UWSGI, _ = web.APPLICATIONS
_, _NAMED = dns.APPLICATIONS
_REDIS, _MEMCACHED, _PGBOUNCER, _MOSQUITTO = stores.APPLICATIONS
_DOVECOT, _RSYSLOG = mail_log.APPLICATIONS

_SAME_PAGE = "--verify=sh -c 'curl -fsS http://127.0.0.1:8000/ | cmp - /config/word'"
_CHECKED_ZONES = "--verify=named-checkconf -z named.conf"
_LOGGED = (
    "--verify=sh -c 'logger -d -n 127.0.0.1 -P 5140 x; tail -n 1 /run/app/out | grep -qxf"
    " /config/word'"
)
_SETTINGS = 'printf "stats settings\\r\\nquit\\r\\n" | curl -s telnet://127.0.0.1:11211'
_ASKED = f"--verify=sh -c '{_SETTINGS} | grep -f /config/word'"
_IMPORTED = """
with open("/config/word") as file:
    word = file.read().encode()
def app(environ, start):
    start("200 OK", [("Content-Length", str(len(word)))])
    return [word]
"""


class Silent(Record):
    """A change without effect: two versions, and the page's command line without some options."""

    application: Application
    first: Mapping[str, str]
    second: Mapping[str, str]
    without: tuple[str, ...] = ()
    verify: str = ""  # finds the failure; empty where the page's own does
    ports: tuple[int, ...] = ()
    window: str = "1s"  # longer than the application is busy with a reload
    said: str = ""  # in the application's log, once it has handled the signal


def _preloaded(word: str) -> Mapping[str, str]:
    config = (
        'bind = "127.0.0.1:8000"\nchdir = "/config"\nworker_tmp_dir = "/run/app"\npreload_app ='
        " True\n"
    )
    return {"gunicorn.conf.py": config, "app.py": _IMPORTED, "word": word}


def _importing(word: str) -> Mapping[str, str]:
    """The validation may leave the bytecode of its imports in the version."""
    path = (
        "import os, sys\nsys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))\nfrom"
        " common import word\n"
    )
    config = (
        'bind = "127.0.0.1:8000"\nchdir = "/run/app"\nworker_tmp_dir = "/run/app"\nraw_env ='
        ' ["WORD=" + word]\n'
    )
    return {"gunicorn.conf.py": path + config, "common.py": f'word = "{word}"\n', "word": word}


def _lax(word: str, key: str) -> Mapping[str, str]:
    text = (
        web.uwsgi(word)["uwsgi.ini"]
        .replace("strict = true\nneed-app = true\n", "")
        .replace("env =", f"{key} =")
    )
    return {"uwsgi.ini": text, "word": word}


def _with_word(files: Mapping[str, str], word: str) -> Mapping[str, str]:
    return {**files, "word": word}


def _changed(files: Mapping[str, str], old: str, new: str) -> Mapping[str, str]:
    """The same files with another text in each."""
    changed = {name: text.replace(old, new) for name, text in files.items()}
    assert changed != files
    return changed


CASES = {
    "apache-thread-limit": Silent(
        _APACHE,
        _APACHE.files("one"),
        {"apache2.conf": _APACHE.files("one")["apache2.conf"] + "ThreadLimit 32\n", "word": "one"},
        verify="none",
        said="changing ThreadLimit .* not allowed",
    ),
    "gunicorn-preload": Silent(
        _GUNICORN,
        _preloaded("one"),
        _preloaded("two"),
        without=("--validate",),
        verify=_SAME_PAGE,
        said="Worker exiting",
    ),
    "gunicorn-import": Silent(
        _GUNICORN, _importing("one"), _importing("two"), verify=_SAME_PAGE, said="Worker exiting"
    ),
    "uwsgi-misspelled": Silent(
        _UWSGI,
        _lax("one", "env"),
        _lax("two", "envv"),
        verify=_SAME_PAGE,
        window="3s",
        said=r"gracefully \(RE\)spawned",
    ),
    "named-zone": Silent(
        _NAMED,
        _NAMED.files("one"),
        _changed(_NAMED.files("two"), "@ NS ns\n", "@ NS ns nonsense\n"),
        without=("--validate",),
        verify=_CHECKED_ZONES,
    ),
    "named-hup": Silent(
        _NAMED,
        _NAMED.files("one"),
        _changed(_NAMED.files("two"), "options {", "nonsense; options {"),
        without=("--validate", "--reload-exec"),
        verify=_CHECKED_ZONES,
    ),
    "dovecot-refused": Silent(
        _DOVECOT,
        _DOVECOT.files("one"),
        _changed(_DOVECOT.files("two"), "ssl = no", "ssl = nonsense"),
        without=("--validate", "--verify"),
        verify="--verify=doveconf -n -c /config/dovecot.conf",
        said="Error reading configuration",
    ),
    "rsyslog-hup": Silent(
        _RSYSLOG,
        _with_word(_RSYSLOG.files("one"), "one"),
        _with_word(_RSYSLOG.files("two"), "two"),
        without=("--reload-restart", "--verify"),
        verify=_LOGGED,
    ),
    "memcached-hup": Silent(
        _MEMCACHED,
        _with_word(_MEMCACHED.files("one"), "maxbytes 3145728\n"),
        _with_word(_MEMCACHED.files("two"), "maxbytes 4194304\n"),
        without=("--reload-restart",),
        verify=_ASKED,
    ),
    "pgbouncer-port": Silent(
        _PGBOUNCER,
        _PGBOUNCER.files("one"),
        _changed(_PGBOUNCER.files("one"), "unix_socket_dir =", "unix_socket_dir = /run/app"),
        without=("--verify",),
        verify="--verify=verify-pgbouncer 6432 /config/pgbouncer.ini",
        said="re-reading config",
    ),
    "mosquitto-listener": Silent(
        _MOSQUITTO,
        _MOSQUITTO.files("one"),
        _changed(_MOSQUITTO.files("one"), "listener 1883", "listener 1884"),
        without=("--reload-restart",),
        verify="--verify=tcp:1884",
        ports=(1883, 1884),
        said="not currently possible to add/remove listeners",
    ),
}
FOUND = {name: case for name, case in CASES.items() if case.verify != "none"}


def _staged(run: Run, case: Silent) -> Iterator[tuple[Stage, Silent]]:
    needs("curl")
    for stage in stage_of(run, case.application, case.ports):
        yield stage, case


@pytest.fixture(params=CASES)
def silent(run: Run, request: pytest.FixtureRequest) -> Iterator[tuple[Stage, Silent]]:
    yield from _staged(run, CASES[request.param])


@pytest.fixture(params=FOUND)
def found(run: Run, request: pytest.FixtureRequest) -> Iterator[tuple[Stage, Silent]]:
    yield from _staged(run, FOUND[request.param])


@only_process
def test_reload_without_effect_counts_as_success(silent: tuple[Stage, Silent]) -> None:
    """The supervisor knows of the signal only: `--verify` asks further."""
    stage, case = silent
    stage.write_files(case.first)
    program = stage.start(without=case.without)
    stage.shows("one")
    stage.write_files(case.second)
    stage.took_up(2)
    if case.said:
        program.err.expect(case.said)
    stage.shows("one")


@only_process
def test_reload_without_effect_is_found_by_verify(found: tuple[Stage, Silent]) -> None:
    stage, case = found
    stage.write_files(case.first)
    stage.start(stage.here(case.verify), f"--verify-window={case.window}", without=case.without)
    stage.shows("one")
    stage.write_files(case.second)
    stage.counts("config_rollbacks_total", 1)
    stage.counts("config_last_reload_successful", 0)
    stage.shows("one")


@pytest.fixture
def redis(run: Run) -> Iterator[Stage]:
    yield from stage_of(run, _REDIS)


@only_process
def test_redis_reload_by_hup_fails_and_redis_lives(redis: Stage) -> None:
    """Redis ignores HUP, and a signal without a handler is not sent."""
    redis.write("one")
    redis.start("--reload-timeout=200ms", without=("--reload-restart",))
    redis.shows("one")
    redis.write("two")
    redis.counts("config_last_reload_successful", 0)
    redis.shows("one")


@pytest.fixture
def uwsgi(run: Run) -> Iterator[Stage]:
    yield from stage_of(run, _UWSGI)


@only_process
def test_uwsgi_without_its_application_is_found_by_url(uwsgi: Stage) -> None:
    """Without `need-app` uWSGI serves errors in place of an application that it cannot load.

    The old worker answers for about a second after the signal: the answer at the end of the window
    decides.
    """
    uwsgi.write_files(_lax("one", "env"))
    uwsgi.start(uwsgi.here("--verify=http://127.0.0.1:8000/"), "--verify-window=3s")
    uwsgi.shows("one")
    uwsgi.write_files(_changed(_lax("two", "env"), "app:app", "app:none"))
    uwsgi.counts("config_rollbacks_total", 1)
    uwsgi.shows("one")
