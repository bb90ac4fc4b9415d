"""Credentials of reloads come from files: no process list and no environment shows them, and they
are renewed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.harness import Program, Run, app, only_process
from tests.http import status
from tests.servers import free_port
from tests.sync.reloading import Reloading

pytestmark = only_process
CAROL = "Basic Y2Fyb2w6c2VzYW1l"  # RFC 7617: base64 of carol:sesame
DAVE = "Basic ZGF2ZTpvcGVu"  # of dave:open


@pytest.fixture
def subject(run: Run, tmp_path: os.PathLike[str]) -> Reloading:
    return Reloading(run, tmp_path)


def private(path: Path, text: str) -> str:
    """A file for its owner only, replaced as a whole."""
    new = path.with_name(f"..{path.name}")
    new.write_text(text)
    new.chmod(0o600)
    new.rename(path)
    return str(path)


def shown(program: Program) -> str:
    """What others can see of a process: its command line, its environment, and the app's."""
    pids = [program.pid, program.app]
    return "".join(
        Path(f"/proc/{pid}/{name}").read_text() for pid in pids for name in ("cmdline", "environ")
    )


def test_url_of_a_reload_comes_from_a_file(subject: Reloading, tmp_path: Path) -> None:
    port = free_port()
    path = private(tmp_path / "url", f"http://carol:sesame@127.0.0.1:{port}/reload\n")
    program = subject.running(
        f"--reload-http-file={path}",
        "--log-level=debug",
        command=app("obey_http.py", port, subject.file),
    )
    subject.change("two")
    program.expect(f"^with: {CAROL}$")
    private(tmp_path / "url", f"http://dave:open@127.0.0.1:{port}/reload\n")
    subject.change("three")
    program.expect(f"^with: {DAVE}$")

    said = "\n".join([shown(program), *program.err.seen, str(status(subject.port))])
    assert (False, False) == ("sesame" in said, "Y2Fyb2" in said)


def test_headers_of_a_reload_come_from_a_file(subject: Reloading, tmp_path: Path) -> None:
    """A token that was renewed is used from the next request on; a file that is away is an error
    that is retried.
    """
    port = free_port()
    path = tmp_path / "headers"
    private(path, "Authorization: Bearer first\n\nX-Other: 1\n")
    options = [f"--reload-http=http://127.0.0.1:{port}/reload", f"--reload-http-header-file={path}"]
    program = subject.running(*options, command=app("obey_http.py", port, subject.file))
    subject.change("two")
    program.expect("^with: Bearer first$")
    program.err.expect("reloaded")
    path.unlink()
    subject.change("three")
    subject.until_metric(2, "reloads_total", method="http")
    private(path, "Authorization: Bearer second\n")
    program.expect("^with: Bearer second$")

    assert "Bearer" not in shown(program)


def test_headers_that_the_configuration_delivers_may_come_later(subject: Reloading) -> None:
    port = free_port()
    options = [
        f"--reload-http=http://127.0.0.1:{port}/reload",
        f"--reload-http-header-file={subject.root}/headers",
    ]
    subject.volume.swap({"app.conf": "one", "headers": "Authorization: Bearer mine"})
    program = subject.start(*options, command=app("obey_http.py", port, subject.file))
    program.expect("ready")
    subject.volume.swap({"app.conf": "two", "headers": "Authorization: Bearer yours"})

    program.expect("^with: Bearer yours$")


@pytest.mark.parametrize("option", ["ready", "verify"])
def test_url_of_a_check_comes_from_a_file(subject: Reloading, tmp_path: Path, option: str) -> None:
    port = free_port()
    path = private(tmp_path / "url", f"http://carol:sesame@127.0.0.1:{port}/nothing-here\n")
    program = subject.running(f"--{option}-file={path}", "--reload-timeout=1s", "--log-level=debug")
    subject.change("two")
    program.err.expect(f"http://127.0.0.1:{port}/nothing-here")

    assert "sesame" not in "\n".join([shown(program), *program.err.seen])


@pytest.mark.parametrize(
    ("options", "variable", "words"),
    [
        (
            ["--reload-http=http://x", "--reload-http-file=FILE"],
            "",
            "--reload-http and --reload-http-file exclude",
        ),
        (["--reload-http-file=EMPTY"], "", "has 0 lines"),
        (["--reload-http-file=/dev/null"], "", "is not a regular file"),
        (["--reload-http-file=FIFO"], "", "is not a regular file"),
        (
            ["--reload-exec=true", "--reload-http-file=FILE"],
            "",
            "--reload-http-file and --reload-exec exclude",
        ),
        ([], "EMPTY", "CONFIG_SUPERVISOR_RELOAD_HTTP_FILE: "),
    ],
)
def test_file_that_holds_no_value_is_refused(
    subject: Reloading, tmp_path: Path, options: list[str], variable: str, words: str
) -> None:
    files = {
        "FILE": private(tmp_path / "url", "http://carol:sesame@x"),
        "EMPTY": private(tmp_path / "empty", "\n"),
        "FIFO": f"{tmp_path}/fifo",
    }
    os.mkfifo(files["FIFO"])
    for name, path in files.items():
        options = [option.replace(name, path) for option in options]
    env = {"CONFIG_SUPERVISOR_RELOAD_HTTP_FILE": files[variable]} if variable else {}
    subject.change("one")
    program = subject.start(*options, env=env)
    program.finish(2)
    message = "\n".join(program.err.rest())

    assert words in message
    assert "sesame" not in message


def test_value_on_the_command_line_wins_over_a_file(subject: Reloading) -> None:
    subject.change("one")
    env = {"CONFIG_SUPERVISOR_RELOAD_HTTP_FILE": "/nonexistent"}
    program = subject.start("--reload-http=http://127.0.0.1:1", env=env)

    program.expect("ready")
