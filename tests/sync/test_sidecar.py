"""The program beside an app in another container: it writes and reloads by request, or once."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.answering import Answering, answer
from tests.fake_kube import FakeKube
from tests.harness import Run, until
from tests.http import get, metric, port_of
from tests.http import status as status_of
from tests.servers import free_port
from tests.sync.sidecar import Sidecar, said
from tests.sync.subject import Kube

OK, BAD = answer("200 OK"), answer("400 Bad Request", "no such directive: two")


@pytest.fixture
def sidecar(run: Run, kube: Kube, tmp_path: os.PathLike[str]) -> Sidecar:
    return Sidecar(run, kube, os.fspath(tmp_path))


# By request


def test_first_version_is_written_and_reloads_the_target(sidecar: Sidecar) -> None:
    with Answering(OK) as target:
        program = sidecar.serving(f"--reload-http={target.url('/-/reload')}")
        until(target.heads, ["POST /-/reload HTTP/1.1"])
        assert "one" == sidecar.content()
        sidecar.change("two")
        until(target.heads, ["POST /-/reload HTTP/1.1"] * 2)
        until(
            lambda: (sidecar.content(), sidecar.status("reloads", "last_outcome")),
            ("two", "success"),
        )
        assert 2 == metric(sidecar.port, "reloads_total", method="http")
        program.send(signal.SIGTERM)
        program.finish(0)


def test_sidecar_is_ready_before_the_target_answers(sidecar: Sidecar) -> None:
    """A native sidecar: the main container starts only after the sidecar's startup probe."""
    port = free_port()
    sidecar.serving(f"--reload-http=http://127.0.0.1:{port}/-/reload", "--reload-timeout=15s")
    until(lambda: get(sidecar.port, "/readyz")[0], 200)
    assert ("one", 200) == (sidecar.content(), get(sidecar.port, "/livez")[0])
    until(lambda: sidecar.status("app", "phase"), "reloading")
    with Answering(OK, port=port) as target:
        until(target.heads, ["POST /-/reload HTTP/1.1"])
        until(lambda: sidecar.status("reloads", "last_outcome"), "success")
    assert 0 == metric(sidecar.port, "config_stale")


def test_slow_target_is_asked_again_and_keeps_its_files(
    sidecar: Sidecar,
) -> None:
    port = free_port()
    program = sidecar.serving(f"--reload-http=http://127.0.0.1:{port}/", "--reload-timeout=300ms")
    said(program, "cannot reload")
    assert ("one", "connect") == (sidecar.content(), sidecar.status("reloads", "last_outcome"))
    assert 200 == get(sidecar.port, "/readyz")[0]
    with Answering(OK, port=port):
        until(lambda: sidecar.status("reloads", "last_outcome"), "success")
    assert 0 == metric(sidecar.port, "config_rollbacks_total")


def test_target_away_for_a_while_comes_back_to_new_files(
    sidecar: Sidecar,
) -> None:
    with Answering(OK) as target:
        program = sidecar.serving(f"--reload-http={target.url()}", "--reload-timeout=300ms")
        until(lambda: sidecar.status("reloads", "last_outcome"), "success")
    sidecar.change("two")
    said(program, "cannot reload")
    assert "two" == sidecar.content()
    with Answering(OK, port=target.port):
        until(lambda: sidecar.status("reloads", "last_outcome"), "success")
    assert ("two", 0) == (sidecar.content(), metric(sidecar.port, "config_rollbacks_total"))


def test_a_restart_on_the_same_content_does_not_reload(sidecar: Sidecar) -> None:
    with Answering(OK) as target:
        program = sidecar.serving(f"--reload-http={target.url()}")
        until(lambda: sidecar.status("reloads", "last_outcome"), "success")
        program.send(signal.SIGTERM)
        program.finish(0)
        sidecar.port = port_of(sidecar.begin(f"--reload-http={target.url('/again')}"))
        until(lambda: get(sidecar.port, "/readyz")[0], 200)
        assert (0, False) == (
            sidecar.status("reloads", "attempts"),
            sidecar.status("config", "stale"),
        )
        sidecar.change("two")
        until(lambda: sidecar.status("reloads", "attempts"), 1)
        until(lambda: sidecar.status("reloads", "last_outcome"), "success")

        until(target.heads, ["POST / HTTP/1.1", "POST /again HTTP/1.1"])


