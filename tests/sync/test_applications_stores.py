"""Stores, poolers and brokers of docs/applications.md: Redis, memcached, PgBouncer, Mosquitto."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests import clients
from tests.conftest import needs
from tests.harness import Run, only_process
from tests.sync.applications import Application, Stage, follows, recovers, stage_of

# A client of these sees a number: the length of the word in the version.
_NUMBERS = {"one": 3, "two": 4, "three": 5}
_WORDS = {number: word for word, number in _NUMBERS.items()}


def _redis(word: str) -> Mapping[str, str]:
    return {
        "redis.conf": (
            f'port 6379\nbind 127.0.0.1\nsave ""\ndir /run/app\nmaxmemory {_NUMBERS[word]}mb\n'
        )
    }


def _redis_word(stage: Stage) -> str:
    answer = clients.talk(stage.port, b"CONFIG GET maxmemory\r\nQUIT\r\n")
    return _WORDS.get(int(answer.splitlines()[4]) >> 20, "")


def _memcached(word: str) -> Mapping[str, str]:
    return {"memcached.conf": f"-l 127.0.0.1 -p 11211 -u daemon\n-m {_NUMBERS[word]}\n"}


def _memcached_word(stage: Stage) -> str:
    answer = clients.talk(stage.port, b"stats settings\r\nquit\r\n")
    return _WORDS.get(int(answer.partition("maxbytes ")[2].split()[0]) >> 20, "")


def _pgbouncer(word: str) -> Mapping[str, str]:
    fixed = (
        "listen_addr = 127.0.0.1\nlisten_port = 6432\nunix_socket_dir =\nauth_type ="
        " any\nstats_users = verify\n"
    )
    return {
        "pgbouncer.ini": (
            f"[databases]\nx =\n[pgbouncer]\n{fixed}default_pool_size = {_NUMBERS[word]}\n"
        )
    }


def _pgbouncer_word(stage: Stage) -> str:
    return _WORDS.get(clients.pool_size(stage.port), "")


def _mosquitto(word: str) -> Mapping[str, str]:
    fixed = "listener 1883 127.0.0.1\nallow_anonymous true\nlog_dest stderr\n"
    return {"mosquitto.conf": f"{fixed}max_keepalive {_NUMBERS[word]}0\n"}


def _mosquitto_word(stage: Stage) -> str:
    return _WORDS.get(clients.keep_alive(stage.port) // 10, "")


APPLICATIONS = (
    Application("Redis", (6379,), _redis, _redis_word, "nonsense on\n"),
    Application("memcached", (11211,), _memcached, _memcached_word, "--nonsense\n"),
    Application(
        "PgBouncer",
        (6432,),
        _pgbouncer,
        _pgbouncer_word,
        "nonsense = on\n",
        options=("--user=postgres",),
    ),
    Application("Mosquitto", (1883,), _mosquitto, _mosquitto_word, "nonsense on\n"),
)


@pytest.fixture(params=APPLICATIONS, ids=lambda one: one.title)
def stage(run: Run, request: pytest.FixtureRequest) -> Iterator[Stage]:
    needs("psql")
    yield from stage_of(run, request.param)


@only_process
def test_store_changes_are_taken_up(stage: Stage) -> None:
    follows(stage)


@only_process
def test_store_bad_version_is_undone(stage: Stage) -> None:
    recovers(stage)
