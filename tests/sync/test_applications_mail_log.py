"""Dovecot and rsyslog of docs/applications.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests import clients
from tests.harness import Run, only_process
from tests.sync.applications import Application, Stage, follows, recovers, stage_of


def _dovecot(word: str) -> Mapping[str, str]:
    ports = (
        "service imap-login {\n inet_listener imap {\n  port = 1143\n }\n inet_listener imaps {\n "
        " port = 0\n }\n}\n"
    )
    users = (
        "passdb {\n driver = static\n args = password=x\n}\nuserdb {\n driver = static\n args ="
        " uid=daemon\n}\n"
    )
    top = (
        "base_dir = /run/app/dovecot\nprotocols = imap\nlisten = 127.0.0.1\nssl = no\nlog_path ="
        " /dev/stderr\n"
    )
    return {"dovecot.conf": f"{top}login_greeting = {word}\n{ports}{users}"}


def _greeting(stage: Stage) -> str:
    return clients.talk(stage.port, until=b"\r\n").rstrip().rpartition(" ")[2]


def _rsyslog(word: str) -> Mapping[str, str]:
    inputs = 'module(load="imudp")\ninput(type="imudp" address="127.0.0.1" port="5140")\n'
    output = (
        'action(type="omfile" file="/run/app/out" template="line" ioBufferSize="4096"'
        ' asyncWriting="off")\n'
    )
    return {
        "rsyslog.conf": f'{inputs}template(name="line" type="string" string="{word}\\n")\n{output}'
    }


def _last_line(stage: Stage) -> str:
    """The line that rsyslog writes for a new message."""
    clients.datagram(stage.port, "<13>app: hello")
    with open(stage.path("/run/app") + "/out", encoding="utf-8") as file:
        return file.read().splitlines()[-1]


APPLICATIONS = (
    Application("Dovecot", (1143,), _dovecot, _greeting, "nonsense = on\n"),
    Application("rsyslog", (5140,), _rsyslog, _last_line, "nonsense(on\n"),
)


@pytest.fixture(params=APPLICATIONS, ids=lambda one: one.title)
def stage(run: Run, request: pytest.FixtureRequest) -> Iterator[Stage]:
    yield from stage_of(run, request.param)


@only_process
def test_daemon_changes_are_taken_up_or_rejected(stage: Stage) -> None:
    follows(stage)


@only_process
def test_daemon_bad_version_is_undone(stage: Stage) -> None:
    recovers(stage)