def test_a_restart_on_another_content_reloads(sidecar: Sidecar) -> None:
    with Answering(OK) as target:
        program = sidecar.serving(f"--reload-http={target.url()}")
        until(lambda: sidecar.status("reloads", "last_outcome"), "success")
        program.send(signal.SIGTERM)
        program.finish(0)
        sidecar.change("two")
        sidecar.begin(f"--reload-http={target.url('/again')}")
        until(target.heads, ["POST / HTTP/1.1", "POST /again HTTP/1.1"])
        assert "two" == sidecar.content()


def test_a_bad_answer_puts_the_previous_version_back(sidecar: Sidecar) -> None:
    with Answering(OK, BAD, OK) as target:
        program = sidecar.serving(f"--reload-http={target.url()}")
        until(lambda: sidecar.status("reloads", "last_outcome"), "success")
        sidecar.change("two")
        said(
            program,
            "cannot reload the app: .*400.*no such directive: two.*; rolling back to configuration",
        )
        until(lambda: (sidecar.content(), len(target.asked)), ("one", 3))
        until(lambda: metric(sidecar.port, "config_rollbacks_total"), 1)
        until(lambda: sidecar.status("config", "rolled_back"), True)
        assert (200, 1) == (get(sidecar.port, "/readyz")[0], metric(sidecar.port, "config_stale"))
        sidecar.change("three")
        until(
            lambda: (sidecar.content(), sidecar.status("reloads", "last_outcome")),
            ("three", "success"),
        )

        assert 4 == len(target.asked)


def test_bad_answer_after_a_restart_rolls_the_files_back(
    sidecar: Sidecar,
) -> None:
    with Answering(OK, BAD, OK) as target:
        program = sidecar.serving(f"--reload-http={target.url()}")
        until(lambda: sidecar.status("reloads", "last_outcome"), "success")
        program.send(signal.SIGTERM)
        program.finish(0)
        sidecar.change("two")
        sidecar.port = port_of(sidecar.begin(f"--reload-http={target.url()}"))
        until(lambda: (sidecar.content(), len(target.asked)), ("one", 3))
        until(lambda: sidecar.status("config", "rolled_back"), True)


def test_no_rollback_keeps_the_new_files(sidecar: Sidecar) -> None:
    with Answering(OK, BAD) as target:
        program = sidecar.serving(f"--reload-http={target.url()}", "--no-rollback")
        until(lambda: sidecar.status("reloads", "last_outcome"), "success")
        sidecar.change("two")
        said(program, "cannot reload the app: .*400")
        assert ("two", "http_status") == (
            sidecar.content(),
            sidecar.status("reloads", "last_outcome"),
        )


def test_term_ends_it_with_success_in_the_middle_of_a_reload(sidecar: Sidecar) -> None:
    program = sidecar.serving(
        f"--reload-http=http://127.0.0.1:{free_port()}/", "--reload-timeout=60s"
    )
    until(lambda: sidecar.status("app", "phase"), "reloading")
    program.send(signal.SIGTERM)
    program.finish(0, 2)


def test_term_ends_it_while_it_waits_for_its_first_version(sidecar: Sidecar) -> None:
    program = sidecar.begin("--reload-http=http://127.0.0.1:1/")
    sidecar.port = port_of(program)
    assert 503 == get(sidecar.port, "/readyz")[0]
    program.send(signal.SIGTERM)
    program.finish(0, 2)


def test_other_signals_mean_nothing_to_it(sidecar: Sidecar) -> None:
    with Answering(OK) as target:
        program = sidecar.serving(f"--reload-http={target.url()}")
        until(lambda: sidecar.status("reloads", "last_outcome"), "success")
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGWINCH, signal.SIGCONT):
            program.send(number)
        sidecar.change("two")
        until(lambda: len(target.asked), 2)
        program.send(signal.SIGINT)
        program.finish(130)


# Once


def test_once_writes_and_ends(sidecar: Sidecar) -> None:
    sidecar.kube.create("web", {"app.conf": "one"})
    sidecar.begin("--once").finish(0)
    assert {"app.conf": b"one"} == sidecar.live()


