"""Web servers and their languages of docs/applications.md: php-fpm, Apache httpd, gunicorn, uWSGI,
Squid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests import clients
from tests.harness import Run, only_process
from tests.sync.applications import Application, Stage, follows, recovers, stage_of

_WSGI = """
import os
def app(environ, start):
    body = os.environ["WORD"].encode()
    start("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


def _php(word: str) -> Mapping[str, str]:
    pool = (
        "listen = 127.0.0.1:9000\npm = static\npm.max_children = 1\nuser = www-data\ngroup ="
        " www-data\n"
    )
    script = '<?php echo "word=", getenv("WORD");'
    return {
        "php-fpm.conf": f"[global]\nerror_log = /proc/self/fd/2\n[www]\n{pool}env[WORD] = {word}\n",
        "index.php": script,
    }


def _apache(word: str) -> Mapping[str, str]:
    modules = ("mpm_event", "authz_core", "alias", "mime")
    loads = "".join(f"LoadModule {name}_module modules/mod_{name}.so\n" for name in modules)
    top = (
        "ServerRoot /usr/lib/apache2\nServerName localhost\nListen 127.0.0.1:8080\nErrorLog"
        " /dev/stderr\n"
    )
    own = (
        "PidFile /run/app/pid\nDefaultRuntimeDir /run/app\nUser www-data\nGroup"
        " www-data\nTypesConfig /dev/null\n"
    )
    content = "GracefulShutdownTimeout 1\nDocumentRoot /config\nAlias / /config/word\n"
    return {"apache2.conf": f"{top}{own}{loads}{content}", "word": word}


def _gunicorn(word: str) -> Mapping[str, str]:
    config = (
        'bind = "127.0.0.1:8000"\nchdir = "/run/app"\nworker_tmp_dir = "/run/app"\nraw_env ='
        f' ["WORD={word}"]\n'
    )
    return {"gunicorn.conf.py": config}


def uwsgi(word: str) -> Mapping[str, str]:
    safe = "strict = true\nneed-app = true\nmaster = true\nworker-reload-mercy = 2\n"
    app = (
        "plugins-dir = /usr/lib/uwsgi/plugins\nplugin = python3\nchdir = /run/app\nmodule ="
        " app:app\n"
    )
    return {"uwsgi.ini": f"[uwsgi]\n{safe}{app}http-socket = 127.0.0.1:8000\nenv = WORD={word}\n"}


def _squid(word: str) -> Mapping[str, str]:
    logs = (
        "pid_filename none\ncache_log stdio:/run/app/cache.log\naccess_log none\ncache_store_log"
        " none\n"
    )
    limits = (
        "cache deny all\nhttp_access deny all\nshutdown_lifetime 0 seconds\npinger_enable off\n"
    )
    return {"squid.conf": f"http_port 127.0.0.1:3128\n{logs}{limits}visible_hostname {word}\n"}


def _php_word(stage: Stage) -> str:
    return clients.fastcgi(stage.port, stage.path("/config") + "/index.php").partition("word=")[2]


def _via(stage: Stage) -> str:
    """The name of Squid in its refusal."""
    answer = clients.talk(
        stage.port, b"GET http://a/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    return answer.partition("\nVia: 1.1 ")[2].partition(" ")[0]


def _page(stage: Stage) -> str:
    return clients.page(stage.port)


APPLICATIONS = (
    Application("php-fpm", (9000,), _php, _php_word, "nonsense = on\n"),
    Application("Apache httpd", (8080,), _apache, _page, "Nonsense on\n"),
    Application("gunicorn", (8000,), _gunicorn, _page, "nonsense(\n", {"app.py": _WSGI}),
    Application("uWSGI", (8000,), uwsgi, _page, "nonsense = on\n", {"app.py": _WSGI}),
    Application("Squid", (3128,), _squid, _via, "nonsense on\n"),
)


@pytest.fixture(params=APPLICATIONS, ids=lambda one: one.title)
def stage(run: Run, request: pytest.FixtureRequest) -> Iterator[Stage]:
    yield from stage_of(run, request.param)


@only_process
def test_web_application_changes_are_served_or_rejected(stage: Stage) -> None:
    follows(stage)


@only_process
def test_web_application_bad_version_is_undone(stage: Stage) -> None:
    recovers(stage)


@pytest.fixture
def php(run: Run) -> Iterator[Stage]:
    yield from stage_of(run, APPLICATIONS[0])


@only_process
def test_php_fpm_stopped_in_a_reload_ends_gracefully(php: Stage) -> None:
    """php-fpm has no handlers while it executes itself again: the stop signal would end it hard."""
    php.write("one")
    program = php.start()
    php.shows("one")
    php.write("two")
    program.err.expect("reloading: execvp")
    program.send(15)
    program.finish(0)
