"""Command lines of other programs, as settings of ours."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_supervisor import cli
from config_supervisor.core.errors import UsageError
from config_supervisor.links import letters, programs
from config_supervisor.links.letters import Letters
from config_supervisor.options import command_line

ROOT = Path(__file__).parents[2]
VOLUME = "-volume-dir=/v -webhook-url http://a/"


def settings(line: str, environ: Mapping[str, str] | None = None) -> Any:
    name, *words = shlex.split(line)
    return programs.settings(name, words, environ or {})


def differing(line: str, **environ: str) -> dict[str, Any]:
    """The settings that differ from the defaults, but for the command."""
    found = settings(line, environ)
    plain = command_line.parse(["app"], {})
    return {
        name: getattr(found, name)
        for name in command_line.OPTIONS
        if getattr(found, name) != getattr(plain, name)
    }


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("tini app -g", {}),
        ("tini -- app -s", {}),
        ("tini-static -sw app", {}),
        ("tini -g -- app", {"signal_group": True}),
        ("tini -vvge143 -e 0 app", {
            "signal_group": True, "verbose": True, "ok_exit_code": (143, 0),
        }),
        ("tini -p SIGTERM app", {"parent_death_signal": 15}),
        ("tini -pKILL app", {"parent_death_signal": 9}),
        ("dumb-init app -c", {"signal_group": True}),
        ("dumb-init -c -- app", {}),
        ("dumb-init --sing app", {}),
        ("dumb-init -vr15:3 --rewrite 2:0 --rewrite=1:31 app", {
            "verbose": True, "signal_group": True, "rewrite": ((15, 3), (2, 0), (1, 31)),
        }),
    ],
)  # fmt: skip
def test_flags_are_options(line: str, found: dict[str, Any]) -> None:
    assert found == differing(line)
    assert "app" == settings(line).command[0]


@pytest.mark.parametrize(
    ("line", "environ", "found"),
    [
        ("tini app", {"TINI_KILL_PROCESS_GROUP": ""}, {"signal_group": True}),
        ("tini app", {"TINI_VERBOSITY": "2"}, {"verbose": True}),
        ("tini app", {"TINI_VERBOSITY": "1"}, {}),
        ("tini app", {"TINI_VERBOSITY": "0"}, {"log_level": "error"}),
        ("tini -v app", {"TINI_VERBOSITY": "0"}, {"verbose": True}),
        ("dumb-init app", {"DUMB_INIT_SETSID": "0"}, {}),
        ("dumb-init app", {"DUMB_INIT_SETSID": ""}, {"signal_group": True}),
        ("dumb-init -c app", {"DUMB_INIT_DEBUG": "1"}, {"verbose": True}),
        ("tini app", {"CONFIG_SUPERVISOR_RESTART": "always"}, {"restart": "always"}),
        ("dumb-init app", {"CONFIG_SUPERVISOR_SIGNAL_GROUP": "false"}, {}),
    ],
)
def test_variables_of_both_hold(line: str, environ: dict[str, str], found: dict[str, Any]) -> None:
    assert found == differing(line, **environ)


def test_a_sidecar_for_a_volume() -> None:
    """One try of a request there is half a minute of tries here."""
    assert {
        "config_dir": "/v",
        "reload_http": "http://a/",
        "reload_http_status": "200",
        "listen": ("", 9533),
    } == differing(f"configmap-reload {VOLUME}")
    assert {
        "config_dir": "/v",
        "reload_http": "http://a/",
        "reload_http_method": "PUT",
        "reload_http_status": "204",
        "reload_timeout": 70.0,
        "listen": ("127.0.0.1", 1),
    } == differing(
        f"configmap-reload {VOLUME} --webhook-method PUT -webhook-status-code=204"
        " -webhook-retries 7 -web.listen-address=127.0.0.1:1 -web.telemetry-path=/metrics"
    )
    variable = {"CONFIG_SUPERVISOR_LISTEN": "off"}
    assert ("", -1) == settings(f"configmap-reload {VOLUME}", variable).served_at


FOLDER = {"LABEL": "a", "FOLDER": "/f", "REQ_URL": "http://a/"}


def test_a_sidecar_for_named_objects(tmp_path: Path) -> None:
    found = settings("k8s-sidecar", FOLDER | {"RESOURCE_NAME": "a,secret/b,space/configmap/c"})
    assert ["a", "c"] == [one.name for one in found.configmap]
    assert ["", "space"] == [one.namespace for one in found.configmap]
    assert ["b"] == [one.name for one in found.secret]
    assert ("/f", "http://a/", "GET") == (
        found.configroot,
        found.reload_http,
        found.reload_http_method,
    )
    assert (("", 8080), "json", False) == (found.listen, found.log_format, found.once)

    more = {
        "RESOURCE_NAME": "a",
        "RESOURCE": "secret",
        "NAMESPACE": "x, y",
        "METHOD": "LIST",
        "REQ_METHOD": "POST",
        "REQ_USERNAME": "me",
        "REQ_PASSWORD": "no",
        "REQ_SKIP_TLS_VERIFY": "True",
        "DEFAULT_FILE_MODE": "440",
        "LOG_LEVEL": "CRITICAL",
        "LOG_FORMAT": "LOGFMT",
        "HEALTH_PORT": "81",
    }
    (tmp_path / "password").write_text("secret")
    found = settings(f"k8s-sidecar --req-password-file={tmp_path}/password", FOLDER | more)
    assert [("x", "a"), ("y", "a")] == [(one.namespace, one.name) for one in found.secret]
    assert ("Authorization: Basic bWU6c2VjcmV0",) == found.reload_http_header
    assert (True, "POST", True) == (
        found.once,
        found.reload_http_method,
        found.reload_http_insecure,
    )
    assert (0o440, "error", "text") == (found.file_mode, found.log_level, found.log_format)
    assert ("", 81) == found.listen
    script = {"RESOURCE_NAME": "a", "REQ_URL": "", "SCRIPT": "/s"}
    assert ("/s",) == settings("k8s-sidecar", FOLDER | script).reload_exec


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "LABEL 'a' cannot be honoured: objects are read by name"),
        ({}, "`kubectl get configmap,secret -l a -o name` prints them"),
        ({"LABEL_VALUE": "1"}, "`kubectl get configmap,secret -l a=1 -o name` prints them"),
        ({"LABEL": ""}, "RESOURCE_NAME is missing"),
        ({"FOLDER": ""}, "FOLDER is missing"),
        ({"RESOURCE_NAME": "a", "NAMESPACE": "ALL"}, "NAMESPACE ALL cannot be honoured"),
        ({"RESOURCE_NAME": "a", "RESOURCE": "both"}, "'a' needs a kind, configmap or secret"),
        ({"RESOURCE_NAME": "a/b/c/d"}, "'a/b/c/d' is not [[NAMESPACE/]KIND/]NAME"),
        ({"RESOURCE_NAME": "A_"}, "RESOURCE_NAME: 'A_' is not an object's name"),
        ({"RESOURCE_NAME": "a", "FOLDER_ANNOTATION": "x"}, "FOLDER_ANNOTATION cannot be honoured"),
        ({"RESOURCE_NAME": "a", "REQ_PAYLOAD": "{}"}, "REQ_PAYLOAD cannot be honoured"),
        ({"RESOURCE_NAME": "a", "UNIQUE_FILENAMES": "true"}, "UNIQUE_FILENAMES cannot be"),
        ({"RESOURCE_NAME": "a", "SKIP_TLS_VERIFY": "true"}, "SKIP_TLS_VERIFY cannot be"),
        ({"RESOURCE_NAME": "a", "DEFAULT_FILE_MODE": "9"}, "DEFAULT_FILE_MODE: '9'"),
        ({"RESOURCE_NAME": "a", "SCRIPT": "/s"}, "REQ_URL and SCRIPT exclude each other"),
        (
            {"RESOURCE_NAME": "a", "REQ_USERNAME": "me", "REQ_PASSWORD": "\u0394"},
            "_ENCODING latin1",
        ),
        ({"RESOURCE_NAME": "a", "REQ_URL": ""}, "a sidecar, without COMMAND, needs"),
    ],
)
def test_variables_that_a_sidecar_cannot_honour(environ: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        settings("k8s-sidecar", FOLDER | environ)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("k8s-sidecar app", "unknown word 'app' for k8s-sidecar"),
        ("k8s-sidecar --req-password-file=/nowhere/x", "--req-password-file: "),
        ("k8s-sidecar --req-username-file", "--req-username-file needs a value"),
        ("tini -z app", "unknown option -z of tini"),
        ("tini --configmap=x app", "unknown option --configmap of tini"),
        ("tini --version=1 app", "--version takes no value"),
        ("tini -e", "-e needs a value"),
        ("tini -e 256 app", "-e: '256'"),
        ("tini -p NOSIG app", "-p: "),
        ("tini -l", "-l prints tini's licence"),
        ("tini", "no program to run; usage: tini [OPTIONS] PROGRAM [ARG...]; options of super"),
        ("tini-static -s --", "no program to run; usage: tini [OPTIONS] PROGRAM [ARG...]; "),
        ("dumb-init -c", "no program to run; usage: dumb-init [OPTIONS] PROGRAM [ARG...]; "),
        ("dumb-init --ver app", "unknown option --ver of dumb-init"),
        ("dumb-init -r 15 app", "-r: '15'"),
        ("dumb-init --rewrite", "--rewrite needs a value"),
        ("configmap-reload", "-volume-dir is missing"),
        ("configmap-reload -volume-dir=/v", "-webhook-url is missing"),
        (f"configmap-reload {VOLUME} --volume-dir=/w", "-volume-dir is given 2 times (/v, /w)"),
        (f"configmap-reload {VOLUME} --volume-dir=/w", "put the volumes together as one projected"),
        (f"configmap-reload {VOLUME} -webhook-url=b", "-webhook-url is given 2 times"),
        (f"configmap-reload {VOLUME} -webhook-retries=-1", "-webhook-retries -1: "),
        (f"configmap-reload {VOLUME} -webhook-status-code=2xx", "-webhook-status-code 2xx: "),
        (f"configmap-reload {VOLUME} -web.telemetry-path=/m", "the metrics are at /metrics"),
        (f"configmap-reload {VOLUME} -web.listen-address=x", "-web.listen-address: 'x'"),
        (f"configmap-reload {VOLUME} -webhook-method", "-webhook-method needs a value"),
        (f"configmap-reload {VOLUME} -nosuch=1", "unknown option -nosuch of configmap-reload"),
        (f"configmap-reload {VOLUME} app", "configmap-reload takes no argument: 'app'"),
    ],
)
def test_other_words_are_refused(line: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        settings(line)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tini", ["-h"]),
        ("dumb-init", ["-h", "--help"]),
        ("configmap-reload", ["-h", "-help", "--help"]),
        ("k8s-sidecar", ["-h", "--help"]),
    ],
)
def test_help_is_that_of_the_name(name: str, words: list[str]) -> None:
    assert all(settings(f"{name} {word}").help for word in words)
    assert programs.help_text(name).startswith(f"usage: {name} ")


@given(st.lists(st.sampled_from(["-a", "-b", "-ab", "-vx", "-av=", "--", "x", "-", "-bv", "y"])))
def test_letters_are_those_of_getopt(words: list[str]) -> None:
    import getopt

    try:
        found, rest = getopt.getopt(words, "abv:")
    except getopt.GetoptError:
        with pytest.raises(UsageError):
            letters.read(words, Letters("x", "ab", "v", {}))
        return
    ours, left = letters.read(words, Letters("x", "ab", "v", {}))

    assert (found, rest) == ([(written, text) for written, _, text in ours], left)


def test_images_have_each_name() -> None:
    """But for the second name of tini, which has the first one's meaning."""
    names = {"supervisord", *cli.LINKS} - {"tini-static"}
    (base,) = re.findall(
        r"for name in (.*); do ln -s supervisor", (ROOT / "Dockerfile.base").read_text()
    )
    (bundle,) = re.findall(r"(?m)^LINKS = (.*)$", (ROOT / "images/bundle/make_tree.py").read_text())

    assert names == set(base.split())
    assert names == set(ast.literal_eval(bundle))
    assert all(programs.help_text(name) for name in cli.LINKS)
