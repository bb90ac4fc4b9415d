"""Configurations of several files: the validation reads the new files, not the live ones. See
docs/applications.md.

In each case an included file tells the versions apart, and a bad included file is rejected.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import pytest

from tests.harness import Run, only_process
from tests.sync import test_applications_mail_log as mail_log
from tests.sync import test_applications_web as web
from tests.sync.applications import Application, Stage, follows, page, stage_of

_PHP, _APACHE, _, _, _SQUID = web.APPLICATIONS
_DOVECOT = mail_log.APPLICATIONS[0]


def _recipe() -> str:
    """The page's validation for programs with absolute names only."""
    section = page().partition("## Included files")[2].partition("\n## ")[0]
    found = re.search(r"`(--validate='sh [^`]*')`", section)
    assert found is not None
    return found[1].replace("'", "")


def _php(word: str) -> Mapping[str, str]:
    top, pool = _PHP.files(word)["php-fpm.conf"].split("[www]\n")
    files = {name: text for name, text in _PHP.files(word).items() if name != "php-fpm.conf"}
    return {
        "www.conf": f"[www]\n{pool}",
        "php-fpm.conf": f"{top}include = pool.d/*.conf\n",
        **files,
    }


def _apache(word: str) -> Mapping[str, str]:
    top = _APACHE.files(word)["apache2.conf"].replace("ServerRoot /usr/lib/apache2\n", "")
    top = top.replace(" modules/", " /usr/lib/apache2/modules/").replace(
        "Alias / /config/word\n", ""
    )
    return {
        "site.conf": f"Alias / /config/{word}\n",
        "apache2.conf": f"{top}Include sites/*.conf\n",
        word: word,
    }


def _dovecot(word: str) -> Mapping[str, str]:
    top = _DOVECOT.files(word)["dovecot.conf"].replace(
        f"login_greeting = {word}\n", "!include conf.d/*.conf\n"
    )
    return {"greeting.conf": f"login_greeting = {word}\n", "dovecot.conf": top}


def _squid(word: str) -> Mapping[str, str]:
    top = _SQUID.files(word)["squid.conf"].replace(
        f"visible_hostname {word}\n", "include /config/conf.d/*.conf\n"
    )
    return {"name.conf": f"visible_hostname {word}\n", "squid.conf": top}


CASES = {
    "php-fpm": _PHP.replace(
        files=_php,
        arguments=("-p", "/config"),
        options=(
            "--map=www.conf=pool.d/www.conf",
            "--validate=php-fpm8.2 -t -p {dir} -y {dir}/php-fpm.conf",
        ),
    ),
    "apache": _APACHE.replace(
        files=_apache,
        arguments=("-d", "/config"),
        options=(
            "--map=site.conf=sites/site.conf",
            "--validate=apache2 -t -d {dir} -f {dir}/apache2.conf",
        ),
    ),
    "dovecot": _DOVECOT.replace(
        files=_dovecot, options=("--map=greeting.conf=conf.d/greeting.conf",)
    ),
    "squid": _SQUID.replace(files=_squid, options=("--map=name.conf=conf.d/name.conf", _recipe())),
}


@pytest.fixture(params=CASES)
def stage(run: Run, request: pytest.FixtureRequest) -> Iterator[Stage]:
    application: Application = CASES[request.param]
    yield from stage_of(run, application)


@only_process
def test_included_files_are_validated_with_the_version(stage: Stage) -> None:
    follows(stage)
