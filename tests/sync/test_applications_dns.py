"""Name servers of docs/applications.md: Unbound and BIND named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests import clients
from tests.harness import Run, only_process
from tests.sync.applications import Application, Stage, follows, recovers, stage_of

_NAME = "version.app"


def _unbound(word: str) -> Mapping[str, str]:
    alone = (
        'username: ""\n chroot: ""\n directory: ""\n pidfile: ""\n use-syslog: no\n logfile: ""\n'
    )
    data = f'local-zone: "app." static\n local-data: \'{_NAME}. TXT "{word}"\'\n'
    return {"unbound.conf": f"server:\n interface: 127.0.0.1\n port: 5353\n {alone} {data}"}


def _named(word: str) -> Mapping[str, str]:
    serial = sum(word.encode())  # named loads a zone again when its serial changes
    options = (
        "listen-on port 5353 { 127.0.0.1; }; listen-on-v6 { none; }; pid-file none; session-keyfile"
        ' none; managed-keys-directory "/run/app"; recursion no; dnssec-validation no;'
    )
    control = "controls { inet 127.0.0.1 port 9953 allow { 127.0.0.1; } keys { rndc; }; };\n"
    zone = (
        f"$TTL 1\n@ SOA ns hostmaster {serial} 1 1 1 1\n@ NS ns\nns A 127.0.0.1\nversion TXT"
        f' "{word}"\n'
    )
    return {
        "named.conf": (
            f'include "rndc.key";\noptions {{ {options} }};\n{control}'
            'zone "app" { type primary; file "app.zone"; };\n'
        ),
        "app.zone": zone,
        "rndc.key": 'key rndc { algorithm hmac-sha256; secret "c2VjcmV0"; };\n',
    }


def _answer(stage: Stage) -> str:
    return clients.txt(stage.port, _NAME)


APPLICATIONS = (
    Application("Unbound", (5353,), _unbound, _answer, "nonsense\n"),
    Application("BIND named", (5353, 9953), _named, _answer, "nonsense;\n"),
)


@pytest.fixture(params=APPLICATIONS, ids=lambda one: one.title)
def stage(run: Run, request: pytest.FixtureRequest) -> Iterator[Stage]:
    yield from stage_of(run, request.param)


@only_process
def test_name_server_changes_are_answered_or_rejected(stage: Stage) -> None:
    follows(stage)


@only_process
def test_name_server_bad_version_is_undone(stage: Stage) -> None:
    recovers(stage)


@pytest.fixture
def named(run: Run) -> Iterator[Stage]:
    yield from stage_of(run, APPLICATIONS[1])


@only_process
def test_named_takes_up_a_change_by_hup(named: Stage) -> None:
    """BIND has no handler for HUP: a thread waits for the signal."""
    named.write("one")
    named.start(without=("--reload-exec",))
    named.shows("one")
    named.write("two")
    named.shows("two")
    named.took_up(2)