def test_once_waits_for_an_object_that_is_still_to_be_made(sidecar: Sidecar) -> None:
    program = sidecar.begin("--once")
    said(program, "does not exist; waiting for it to be created")
    sidecar.kube.create("web", {"app.conf": "one"})
    program.finish(0)
    assert {"app.conf": b"one"} == sidecar.live()


def test_once_without_anything_to_write_is_our_failure(sidecar: Sidecar) -> None:
    program = sidecar.begin("--once", "--initial-sync-timeout=3s")  # enough time for an answer
    program.finish(125)
    assert any(
        "does not exist" in line and "no intact configuration" in line for line in program.err.seen
    )


def test_once_is_content_with_what_an_earlier_run_has_written(
    sidecar: Sidecar, fake: FakeKube
) -> None:
    fake.create("web", {"app.conf": "one"})
    sidecar.begin("--once").finish(0)
    fake.down()
    program = sidecar.begin("--once", "--initial-sync-timeout=500ms")
    program.finish(0)
    assert any(
        "continuing with the last configuration written here" in line for line in program.err.seen
    )


def test_once_with_a_rejected_version_fails_and_says_why(sidecar: Sidecar) -> None:
    sidecar.kube.create("web", {"app.conf": "one"})
    program = sidecar.begin(
        "--once", "--validate=sh -c 'echo one is no good; exit 1'", "--initial-sync-timeout=2s"
    )
    program.finish(125)
    assert any("one is no good" in line for line in program.err.seen)


def test_sidecar_takes_the_files_of_once_as_running(sidecar: Sidecar) -> None:
    """An init container and a sidecar on the same volume: the target started on it, and needs no
    reload.
    """
    sidecar.kube.create("web", {"app.conf": "one"})
    sidecar.begin("--once").finish(0)
    with Answering(OK) as target:
        sidecar.port = port_of(sidecar.begin(f"--reload-http={target.url()}"))
        until(lambda: get(sidecar.port, "/readyz")[0], 200)
        assert 0 == sidecar.status("reloads", "attempts")
        sidecar.change("two")
        until(lambda: sidecar.status("reloads", "attempts"), 1)
        until(lambda: sidecar.status("reloads", "last_outcome"), "success")

        until(lambda: len(target.asked), 1)


# Usage


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "no command to run; .*--reload-http, --reload-exec, --reload-process or --once"),
        (
            ("--reload-http=http://x/", "--reload-process=x"),
            "--reload-http and --reload-process exclude each other",
        ),
        (("--reload-restart",), "COMMAND"),
        (("--reload-signal=HUP",), "no command to run"),
        (("--reload-process=x", "--", "true"), "--reload-process is for a sidecar"),
        (("--once", "--", "true"), "--once is for an init container, without COMMAND"),
    ],
)
def test_no_way_to_reload_is_a_usage_error(
    run: Run, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    program = run(options=[f"--config-dir={tmp_path}", *options])
    said(program, words)
    program.finish(2)


@pytest.mark.parametrize("option", ["--reload-http=http://x/", "--reload-process=x", "--once"])
def test_a_sidecar_needs_a_configuration(run: Run, option: str) -> None:
    program = run(options=[option])
    said(
        program,
        f"{option.partition('=')[0]} needs a configuration: --configmap, --secret or --config-dir",
    )
    program.finish(2)


def test_no_secret_of_the_target_is_said(sidecar: Sidecar) -> None:
    with Answering(OK, BAD, OK) as target:
        url = target.url(userinfo="admin:hush@")
        program = sidecar.serving(
            f"--reload-http={url}", "--reload-http-header=X-Key: shush", "--log-level=debug"
        )
        until(lambda: sidecar.status("reloads", "last_outcome"), "success")
        sidecar.change("two")
        said(program, "cannot reload")
        shown = "\n".join(
            [
                *program.err.seen,
                json.dumps(status_of(sidecar.port)),
                get(sidecar.port, "/metrics")[1],
            ]
        )
        assert ("X-Key: shush" in target.asked[0], "Authorization: Basic " in target.asked[0]) == (
            True,
            True,
        )

    assert "hush" not in shown
